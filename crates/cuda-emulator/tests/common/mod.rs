//! Calls of the emulated libraries by their C functions, loaded as the backend loads them.

#![allow(dead_code, clippy::unwrap_used, reason = "each test target uses its part of it")]

use std::ffi::{CStr, CString, c_char, c_int, c_longlong, c_uint, c_void};
use std::process::{Command, Output};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, fs, process};

use eigenscape_cuda_emulator::{fail_at, libraries};
use libloading::Library;

pub struct Loaded {
    pub cuda: Library,
    pub nvrtc: Library,
    pub cublas: Library,
}

pub fn loaded() -> &'static Loaded {
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
        let library = &$crate::common::loaded().$library;
        // SAFETY: the types are those of the function's documentation.
        let function = unsafe { library.get::<unsafe extern "C" fn($($type),*) -> c_int>(name) }.unwrap();
        // SAFETY: pointers are to live memory of the size that is passed to the function.
        unsafe { function($($argument),*) }
    }};
}

pub(crate) use call;

pub type Handle = *mut c_void;

/// Calls are counted per process, so that tests run one at a time.
pub fn begin() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    fail_at(None);
    let mut context: Handle = null_mut();
    assert_eq!(call!(cuda.cuInit(0 => c_uint)), 0);
    assert_eq!(call!(cuda.cuDevicePrimaryCtxRetain(&raw mut context => *mut Handle, 0 => c_int)), 0);
    assert_eq!(call!(cuda.cuCtxSetCurrent(context => Handle)), 0);
    turn
}

pub fn allocate(bytes: usize) -> u64 {
    let mut address = 0;
    assert_eq!(call!(cuda.cuMemAlloc_v2(&raw mut address => *mut u64, bytes => usize)), 0);
    address
}

pub fn free(address: u64) -> c_int {
    call!(cuda.cuMemFree_v2(address => u64))
}

pub fn upload<T>(values: &[T]) -> u64 {
    let address = allocate(size_of_val(values));
    let from = values.as_ptr().cast();
    assert_eq!(
        call!(cuda.cuMemcpyHtoD_v2(address => u64, from => *const c_void, size_of_val(values) => usize)),
        0
    );
    address
}

pub fn download<T: Clone + Default>(address: u64, count: usize) -> Vec<T> {
    let mut values = vec![T::default(); count];
    let (to, bytes) = (values.as_mut_ptr().cast(), size_of_val(values.as_slice()));
    assert_eq!(call!(cuda.cuMemcpyDtoH_v2(to => *mut c_void, address => u64, bytes => usize)), 0);
    values
}

pub fn stream() -> Handle {
    let mut stream = null_mut();
    assert_eq!(call!(cuda.cuStreamCreate(&raw mut stream => *mut Handle, 1 => c_uint)), 0);
    stream
}

/// The compiled image, or the compiler's log.
pub fn compile(source: &str) -> Result<Vec<u8>, String> {
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

pub fn module(source: &str) -> Handle {
    let (image, mut module) = (compile(source).unwrap(), null_mut());
    assert_eq!(call!(cuda.cuModuleLoadData(&raw mut module => *mut Handle, image.as_ptr() => *const u8)), 0);
    module
}

pub fn function(module: Handle, name: &CStr) -> Handle {
    let mut function = null_mut();
    let name = name.as_ptr();
    assert_eq!(
        call!(cuda.cuModuleGetFunction(&raw mut function => *mut Handle, module => Handle, name => *const c_char)),
        0
    );
    function
}

pub fn launch(function: Handle, grid: [u32; 3], block: [u32; 3], stream: Handle, words: &mut [u64]) -> c_int {
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

pub fn kernels() -> Handle {
    // A bit cast that is valid in C and in CUDA C++.
    let word = "__device__ __forceinline__ void memcpy_word(double *to, unsigned long long word)\n\
                { union { unsigned long long word; double value; } cast; cast.word = word; *to = cast.value; }\n";
    module(&format!("{word}{KERNELS}"))
}

pub trait Element: Copy + Default + Into<f64> {
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
pub type Operand = (bool, usize, usize);

#[derive(Clone, Copy)]
pub struct Product {
    pub sizes: [usize; 3],
    pub batches: usize,
    pub a: Operand,
    pub b: Operand,
    pub c: (usize, usize),
    pub factors: [f64; 2],
}

pub fn cublas(stream: Handle) -> Handle {
    let mut handle = null_mut();
    assert_eq!(call!(cublas.cublasCreate_v2(&raw mut handle => *mut Handle)), 0);
    assert_eq!(call!(cublas.cublasSetStream_v2(handle => Handle, stream => Handle)), 0);
    assert_eq!(call!(cublas.cublasSetMathMode(handle => Handle, 0 => c_int)), 0);
    handle
}

pub fn gemm<T: Element>(handle: Handle, product: &Product, [a, b, c]: [u64; 3]) -> c_int {
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

/// Runs a test of this binary in its own process, with an environment variable. Files left by an
/// aborted process are removed.
pub fn again(test: &str, variable: &str, value: &str) -> Output {
    let folder = env::temp_dir().join(format!("eigenscape-emulator-test-{}-{test}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(variable, value).env("TMPDIR", &folder);
    let output = command.output();
    fs::remove_dir_all(&folder).unwrap();
    output.unwrap()
}
