//! From what is written on the command line to experiment files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use eigenscape_core::registry::nearest;
use eigenscape_experiment::{Failure, Result, diagnostic::suggestion};

/// The file that `word` means: a path, or the name of a file in `experiments/`.
///
/// # Errors
/// When there is no such file.
pub fn experiment(word: &str) -> Result<PathBuf> {
    let path = Path::new(word);
    let is_path =
        path.extension().is_some_and(|extension| extension == "toml") || path.components().count() > 1;
    if is_path {
        // Whether it can be read is seen, and said, when it is read.
        return Ok(path.to_owned());
    }
    let all = all().unwrap_or_default();
    let found = all.iter().find(|path| name(path) == word);
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|path| name(path)).collect();
        let problem = match path {
            _ if path.is_dir() => format!("`{word}` is a folder, and no experiment"),
            _ if path.exists() => format!("`{word}` is no experiment: its name does not end in .toml"),
            _ => format!("there is no experiment `{word}`"),
        };
        let remedy = if names.is_empty() {
            "give the path of an experiment's TOML file: there is no folder experiments/ here or above"
                .to_owned()
        } else {
            suggestion(nearest(word, names.iter().copied()).as_deref(), "experiments", &names)
        };
        Failure::Usage { problem, remedy }
    })
}

/// Every file of `experiments/`, the quickstart first, the others by name.
///
/// # Errors
/// When there is no such folder here or above.
pub fn all() -> Result<Vec<PathBuf>> {
    let folder = folder().ok_or_else(|| Failure::Usage {
        problem: "there is no folder experiments/ here or above".to_owned(),
        remedy: "run this in the repository, or give the path of an experiment's file".to_owned(),
    })?;
    let entries = fs::read_dir(&folder).map_err(|error| eigenscape_core::Error::io(&folder, error))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort_by_key(|path| (name(path) != "quickstart", path.clone()));
    Ok(files)
}

fn name(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// `experiments/` in this folder or the nearest above it, relative to this folder where it is in it.
fn folder() -> Option<PathBuf> {
    let here = PathBuf::from("experiments");
    if here.is_dir() {
        return Some(here);
    }
    let current = std::env::current_dir().ok()?;
    current.ancestors().skip(1).map(|above| above.join("experiments")).find(|folder| folder.is_dir())
}
