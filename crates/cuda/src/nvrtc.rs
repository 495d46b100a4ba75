//! NVRTC: compiles the source of kernels to an image for one compute capability.

use std::{
    ffi::{CString, c_char, c_void},
    ptr,
};

use crate::{
    Result,
    error::failure,
    library::{Folders, Library, NVRTC, functions},
};

type Program = *mut c_void;

functions! {
    /// Functions of libnvrtc.
    Functions {
        create = "nvrtcCreateProgram": fn(*mut Program, *const c_char, *const c_char, i32, *const *const c_char, *const *const c_char);
        compile = "nvrtcCompileProgram": fn(Program, i32, *const *const c_char);
        log_size = "nvrtcGetProgramLogSize": fn(Program, *mut usize);
        log = "nvrtcGetProgramLog": fn(Program, *mut c_char);
        image_size = "nvrtcGetCUBINSize": fn(Program, *mut usize);
        image = "nvrtcGetCUBIN": fn(Program, *mut c_char);
        destroy = "nvrtcDestroyProgram": fn(*mut Program);
    }
}

/// The compiler of kernels.
#[derive(Debug, Clone, Copy)]
pub struct Compiler {
    functions: Functions,
}

impl Compiler {
    /// Opens the compiler in the given folders.
    ///
    /// # Errors
    /// When it is not found.
    pub fn open(folders: &Folders) -> Result<Self> {
        Ok(Self { functions: Functions::of(Library::open(folders, &NVRTC)?)? })
    }

    /// Compiles `source` to an image for devices of this compute capability.
    ///
    /// # Errors
    /// When the source does not compile; the message contains the compiler's messages.
    pub fn compile(&self, source: &str, [major, minor]: [i32; 2]) -> Result<Vec<u8>> {
        let text = CString::new(source).map_err(|_| failure("the kernels' source has a zero"))?;
        let options = [format!("--gpu-architecture=sm_{major}{minor}"), "--std=c++14".to_owned()];
        let options: Vec<CString> =
            options.into_iter().filter_map(|option| CString::new(option).ok()).collect();
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = ptr::null_mut();
        // SAFETY: all strings are NUL-terminated and outlive the calls; buffers have the sizes that
        // NVRTC reports; the program is destroyed once, at the end.
        unsafe {
            let name = c"eigenscape.cu";
            let none = ptr::null();
            check((self.functions.create)(&raw mut program, text.as_ptr(), name.as_ptr(), 0, none, none))?;
            let result = (self.functions.compile)(program, options.len() as i32, options.as_ptr());
            let image = if result == 0 { self.image(program) } else { Err(self.complaint(program, result)) };
            (self.functions.destroy)(&raw mut program);
            image
        }
    }

    /// # Safety
    /// The program was compiled.
    unsafe fn image(&self, program: Program) -> Result<Vec<u8>> {
        let mut size = 0;
        // SAFETY: the caller's promise; the image has the size that NVRTC reports.
        unsafe {
            check((self.functions.image_size)(program, &raw mut size))?;
            let mut image = vec![0_u8; size];
            check((self.functions.image)(program, image.as_mut_ptr().cast()))?;
            Ok(image)
        }
    }

    /// # Safety
    /// The program exists.
    unsafe fn complaint(&self, program: Program, result: i32) -> eigenscape_runtime::Error {
        let mut size = 0;
        // SAFETY: the caller's promise; the log has the size that NVRTC reports.
        let log = unsafe {
            (self.functions.log_size)(program, &raw mut size);
            let mut log = vec![0_u8; size];
            (self.functions.log)(program, log.as_mut_ptr().cast());
            String::from_utf8_lossy(&log).into_owned()
        };
        failure(format!(
            "NVRTC does not compile the kernels (error {result}): {}",
            log.trim_matches(['\0', '\n'])
        ))
    }
}

fn check(result: i32) -> Result<()> {
    if result == 0 { Ok(()) } else { Err(failure(format!("NVRTC failed with error {result}"))) }
}
