//! Tests of the emulated libraries by their C functions, loaded as the backend loads them.

#![allow(unsafe_code, reason = "calls C functions of libraries that are loaded at run time")]
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use std::ffi::{CStr, CString, c_char, c_int, c_longlong, c_uint, c_void};
use std::process::{Command, Output};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use std::{env, fs, process};

use eigenscape_cuda_emulator::{calls, fail_at, libraries};
use libloading::Library;

struct Loaded {
    cuda: Library,
    nvrtc: Library,
    cublas: Library,
}

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| {
        let folder = libraries().unwrap();
        // SAFETY: the emulated libraries do nothing when they are loaded.
        let load = |name| unsafe { Library::new(folder.join(name)) }.unwrap();
        Loaded { nvrtc: load("libnvrtc.so.13"), cublas: load("libcublas.so.13"), cuda: load("libcuda.so.1") }
    })
}

/// Calls a function by name; each argument is followed by its type.
macro_rules! call {
    ($library:ident . $name:ident ( $($argument:expr => $type:ty),* )) => {{
        let name = concat!(stringify!($name), "\0").as_bytes();
        // SAFETY: the types are those of the function's documentation.
        let function = unsafe { loaded().$library.get::<unsafe extern "C" fn($($type),*) -> c_int>(name) }.unwrap();
        // SAFETY: pointers are to live memory of the size that is passed to the function.
        unsafe { function($($argument),*) }
    }};
}

type Handle = *mut c_void;

/// Calls are counted per process, so that tests run one at a time.
fn begin() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    fail_at(None);
    let mut context: Handle = null_mut();
    assert_eq!(call!(cuda.cuInit(0 => c_uint)), 0);
    assert_eq!(call!(cuda.cuDevicePrimaryCtxRetain(&raw mut context => *mut Handle, 0 => c_int)), 0);
    assert_eq!(call!(cuda.cuCtxSetCurrent(context => Handle)), 0);
    turn
}

fn allocate(bytes: usize) -> u64 {
    let mut address = 0;
    assert_eq!(call!(cuda.cuMemAlloc_v2(&raw mut address => *mut u64, bytes => usize)), 0);
    address
}

fn free(address: u64) -> c_int {
    call!(cuda.cuMemFree_v2(address => u64))
}

fn free_memory() -> usize {
    let (mut free, mut total) = (0, 0);
    assert_eq!(call!(cuda.cuMemGetInfo_v2(&raw mut free => *mut usize, &raw mut total => *mut usize)), 0);
    assert_eq!(total, 8 << 30);
    free
}

fn upload<T>(values: &[T]) -> u64 {
    let address = allocate(size_of_val(values));
    let from = values.as_ptr().cast();
    assert_eq!(
        call!(cuda.cuMemcpyHtoD_v2(address => u64, from => *const c_void, size_of_val(values) => usize)),
        0
    );
    address
}

fn download<T: Clone + Default>(address: u64, count: usize) -> Vec<T> {
    let mut values = vec![T::default(); count];
    let (to, bytes) = (values.as_mut_ptr().cast(), size_of_val(values.as_slice()));
    assert_eq!(call!(cuda.cuMemcpyDtoH_v2(to => *mut c_void, address => u64, bytes => usize)), 0);
    values
}

fn stream() -> Handle {
    let mut stream = null_mut();
    assert_eq!(call!(cuda.cuStreamCreate(&raw mut stream => *mut Handle, 1 => c_uint)), 0);
    stream
}

/// The compiled image, or the compiler's log.
fn compile(source: &str) -> Result<Vec<u8>, String> {
    let (source, mut program, mut size) = (CString::new(source).unwrap(), null_mut(), 0_usize);
    let option = c"--gpu-architecture=sm_90".as_ptr();
    assert_eq!(
        call!(nvrtc.nvrtcCreateProgram(&raw mut program => *mut Handle, source.as_ptr() => *const c_char,
            c"kernels.cu".as_ptr() => *const c_char, 0 => c_int, null_mut() => Handle, null_mut() => Handle)),
        0
    );
    let options = &raw const option;
    let code =
        call!(nvrtc.nvrtcCompileProgram(program => Handle, 1 => c_int, options => *const *const c_char));
    let result = if code == 0 {
        assert_eq!(call!(nvrtc.nvrtcGetCUBINSize(program => Handle, &raw mut size => *mut usize)), 0);
        let mut image = vec![0; size];
        assert_eq!(call!(nvrtc.nvrtcGetCUBIN(program => Handle, image.as_mut_ptr() => *mut u8)), 0);
        Ok(image)
    } else {
        assert_eq!(code, 6);
        assert_eq!(call!(nvrtc.nvrtcGetProgramLogSize(program => Handle, &raw mut size => *mut usize)), 0);
        let mut log = vec![0; size];
        assert_eq!(call!(nvrtc.nvrtcGetProgramLog(program => Handle, log.as_mut_ptr() => *mut u8)), 0);
        Err(CStr::from_bytes_with_nul(&log).unwrap().to_str().unwrap().to_owned())
    };
    assert_eq!(call!(nvrtc.nvrtcDestroyProgram(&raw mut program => *mut Handle)), 0);
    result
}

