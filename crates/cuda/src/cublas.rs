//! cuBLAS: products of matrices.

use std::{ffi::c_void, ptr};

use candle_core::DType;

use crate::{
    Result,
    error::failure,
    library::{CUBLAS, Folders, Library, functions},
};

type Handle = *mut c_void;

functions! {
    /// Functions of libcublas.
    Functions {
        create = "cublasCreate_v2": fn(*mut Handle);
        set_stream = "cublasSetStream_v2": fn(Handle, *mut c_void);
        set_workspace = "cublasSetWorkspace_v2": fn(Handle, u64, usize);
        product = "cublasGemmStridedBatchedEx": fn(
            Handle, i32, i32, i32, i32, i32, *const c_void,
            u64, i32, i32, i64, u64, i32, i32, i64, *const c_void,
            u64, i32, i32, i64, i32, i32, i32);
    }
}

/// How operands of a product are stored: CUBLAS_OP_N or CUBLAS_OP_T.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Column by column.
    AsIs = 0,
    /// Row by row.
    Transposed = 1,
}

/// One operand of a batch of products: its address, its storage order, the stride between its
/// columns (between its rows, if transposed), and the stride between products.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor<A> {
    pub at: A,
    pub stored: Stored,
    pub leading: usize,
    pub step: usize,
}

/// C = A·B (+ C) in column-major order, `batch` times: m × n from m × k and k × n.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<A> {
    pub sizes: [usize; 3],
    pub batch: usize,
    pub factors: [Factor<A>; 2],
    pub result: Factor<A>,
    pub accumulates: bool,
    pub dtype: DType,
}

impl<A: Copy> Product<A> {
    /// The same products at the addresses that `address` gives.
    pub fn at<B>(&self, address: impl Fn(A) -> B) -> Product<B> {
        let of = |factor: &Factor<A>| Factor {
            at: address(factor.at),
            stored: factor.stored,
            leading: factor.leading,
            step: factor.step,
        };
        Product {
            sizes: self.sizes,
            batch: self.batch,
            factors: [of(&self.factors[0]), of(&self.factors[1])],
            result: of(&self.result),
            accumulates: self.accumulates,
            dtype: self.dtype,
        }
    }
}

/// cuBLAS on one stream.
#[derive(Debug)]
pub(crate) struct Blas {
    functions: Functions,
    handle: Handle,
}

// SAFETY: the handle is used under the lock of its `Device`.
unsafe impl Send for Blas {}
// SAFETY: as above.
unsafe impl Sync for Blas {}

impl Blas {
    /// Creates a handle on `stream` with `workspace` (address and bytes). Without it, cuBLAS would
    /// allocate its own workspace during recordings.
    ///
    /// # Safety
    /// The stream and the workspace exist as long as the handle.
    pub unsafe fn open(folders: &Folders, stream: *mut c_void, workspace: (u64, usize)) -> Result<Self> {
        let functions = Functions::of(Library::open(folders, &CUBLAS)?)?;
        let mut handle = ptr::null_mut();
        // SAFETY: a context is current, and the caller's promise.
        unsafe {
            check((functions.create)(&raw mut handle))?;
            check((functions.set_stream)(handle, stream))?;
            check((functions.set_workspace)(handle, workspace.0, workspace.1))?;
        }
        Ok(Self { functions, handle })
    }

    /// Enqueues a batch of products. If `tf32` is set, products in f32 use TF32.
    ///
    /// # Safety
    /// All operands lie in memory of the device that is large enough.
    pub unsafe fn multiply(&self, product: &Product<u64>, tf32: bool) -> Result<()> {
        // (cudaDataType, cublasComputeType_t) for f32, f32 by TF32, and f64.
        const FROM_HERE: [(i32, i32); 3] = [(0, 68), (0, 77), (1, 70)];
        let (number, compute) = match (product.dtype, tf32) {
            (DType::F64, _) => FROM_HERE[2],
            (_, true) => FROM_HERE[1],
            _ => FROM_HERE[0],
        };
        let int = |size: usize| {
            i32::try_from(size).map_err(|_| failure(format!("a side of {size} is too long for cuBLAS")))
        };
        let [m, n, k] = [int(product.sizes[0])?, int(product.sizes[1])?, int(product.sizes[2])?];
        let [a, b] = &product.factors;
        let c = &product.result;
        let (one, scale) = (1.0_f64, f64::from(u8::from(product.accumulates)));
        let (one_single, scale_single) = (1.0_f32, scale as f32);
        let [alpha, beta]: [*const c_void; 2] = if product.dtype == DType::F64 {
            [(&raw const one).cast(), (&raw const scale).cast()]
        } else {
            [(&raw const one_single).cast(), (&raw const scale_single).cast()]
        };
        // SAFETY: the caller's promise; cuBLAS reads α and β before the call returns.
        let result = unsafe {
            (self.functions.product)(
                self.handle,
                a.stored as i32,
                b.stored as i32,
                m,
                n,
                k,
                alpha,
                a.at,
                number,
                int(a.leading)?,
                a.step as i64,
                b.at,
                number,
                int(b.leading)?,
                b.step as i64,
                beta,
                c.at,
                number,
                int(c.leading)?,
                c.step as i64,
                int(product.batch)?,
                compute,
                -1, // CUBLAS_GEMM_DEFAULT
            )
        };
        check(result)
    }
}

fn check(result: i32) -> Result<()> {
    if result == 0 {
        return Ok(());
    }
    let meaning = match result {
        1 => "not initialised",
        3 => "out of memory",
        7 => "an invalid argument",
        8 => "not supported by this device",
        13 => "a failed execution",
        14 => "an internal error",
        15 => "not supported",
        _ => "no further word",
    };
    Err(failure(format!("cuBLAS failed with error {result}: {meaning}")))
}
