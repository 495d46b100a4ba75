//! The folder of an experiment's results, which appears as a whole or not at all.
//!
//! Everything is written into a sibling folder `.NAME.partial`, which is renamed at the end. A run
//! that fails or is interrupted leaves the results of an earlier run untouched.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::diagnostic::{Failure, Result};

/// The file that marks a folder as a results folder.
pub const RESULTS: &str = "results.json";

/// A results folder under construction. Dropping it before [`RunDirectory::finish`] removes
/// everything written.
#[derive(Debug)]
pub struct RunDirectory {
    target: PathBuf,
    partial: PathBuf,
    finished: bool,
}

impl RunDirectory {
    /// Creates the partial folder that will become `target`, and checks that it is writable.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(target: &Path) -> Result<Self> {
        let cannot = |error: io::Error| unwritable(target, &error);
        let directory =
            Self { target: target.to_owned(), partial: sibling(target, "partial"), finished: false };
        fs::create_dir_all(&directory.partial).map_err(cannot)?;
        // A folder may exist and still refuse files (a read-only mount, a quota).
        let probe = directory.partial.join("writable");
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(cannot)?;
        Ok(directory)
    }

    /// The partial folder, where files are written until [`RunDirectory::finish`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Writes a file at a relative path, creating parent folders.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn write(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
        let path = self.file(relative)?;
        fs::write(&path, contents).map_err(|error| failed(&path, &error))
    }

    /// The path of a file about to be written; creates its parent folder.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn file(&self, relative: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.partial.join(relative);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        Ok(path)
    }

    /// Hard-links the files of `folder` into a folder at a relative path, or copies them where
    /// linking fails. Never overwrites a file.
    ///
    /// # Errors
    /// When the operating system refuses, or a file of that name exists.
    pub fn adopt(&self, folder: &Path, relative: impl AsRef<Path>) -> Result<()> {
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
        for entry in entries {
            let from = entry.map_err(|error| failed(folder, &error))?.path();
            let to = self.file(relative.as_ref().join(from.file_name().unwrap_or_default()))?;
            let put = match fs::hard_link(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => copy(&from, &to),
                linked => linked,
            };
            put.map_err(|error| failed(&to, &error))?;
        }
        Ok(())
    }

    /// Renames the partial folder to its final name. Earlier results are moved to `aside`, or
    /// removed if it is `None`.
    ///
    /// # Errors
    /// When the operating system refuses; earlier results are then back in their place.
    pub fn finish(mut self, aside: Option<&Path>) -> Result<PathBuf> {
        let old = sibling(&self.target, "old");
        let aside = aside.unwrap_or(&old);
        // A non-empty folder cannot be replaced by renaming, so the earlier results are moved away
        // first.
        let earlier = self.target.exists();
        if earlier {
            fs::rename(&self.target, aside).map_err(|error| failed(&self.target, &error))?;
        }
        if let Err(error) = fs::rename(&self.partial, &self.target) {
            if earlier {
                fs::rename(aside, &self.target).map_err(|error| failed(aside, &error))?;
            }
            return Err(failed(&self.target, &error));
        }
        self.finished = true;
        remove(&old).map_err(|error| failed(&old, &error))?;
        Ok(self.target.clone())
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done about a failure here, and the next run removes the folder first.
            let _ = remove(&self.partial);
        }
    }
}

/// The folder that results for `target` go into: `target`, or the folder it links to. Results are
/// made beside the link's destination, so that the link itself stays unchanged.
///
/// # Errors
/// When a link is dangling: the final rename would fail.
pub fn followed(target: PathBuf) -> Result<PathBuf> {
    let Ok(end) = fs::read_link(&target) else { return Ok(target) };
    fs::canonicalize(&target).map_err(|error| Failure::Run {
        problem: format!("{} is a link to {}: {error}", target.display(), end.display()),
        remedy: Some("make that folder, remove the link, or choose another folder with --out DIR".to_owned()),
    })
}

/// Removes what a killed process left beside `target`, and restores earlier results that it had
/// already moved away.
///
/// # Errors
/// When the operating system refuses.
pub fn tidy(target: &Path) -> Result<()> {
    let [partial, old] = ["partial", "old"].map(|suffix| sibling(target, suffix));
    remove(&partial).map_err(|error| unwritable(target, &error))?;
    if !old.exists() {
        return Ok(());
    }
    let tidied = if target.exists() { remove(&old) } else { fs::rename(&old, target) };
    tidied.map_err(|error| failed(&old, &error))
}

/// Copies a file to a path that must not exist yet.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut new = File::create_new(to)?;
    io::copy(&mut File::open(from)?, &mut new).map(drop)
}

/// The sibling path `OUT/.NAME.SUFFIX`.
pub(crate) fn sibling(target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{suffix}"))
}

pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn unwritable(target: &Path, error: &io::Error) -> Failure {
    Failure::Run {
        problem: format!("cannot write results to {}: {error}", target.display()),
        remedy: Some("choose another folder with --out DIR".to_owned()),
    }
}

pub(crate) fn failed(path: &Path, error: &io::Error) -> Failure {
    eigenscape_core::Error::io(path, io::Error::new(error.kind(), error.to_string())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn results(target: &Path, content: &str, aside: Option<&Path>) {
        let directory = RunDirectory::create(target).unwrap();
        directory.write(RESULTS, content).unwrap();
        directory.write("figures/a.svg", "").unwrap();
        directory.finish(aside).unwrap();
        assert_eq!(fs::read_to_string(target.join(RESULTS)).unwrap(), content);
    }

    #[test]
    fn results_replace_results_or_move_them_aside() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("demo");
        results(&target, "first", None);
        results(&target, "second", None);
        assert_eq!(names(out.path()), ["demo"]);
        results(&target, "third", Some(&out.path().join("demo~1")));
        assert_eq!(names(out.path()), ["demo", "demo~1"]);
        assert_eq!(fs::read_to_string(out.path().join("demo~1").join(RESULTS)).unwrap(), "second");
    }

    #[test]
    fn a_run_that_fails_leaves_nothing() {
        let out = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(&out.path().join("demo")).unwrap();
        directory.write("checkpoints/a", "x").unwrap();
        drop(directory);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_put_in_order() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("demo");
        results(&target, "first", None);
        // Killed between the two renames of `finish`, and then between the second and the removal.
        fs::rename(&target, out.path().join(".demo.old")).unwrap();
        fs::create_dir(out.path().join(".demo.partial")).unwrap();
        tidy(&target).unwrap();
        assert_eq!(names(out.path()), ["demo"]);
        fs::create_dir(out.path().join(".demo.old")).unwrap();
        tidy(&target).unwrap();
        assert_eq!(names(out.path()), ["demo"]);
        assert_eq!(fs::read_to_string(target.join(RESULTS)).unwrap(), "first");
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let out = tempfile::tempdir().unwrap();
        let stored = out.path().join("stored");
        fs::create_dir(&stored).unwrap();
        fs::write(stored.join("final"), "one").unwrap();
        let directory = RunDirectory::create(&out.path().join("demo")).unwrap();
        directory.adopt(&stored, "checkpoints/a").unwrap();
        let error = directory.adopt(&stored, "checkpoints/a").unwrap_err();
        assert!(error.to_string().contains("checkpoints/a/final"), "{error}");
        assert!(copy(&stored.join("final"), &directory.path().join("checkpoints/a/final")).is_err());
        assert_eq!(fs::read_to_string(directory.path().join("checkpoints/a/final")).unwrap(), "one");
    }
}