fn module(source: &str) -> Handle {
    let (image, mut module) = (compile(source).unwrap(), null_mut());
    assert_eq!(call!(cuda.cuModuleLoadData(&raw mut module => *mut Handle, image.as_ptr() => *const u8)), 0);
    module
}

fn function(module: Handle, name: &CStr) -> Handle {
    let mut function = null_mut();
    let name = name.as_ptr();
    assert_eq!(
        call!(cuda.cuModuleGetFunction(&raw mut function => *mut Handle, module => Handle, name => *const c_char)),
        0
    );
    function
}

fn launch(function: Handle, grid: [u32; 3], block: [u32; 3], stream: Handle, words: &mut [u64]) -> c_int {
    let mut parameter: Handle = words.as_mut_ptr().cast();
    let [gx, gy, gz] = grid;
    let [bx, by, bz] = block;
    call!(cuda.cuLaunchKernel(function => Handle, gx => c_uint, gy => c_uint, gz => c_uint, bx => c_uint,
        by => c_uint, bz => c_uint, 0 => c_uint, stream => Handle, &raw mut parameter => *mut Handle,
        null_mut() => Handle))
}

const KERNELS: &str = r#"
#ifndef EIGENSCAPE_EMULATED
#define KERNEL(name, words) struct name##_args { unsigned long long w[words]; }; \
    extern "C" __global__ void __launch_bounds__(256) name(const struct name##_args args)
#endif

__device__ const float one[1] = {1.0f};

__device__ __forceinline__ float scaled(const float *__restrict__ x, unsigned long long i, float by)
{
    return isnan(x[i]) ? 0.0f : by * x[i];
}

static __device__ __forceinline__ float once(float x) { return one[0] * x; }

KERNEL(saxpy, 4) {
    unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= args.w[2])
        return;
    double a;
    memcpy_word(&a, args.w[3]);
    const float *x = (const float *)args.w[0];
    float *y = (float *)args.w[1];
    y[i] = fmaxf(y[i], -1.0f) + once(scaled(x, i, (float)a));
}

/* Where each thread was, and after how many others. */
KERNEL(where, 2) {
    unsigned *to = (unsigned *)args.w[0];
    unsigned *count = (unsigned *)args.w[1];
    unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    to[block * blockDim.x * blockDim.y * blockDim.z + thread] = (*count)++;
}

KERNEL(math, 2) {
    const double *x = (const double *)args.w[0];
    double *y = (double *)args.w[1];
    int i = (int)threadIdx.x;
    y[i] = tanh(x[i]) + erfc(x[i]) + log1p(x[i]) + exp(x[i]) + sqrt(x[i]) + fmax(x[i], 0.5) + (double)tanhf((float)x[i]);
}
"#;

fn kernels() -> Handle {
    // A bit cast that is valid in C and in CUDA C++.
    let word = "__device__ __forceinline__ void memcpy_word(double *to, unsigned long long word)\n\
                { union { unsigned long long word; double value; } cast; cast.word = word; *to = cast.value; }\n";
    module(&format!("{word}{KERNELS}"))
}

#[test]
fn the_device_describes_itself() {
    let _turn = begin();
    let (mut version, mut count, mut device, mut name) = (0, 0, 7, [0_u8; 64]);
    assert_eq!(call!(cuda.cuDriverGetVersion(&raw mut version => *mut c_int)), 0);
    assert_eq!(call!(cuda.cuDeviceGetCount(&raw mut count => *mut c_int)), 0);
    assert_eq!(call!(cuda.cuDeviceGet(&raw mut device => *mut c_int, 0 => c_int)), 0);
    assert_eq!(call!(cuda.cuDeviceGet(&raw mut device => *mut c_int, 1 => c_int)), 101);
    assert_eq!(call!(cuda.cuDeviceGetName(name.as_mut_ptr() => *mut u8, 64 => c_int, 0 => c_int)), 0);
    assert_eq!((version, count, device), (13000, 1, 0));
    assert_eq!(CStr::from_bytes_until_nul(&name).unwrap(), c"Emulated GPU");
    for (attribute, expected) in [(75, 9), (76, 0), (16, 4), (1, 0)] {
        let mut value = -1;
        assert_eq!(
            call!(cuda.cuDeviceGetAttribute(&raw mut value => *mut c_int, attribute => c_int, 0 => c_int)),
            0
        );
        assert_eq!(value, expected);
    }
    let mut text = std::ptr::null();
    assert_eq!(call!(cuda.cuGetErrorName(2 => c_int, &raw mut text => *mut *const c_char)), 0);
    // SAFETY: the library's names are static.
    assert_eq!(unsafe { CStr::from_ptr(text) }, c"CUDA_ERROR_OUT_OF_MEMORY");
}

