//! The folder that an unfinished run resumes from: its training's state, in two generations, and
//! its finished spectra.
//!
//! `training.N` is a generation. The previous one stays until the next is written, so that damage
//! to one loses little. A full disk does not end a training: weights that cannot be written wait in
//! memory, and redundant files are removed to make room for data that cannot be recomputed. The
//! redundant files are the previous generation, and a file of zeros that reserves space for the
//! last state from the beginning.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crc32fast::Hasher;
use eigenscape_core::{Error, Result, error::is_full};
use eigenscape_program::Network;

use crate::{
    checkpoint,
    optimizer::Optimizer,
    resume::{self, Unfinished},
    sealed,
    train::Standing,
    training_state::{self, Files, Records, State},
    weights::Weights,
};

/// The prefix of the names of generations of the training's state, before their number.
const GENERATION: &str = "training.";
/// The suffix of a file's name while it is written.
const NEW: &str = ".new";
/// The name of the file of zeros, beside the folder.
const RESERVE: &str = "reserve";
/// Bytes of zeros that are written at once.
const ZEROS: usize = 1 << 20;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// The folder and what is known about it. Dropping it releases the reserved space.
pub struct StateFolder<'a> {
    unfinished: &'a Unfinished,
    network: &'a Network,
    folder: PathBuf,
    /// The generation to resume from.
    good: Option<u64>,
    next: u64,
    /// Written files of the run, besides the states.
    files: Files,
    /// Weights that could not be written yet.
    waiting: Vec<(String, Weights)>,
}

impl<'a> StateFolder<'a> {
    /// The folder of a run of a network. Removes incomplete files that a killed process left.
    #[must_use]
    pub fn of(unfinished: &'a Unfinished, network: &'a Network) -> Self {
        let folder = unfinished.state();
        for name in names(&folder).filter(|name| name.ends_with(NEW)) {
            let _ = fs::remove_file(folder.join(name));
        }
        let next = generations(&folder).last().map_or(0, |last| last + 1);
        let (files, waiting) = (Files::new(), Vec::new());
        let state = Self { unfinished, network, folder, good: None, next, files, waiting };
        let _ = fs::remove_file(state.reserved());
        state
    }

