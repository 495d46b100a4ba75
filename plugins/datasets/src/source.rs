//! The files of a release at hand: in a folder, or out of an archive.

use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result};
use eigenscape_formats::{archive::Files, regular_file};

/// Endings of the files that are images.
const IMAGES: [&str; 3] = ["png", "jpg", "jpeg"];

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Contents<'a> {
    /// Its name for errors.
    pub subject: String,
    /// What is in it.
    pub bytes: Cow<'a, [u8]>,
}

/// Where files are read from, by their paths in it.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder.
    Folder(PathBuf),
    /// An archive, and what was read of it.
    Archive(PathBuf, Files),
}

impl Source {
    /// Its name for errors.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Folder(path) | Self::Archive(path, _) => path.display().to_string(),
        }
    }

    /// A file's name for errors.
    #[must_use]
    pub fn subject_of(&self, path: &Path) -> String {
        match self {
            Self::Folder(folder) => folder.join(path).display().to_string(),
            Self::Archive(archive, _) => format!("{} in {}", path.display(), archive.display()),
        }
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        match self {
            Self::Folder(folder) => folder.join(path).is_file(),
            Self::Archive(_, files) => files.contains_key(path),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn read(&self, path: &Path) -> Result<Contents<'_>> {
        let bytes = match self {
            Self::Folder(folder) => Cow::Owned(regular_file::read(&folder.join(path))?),
            Self::Archive(_, files) => {
                let found = files.get(path).ok_or_else(|| {
                    let remedy = "download the archive again";
                    Error::input(self.subject_of(path), "there is no such file", remedy)
                })?;
                Cow::Borrowed(found.as_slice())
            }
        };
        Ok(Contents { subject: self.subject_of(path), bytes })
    }

    /// The PNG and JPEG files in a folder of it that are not hidden, sorted; none where there is no
    /// folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn images(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = match self {
            Self::Folder(root) if root.join(folder).is_dir() => {
                let names = entries(&root.join(folder))?;
                names.iter().filter_map(|path| Some(folder.join(path.file_name()?))).collect()
            }
            Self::Folder(_) => Vec::new(),
            Self::Archive(_, files) => {
                // Paths are in order, so that those of a folder follow it.
                let from = files.range(folder.to_owned()..).map(|(path, _)| path);
                let below = from.take_while(|path| path.starts_with(folder));
                below.filter(|path| path.parent() == Some(folder)).cloned().collect()
            }
        };
        files.retain(|path| is_image(path) && !is_hidden(path));
        files.sort_unstable();
        Ok(files)
    }
}

/// Whether a name begins with a dot.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether a name is that of a PNG or JPEG file.
pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    IMAGES.contains(&extension.to_ascii_lowercase().as_str())
}

/// What is in a folder.
///
/// # Errors
/// When there is no such folder, or it cannot be read.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::input(folder.display().to_string(), "there is no such folder", "check `data.path`")
        }
        _ => Error::io(folder, error),
    };
    fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}
