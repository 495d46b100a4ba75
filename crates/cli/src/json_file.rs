//! JSON files that are requested with `--json FILE`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use eigenscape_core::Error;
use eigenscape_experiment::{Failure, Result};
use serde::Serialize;
use tempfile::NamedTempFile;

/// A JSON file that appears whole, once it is complete.
pub struct JsonFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl JsonFile {
    /// Checks at the start that the file can be written.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let refused = |error| Failure::Usage {
            problem: format!("{} cannot be written: {error}", path.display()),
            remedy: "choose another file with --json FILE".to_owned(),
        };
        if path.is_dir() {
            return Err(refused(std::io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { path: path.to_owned(), file: temporary(folder).map_err(refused)? })
    }

    /// Writes `value` to the file.
    pub fn write(mut self, value: &impl Serialize) -> Result<()> {
        let json =
            serde_json::to_string_pretty(value).map_err(|error| Error::io(&self.path, error.into()))?;
        writeln!(self.file, "{json}").map_err(|error| Error::io(&self.path, error))?;
        self.file.persist(&self.path).map_err(|error| Error::io(&self.path, error.error))?;
        Ok(())
    }
}

/// A temporary file with the permissions of a new file; by default only its owner could read it.
fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        drop(JsonFile::create(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        JsonFile::create(&path).unwrap().write(&Vec::<u8>::new()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[]\n");
        let error = JsonFile::create(&folder.path().join("none/bench.json")).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(JsonFile::create(folder.path()).is_err());
    }
}
