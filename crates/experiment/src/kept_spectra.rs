//! The finished spectra of an unfinished run, so that none is computed twice.
//!
//! What is estimated together is kept together: alone it might be computed differently, and have other bits. Each is known by its moment,
//! its probe, its place in the probe, and a checksum of the weights.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use candle_core::DType;
use eigenscape_core::{Error, Findings, Result};

use crate::{pace::Pace, sealed, state_folder::names, weights::Weights};

/// What files of spectra are called, before their number.
const FILE: &str = "spectra.";
/// What a file is called while it is written.
const NEW: &str = "spectra.new";
/// What the first file will probably take to be written.
const COST: Duration = Duration::from_millis(5);

/// Estimates with the seconds that each took, in the order of their operators.
pub type Estimates = Vec<(Findings, f64)>;

/// The spectra that are kept in a folder.
pub struct KeptSpectra {
    folder: PathBuf,
    known: BTreeMap<String, Estimates>,
    /// Of `known`, those that are not in the folder yet.
    waiting: Vec<String>,
    next: u64,
    pace: Pace,
}

impl KeptSpectra {
    /// Those in a folder, which need not exist. `warn` is told of what is not as it was written: it is removed, and computed again.
    pub fn read(folder: PathBuf, mut warn: impl FnMut(&str)) -> Self {
        let (mut known, mut next) = (BTreeMap::new(), 0);
        for name in names(&folder) {
            let Some(number) = name.strip_prefix(FILE).and_then(|number| number.parse::<u64>().ok()) else {
                continue;
            };
            next = next.max(number + 1);
            let path = folder.join(name);
            let contents = sealed::read(&path).map(Option::unwrap_or_default);
            match contents.map(|contents| serde_json::from_slice::<BTreeMap<String, Estimates>>(&contents)) {
                Ok(Ok(spectra)) => known.extend(spectra),
                Ok(Err(error)) => warn(&format!("{} cannot be used ({error})", path.display())),
                Err(why) => {
                    warn(&why);
                    let _ = fs::remove_file(path);
                }
            }
        }
        Self { folder, known, waiting: Vec::new(), next, pace: Pace::new(COST) }
    }

    /// How many are kept.
    #[must_use]
    pub fn all(&self) -> usize {
        self.known.values().map(Vec::len).sum()
    }

    /// How many are kept of a moment with these weights.
    #[must_use]
    pub fn count(&self, moment: &str) -> usize {
        self.known
            .range(moment.to_owned()..)
            .take_while(|(key, _)| key.starts_with(moment))
            .map(|(_, e)| e.len())
            .sum()
    }

    /// What is kept under a key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Estimates> {
        self.known.get(key)
    }

    /// Keeps finished estimates: at once, or soon where they took next to no time.
    ///
    /// # Errors
    /// When they cannot be written; they are tried again with the next.
    pub fn keep(&mut self, key: String, estimates: Estimates) -> Result<()> {
        self.waiting.push(key.clone());
        self.known.insert(key, estimates);
        if self.pace.is_cheap() { self.write() } else { Ok(()) }
    }

    /// Writes what is not in the folder yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let path = self.folder.join(format!("{FILE}{}", self.next));
        let spectra: BTreeMap<&String, &Estimates> =
            self.waiting.iter().filter_map(|key| self.known.get_key_value(key)).collect();
        let written = self.pace.write(|| {
            let contents = serde_json::to_vec(&spectra)?;
            fs::create_dir_all(&self.folder)?;
            sealed::write(&path, &self.folder.join(NEW), &contents)
        });
        written.map_err(|error| Error::io(&path, error))?;
        self.waiting.clear();
        self.next += 1;
        Ok(())
    }

    /// Removes all: what they were of is recorded elsewhere.
    pub fn forget(&mut self) {
        for name in names(&self.folder).filter(|name| name.starts_with(FILE)) {
            let _ = fs::remove_file(self.folder.join(name));
        }
        self.known.clear();
        self.waiting.clear();
    }
}

/// What the keys of a moment begin with: the epoch and a checksum of the weights.
///
/// # Errors
/// When a tensor cannot be read.
pub fn moment(epoch: usize, weights: &Weights) -> Result<String> {
    let mut sum = crc32fast::Hasher::new();
    for tensor in weights.parameters.iter().chain(&weights.buffers) {
        let flat = tensor.flatten_all()?;
        match tensor.dtype() {
            DType::F32 => flat.to_vec1::<f32>()?.iter().for_each(|value| sum.update(&value.to_le_bytes())),
            _ => {
                flat.to_dtype(DType::F64)?.to_vec1::<f64>()?.iter().for_each(|v| sum.update(&v.to_le_bytes()))
            }
        }
    }
    Ok(format!("{epoch}:{:08x}:", sum.finalize()))
}

#[cfg(test)]
mod tests {
    use eigenscape_core::{Estimate, Spectrum};

    use super::*;

    fn estimates(value: f64) -> Estimates {
        let spectrum = Spectrum::exact(3, vec![value, 1.0 / 3.0], 7).unwrap();
        vec![(Estimate::from(spectrum).into(), 0.25)]
    }

    #[test]
    fn what_was_kept_is_found_again_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let none = |why: &str| panic!("{why}");
        let mut kept = KeptSpectra::read(path.clone(), none);
        for (key, value) in [("1:ab:1.0", 0.1), ("1:ab:2.0", 1e-300), ("11:ab:1.0", -0.0)] {
            kept.keep(key.to_owned(), estimates(value)).unwrap();
            kept.write().unwrap();
        }
        let mut kept = KeptSpectra::read(path.clone(), none);
        assert_eq!(kept.find("1:ab:2.0"), Some(&estimates(1e-300)));
        assert_eq!((kept.count("1:ab:"), kept.count("1:cd:"), kept.count("11:ab:")), (2, 0, 1));
        let file = path.join("spectra.1");
        let mut contents = fs::read(&file).unwrap();
        contents[9] ^= 1;
        fs::write(&file, contents).unwrap();
        let mut told = Vec::new();
        let again = KeptSpectra::read(path.clone(), |why| told.push(why.to_owned()));
        assert!(again.find("1:ab:2.0").is_none() && again.find("11:ab:1.0").is_some());
        assert!(told.len() == 1 && told[0].contains("spectra.1 is not as it was written"), "{told:?}");
        kept.forget();
        assert!(KeptSpectra::read(path, none).find("1:ab:1.0").is_none());
    }
}
