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
    /// If set, only these folders are searched.
    only: Option<Vec<PathBuf>>,
}

impl Folders {
    /// The folders of the system, of CUDA toolkits and of Python environments. If the variable
    /// `EIGENSCAPE_CUDA_PATH` is set, only its folders (separated by colons).
    #[must_use]
    pub fn of_system() -> Self {
        let only = env::var_os("EIGENSCAPE_CUDA_PATH").map(|paths| env::split_paths(&paths).collect());
        Self { only }
    }

    /// Only this folder.
    #[must_use]
    pub fn only(folder: &Path) -> Self {
        Self { only: Some(vec![folder.to_owned()]) }
    }

    /// The paths to try for a library, in this order: names that the system resolves, then files.
    fn candidates(&self, names: &[&str]) -> Vec<PathBuf> {
        let folders = match &self.only {
            Some(folders) => folders.clone(),
            None => known_folders(),
        };
        let by_system = if self.only.is_some() { &[] } else { names };
        let in_folders = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        by_system.iter().map(PathBuf::from).chain(in_folders.filter(|path| path.exists())).collect()
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

/// An open library. It is never closed, because threads that it started may run until the process
/// ends.
#[derive(Debug)]
pub(crate) struct Library(libloading::Library);

impl Library {
    /// Opens the first of `names` that is found.
    pub fn open(folders: &Folders, names: &[&str], remedy: &str) -> Result<&'static Self> {
        let mut tried = Vec::new();
        for path in folders.candidates(names) {
            // SAFETY: initialisers of NVIDIA's libraries (or of a stand-in that the caller named)
            // run, which may be done at any time and on any thread.
            match unsafe { libloading::Library::new(&path) } {
                Ok(library) => return Ok(Box::leak(Box::new(Self(library)))),
                Err(_) => tried.push(path.display().to_string()),
            }
        }
        let tried = if tried.is_empty() { names.join(", ") } else { tried.join(", ") };
        Err(failure(format!("no {} is found (tried {tried}): {remedy}", names[0])))
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