#[test]
fn memory_is_nan_counted_bounded_and_aligned() {
    let _turn = begin();
    let before = free_memory();
    let address = allocate(1000);
    assert_eq!(address % 256, 0);
    assert_eq!(free_memory(), before - 1000);
    assert!(download::<f64>(address, 125).iter().all(|value| value.is_nan()));

    let stream = stream();
    assert_eq!(call!(cuda.cuMemsetD32Async(address => u64, 7 => c_uint, 250 => usize, stream => Handle)), 0);
    assert_eq!(call!(cuda.cuMemsetD8Async(address => u64, 1 => u8, 4 => usize, stream => Handle)), 0);
    assert_eq!(
        call!(cuda.cuMemcpyDtoDAsync_v2(address + 8 => u64, address => u64, 4 => usize, stream => Handle)),
        0
    );
    let mut values = [0_u32; 4];
    let to = values.as_mut_ptr();
    assert_eq!(
        call!(cuda.cuMemcpyDtoHAsync_v2(to => *mut u32, address => u64, 16 => usize, stream => Handle)),
        0
    );
    assert_eq!(call!(cuda.cuStreamSynchronize(stream => Handle)), 0);
    assert_eq!(values, [0x0101_0101, 7, 0x0101_0101, 7]);

    // Beyond the end, outside any allocation, misaligned, in host memory.
    assert_eq!(call!(cuda.cuMemcpyDtoH_v2(to => *mut u32, address + 992 => u64, 16 => usize)), 1);
    assert_eq!(call!(cuda.cuMemcpyDtoH_v2(to => *mut u32, 4096 => u64, 16 => usize)), 1);
    assert_eq!(
        call!(cuda.cuMemsetD32Async(address + 2 => u64, 7 => c_uint, 1 => usize, stream => Handle)),
        1
    );
    assert_eq!(call!(cuda.cuMemsetD8Async(to as u64 => u64, 7 => u8, 1 => usize, stream => Handle)), 1);

    let mut other = 0;
    assert_eq!(call!(cuda.cuMemAlloc_v2(&raw mut other => *mut u64, (8 << 30) - 999 => usize)), 2);
    assert_eq!(call!(cuda.cuMemAlloc_v2(&raw mut other => *mut u64, 0 => usize)), 1);
    assert_eq!((free(address), free(address)), (0, 1));
    assert_eq!(free_memory(), before);
    assert_eq!(call!(cuda.cuStreamDestroy_v2(stream => Handle)), 0);
    assert_eq!(call!(cuda.cuStreamSynchronize(stream => Handle)), 400);
}

#[test]
fn a_thread_without_a_context_has_no_memory() {
    let _turn = begin();
    let other = || {
        let mut address = 0;
        call!(cuda.cuMemAlloc_v2(&raw mut address => *mut u64, 8 => usize))
    };
    assert_eq!(std::thread::spawn(other).join().unwrap(), 201);
}

