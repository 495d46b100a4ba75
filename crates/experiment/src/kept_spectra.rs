//! The finished spectra of an unfinished run, saved so that none is computed twice.
//!
//! Spectra that are estimated together are saved together: estimated alone, they might have other
//! bits. Each set is identified by its epoch, its probe, its position in the probe, and a checksum
//! of the weights.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use candle_core::DType;
use eigenscape_core::{ClassMeans, Error, Estimate, Result, Spectrum};
use serde::{Deserialize, Serialize};

use crate::{
    pace::Pace,
    sealed,
    state_folder::names,
    vectors::{Stored, VectorFiles},
    weights::Weights,
};

/// The prefix of the names of spectra files, before their number.
const FILE: &str = "spectra.";
/// The name of a file while it is written.
const NEW: &str = "spectra.new";
/// The expected time to write the first file.
const COST: Duration = Duration::from_millis(5);

/// Estimates in the order of their operators.
pub type Estimates = Vec<Estimated>;

/// What an estimator found for one matrix, with eigenvectors in files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimated {
    /// The estimate for the whole matrix.
    pub estimate: Estimate,
    /// Each part's name with its spectrum.
    pub parts: Vec<(Cow<'static, str>, Spectrum)>,
    /// The class means, if there are some.
    pub means: Option<ClassMeans>,
    /// The eigenpairs.
    pub eigenpairs: Vec<Stored>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// The spectra saved in a folder.
pub struct KeptSpectra {
    folder: PathBuf,
    /// The files of eigenvectors.
    pub vectors: VectorFiles,
    known: BTreeMap<String, Estimates>,
    /// The keys in each file, by its number.
    files: BTreeMap<u64, Vec<String>>,
    /// The keys in `known` that are not in the folder yet.
    waiting: Vec<String>,
    pace: Pace,
}

impl KeptSpectra {
    /// Reads the spectra in a folder, which need not exist; their eigenvectors are in the folder
    /// `vectors`. A damaged file is reported to `warn` and removed; its spectra are computed again.
    pub fn read(folder: PathBuf, vectors: PathBuf, mut warn: impl FnMut(&str)) -> Self {
        let vectors = VectorFiles::of(vectors, folder.clone());
        let (mut known, mut files) = (BTreeMap::new(), BTreeMap::new());
        for name in names(&folder) {
            let Some(number) = name.strip_prefix(FILE).and_then(|number| number.parse::<u64>().ok()) else {
                continue;
            };
            let path = folder.join(name);
            match spectra(&path) {
                Ok(spectra) => {
                    files.insert(number, spectra.keys().cloned().collect());
                    known.extend(spectra);
                }
                Err(why) => {
                    warn(&why);
                    let _ = fs::remove_file(path);
                }
            }
        }
        Self { folder, vectors, known, files, waiting: Vec::new(), pace: Pace::new(COST) }
    }

    /// The number of saved spectra.
    #[must_use]
    pub fn all(&self) -> usize {
        self.known.values().map(Vec::len).sum()
    }

    /// The number of saved spectra whose keys begin with `epoch`.
    #[must_use]
    pub fn count(&self, epoch: &str) -> usize {
        self.known
            .range(epoch.to_owned()..)
            .take_while(|(key, _)| key.starts_with(epoch))
            .map(|(_, e)| e.len())
            .sum()
    }

    /// The estimates under a key, if the files of their eigenvectors are unchanged.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Estimates> {
        let whole = |one: &Estimated| one.eigenpairs.iter().all(|pair| self.vectors.has(pair));
        self.known.get(key).filter(|found| found.iter().all(whole))
    }

    /// Saves finished estimates: now if writing is cheap at this time, otherwise with a later
    /// write.
    ///
    /// # Errors
    /// When they cannot be written; the next write tries again.
    pub fn keep(&mut self, key: String, estimates: Estimates) -> Result<()> {
        self.waiting.push(key.clone());
        self.known.insert(key, estimates);
        if self.pace.is_cheap() { self.write() } else { Ok(()) }
    }

    /// Writes the estimates that are not in the folder yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let number = self.files.last_key_value().map_or(0, |(last, _)| last + 1);
        let path = self.folder.join(format!("{FILE}{number}"));
        let spectra: BTreeMap<&String, &Estimates> =
            self.waiting.iter().filter_map(|key| self.known.get_key_value(key)).collect();
        let written = self.pace.write(|| {
            fs::create_dir_all(&self.folder)?;
            sealed::write(&path, &self.folder.join(NEW), |out| Ok(serde_json::to_writer(out, &spectra)?))
        });
        written.map_err(|error| Error::io(&path, error))?;
        self.files.insert(number, std::mem::take(&mut self.waiting));
        Ok(())
    }

    /// Removes the spectra of measured epochs before an epoch, which are recorded elsewhere.
    pub fn forget_before(&mut self, epoch: usize) {
        let past = |key: &String| {
            key.split_once(':').is_some_and(|(of, _)| of.parse().is_ok_and(|of: usize| of < epoch))
        };
        self.known.retain(|key, _| !past(key));
        self.waiting.retain(|key| !past(key));
        let folder = &self.folder;
        self.files.retain(|number, keys| {
            let needed = !keys.iter().all(past);
            if !needed {
                let _ = fs::remove_file(folder.join(format!("{FILE}{number}")));
            }
            needed
        });
    }
}

