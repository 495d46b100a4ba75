//! Hashes the sources that determine the numbers of a run.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Crates that do not affect the numbers of a run.
const LEFT_OUT: [&str; 8] =
    ["report", "version", "analysis", "laws", "cli", "cuda-emulator", "eigenscape", "python"];

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let mut files = ["Cargo.lock", "Cargo.toml"].map(|file| root.join(file)).to_vec();
    for folder in ["crates", "plugins"].map(|folder| root.join(folder)) {
        for krate in entries(&folder) {
            if !LEFT_OUT.iter().any(|name| krate.ends_with(name)) {
                files.push(krate.join("Cargo.toml"));
                files_below(&krate.join("src"), &mut files);
                println!("cargo::rerun-if-changed={}", krate.join("src").display());
            }
        }
    }
    files.iter().for_each(|file| println!("cargo::rerun-if-changed={}", file.display()));
    let mut hash = Fnv::default();
    for file in &files {
        // The path in the repository, so that the repository's location does not matter.
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let contents = fs::read(file).unwrap_or_default();
        hash.update(name.as_bytes());
        hash.update(&contents.len().to_le_bytes());
        hash.update(&contents);
    }
    println!("cargo::rustc-env=EIGENSCAPE_SOURCES={:016x}", hash.0);
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}

/// FNV-1a of 64 bits: the same with every compiler, unlike the hash of the standard library.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