#[test]
fn a_kernel_runs_all_threads_of_all_blocks() {
    let _turn = begin();
    let module = kernels();
    let x = upload(&(0..1000).map(|i| i as f32).collect::<Vec<_>>());
    let y = upload(&vec![1_f32; 1000]);
    let saxpy = function(module, c"saxpy");
    assert_eq!(launch(saxpy, [4, 1, 1], [256, 1, 1], null_mut(), &mut [x, y, 999, 0.5_f64.to_bits()]), 0);
    let result: Vec<f32> = download(y, 1000);
    assert!((0..999).all(|i| result[i] == 1.0 + 0.5 * i as f32) && result[999] == 1.0);

    let values = [0.25_f64, 1.0, 3.5];
    let (from, to) = (upload(&values), allocate(24));
    assert_eq!(launch(function(module, c"math"), [1, 1, 1], [3, 1, 1], null_mut(), &mut [from, to]), 0);
    let erfc = [0.723_673_609_831_763_1, 0.157_299_207_050_285_13, 7.430_983_723_414_128e-7];
    for ((x, y), erfc) in values.iter().zip(download::<f64>(to, 3)).zip(erfc) {
        let expected = 2.0 * x.tanh() + erfc + x.ln_1p() + x.exp() + x.sqrt() + x.max(0.5);
        assert!((y - expected).abs() < 1e-6, "{x} {y} {expected}");
    }

    assert_eq!(launch(saxpy, [0, 1, 1], [1, 1, 1], null_mut(), &mut [0; 4]), 1);
    assert_eq!(launch(saxpy, [1, 1, 1], [257, 1, 1], null_mut(), &mut [0; 4]), 701);
    let mut missing: Handle = null_mut();
    let name = c"missing".as_ptr();
    assert_eq!(
        call!(cuda.cuModuleGetFunction(&raw mut missing => *mut Handle, module => Handle, name => *const c_char)),
        500
    );
    assert_eq!(call!(cuda.cuFuncSetAttribute(saxpy => Handle, 8 => c_int, 1024 => c_int)), 0);
    assert_eq!(call!(cuda.cuModuleUnload(module => Handle)), 0);
    assert_eq!(launch(saxpy, [1, 1, 1], [1, 1, 1], null_mut(), &mut [0; 4]), 400);
    for address in [x, y, from, to] {
        assert_eq!(free(address), 0);
    }
}

#[test]
fn the_order_is_the_indices_or_its_reverse() {
    if env::var_os("EIGENSCAPE_EMULATOR_ORDER").is_none() {
        let output =
            again("the_order_is_the_indices_or_its_reverse", "EIGENSCAPE_EMULATOR_ORDER", "reversed");
        assert!(output.status.success(), "{output:?}");
    }
    let _turn = begin();
    let module = kernels();
    let (to, count) = (allocate(4 * 24 * 30), upload(&[0_u32]));
    assert_eq!(launch(function(module, c"where"), [2, 3, 4], [5, 3, 2], null_mut(), &mut [to, count]), 0);
    let mut order: Vec<u32> = download(to, 24 * 30);
    if env::var_os("EIGENSCAPE_EMULATOR_ORDER").is_some() {
        order.reverse();
    }
    assert!(order.iter().copied().eq(0..24 * 30), "{order:?}");
    assert_eq!((free(to), free(count)), (0, 0));
}

#[test]
fn a_source_is_compiled_once_and_its_errors_are_told() {
    let _turn = begin();
    let compilations = || call!(nvrtc.eigenscape_emulator_compilations());
    let before = compilations();
    let source = "KERNEL(once, 1) { *(int *)args.w[0] = 1; }";
    let compiled: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| compile(source))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(compiled.iter().all(|image| image.is_ok() && *image == compiled[0]));
    assert_eq!(compilations(), before + 1);

    let log = compile("\nKERNEL(wrong, 1) { undeclared(args.w[0]); }").unwrap_err();
    assert!(log.contains("kernels.cu:2") && log.contains("undeclared"), "{log}");
    // The first is valid in C but not in C++; the second needs a header that NVRTC lacks.
    for body in ["void *x = 0; int *y = x; *y = 1;", "*(double *)args.w[0] = NAN;"] {
        let log = compile(&format!("KERNEL(wrong, 1) {{ {body} }}")).unwrap_err();
        assert!(log.contains("kernels.cu:1"), "{log}");
    }

    let mut module: Handle = null_mut();
    let text = c".version 8.0 and more of an assembler's text".as_ptr();
    assert_eq!(call!(cuda.cuModuleLoadData(&raw mut module => *mut Handle, text => *const c_char)), 200);
}

trait Element: Copy + Default + Into<f64> {
    const TYPE: c_int;
    const COMPUTE: c_int;
    fn from_f64(value: f64) -> Self;
}