/// The spectra in a file.
fn spectra(path: &Path) -> Result<BTreeMap<String, Estimates>, String> {
    let Some(contents) = sealed::open(path)? else { return Ok(BTreeMap::new()) };
    serde_json::from_reader(contents).map_err(|error| format!("{} cannot be read ({error})", path.display()))
}

/// The prefix of a measured epoch's keys: the epoch and a checksum of the weights.
///
/// # Errors
/// When a tensor cannot be read.
pub fn key(epoch: usize, weights: &Weights) -> Result<String> {
    let mut sum = crc32fast::Hasher::new();
    for tensor in weights.parameters.iter().chain(&weights.buffers) {
        let flat = tensor.flatten_all()?;
        match tensor.dtype() {
            DType::F32 => flat.to_vec1::<f32>()?.iter().for_each(|value| sum.update(&value.to_le_bytes())),
            _ => {
                flat.to_dtype(DType::F64)?
                    .to_vec1::<f64>()?
                    .iter()
                    .for_each(|v| sum.update(&v.to_le_bytes()));
            }
        }
    }
    Ok(format!("{epoch}:{:08x}:", sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimates(value: f64) -> Estimates {
        let spectrum = Spectrum::exact(3, vec![value, 1.0 / 3.0], 7).unwrap();
        let (parts, means, eigenpairs) = (Vec::new(), None, Vec::new());
        vec![Estimated { estimate: spectrum.into(), parts, means, eigenpairs, seconds: 0.25 }]
    }

    #[test]
    fn what_was_kept_is_found_again_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, vectors) = (folder.path().join("state"), folder.path().join("vectors"));
        let none = |why: &str| panic!("{why}");
        let mut kept = KeptSpectra::read(path.clone(), vectors.clone(), none);
        for (key, value) in [("1:ab:1.0", 0.1), ("1:ab:2.0", 1e-300), ("11:ab:1.0", -0.0)] {
            kept.keep(key.to_owned(), estimates(value)).unwrap();
            kept.write().unwrap();
        }
        let mut kept = KeptSpectra::read(path.clone(), vectors.clone(), none);
        assert_eq!(kept.find("1:ab:2.0"), Some(&estimates(1e-300)));
        assert_eq!((kept.count("1:ab:"), kept.count("1:cd:"), kept.count("11:ab:")), (2, 0, 1));
        let file = path.join("spectra.1");
        let mut contents = fs::read(&file).unwrap();
        contents[9] ^= 1;
        fs::write(&file, contents).unwrap();
        let mut told = Vec::new();
        let again = KeptSpectra::read(path.clone(), vectors.clone(), |why| told.push(why.to_owned()));
        assert!(again.find("1:ab:2.0").is_none() && again.find("11:ab:1.0").is_some());
        assert!(told.len() == 1 && told[0].contains("spectra.1 is not as it was written"), "{told:?}");
        kept.forget_before(11);
        let kept = KeptSpectra::read(path, vectors, none);
        assert!(kept.find("1:ab:1.0").is_none() && kept.find("11:ab:1.0") == Some(&estimates(-0.0)));
    }
}
