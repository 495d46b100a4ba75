//! Calls that are made to fail, and errors that a card does not tolerate.

#![allow(unsafe_code, reason = "calls C functions of libraries that are loaded at run time")]

mod common;

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::{env, fs};

use common::{Handle, again, allocate, begin, call, free, function, launch, module, stream};
use eigenscape_cuda_emulator::{calls, fail_at, libraries};

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