impl Element for f32 {
    const TYPE: c_int = 0;
    const COMPUTE: c_int = 68;
    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl Element for f64 {
    const TYPE: c_int = 1;
    const COMPUTE: c_int = 70;
    fn from_f64(value: f64) -> Self {
        value
    }
}

/// Whether it is transposed, the leading dimension, and the stride between the matrices of a batch.
type Operand = (bool, usize, usize);

#[derive(Clone, Copy)]
struct Product {
    sizes: [usize; 3],
    batches: usize,
    a: Operand,
    b: Operand,
    c: (usize, usize),
    factors: [f64; 2],
}

fn cublas(stream: Handle) -> Handle {
    let mut handle = null_mut();
    assert_eq!(call!(cublas.cublasCreate_v2(&raw mut handle => *mut Handle)), 0);
    assert_eq!(call!(cublas.cublasSetStream_v2(handle => Handle, stream => Handle)), 0);
    assert_eq!(call!(cublas.cublasSetMathMode(handle => Handle, 0 => c_int)), 0);
    handle
}

fn gemm<T: Element>(handle: Handle, product: &Product, [a, b, c]: [u64; 3]) -> c_int {
    let size = |value: usize| c_int::try_from(value).unwrap();
    let step = |value: usize| c_longlong::try_from(value).unwrap();
    let [alpha, beta] = product.factors.map(T::from_f64);
    let [m, n, k] = product.sizes.map(size);
    call!(cublas.cublasGemmStridedBatchedEx(handle => Handle, c_int::from(product.a.0) => c_int,
        c_int::from(product.b.0) => c_int, m => c_int, n => c_int, k => c_int, &raw const alpha => *const T,
        a => u64, T::TYPE => c_int, size(product.a.1) => c_int, step(product.a.2) => c_longlong,
        b => u64, T::TYPE => c_int, size(product.b.1) => c_int, step(product.b.2) => c_longlong,
        &raw const beta => *const T, c => u64, T::TYPE => c_int, size(product.c.0) => c_int,
        step(product.c.1) => c_longlong, size(product.batches) => c_int, T::COMPUTE => c_int, -1 => c_int))
}

fn expected<T: Element>(product: &Product, a: &[T], b: &[T], c: &mut [T]) {
    let [m, n, k] = product.sizes;
    let at = |(transposed, ld, stride): Operand, batch, row, column| {
        batch * stride + if transposed { row * ld + column } else { row + column * ld }
    };
    for batch in 0..product.batches {
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k)
                    .map(|p| a[at(product.a, batch, i, p)].into() * b[at(product.b, batch, p, j)].into());
                let to = &mut c[batch * product.c.1 + i + j * product.c.0];
                let old = if product.factors[1] == 0.0 { 0.0 } else { product.factors[1] * (*to).into() };
                *to = T::from_f64(product.factors[0] * terms.sum::<f64>() + old);
            }
        }
    }
}

fn numbers<T: Element>(count: usize, seed: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64((((i + 31 * seed) * 7919) % 997) as f64 / 500.0 - 1.0)).collect()
}

fn check<T: Element>(handle: Handle, product: &Product) {
    let [m, n, k] = product.sizes;
    let length = |(transposed, ld, stride): Operand, rows: usize, columns: usize| {
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        (product.batches - 1) * stride + (columns - 1) * ld + rows
    };
    let a: Vec<T> = numbers(length(product.a, m, k), 1);
    let b: Vec<T> = numbers(length(product.b, k, n), 2);
    let mut c: Vec<T> = numbers(length((false, product.c.0, product.c.1), m, n), 3);
    if product.factors[1] == 0.0 {
        for batch in 0..product.batches {
            for j in 0..n {
                c[batch * product.c.1 + j * product.c.0..][..m].fill(T::from_f64(f64::NAN));
            }
        }
    }
    let addresses = [upload(&a), upload(&b), upload(&c)];
    assert_eq!(gemm::<T>(handle, product, addresses), 0);
    let result: Vec<T> = download(addresses[2], c.len());
    expected(product, &a, &b, &mut c);
    let tolerance = if T::TYPE == 0 { 1e-6 } else { 1e-13 } * (1.0 + k as f64);
    for (x, y) in result.iter().zip(&c) {
        let (x, y): (f64, f64) = ((*x).into(), (*y).into());
        assert!((x - y).abs() <= tolerance, "{x} {y}, {:?}", product.sizes);
    }
    assert_eq!(addresses.map(free), [0; 3]);
}

#[test]
fn products_are_those_of_loops() {
    let _turn = begin();
    let handle = cublas(null_mut());
    for sizes @ [m, n, k] in [[1, 1, 1], [5, 3, 4], [64, 64, 256], [67, 130, 301], [129, 2, 9]] {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let (lda, ldb) = (if ta { k } else { m } + 2, if tb { n } else { k } + 1);
            let (last_a, last_b) = (if ta { m } else { k }, if tb { k } else { n });
            for (batches, stride_a, stride_b, factors) in [
                (1, 0, 0, [1.0, 0.0]),
                (3, lda * last_a, ldb * last_b, [0.5, 1.0]),
                (3, 0, ldb * last_b + 5, [-1.0, 0.0]),
                (2, lda * last_a, 0, [2.0, -0.25]),
                (2, 0, 0, [0.0, 2.0]),
            ] {
                let c = (m + 3, (m + 3) * n + 1);
                let (a, b) = ((ta, lda, stride_a), (tb, ldb, stride_b));
                let product = Product { sizes, batches, a, b, c, factors };
                check::<f32>(handle, &product);
                check::<f64>(handle, &product);
            }
            // The columns of the matrices of a batch are interleaved.
            let (a, b) = ((ta, 2 * lda, lda), (tb, 2 * ldb, ldb));
            let product = Product { sizes, batches: 2, a, b, c: (2 * m, m), factors: [1.0, 1.0] };
            check::<f64>(handle, &product);
        }
    }
    assert_eq!(call!(cublas.cublasDestroy_v2(handle => Handle)), 0);
}

