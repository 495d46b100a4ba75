//! Files within a `.tar.gz` or `.zip`, read without unpacking it on the disk.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Component, Path, PathBuf},
};

use flate2::read::GzDecoder;

use crate::zip;

/// Contents by their paths in the folder that was asked for.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Which files of an archive are read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The folder of the archive that holds them all.
    pub folder: &'a str,
    /// Files that have to be there, by their paths in it.
    pub files: &'a [PathBuf],
    /// Folders in it of which everything is read.
    pub folders: &'a [&'a str],
}

impl Wanted<'_> {
    /// The path in the folder; `None` for what is not wanted, such as paths that lead elsewhere.
    fn path(&self, name: &Path) -> Option<PathBuf> {
        let name: PathBuf = name.components().filter(|part| *part != Component::CurDir).collect();
        let path = name.strip_prefix(self.folder).ok()?;
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        let wanted =
            self.files.iter().any(|file| file == path) || self.folders.iter().any(|f| path.starts_with(f));
        (inside && wanted).then(|| path.to_owned())
    }

    /// The first file that has to be there and is not.
    #[must_use]
    pub fn missing(&self, found: &Files) -> Option<&PathBuf> {
        self.files.iter().find(|file| !found.contains_key(*file))
    }

    fn is_complete(&self, found: &Files) -> bool {
        self.folders.is_empty() && self.missing(found).is_none()
    }
}

/// The wanted files of a zip archive.
///
/// # Errors
/// What is wrong with it.
pub fn zipped(contents: &[u8], wanted: Wanted<'_>) -> Result<Files, String> {
    let archive = zip::Archive::parse(contents)?;
    let mut found = Files::new();
    for entry in archive.entries() {
        // Folders have entries of their own, with a slash at the end.
        let name = entry.name().filter(|name| !name.ends_with('/'));
        if let Some(path) = name.and_then(|name| wanted.path(Path::new(name))) {
            found.insert(path, entry.contents()?.into_owned());
        }
    }
    Ok(found)
}

/// The wanted files of a gzipped tar archive.
///
/// # Errors
/// What is wrong with it.
pub fn tarred(contents: impl Read, wanted: Wanted<'_>) -> Result<Files, String> {
    let mut found = Files::new();
    let read = || -> std::io::Result<()> {
        for entry in tar::Archive::new(GzDecoder::new(contents)).entries()? {
            let mut entry = entry?;
            // Others than plain files may claim any size without having it: holes, links.
            let path = wanted.path(&entry.path()?).filter(|_| entry.header().entry_type().is_file());
            if let Some(path) = path {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                found.insert(path, bytes);
            }
            if wanted.is_complete(&found) {
                break;
            }
        }
        Ok(())
    };
    read().map_err(|error| error.to_string())?;
    Ok(found)
}
