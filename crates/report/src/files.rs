//! Files that appear whole, and none before all could be written.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result, file_names::Names};
use tempfile::{Builder, NamedTempFile};

/// Files under temporary names beside their places, until [`Staging::publish`]; dropped before,
/// they vanish, and so do the folders made for them.
pub struct Staging {
    root: PathBuf,
    files: Vec<(NamedTempFile, PathBuf)>,
    /// Folders that did not exist, outer ones first.
    made: Vec<PathBuf>,
    /// Paths without extension that are given away.
    names: Names,
}

impl Staging {
    /// Starts staging in `root`, which is made where it does not exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn in_folder(root: &Path) -> Result<Self> {
        let mut staging =
            Self { root: root.to_owned(), files: Vec::new(), made: Vec::new(), names: Names::default() };
        staging.make(root)?;
        Ok(staging)
    }

    /// A path like this one that no other file has: names that users choose may differ in
    /// characters alone that file names cannot have.
    pub fn unused(&mut self, path: &str) -> String {
        self.names.unused(path)
    }

    /// Writes a file under a temporary name, in the folder of `path`, which is relative to the
    /// root.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn add(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        let path = self.root.join(path);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        self.make(&folder)?;
        let mut file = temporary(&folder).map_err(|e| Error::io(&path, e))?;
        file.write_all(contents).map_err(|e| Error::io(&path, e))?;
        self.files.push((file, path));
        Ok(())
    }

    /// Renames every file to its place, in the order in which they were added.
    ///
    /// # Errors
    /// When a folder has taken a file's name; then nothing was renamed. When the system refuses a
    /// rename nevertheless; then the files before it have been replaced, each whole, and it and the
    /// ones after it have not.
    pub fn publish(mut self) -> Result<()> {
        if let Some((_, path)) = self.files.iter().find(|(_, path)| path.is_dir()) {
            return Err(Error::input(
                path.display().to_string(),
                "a folder is in the place of a file to be written",
                "move the folder away",
            ));
        }
        for (file, path) in std::mem::take(&mut self.files) {
            file.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        }
        self.made.clear();
        Ok(())
    }

    fn make(&mut self, folder: &Path) -> Result<()> {
        let missing = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        for folder in missing {
            fs::create_dir(&folder).map_err(|e| Error::io(&folder, e))?;
            self.made.push(folder);
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.files.clear();
        // Only empty folders go; one in which something appeared meanwhile is not ours to remove.
        for folder in self.made.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".report-");
    // As any new file, not for the owner alone as temporary files are; the umask applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Staging;

    #[test]
    fn files_appear_on_publishing() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("new");
        let mut staging = Staging::in_folder(&target).unwrap();
        staging.add("a/b.txt", b"text").unwrap();
        assert!(!target.join("a/b.txt").exists());
        staging.publish().unwrap();
        assert_eq!(fs::read(target.join("a/b.txt")).unwrap(), b"text");
        assert_eq!(fs::read_dir(target.join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_found_before_any_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("first"), "old").unwrap();
        fs::create_dir(root.path().join("second")).unwrap();
        let mut staging = Staging::in_folder(root.path()).unwrap();
        staging.add("first", b"new").unwrap();
        staging.add("second", b"new").unwrap();
        let error = staging.publish().unwrap_err().to_string();
        assert!(error.contains("second") && error.contains("help:"), "{error}");
        assert_eq!(fs::read(root.path().join("first")).unwrap(), b"old");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_not_published_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut staging = Staging::in_folder(&root.path().join("new")).unwrap();
        staging.add("a/b.txt", b"text").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