    /// The run that the folder belongs to.
    #[must_use]
    pub fn unfinished(&self) -> &Unfinished {
        self.unfinished
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The newest intact state of a training of weights like these, whose files of weights and
    /// eigenvectors are all unchanged. Every other state is reported to `warn`.
    pub fn read(
        &mut self,
        optimizer: Optimizer,
        like: &Weights,
        mut warn: impl FnMut(&str),
    ) -> Option<State> {
        for number in generations(&self.folder).into_iter().rev() {
            let path = self.generation(number);
            let state = sealed::open(&path).and_then(|contents| {
                let state = contents.and_then(|mut file| training_state::read(&mut file, optimizer, like));
                state.ok_or_else(|| format!("{} is no state of this training", path.display()))
            });
            match state.and_then(|state| self.complete(state)) {
                Ok(state) => {
                    self.good = Some(number);
                    self.files.clone_from(&state.files);
                    return Some(state);
                }
                Err(why) => warn(&why),
            }
        }
        None
    }

    /// The state, if the files that it lists are unchanged.
    fn complete(&self, state: State) -> Result<State, String> {
        for (name, sum) in &state.files {
            let path = self.unfinished.file(name);
            if !checksum(&path).is_ok_and(|found| found == *sum) {
                return Err(format!("{} is missing or not as it was written", path.display()));
            }
        }
        Ok(state)
    }

    /// Saves a state. For the last one, which no step follows, redundant files are removed if the
    /// disk is full.
    ///
    /// # Errors
    /// When it cannot be written; the previous state is then still there.
    pub fn save(&mut self, standing: &Standing, records: &Records, last: bool) -> Result<()> {
        // A state implies that all earlier checkpoints are written.
        self.settle()?;
        self.make()?;
        for older in generations(&self.folder).into_iter().filter(|older| Some(*older) != self.good) {
            let _ = fs::remove_file(self.generation(older));
        }
        let path = self.generation(self.next);
        let contents =
            |out: &mut dyn Write| training_state::write(out, standing, records, &self.files, !last);
        let write = || sealed::write(&path, &self.folder.join(format!("training{NEW}")), contents);
        let written = if last { self.with_room(write) } else { write() };
        written.map_err(|error| Error::io(&path, error))?;
        (self.good, self.next) = (Some(self.next), self.next + 1);
        Ok(())
    }

    /// Writes weights to a file of the run.
    ///
    /// # Errors
    /// When they cannot be written; they are then kept in memory, and written with the next state
    /// that can be.
    pub fn checkpoint(&mut self, name: &str, weights: &Weights) -> Result<()> {
        self.waiting.push((name.to_owned(), weights.clone()));
        self.settle()
    }

    /// Lists written files with their checksums, which the next states refer to.
    pub fn list(&mut self, files: impl IntoIterator<Item = (String, u32)>) {
        self.files.extend(files);
    }

    /// Writes the weights that could not be written before.
    ///
    /// # Errors
    /// When they still cannot be written.
    pub fn settle(&mut self) -> Result<()> {
        while let Some((name, weights)) = self.waiting.first() {
            self.make()?;
            let file = resume::checkpoint(name);
            let path = self.unfinished.file(&file);
            let by_way_of = self.folder.join(format!("checkpoint{NEW}"));
            let save = |new: &Path| checkpoint::save(new, self.network, weights);
            let written = self.with_room(|| sealed::replace(&path, &by_way_of, save));
            let sum = written.and_then(|()| checksum(&path)).map_err(|error| Error::io(&path, error))?;
            self.files.insert(file, sum);
            self.waiting.remove(0);
        }
        Ok(())
    }

    /// Reserves `bytes` more of disk space for the last state, if there is room.
    pub fn reserve(&self, bytes: usize) {
        let path = self.reserved();
        let hold = || -> io::Result<()> {
            let mut file = File::options().create(true).append(true).open(&path)?;
            let zeros = vec![0; ZEROS.min(bytes)];
            (0..bytes).step_by(ZEROS).try_for_each(|start| file.write_all(&zeros[..ZEROS.min(bytes - start)]))
        };
        if hold().is_err() {
            let _ = fs::remove_file(path);
        }
    }

    fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| Error::io(&self.folder, error))
    }

    /// Calls `write`. While the disk is full, removes one redundant file after the other and tries
    /// again.
    fn with_room(&self, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let older = generations(&self.folder).into_iter().filter(|older| Some(*older) != self.good);
        let spare: Vec<PathBuf> =
            older.map(|older| self.generation(older)).chain([self.reserved()]).collect();
        let mut written = write();
        for path in spare {
            if !written.as_ref().is_err_and(is_full) {
                break;
            }
            if fs::remove_file(path).is_ok() {
                written = write();
            }
        }
        written
    }

    fn reserved(&self) -> PathBuf {
        self.folder.with_file_name(RESERVE)
    }

    fn generation(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{GENERATION}{number}"))
    }
}

impl Drop for StateFolder<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.reserved());
    }
}

/// The CRC-32 of a file.
pub(crate) fn checksum(path: &Path) -> io::Result<u32> {
    let (mut file, mut sum, mut block) = (File::open(path)?, Hasher::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(sum.finalize()),
            read => sum.update(&block[..read]),
        }
    }
}

/// The numbers of the generations in a folder, ascending.
fn generations(folder: &Path) -> Vec<u64> {
    let number = |name: String| name.strip_prefix(GENERATION)?.parse().ok();
    let mut numbers: Vec<u64> = names(folder).filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The names of a folder's entries; none if there is no folder.
pub(crate) fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
