//! cuSOLVER: eigenvalues of symmetric matrices.

use std::{ffi::c_void, ptr};

use crate::{
    Result,
    error::failure,
    library::{CUSOLVER, Folders, Library, functions},
};

type Handle = *mut c_void;

functions! {
    /// Functions of libcusolver.
    Functions {
        create = "cusolverDnCreate": fn(*mut Handle);
        set_stream = "cusolverDnSetStream": fn(Handle, *mut c_void);
        workspace = "cusolverDnDsyevd_bufferSize": fn(Handle, i32, i32, i32, u64, i32, u64, *mut i32);
        eigenvalues = "cusolverDnDsyevd": fn(Handle, i32, i32, i32, u64, i32, u64, u64, i32, u64);
    }
}

/// CUSOLVER_EIG_MODE_NOVECTOR.
const VALUES_ALONE: i32 = 0;

/// CUBLAS_FILL_MODE_LOWER.
const LOWER: i32 = 0;

/// cuSOLVER on one stream.
#[derive(Debug)]
pub(crate) struct Solver {
    functions: Functions,
    handle: Handle,
}

// SAFETY: the handle is used under the lock of its `Device`.
unsafe impl Send for Solver {}
// SAFETY: as above.
unsafe impl Sync for Solver {}

/// Device addresses of an eigenproblem of n rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem {
    pub n: usize,
    /// The matrix by columns, n × n in f64; its lower half is read and all of it is overwritten.
    pub matrix: u64,
    /// n numbers in f64, for the eigenvalues, ascending.
    pub values: u64,
}

impl Solver {
    /// Creates a handle on `stream`.
    ///
    /// # Safety
    /// A context is current, and the stream exists as long as the handle.
    pub unsafe fn open(folders: &Folders, stream: *mut c_void) -> Result<Self> {
        let functions = Functions::of(Library::open(folders, &CUSOLVER)?)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the caller's promise; the result is written to our own variable.
        unsafe {
            check((functions.create)(&raw mut handle))?;
            check((functions.set_stream)(handle, stream))?;
        }
        Ok(Self { functions, handle })
    }

    /// The numbers in f64 that a problem takes as workspace.
    pub fn workspace(&self, problem: &Problem) -> Result<i32> {
        let (n, mut numbers) = (int(problem.n)?, 0);
        // SAFETY: sizes alone are asked for; the result is written to our own variable.
        check(unsafe {
            (self.functions.workspace)(
                self.handle,
                VALUES_ALONE,
                LOWER,
                n,
                problem.matrix,
                n,
                problem.values,
                &raw mut numbers,
            )
        })?;
        Ok(numbers)
    }

    /// Enqueues a problem; `info` is the address of an i32 that will be 0 if all eigenvalues are
    /// found.
    ///
    /// # Safety
    /// Matrix, values, workspace (address and numbers) and `info` lie in memory of the device that
    /// is large enough.
    pub unsafe fn eigenvalues(&self, problem: &Problem, workspace: (u64, i32), info: u64) -> Result<()> {
        let n = int(problem.n)?;
        // SAFETY: the caller's promise.
        check(unsafe {
            (self.functions.eigenvalues)(
                self.handle,
                VALUES_ALONE,
                LOWER,
                n,
                problem.matrix,
                n,
                problem.values,
                workspace.0,
                workspace.1,
                info,
            )
        })
    }
}

fn int(size: usize) -> Result<i32> {
    i32::try_from(size).map_err(|_| failure(format!("{size} rows are too many for cuSOLVER")))
}

fn check(result: i32) -> Result<()> {
    match result {
        0 => Ok(()),
        error => Err(failure(format!("cuSOLVER failed with error {error}"))),
    }
}