#[test]
fn arguments_of_products_are_checked() {
    let _turn = begin();
    let handle = cublas(null_mut());
    let fine = Product {
        sizes: [4, 3, 2],
        batches: 1,
        a: (false, 4, 0),
        b: (false, 2, 0),
        c: (4, 0),
        factors: [1.0, 0.0],
    };
    let none = [0; 3];
    let code = |change: &dyn Fn(&mut Product)| {
        let mut product = fine;
        change(&mut product);
        gemm::<f32>(handle, &product, none)
    };
    assert_eq!(code(&|product| product.a.1 = 3), 7);
    assert_eq!(code(&|product| product.a = (true, 1, 0)), 7);
    assert_eq!(code(&|product| product.b.1 = 1), 7);
    assert_eq!(code(&|product| product.b = (true, 2, 0)), 7);
    assert_eq!(code(&|product| product.c.0 = 3), 7);
    assert_eq!(code(&|product| (product.sizes, product.a.1) = ([0, 3, 2], 0)), 7);
    assert_eq!(code(&|product| product.sizes = [0, 3, 2]), 0);
    assert_eq!(code(&|product| product.sizes = [4, 0, 2]), 0);
    assert_eq!(code(&|product| product.batches = 0), 0);

    let c = upload(&[f32::NAN; 12]);
    assert_eq!(gemm::<f32>(handle, &Product { sizes: [4, 3, 0], ..fine }, [0, 0, c]), 0);
    assert_eq!(download::<f32>(c, 12), [0.0; 12]);
    assert_eq!(free(c), 0);

    let one = 1_f32;
    let mixed = |negative: c_int, compute: c_int| {
        call!(cublas.cublasGemmEx(handle => Handle, 0 => c_int, 0 => c_int, negative => c_int, 1 => c_int,
            1 => c_int, &raw const one => *const f32, 0 => u64, 0 => c_int, 1 => c_int, 0 => u64, 0 => c_int,
            1 => c_int, &raw const one => *const f32, 0 => u64, 0 => c_int, 1 => c_int, compute => c_int,
            -1 => c_int))
    };
    assert_eq!((mixed(-1, 68), mixed(1, 70), mixed(0, 77)), (7, 15, 0));
    assert_eq!(gemm::<f32>(null_mut(), &fine, none), 1);
    assert_eq!(call!(cublas.cublasDestroy_v2(handle => Handle)), 0);
    assert_eq!(gemm::<f32>(handle, &fine, none), 1);
}

