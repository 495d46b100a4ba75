//! Shared libraries that are loaded at run time, so that building this program does not need CUDA.

use std::{
    env,
    ffi::c_void,
    fs,
    path::{Path, PathBuf},
};

use crate::{Result, error::failure};

/// The folders that are searched for shared libraries.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// These are searched first.
    first: Vec<PathBuf>,
    /// Whether no others are searched.
    alone: bool,
}

impl Folders {
    /// The folders of the variable `EIGENSCAPE_CUDA_PATH` (separated by colons), then those of the
    /// system, of CUDA toolkits and of Python environments.
    #[must_use]
    pub fn of_system() -> Self {
        let named = env::var_os("EIGENSCAPE_CUDA_PATH").unwrap_or_default();
        let named = env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
        Self { first: named.collect(), alone: false }
    }

    /// Only this folder.
    #[must_use]
    pub fn only(folder: &Path) -> Self {
        Self { first: vec![folder.to_owned()], alone: true }
    }

    /// The paths to try for a library, in this order: files in the first folders, names that the
    /// system resolves, files in other folders.
    fn candidates(&self, names: &[&str]) -> Vec<PathBuf> {
        let of = |folders: &[PathBuf]| {
            let files = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
            files.filter(|path| path.exists()).collect::<Vec<_>>()
        };
        let mut paths = of(&self.first);
        if !self.alone {
            paths.extend(names.iter().map(PathBuf::from));
            paths.extend(of(&known_folders()));
        }
        paths
    }

    /// Checks that the driver, NVRTC and cuBLAS can be opened.
    ///
    /// # Errors
    /// When some cannot: one message with all of them and the folders that were searched.
    pub(crate) fn check(&self) -> Result<()> {
        let libraries: [&[&str]; 3] = [&DRIVER, &NVRTC, &CUBLAS];
        let missing = |names: &&&[&str]| !self.candidates(names).iter().any(|path| open(path).is_ok());
        let missing: Vec<&str> = libraries.iter().filter(missing).map(|names| names[0]).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut folders = self.first.clone();
        if !self.alone {
            folders.extend(known_folders().into_iter().filter(|folder| folder.exists()));
        }
        let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let system = if self.alone { "" } else { "where the system finds libraries" };
        let searched = std::iter::once(system.to_owned()).chain(folders).filter(|place| !place.is_empty());
        let remedy = match missing.contains(&DRIVER[0]) {
            true => "install NVIDIA's driver",
            false => {
                "pip install nvidia-cuda-nvrtc nvidia-cublas (PyTorch for CUDA brings both along), or name \
                      their folders in EIGENSCAPE_CUDA_PATH, separated by colons"
            }
        };
        let searched = searched.collect::<Vec<_>>().join(", ");
        let (missing, are) = (missing.join(" and "), if missing.len() == 1 { "is" } else { "are" });
        Err(failure(format!("{missing} {are} not found (searched: {searched}): {remedy}")))
    }
}

/// The folders of toolkits, of drivers in containers, and of the Python packages that come with
/// PyTorch.
fn known_folders() -> Vec<PathBuf> {
    let toolkits = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let mut folders: Vec<PathBuf> = toolkits.map(|root| root.join("lib64")).collect();
    folders
        .extend(["/usr/local/cuda/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"].map(PathBuf::from));
    folders.extend(python_prefixes().iter().flat_map(|prefix| packages(prefix)));
    folders
}

/// The folders of Python environments: the active ones, and that of the first `python3` in `PATH`.
fn python_prefixes() -> Vec<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).find(|folder| folder.join("python3").exists());
    active.chain(found.and_then(|folder| Some(folder.parent()?.to_owned()))).collect()
}

/// The library folders of NVIDIA's packages in a Python environment.
fn packages(prefix: &Path) -> Vec<PathBuf> {
    let children = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let versions = children(&prefix.join("lib"));
    let nvidia = versions.iter().map(|python| python.join("site-packages/nvidia"));
    nvidia.flat_map(|folder| children(&folder)).map(|package| package.join("lib")).collect()
}

/// The names of the driver's library.
pub(crate) const DRIVER: [&str; 2] = ["libcuda.so.1", "libcuda.so"];

/// The names of NVRTC.
pub(crate) const NVRTC: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

/// The names of cuBLAS.
pub(crate) const CUBLAS: [&str; 3] = ["libcublas.so.13", "libcublas.so.12", "libcublas.so"];

/// The names of cuSOLVER, which is not needed.
pub(crate) const CUSOLVER: [&str; 3] = ["libcusolver.so.12", "libcusolver.so.11", "libcusolver.so"];

fn open(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    // SAFETY: initialisers of NVIDIA's libraries (or of a stand-in that the caller named) run,
    // which may be done at any time and on any thread.
    unsafe { libloading::Library::new(path) }
}

/// An open library. It is never closed, because threads that it started may run until the process
/// ends.
#[derive(Debug)]
pub(crate) struct Library(libloading::Library);

impl Library {
    /// Opens the first of `names` that is found.
    pub fn open(folders: &Folders, names: &[&str]) -> Result<&'static Self> {
        let mut tried = Vec::new();
        for path in folders.candidates(names) {
            match open(&path) {
                Ok(library) => return Ok(Box::leak(Box::new(Self(library)))),
                Err(_) => tried.push(path.display().to_string()),
            }
        }
        let tried = if tried.is_empty() { names.join(", ") } else { tried.join(", ") };
        Err(failure(format!("no {} is found (tried {tried})", names[0])))
    }

    /// The address of a function.
    pub fn address(&self, name: &str) -> Result<*mut c_void> {
        // SAFETY: the address is only taken here; whoever calls it knows the function's type.
        let symbol = unsafe { self.0.get::<*mut c_void>(name.as_bytes()) };
        match symbol {
            Ok(symbol) => Ok(*symbol),
            Err(_) => Err(failure(format!("a library of CUDA has no function {name}: it is too old"))),
        }
    }
}

/// Defines a struct with functions of a library, each loaded by its symbol.
macro_rules! functions {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $symbol:literal: fn($($arg:ty),*);)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[allow(non_snake_case)]
        struct $name { $($field: unsafe extern "C" fn($($arg),*) -> i32,)* }

        impl $name {
            fn of(library: &'static $crate::library::Library) -> $crate::Result<Self> {
                Ok(Self {
                    $(
                        // SAFETY: the function has this signature in every version that has its
                        // name, and the library is never closed.
                        $field: unsafe {
                            std::mem::transmute::<*mut std::ffi::c_void, unsafe extern "C" fn($($arg),*) -> i32>(
                                library.address($symbol)?,
                            )
                        },
                    )*
                })
            }
        }
    };
}
pub(crate) use functions;
