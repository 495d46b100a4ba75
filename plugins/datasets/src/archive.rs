//! Downloaded archives: compared with what was published, and read without unpacking them on the
//! disk.

use std::{io::BufReader, path::Path};

use eigenscape_core::{Error, Result};
use eigenscape_formats::{
    archive::{Files, Wanted, tarred, zipped},
    regular_file,
};

use crate::checksum::Checksum;

/// The wanted files of an archive, which is compared with what was published before anything of it
/// is read.
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
