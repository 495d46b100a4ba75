//! The CUDA driver, NVRTC, cuBLAS and cuSOLVER on the host, for tests of the CUDA backend without a
//! card.
//!
//! [`libraries`] compiles four shared libraries from C and returns their folder, from which the
//! backend loads them as it loads the real ones. Device memory is heap memory, kernels are compiled
//! by gcc, and work on a stream runs synchronously when it is submitted. Errors that a card does
//! not tolerate are detected: memory is NaN until it is written, a write just outside an allocation
//! aborts the process when the allocation is freed, and stale handles and calls that are forbidden
//! during stream capture are errors.
//!
//! Environment variables, read at each call:
//!
//! | name | what it does |
//! | --- | --- |
//! | `EIGENSCAPE_EMULATOR_ORDER=reversed` | blocks and threads run from the last to the first |
//! | `EIGENSCAPE_EMULATOR_FAIL_AT=n` | call n of the process fails, see [`fail_at`] |
//! | `EIGENSCAPE_REAL_NVRTC=path` | this NVRTC also compiles every source, for sm_80 and sm_90 |
//! | `EIGENSCAPE_EMULATOR_BUSY=n` | n more devices come first, which only say how full they are |
//! | `EIGENSCAPE_EMULATOR_MEMORY=bytes` | the device's memory, 8 GiB by default |

#![allow(unsafe_code, reason = "calls functions of the libraries that it compiles")]

use std::ffi::{c_int, c_long};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs, process};

use libloading::{Library, Symbol};

const SOURCES: [(&str, &str); 6] = [
    ("common.h", include_str!("common.h")),
    ("shim.h", include_str!("shim.h")),
    ("cuda.c", include_str!("cuda.c")),
    ("nvrtc.c", include_str!("nvrtc.c")),
    ("cublas.c", include_str!("cublas.c")),
    ("cusolver.c", include_str!("cusolver.c")),
];

const LIBRARIES: [(&str, &str); 4] = [
    ("cuda.c", "libcuda.so.1"),
    ("nvrtc.c", "libnvrtc.so.13"),
    ("cublas.c", "libcublas.so.13"),
    ("cusolver.c", "libcusolver.so.12"),
];

/// The folder of the emulated libraries: `libcuda.so.1`, `libnvrtc.so.13`, `libcublas.so.13`,
/// `libcusolver.so.12`.
///
/// The first call of a process compiles them, into a folder that is removed when the process exits.
///
/// # Errors
///
/// When gcc is missing or fails, or when the temporary folder cannot be written.
pub fn libraries() -> Result<&'static Path> {
    let made = MADE.get_or_init(|| make().map_err(|error| (error.kind(), error.to_string())));
    made.as_deref().map_err(|(kind, message)| Error::new(*kind, message.clone()))
}

/// Makes the n-th call from now on fail; with `None`, `EIGENSCAPE_EMULATOR_FAIL_AT` applies again.
///
/// Calls to all four libraries by all threads count, except those that free something or describe
/// an error. The count restarts at zero. If [`libraries`] fails, this does nothing.
pub fn fail_at(call: Option<u64>) {
    let call = call.map_or(0, |n| c_long::try_from(n).unwrap_or(c_long::MAX));
    // SAFETY: the type is that of the function in cuda.c.
    let function = unsafe { find::<unsafe extern "C" fn(c_long)>(b"eigenscape_emulator_fail_at\0") };
    if let Ok(function) = function {
        // SAFETY: it takes any number from any thread.
        unsafe { function(call) };
    }
}

/// The number of calls since the process began or [`fail_at`] was called.
pub fn calls() -> u64 {
    // SAFETY: the type is that of the function in cuda.c.
    let function = unsafe { find::<unsafe extern "C" fn() -> c_long>(b"eigenscape_emulator_calls\0") };
    // SAFETY: it may be called from any thread.
    function.map_or(0, |function| u64::try_from(unsafe { function() }).unwrap_or(0))
}

/// The numbers of bytes copied to the device and from the device since the process began.
pub fn copied() -> [u64; 2] {
    // SAFETY: the type is that of the function in cuda.c.
    let function = unsafe { find::<unsafe extern "C" fn(c_int) -> c_long>(b"eigenscape_emulator_copied\0") };
    // SAFETY: it may be called from any thread.
    let bytes = |back| function.as_ref().map_or(0, |function| unsafe { function(back) });
    [0, 1].map(|back| u64::try_from(bytes(back)).unwrap_or(0))
}

static MADE: OnceLock<std::result::Result<PathBuf, (ErrorKind, String)>> = OnceLock::new();

fn make() -> Result<PathBuf> {
    if !cfg!(target_os = "linux") {
        return Err(Error::new(ErrorKind::Unsupported, "the CUDA emulator runs on Linux only"));
    }
    // The libraries find each other by the path from which they were loaded.
    let folder = fresh_folder(&env::temp_dir().canonicalize()?)?;
    if let Err(error) = compile(&folder) {
        // The compiler's failure is reported, not one to remove the folder.
        let _ = fs::remove_dir_all(&folder);
        return Err(error);
    }
    let _ = FOLDER.set(folder.clone());
    // SAFETY: `remove_folder` is a function without captures that lives as long as the process. The
    // libraries stay loaded, so that it does not matter when other handlers run.
    unsafe { atexit(remove_folder) };
    Ok(folder)
}

fn fresh_folder(parent: &Path) -> Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let folder = parent.join(format!("eigenscape-cuda-emulator-{}-{number}", process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn compile(folder: &Path) -> Result<()> {
    for (name, text) in SOURCES {
        fs::write(folder.join(name), text)?;
    }
    let mut compilers = Vec::new();
    for (source, library) in LIBRARIES {
        let compiler = Command::new("gcc")
            .args(["-std=gnu11", "-O1", "-pipe", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"])
            .args(["-o", library, source, "-ldl", "-lm"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::new(error.kind(), format!("the CUDA emulator needs gcc: {error}")))?;
        compilers.push((source, compiler));
    }
    // Waits for all compilers before a failure is reported, since the folder is then removed.
    let outputs: Vec<_> =
        compilers.into_iter().map(|(source, compiler)| (source, compiler.wait_with_output())).collect();
    for (source, output) in outputs {
        let output = output?;
        if !output.status.success() {
            let log = String::from_utf8_lossy(&output.stderr);
            return Err(Error::other(format!("gcc does not compile the CUDA emulator's {source}:\n{log}")));
        }
    }
    Ok(())
}

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

extern "C" fn remove_folder() {
    if let Some(folder) = FOLDER.get() {
        // At the exit of the process, a failure cannot be reported.
        let _ = fs::remove_dir_all(folder);
    }
}

// SAFETY: the signature is that of the C standard.
unsafe extern "C" {
    fn atexit(function: extern "C" fn()) -> c_int;
}

/// # Safety
///
/// `T` must be the type of the function.
unsafe fn find<T>(name: &[u8]) -> Result<Symbol<'static, T>> {
    static CUDA: OnceLock<std::result::Result<Library, String>> = OnceLock::new();
    let path = libraries()?.join("libcuda.so.1");
    // SAFETY: the emulated library does nothing when it is loaded.
    let library = CUDA.get_or_init(|| unsafe { Library::new(path) }.map_err(|error| error.to_string()));
    let library = library.as_ref().map_err(|error| Error::other(error.clone()))?;
    // SAFETY: as the caller assures.
    unsafe { library.get(name) }.map_err(Error::other)
}
