//! Reads files of a downloaded `.tar.gz` or `.zip` without unpacking it to disk.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    path::{Component, Path, PathBuf},
};

use eigenscape_core::{Error, Result, regular_file, zip};
use flate2::read::GzDecoder;

use crate::checksum::Checksum;

/// Contents of files by their paths relative to [`Wanted::folder`].
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Which files of an archive are read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The folder of the archive that contains all of them.
    pub folder: &'a str,
    /// Files that must exist, by their paths in the folder.
    pub files: &'a [PathBuf],
    /// Subfolders of the folder that are read completely.
    pub folders: &'a [&'a str],
}

impl Wanted<'_> {
    /// The path relative to the folder; `None` for entries that are not wanted, such as paths that
    /// lead outside.
    fn path(&self, name: &Path) -> Option<PathBuf> {
        let name: PathBuf = name.components().filter(|part| *part != Component::CurDir).collect();
        let path = name.strip_prefix(self.folder).ok()?;
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        let wanted =
            self.files.iter().any(|file| file == path) || self.folders.iter().any(|f| path.starts_with(f));
        (inside && wanted).then(|| path.to_owned())
    }

    /// The first required file that was not found.
    fn missing(&self, found: &Files) -> Option<&PathBuf> {
        self.files.iter().find(|file| !found.contains_key(*file))
    }

    fn is_complete(&self, found: &Files) -> bool {
        self.folders.is_empty() && self.missing(found).is_none()
    }
}

/// The wanted files of an archive, which is compared with its published checksum before it is read.
///
/// # Errors
/// When the archive is not the published one, is damaged, or lacks a file.
pub fn read(path: &Path, checksum: &Checksum, wanted: Wanted<'_>) -> Result<Files> {
    checksum.check_file(path)?;
    let refuse = |problem: String| Error::input(path.display().to_string(), problem, "download it again");
    let is_zip = path.extension().is_some_and(|extension| extension == "zip");
    let found = if is_zip {
        let contents = regular_file::read(path)?;
        zipped(&contents, wanted)
    } else {
        let file = regular_file::open(path)?;
        tarred(BufReader::new(file), wanted)
    };
    let found = found.map_err(|why| refuse(format!("it is a damaged archive: {why}")))?;
    match wanted.missing(&found) {
        Some(file) => Err(refuse(format!("it holds no file {}/{}", wanted.folder, file.display()))),
        None => Ok(found),
    }
}

/// The wanted files of a zip archive.
///
/// # Errors
/// When the archive is damaged; describes the damage.
pub fn zipped(contents: &[u8], wanted: Wanted<'_>) -> Result<Files, String> {
    let archive = zip::Archive::parse(contents)?;
    let mut found = Files::new();
    for entry in archive.entries() {
        // Folders have separate entries, whose names end with a slash.
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
/// When the archive is damaged; describes the damage.
pub fn tarred(contents: impl Read, wanted: Wanted<'_>) -> Result<Files, String> {
    let mut found = Files::new();
    let read = || -> std::io::Result<()> {
        for entry in tar::Archive::new(GzDecoder::new(contents)).entries()? {
            let mut entry = entry?;
            // Entries that are not plain files (sparse files, links) may declare any size without
            // having it.
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
