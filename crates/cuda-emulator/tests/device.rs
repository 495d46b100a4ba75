//! The emulated driver and compiler: the device, its memory, kernels, graphs and events.

#![allow(unsafe_code, reason = "calls C functions of libraries that are loaded at run time")]
#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod common;

use std::env;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr::null_mut;
use std::time::Instant;

use common::{
    Handle, Product, again, allocate, begin, call, compile, cublas, download, free, function, gemm, kernels,
    launch, stream, upload,
};

fn free_memory() -> usize {
    let (mut free, mut total) = (0, 0);
    assert_eq!(call!(cuda.cuMemGetInfo_v2(&raw mut free => *mut usize, &raw mut total => *mut usize)), 0);
    assert_eq!(total, 8 << 30);
    free
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