#[test]
fn a_graph_runs_what_was_captured_each_time() {
    let _turn = begin();
    let (module, stream) = (kernels(), stream());
    let (saxpy, handle) = (function(module, c"saxpy"), cublas(stream));
    let (a, x) = (upload(&[1_f32, 2.0, 3.0, 4.0]), upload(&[1_f32, 1.0]));
    let (y, z) = (upload(&[0_f32, 0.0]), upload(&[10_f32, 10.0]));
    let mut host = [5_f32; 2];

    assert_eq!(call!(cuda.cuStreamBeginCapture_v2(stream => Handle, 1 => c_int)), 0);
    let product = Product {
        sizes: [2, 1, 2],
        batches: 1,
        a: (false, 2, 0),
        b: (false, 2, 0),
        c: (2, 0),
        factors: [1.0, 1.0],
    };
    assert_eq!(gemm::<f32>(handle, &product, [a, x, y]), 0);
    let mut words = [y, z, 2, 2_f64.to_bits()];
    assert_eq!(launch(saxpy, [1, 1, 1], [256, 1, 1], stream, &mut words), 0);
    words.fill(0);
    let to = host.as_mut_ptr();
    assert_eq!(call!(cuda.cuMemcpyDtoHAsync_v2(to => *mut f32, z => u64, 8 => usize, stream => Handle)), 0);
    assert_eq!(call!(cuda.cuMemsetD32Async(z => u64, 0 => c_uint, 1 => usize, stream => Handle)), 0);
    let (mut graph, mut exec): (Handle, Handle) = (null_mut(), null_mut());
    assert_eq!(call!(cuda.cuStreamEndCapture(stream => Handle, &raw mut graph => *mut Handle)), 0);
    let to = &raw mut exec;
    assert_eq!(call!(cuda.cuGraphInstantiateWithFlags(to => *mut Handle, graph => Handle, 0 => u64)), 0);
    assert_eq!(call!(cuda.cuGraphDestroy(graph => Handle)), 0);
    assert_eq!((download::<f32>(y, 2), download::<f32>(z, 2), host), (vec![0.0; 2], vec![10.0; 2], [5.0; 2]));

    assert_eq!(call!(cuda.cuGraphLaunch(exec => Handle, stream => Handle)), 0);
    assert_eq!((download(y, 2), download(z, 2), host), (vec![4_f32, 6.0], vec![0_f32, 22.0], [18.0, 22.0]));
    assert_eq!(call!(cuda.cuGraphLaunch(exec => Handle, stream => Handle)), 0);
    assert_eq!((download(y, 2), download(z, 2)), (vec![8_f32, 12.0], vec![0_f32, 46.0]));
    assert_eq!(host, [16.0, 46.0]);
    assert_eq!(call!(cuda.cuGraphExecDestroy(exec => Handle)), 0);
    assert_eq!(call!(cuda.cuGraphLaunch(exec => Handle, stream => Handle)), 400);

    // A call that waits invalidates a capture, which then ends without a graph.
    assert_eq!(call!(cuda.cuStreamBeginCapture_v2(stream => Handle, 1 => c_int)), 0);
    assert_eq!(call!(cuda.cuStreamSynchronize(stream => Handle)), 900);
    assert_eq!(gemm::<f32>(handle, &product, [a, x, y]), 13);
    assert_eq!(call!(cuda.cuStreamEndCapture(stream => Handle, &raw mut graph => *mut Handle)), 901);
    assert_eq!(call!(cuda.cuStreamEndCapture(stream => Handle, &raw mut graph => *mut Handle)), 401);
    assert!(graph.is_null());
    assert_eq!(call!(cublas.cublasDestroy_v2(handle => Handle)), 0);
    assert_eq!(call!(cuda.cuStreamDestroy_v2(stream => Handle)), 0);
    assert_eq!([a, x, y, z].map(free), [0; 4]);
}

#[test]
fn events_tell_the_time_between_them() {
    let _turn = begin();
    let (mut first, mut last): (Handle, Handle) = (null_mut(), null_mut());
    for event in [&mut first, &mut last] {
        assert_eq!(call!(cuda.cuEventCreate(event => *mut Handle, 0 => c_uint)), 0);
    }
    let mut milliseconds = -1_f32;
    let to = &raw mut milliseconds;
    assert_eq!(call!(cuda.cuEventElapsedTime(to => *mut f32, first => Handle, last => Handle)), 400);
    assert_eq!(call!(cuda.cuEventRecord(first => Handle, null_mut() => Handle)), 0);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(call!(cuda.cuEventRecord(last => Handle, null_mut() => Handle)), 0);
    assert_eq!(call!(cuda.cuEventSynchronize(last => Handle)), 0);
    assert_eq!(call!(cuda.cuEventElapsedTime_v2(to => *mut f32, first => Handle, last => Handle)), 0);
    assert!((20.0..10000.0).contains(&milliseconds), "{milliseconds}");
    assert_eq!(call!(cuda.cuEventDestroy_v2(first => Handle)), 0);
    assert_eq!(call!(cuda.cuEventSynchronize(first => Handle)), 400);
}

#[test]
fn the_chosen_call_fails_and_no_other() {
    let _turn = begin();
    let (mut address, mut number) = (0, 0);
    let version = |number: &mut c_int| call!(cuda.cuDriverGetVersion(number => *mut c_int));
    fail_at(Some(2));
    assert_eq!((version(&mut number), version(&mut number), version(&mut number)), (0, 999, 0));
    assert_eq!(calls(), 3);

    fail_at(Some(1));
    assert_eq!(call!(cuda.cuMemAlloc_v2(&raw mut address => *mut u64, 8 => usize)), 2);
    fail_at(Some(1));
    assert_eq!(call!(nvrtc.nvrtcVersion(&raw mut number => *mut c_int, &raw mut number => *mut c_int)), 11);
    fail_at(Some(1));
    let mut handle: Handle = null_mut();
    assert_eq!(call!(cublas.cublasCreate_v2(&raw mut handle => *mut Handle)), 13);

    // Calls that free something or describe an error do not count.
    fail_at(Some(2));
    let address = allocate(8);
    assert_eq!(free(address), 0);
    assert_eq!(calls(), 1);
    assert_eq!(version(&mut number), 999);

    // A capture that lacks work gives no graph, and a capture that fails to end has ended
    // nevertheless.
    let (stream, mut graph) = (stream(), null_mut::<c_void>());
    for (failing, code) in [(2, 901), (3, 999)] {
        let value = allocate(4);
        fail_at(Some(failing));
        assert_eq!(call!(cuda.cuStreamBeginCapture_v2(stream => Handle, 2 => c_int)), 0);
        let set = call!(cuda.cuMemsetD8Async(value => u64, 0 => u8, 4 => usize, stream => Handle));
        assert_eq!(set, if failing == 2 { 999 } else { 0 });
        assert_eq!(call!(cuda.cuStreamEndCapture(stream => Handle, &raw mut graph => *mut Handle)), code);
        assert_eq!(call!(cuda.cuStreamSynchronize(stream => Handle)), 0);
        assert_eq!(free(value), 0);
    }
    fail_at(None);
}

