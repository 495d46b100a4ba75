//! Files that say themselves whether they are whole: contents, then a seal of their length and checksum.
//!
//! A file appears under its name by a rename when all of it is on disk, so that a process that is killed leaves the earlier one or the new
//! one. What is left of damage, by a disk or by a hand, the seal shows.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Bytes of a seal: the length of the contents (u64) and their CRC-32, little-endian.
const SEAL: usize = 12;

/// Writes a file of these contents, by way of another path on the same file system.
///
/// # Errors
/// When the operating system refuses; then there is nothing at the other path, and what was at `path` is still there.
pub fn write(path: &Path, by_way_of: &Path, contents: &[u8]) -> io::Result<()> {
    replace(path, by_way_of, &[contents, &seal(contents)])
}

/// The contents of a file that [`write`] wrote; `None` where there is no file.
///
/// # Errors
/// What is wrong with a file that cannot be read, or is not as it was written.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let mut contents = match fs::read(path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read ({error})", path.display())),
    };
    let damaged = || format!("{} is not as it was written", path.display());
    let length = contents.len().checked_sub(SEAL).ok_or_else(damaged)?;
    let found = contents.split_off(length);
    if found == seal(&contents) { Ok(Some(contents)) } else { Err(damaged()) }
}

/// Writes a file in parts, by way of another path on the same file system.
///
/// # Errors
/// As [`write`].
pub fn replace(path: &Path, by_way_of: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let written = || -> io::Result<()> {
        let mut file = File::create(by_way_of)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(by_way_of, path)
    };
    written().inspect_err(|_| drop(fs::remove_file(by_way_of)))?;
    // The new name is on disk with the folder; not every file system knows that.
    path.parent().and_then(|folder| File::open(folder).ok()).map(|folder| folder.sync_all());
    Ok(())
}

fn seal(contents: &[u8]) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal[..8].copy_from_slice(&(contents.len() as u64).to_le_bytes());
    seal[8..].copy_from_slice(&crc32fast::hash(contents).to_le_bytes());
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_can_be_missing_added_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("a.new"));
        assert_eq!(read(&path), Ok(None));
        for contents in [&b""[..], b"what was found"] {
            write(&path, &other, contents).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), contents);
            assert!(!other.exists());
            let whole = fs::read(&path).unwrap();
            for length in 0..whole.len() {
                fs::write(&path, &whole[..length]).unwrap();
                assert!(read(&path).unwrap_err().contains("is not as it was written"), "{length}");
            }
            fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
            assert!(read(&path).is_err());
            for bit in 0..8 * whole.len() {
                let mut changed = whole.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, changed).unwrap();
                assert!(read(&path).is_err(), "{bit}");
            }
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, &folder.path().join("a.new"), b"first").unwrap();
        assert!(write(&path, &folder.path().join("nowhere/a.new"), b"second").is_err());
        assert_eq!(read(&path).unwrap().unwrap(), b"first");
    }
}
