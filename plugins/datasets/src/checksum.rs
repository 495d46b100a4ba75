//! Whether a file is the one that was published.

use std::path::Path;

use eigenscape_core::{Error, Result};
use eigenscape_formats::{checksum::md5, regular_file};

/// What is published of a file, or known of it from torchvision's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// Its size.
    pub bytes: u64,
    /// Its MD5, in hexadecimal digits.
    pub md5: &'static str,
}

impl Checksum {
    /// Refuses contents of the published size that are not the published contents. Contents of
    /// another size are somebody's own (a part of the set, or compressed anew, as Debian's are):
    /// their reader checks them.
    ///
    /// # Errors
    /// When the contents are damaged.
    pub fn check(&self, subject: &str, contents: &[u8]) -> Result<()> {
        if contents.len() as u64 != self.bytes {
            return Ok(());
        }
        self.compare(subject, &md5(contents).map_err(|error| Error::io(subject, error))?)
    }

    /// Refuses a downloaded archive that is not the published one.
    ///
    /// # Errors
    /// When the file has another size or other contents, or cannot be read.
    pub fn check_file(&self, path: &Path) -> Result<()> {
        let subject = path.display().to_string();
        let file = regular_file::open(path)?;
        let found = file.metadata().map_err(|error| Error::io(path, error))?.len();
        if found != self.bytes {
            let problem = format!("it has {found} bytes, and the published file {}", self.bytes);
            return Err(Error::input(
                subject,
                problem,
                "download it again: it is incomplete, or another file",
            ));
        }
        self.compare(&subject, &md5(file).map_err(|error| Error::io(path, error))?)
    }

    fn compare(&self, subject: &str, found: &str) -> Result<()> {
        if found == self.md5 {
            return Ok(());
        }
        let problem =
            format!("it is damaged: its MD5 is {found}, and that of the published file {}", self.md5);
        Err(Error::input(subject, problem, "download it again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321, A.5.
    const ABC: Checksum = Checksum { bytes: 3, md5: "900150983cd24fb0d6963f7d28e17f72" };

    #[test]
    fn damage_is_seen_and_other_files_are_left_alone() {
        assert!(ABC.check("FILE", b"abc").is_ok());
        assert!(ABC.check("FILE", b"abcd").is_ok());
        let message = ABC.check("FILE", b"abd").unwrap_err().to_string();
        assert!(message.contains("FILE") && message.contains("damaged"), "{message}");
    }

    #[test]
    fn an_archive_must_be_the_published_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        for (contents, problem) in [("abc", ""), ("ab", "2 bytes"), ("abd", "its MD5 is")] {
            std::fs::write(&path, contents).unwrap();
            let message = ABC.check_file(&path).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(message.contains(problem) && message.is_empty() == problem.is_empty(), "{message}");
        }
    }
}
