//! Files that appear whole, and only once all of them could be written.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result, file_names::Names};
use tempfile::{Builder, NamedTempFile};

/// Files under temporary names next to their destinations until [`Staging::publish`]. Dropping the
/// staging before that removes them and the folders created for them.
pub struct Staging {
    root: PathBuf,
    files: Vec<(NamedTempFile, PathBuf)>,
    /// The folders created, outer ones first.
    made: Vec<PathBuf>,
    /// The paths without extension that are in use.
    names: Names,
}

impl Staging {
    /// Starts staging in `root`, which is created if missing.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn in_folder(root: &Path) -> Result<Self> {
        let mut staging =
            Self { root: root.to_owned(), files: Vec::new(), made: Vec::new(), names: Names::default() };
        staging.make(root)?;
        Ok(staging)
    }

    /// A path based on `path` that no other file has: names chosen by users may differ only in
    /// characters that file names cannot contain.
    pub fn unused(&mut self, path: &str) -> String {
        self.names.unused(path)
    }

    /// Writes a file under a temporary name into the folder of `path`, which is relative to the
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

    /// Renames every file to its destination, in the order in which the files were added.
    ///
    /// # Errors
    /// When a destination is a folder: then nothing was renamed. When the system refuses a rename:
    /// then the files before it have been replaced, each as a whole, and it and the files after it
    /// have not.
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
        // Removes only empty folders: a folder with other contents is not ours to remove.
        for folder in self.made.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".report-");
    // Default permissions of a new file (less the umask), instead of a temporary file's, for the
    // owner only.
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
