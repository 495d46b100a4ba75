//! Files that show whether they are intact: contents, then a seal of their length and checksum.
//!
//! A file is renamed to its name when it is completely on disk, so that a killed process leaves the
//! old file or the new one. Any other damage is detected by the seal.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, Take, Write},
    path::Path,
};

use crc32fast::Hasher;

/// Bytes of a seal: the length of the contents (u64) and their CRC-32, little-endian.
const SEAL: usize = 12;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// Writes a sealed file with the output of `contents`, through another path on the same file
/// system.
///
/// # Errors
/// Those of `contents`, and when the operating system refuses; then there is nothing at the other
/// path, and `path` is unchanged.
pub fn write(
    path: &Path,
    by_way_of: &Path,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    replace(path, by_way_of, |new| {
        let mut out = Sealing { file: BufWriter::new(File::create(new)?), length: 0, sum: Hasher::new() };
        contents(&mut out)?;
        out.finish()
    })
}

/// Opens the contents of a file written by [`write()`], after comparing them with the seal; `None`
/// if there is no file.
///
/// # Errors
/// When a file cannot be read, or was changed: the problem, as text.
pub fn open(path: &Path) -> Result<Option<BufReader<Take<File>>>, String> {
    match compared(path) {
        Ok(Some(contents)) => Ok(Some(contents)),
        Ok(None) => Err(format!("{} is not as it was written", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read ({error})", path.display())),
    }
}

/// The contents; `None` if they differ from the seal.
fn compared(path: &Path) -> io::Result<Option<BufReader<Take<File>>>> {
    let mut file = File::open(path)?;
    let Some(length) = file.metadata()?.len().checked_sub(SEAL as u64) else { return Ok(None) };
    let mut sum = Hasher::new();
    let (mut block, mut contents) = (vec![0; BLOCK], Read::take(&mut file, length));
    loop {
        match contents.read(&mut block)? {
            0 => break,
            read => sum.update(&block[..read]),
        }
    }
    let mut found = Vec::new();
    file.read_to_end(&mut found)?;
    file.rewind()?;
    Ok((found == seal(length, sum)).then(|| BufReader::new(file.take(length))))
}

/// Writes a file through another path on the same file system.
///
/// # Errors
/// As [`write()`].
pub fn replace(path: &Path, by_way_of: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let written = write(by_way_of).and_then(|()| {
        File::open(by_way_of)?.sync_all()?;
        fs::rename(by_way_of, path)
    });
    written.inspect_err(|_| drop(fs::remove_file(by_way_of)))?;
    // The new name is on disk after syncing the folder, which not every file system supports.
    path.parent().and_then(|folder| File::open(folder).ok()).map(|folder| folder.sync_all());
    Ok(())
}

fn seal(length: u64, sum: Hasher) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal[..8].copy_from_slice(&length.to_le_bytes());
    seal[8..].copy_from_slice(&sum.finalize().to_le_bytes());
    seal
}

/// A file being written, with the data of its seal.
struct Sealing {
    file: BufWriter<File>,
    length: u64,
    sum: Hasher,
}

impl Sealing {
    fn finish(mut self) -> io::Result<()> {
        self.file.write_all(&seal(self.length, self.sum))?;
        self.file.flush()
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, by_way_of: &Path, contents: &[u8]) -> io::Result<()> {
        write(path, by_way_of, |out| out.write_all(contents))
    }

    fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
        Ok(open(path)?.map(|mut contents| {
            let mut bytes = Vec::new();
            contents.read_to_end(&mut bytes).unwrap();
            bytes
        }))
    }

    #[test]
    fn no_byte_can_be_missing_added_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("a.new"));
        assert_eq!(read(&path), Ok(None));
        for contents in [&b""[..], b"what was found"] {
            put(&path, &other, contents).unwrap();
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
        let (path, other) = (folder.path().join("a"), folder.path().join("a.new"));
        put(&path, &other, b"first").unwrap();
        assert!(put(&path, &folder.path().join("nowhere/a.new"), b"second").is_err());
        let fails = |out: &mut dyn Write| {
            out.write_all(b"half")?;
            Err(io::Error::other("no"))
        };
        assert!(write(&path, &other, fails).is_err() && !other.exists());
        assert_eq!(read(&path).unwrap().unwrap(), b"first");
    }
}
