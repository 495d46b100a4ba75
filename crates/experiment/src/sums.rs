//! `MD5SUMS`: what was written into a folder, as `md5sum -c MD5SUMS` compares it.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use eigenscape_formats::checksum::md5;

use crate::{artifacts::failed, diagnostic::Result};

/// The list's name.
pub const FILE: &str = "MD5SUMS";

/// The files of a folder, as their list has them: by path, with `/` between its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, String>);

/// A file that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its path in the folder.
    pub file: String,
    /// Whether it is gone, rather than changed.
    pub missing: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = if self.missing { "is missing" } else { "is not as it was written" };
        write!(f, "{} {problem}", self.file)
    }
}

impl Sums {
    /// Of all files that are in the folder now, those below its folder `except` left out.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(folder: &Path, except: Option<&str>) -> io::Result<Self> {
        let files = files(folder)?
            .into_iter()
            .filter(|file| file != FILE && except.is_none_or(|except| !Path::new(file).starts_with(except)));
        let sum = |file: String| Ok((file.clone(), sum(&folder.join(file))?));
        files.map(sum).collect::<io::Result<_>>().map(Self)
    }

    /// What the folder's list says; `None` where there is none that can be read.
    #[must_use]
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(FILE)).ok()?;
        let entry = |line: &str| line.split_once("  ").map(|(sum, file)| (file.to_owned(), sum.to_owned()));
        text.lines().map(entry).collect::<Option<_>>().map(Self)
    }

    /// Writes the list into the folder, whole or not at all.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let lines: String = self.0.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect();
        let new = folder.join(format!(".{FILE}.new"));
        let mut file = File::create(&new)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, folder.join(FILE))
    }

    /// Takes the sums of some files anew: they have been written again.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn renew(&mut self, folder: &Path, which: impl Fn(&str) -> bool) -> io::Result<()> {
        for (file, kept) in self.0.iter_mut().filter(|(file, _)| which(file)) {
            *kept = sum(&folder.join(file))?;
        }
        Ok(())
    }

    /// The listed files, by path.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those that are not in the folder as they were written.
    #[must_use]
    pub fn faults(&self, folder: &Path) -> Vec<Fault> {
        let fault = |(file, written): (&String, &String)| match sum(&folder.join(file)) {
            Ok(found) if found == *written => None,
            Ok(_) => Some(Fault { file: file.clone(), missing: false }),
            Err(error) => {
                Some(Fault { file: file.clone(), missing: error.kind() == io::ErrorKind::NotFound })
            }
        };
        self.0.iter().filter_map(fault).collect()
    }

    /// The files of the folder that are not listed: somebody else's.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn strangers(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut files = files(folder)?;
        files.retain(|file| file != FILE && !self.0.contains_key(file));
        Ok(files)
    }
}

/// Lists the files of a folder of results.
///
/// # Errors
/// When one cannot be read, or the list not be written.
pub fn write(folder: &Path) -> Result<()> {
    let list = Sums::of(folder, None).and_then(|sums| sums.write(folder));
    list.map_err(|error| failed(&folder.join(FILE), &error))
}

fn sum(path: &Path) -> io::Result<String> {
    // A link, or a folder in a file's place, is not what was written.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(String::new());
    }
    md5(File::open(path)?)
}

/// Everything below a folder that is no folder itself, by path.
fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(below) = waiting.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() { waiting.push(path) } else { found.push(slashed(&path)) }
        }
    }
    found.sort();
    Ok(found)
}

fn slashed(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_changed_or_somebody_elses_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("checkpoints/a b")).unwrap();
        for file in ["run.json", "checkpoints/a b/final", "checkpoints/first"] {
            fs::write(path.join(file), file).unwrap();
        }
        Sums::of(path, None).unwrap().write(path).unwrap();
        let sums = Sums::read(path).unwrap();
        assert_eq!(
            sums.files().collect::<Vec<_>>(),
            ["checkpoints/a b/final", "checkpoints/first", "run.json"]
        );
        assert!(sums.faults(path).is_empty() && sums.strangers(path).unwrap().is_empty());
        fs::write(path.join("checkpoints/a b/final"), "checkpoints/a b/fina").unwrap();
        fs::remove_file(path.join("run.json")).unwrap();
        fs::write(path.join("checkpoints/mine"), "").unwrap();
        let faults: Vec<String> = sums.faults(path).iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["checkpoints/a b/final is not as it was written", "run.json is missing"]);
        assert_eq!(sums.strangers(path).unwrap(), ["checkpoints/mine"]);
        fs::write(path.join(FILE), "half a li").unwrap();
        assert_eq!(Sums::read(path), None);
    }
}
