//! The folder of an experiment's results, which appears as a whole or not at all.
//!
//! Everything is written into a sibling folder `.NAME.partial`, which is renamed at the end. A run that fails or is
//! interrupted leaves the results of an earlier run untouched.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::diagnostic::{Failure, Result};

/// The file that marks a folder as one of results.
pub const RESULTS: &str = "results.json";

/// A folder of results in the making. Dropped before [`RunDirectory::finish`], it removes what was written.
#[derive(Debug)]
pub struct RunDirectory {
    target: PathBuf,
    partial: PathBuf,
    /// Folders above that did not exist before, the innermost first.
    made: Vec<PathBuf>,
    finished: bool,
}

impl RunDirectory {
    /// Prepares the folder that will become `target`, finding out now whether that will be possible.
    ///
    /// # Errors
    /// When nothing can be written there, or `target` exists and is not a folder of results.
    pub fn create(target: &Path) -> Result<Self> {
        let cannot = |error: io::Error| unwritable(target, &error);
        check_replaceable(target)?;
        let partial = sibling(target, "partial");
        remove(&partial).map_err(cannot)?;
        let above = partial.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let made = above.take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        let directory = Self { target: target.to_owned(), partial, made, finished: false };
        fs::create_dir_all(&directory.partial).map_err(cannot)?;
        // A folder may exist and still refuse files (a read-only mount, a quota).
        let probe = directory.partial.join("writable");
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(cannot)?;
        Ok(directory)
    }

    /// Where files are written until the end.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Writes a file at a relative path, making folders on the way.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn write(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
        let path = self.file(relative)?;
        fs::write(&path, contents).map_err(|error| failed(&path, &error))
    }

    /// The path of a file about to be written, with its folder made.
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

    /// Puts the files of a folder into one at a relative path, without copying where the file system can.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn adopt(&self, folder: &Path, relative: impl AsRef<Path>) -> Result<()> {
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
        for entry in entries {
            let from = entry.map_err(|error| failed(folder, &error))?.path();
            let to = self.file(relative.as_ref().join(from.file_name().unwrap_or_default()))?;
            let copied = fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop));
            copied.map_err(|error| failed(&to, &error))?;
        }
        Ok(())
    }

    /// Gives the folder its name, replacing the results of an earlier run.
    ///
    /// # Errors
    /// When the operating system refuses; earlier results are then back in their place.
    pub fn finish(mut self) -> Result<PathBuf> {
        check_replaceable(&self.target)?;
        let old = sibling(&self.target, "old");
        remove(&old).map_err(|error| failed(&old, &error))?;
        // No system renames a folder over another that is not empty: the earlier one steps aside.
        let earlier = self.target.exists();
        if earlier {
            fs::rename(&self.target, &old).map_err(|error| failed(&self.target, &error))?;
        }
        if let Err(error) = fs::rename(&self.partial, &self.target) {
            if earlier {
                fs::rename(&old, &self.target).map_err(|error| failed(&old, &error))?;
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
            // Nothing can be done about a failure here, and the next run removes the folder first. Folders above in which
            // something has appeared meanwhile are not empty and stay.
            let _ = remove(&self.partial);
            self.made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
        }
    }
}

/// Refuses to replace what this program did not write.
fn check_replaceable(target: &Path) -> Result<()> {
    let ours = match fs::read_dir(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(unwritable(target, &error)),
        Ok(mut entries) => target.join(RESULTS).is_file() || entries.next().is_none(),
    };
    if ours {
        return Ok(());
    }
    Err(Failure::Run {
        problem: format!("{} exists and is not a folder of results", target.display()),
        remedy: Some("move it away, or choose another folder with --out DIR".to_owned()),
    })
}

/// `OUT/.NAME.SUFFIX`.
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

fn unwritable(target: &Path, error: &io::Error) -> Failure {
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

    #[test]
    fn results_replace_results_and_nothing_else() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("runs/demo");
        for content in ["first", "second"] {
            let directory = RunDirectory::create(&target).unwrap();
            directory.write(RESULTS, content).unwrap();
            directory.write("figures/a.svg", "").unwrap();
            directory.finish().unwrap();
            assert_eq!(fs::read_to_string(target.join(RESULTS)).unwrap(), content);
        }
        let names: Vec<_> =
            fs::read_dir(out.path().join("runs")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["demo"]);
        let foreign = out.path().join("thesis");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("thesis.tex"), "").unwrap();
        assert_eq!(RunDirectory::create(&foreign).unwrap_err().exit_code(), 1);
        assert!(foreign.join("thesis.tex").exists());
    }

    #[test]
    fn a_run_that_fails_leaves_nothing() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("runs/new/demo");
        let directory = RunDirectory::create(&target).unwrap();
        directory.write("checkpoints/a", "x").unwrap();
        drop(directory);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_unwritable_folder_is_found_out_at_once() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunDirectory::create(&file.join("demo")).unwrap_err();
        assert!(error.to_string().contains("cannot write results"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}
