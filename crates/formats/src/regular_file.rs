//! Files that are read whole. A device never ends, a FIFO waits for somebody to write: neither is
//! opened.

use std::{
    fs::{self, File, FileType},
    path::Path,
};

use bytesize::ByteSize;

use crate::{
    error::{Error, Result},
    memory,
};

/// Bytes that every machine has: it need not be asked for each of many small files.
const SMALL: usize = 64 << 20;
/// What to do about what is no file.
const REMEDY: &str = "name a regular file, or a link to one";

/// Opens a file, or what a link leads to.
///
/// # Errors
/// When there is none, it is no regular file, is larger than the machine's memory, or cannot be
/// opened.
pub fn open(path: &Path) -> Result<File> {
    let metadata = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    let refuse = |problem: String, remedy| Err(Error::input(path.display().to_string(), problem, remedy));
    if !metadata.is_file() {
        return refuse(format!("is not a file, but {}", kind(metadata.file_type())), REMEDY);
    }
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > SMALL && length > memory::of_machine() {
        let problem =
            format!("has {}, more than this machine's memory", ByteSize(metadata.len()).display().iec());
        return refuse(problem, "replace or remove the file, or use a machine with more memory");
    }
    File::open(path).map_err(|error| Error::io(path, error))
}

/// The contents of a file.
///
/// # Errors
/// Those of [`open`], and when it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut contents = Vec::new();
    let mut file = open(path)?;
    std::io::Read::read_to_end(&mut file, &mut contents).map_err(|error| Error::io(path, error))?;
    Ok(contents)
}

/// The text of a file.
///
/// # Errors
/// Those of [`read`], and when it is not in UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let problem = format!(
            "is not text in UTF-8: the byte at {} does not belong there",
            error.utf8_error().valid_up_to()
        );
        Error::input(path.display().to_string(), problem, "save it in the encoding UTF-8")
    })
}

fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a FIFO (a pipe)";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        open(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    #[cfg(unix)]
    fn what_never_ends_is_not_opened() -> std::io::Result<()> {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let _listener = UnixListener::bind(at("socket"))?;
        symlink("/dev/zero", at("zero"))?;
        fs::write(at("file"), "text")?;
        symlink(at("file"), at("link"))?;
        for (name, what) in [("socket", "a socket"), ("zero", "a device"), ("", "a folder")] {
            let message = refusal(&at(name));
            assert!(message.contains("is not a file") && message.contains(what), "{message}");
            assert!(message.contains("help: "), "{message}");
        }
        assert!(matches!(read(&at("link")).as_deref(), Ok(b"text")));
        assert!(matches!(open(&at("nowhere")), Err(Error::Io { .. })));
        // Not every file system has room for a hole of this size.
        if File::create(at("hole"))?.set_len(1 << 42).is_ok() {
            let message = refusal(&at("hole"));
            assert!(message.contains("has 4.0 TiB, more than this machine's memory"), "{message}");
            assert!(message.contains("replace or remove the file"), "{message}");
        }
        Ok(())
    }

    #[test]
    fn an_encoding_that_is_not_utf_8_is_called_that() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("latin");
        fs::write(&path, b"na\xefve")?;
        let message = read_text(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("not text in UTF-8: the byte at 2"), "{message}");
        Ok(())
    }
}