#[test]
fn the_environment_chooses_a_call_that_fails() {
    const NAME: &str = "EIGENSCAPE_EMULATOR_FAIL_AT";
    if env::var_os(NAME).is_none() {
        let output = again("the_environment_chooses_a_call_that_fails", NAME, "2");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let mut number = 0;
    let mut version = || call!(cuda.cuDriverGetVersion(&raw mut number => *mut c_int));
    assert_eq!((version(), version(), version()), (0, 999, 0));
}

/// Runs a test of this binary in its own process, with an environment variable. Files left by an
/// aborted process are removed.
fn again(test: &str, variable: &str, value: &str) -> Output {
    let folder = env::temp_dir().join(format!("eigenscape-emulator-test-{}-{test}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(variable, value).env("TMPDIR", &folder);
    let output = command.output();
    fs::remove_dir_all(&folder).unwrap();
    output.unwrap()
}

#[test]
fn the_libraries_need_gcc() {
    if env::var("PATH").is_ok_and(|path| path != "/nowhere") {
        let output = again("the_libraries_need_gcc", "PATH", "/nowhere");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let error = libraries().unwrap_err().to_string();
    assert!(error.starts_with("the CUDA emulator needs gcc"), "{error}");
    fail_at(Some(1));
    assert_eq!(calls(), 0);
    assert_eq!(fs::read_dir(env::temp_dir()).unwrap().count(), 0);
}

#[test]
fn writes_beside_an_allocation_abort() {
    const NAME: &str = "EIGENSCAPE_EMULATOR_TEST_OFFSET";
    let Ok(offset) = env::var(NAME) else {
        for (offset, message) in [("-4", "before"), ("40", "after"), ("36", "")] {
            let output = again("writes_beside_an_allocation_abort", NAME, offset);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), message.is_empty(), "{output:?}");
            assert!(errors.contains(&format!("memory {message}")) || message.is_empty(), "{errors}");
        }
        return;
    };
    let _turn = begin();
    let module = module("KERNEL(write, 1) { *(int *)args.w[0] = 1; }");
    let address = allocate(40);
    let to = address.wrapping_add_signed(offset.parse().unwrap());
    assert_eq!(launch(function(module, c"write"), [1, 1, 1], [1, 1, 1], null_mut(), &mut [to]), 0);
    assert_eq!(free(address), 0);
}

/// Prints the times of a launch, a compilation and a product; checks nothing.
#[test]
#[ignore = "prints times"]
fn times() {
    let _turn = begin();
    let start = Instant::now();
    let module = kernels();
    println!("compilation {:?}", start.elapsed());
    let count = 1 << 22;
    let (x, y) = (upload(&vec![1_f32; count]), upload(&vec![1_f32; count]));
    let start = Instant::now();
    let words = &mut [x, y, count as u64, 0];
    assert_eq!(
        launch(function(module, c"saxpy"), [count as u32 / 256, 1, 1], [256, 1, 1], null_mut(), words),
        0
    );
    println!("{:.2} ns a thread", start.elapsed().as_secs_f64() * 1e9 / count as f64);
    let n = 768;
    let product = Product {
        sizes: [n; 3],
        batches: 1,
        a: (true, n, 0),
        b: (false, n, 0),
        c: (n, 0),
        factors: [1.0, 0.0],
    };
    let c = allocate(4 * n * n);
    let handle = cublas(null_mut());
    let start = Instant::now();
    assert_eq!(gemm::<f32>(handle, &product, [x, y, c]), 0);
    println!("{:.2} GFlop/s", 2e-9 * (n as f64).powi(3) / start.elapsed().as_secs_f64());
}
