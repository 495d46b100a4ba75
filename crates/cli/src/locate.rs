//! Finds experiment files by words of the command line.

use std::{
    fs,
    path::{Path, PathBuf},
};

use eigenscape_experiment::{Failure, Result, cases, choices::Choices, diagnostic::suggestion};

/// The name of folders with files that experiments share.
const BASE: &str = "base";

/// The file that `word` names: a path, or the name of a file in `experiments/` or a folder in it.
///
/// # Errors
/// When there is no such file.
pub fn experiment(word: &str) -> Result<PathBuf> {
    let path = Path::new(word);
    let is_path =
        path.extension().is_some_and(|extension| extension == "toml") || path.components().count() > 1;
    let all = all().unwrap_or_default();
    if is_path {
        // Whether the file can be read is checked when it is read.
        let elsewhere = all.iter().find(|other| other.file_name() == path.file_name());
        return match elsewhere.filter(|_| !path.exists()) {
            None => Ok(path.to_owned()),
            Some(other) => Err(Failure::Usage {
                problem: format!("there is no file {word}"),
                remedy: format!("did you mean {}", other.display()),
            }),
        };
    }
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
        } else if let Some((file, case)) = case(word, &all) {
            format!("it is one of several in a file: {} --only {case}", name(file))
        } else {
            suggestion(word, "experiments", &names)
        };
        Failure::Usage { problem, remedy }
    })
}

/// The file and the case of an experiment from a file with several experiments.
fn case<'f>(word: &str, files: &'f [PathBuf]) -> Option<(&'f Path, String)> {
    files.iter().find_map(|file| {
        // Read only files whose name fits.
        word.strip_prefix(name(file))?.strip_prefix('-')?;
        let experiments = cases::read(file, &Choices::default()).ok()?;
        let found = experiments.into_iter().find(|experiment| experiment.name() == Some(word))?;
        Some((file.as_path(), found.case?))
    })
}

/// All files of `experiments/` and of the folders in it, the quickstart first, the others by name.
///
/// # Errors
/// When there is no folder `experiments/` here or above.
pub fn all() -> Result<Vec<PathBuf>> {
    let folder = folder().ok_or_else(|| Failure::Usage {
        problem: "there is no folder experiments/ here or above".to_owned(),
        remedy: "run this in the repository, or give the path of an experiment's file".to_owned(),
    })?;
    let is_study = |path: &&PathBuf| path.is_dir() && name(path) != BASE;
    let found = entries(&folder)?;
    let inner = found.iter().filter(is_study).map(|study| entries(study));
    let inner = inner.collect::<Result<Vec<_>>>()?.concat();
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut files: Vec<PathBuf> = found.into_iter().chain(inner).filter(is_toml).collect();
    files.sort_by_key(|path| (name(path) != "quickstart", name(path).to_owned()));
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| eigenscape_core::Error::io(folder, error))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn name(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// `experiments/` in this folder, as a relative path, or in the nearest folder above it.
fn folder() -> Option<PathBuf> {
    let here = PathBuf::from("experiments");
    if here.is_dir() {
        return Some(here);
    }
    let current = std::env::current_dir().ok()?;
    current.ancestors().skip(1).map(|above| above.join("experiments")).find(|folder| folder.is_dir())
}
