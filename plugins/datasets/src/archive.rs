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

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::{Compression, write::GzEncoder};
    use md5::{Digest, Md5};

    use super::*;

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
        for (name, contents) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            builder.append_data(&mut header, name, *contents).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn files_are_read_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.tar.gz");
        let archive =
            packed(&[("set/b", b"two"), ("set/readme", b""), ("./set/a", b"one"), ("other/c", b"three")]);
        fs::write(&path, &archive).unwrap();
        let md5: String = Md5::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
        let checksum = Checksum { bytes: archive.len() as u64, md5: md5.leak() };
        assert_eq!(read(&path, &checksum, "set", &["a", "b"]).unwrap(), [b"one", b"two"]);
        let message = read(&path, &checksum, "set", &["a", "c"]).unwrap_err().to_string();
        assert!(message.contains("set.tar.gz") && message.contains("no file set/c"), "{message}");
        fs::write(&path, [&archive[1..], &[0]].concat()).unwrap();
        let message = read(&path, &checksum, "set", &["a"]).unwrap_err().to_string();
        assert!(message.contains("damaged: its MD5"), "{message}");
    }
}
