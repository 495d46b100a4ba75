//! Files within a downloaded `.tar.gz`, read where they are.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use eigenscape_core::{Error, Result};
use flate2::read::GzDecoder;

use crate::checksum::Checksum;

/// The contents of the files of these names in the archive's folder `folder`, in the order asked for. The archive is compared with what
/// was published before anything of it is read.
///
/// # Errors
/// When the archive is not the published one, cannot be read, or lacks a file.
pub fn read(path: &Path, checksum: &Checksum, folder: &str, names: &[&str]) -> Result<Vec<Vec<u8>>> {
    checksum.check_file(path)?;
    let failed = |error| Error::io(path, error);
    let file = File::open(path).map_err(failed)?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut found: Vec<Option<Vec<u8>>> = vec![None; names.len()];
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let place = entry.path().map_err(failed)?.into_owned();
        let wanted = names.iter().position(|name| place.ends_with(Path::new(folder).join(name)));
        if let Some(index) = wanted {
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).map_err(failed)?;
            found[index] = Some(contents);
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    let lacks = |name| {
        let problem = format!("it holds no file {folder}/{name}");
        Error::input(path.display().to_string(), problem, "download it again")
    };
    found.into_iter().zip(names).map(|(contents, name)| contents.ok_or_else(|| lacks(name))).collect()
}
