//! Runs that are finished, of a plan that is not: a sweep that was interrupted goes on where it stopped.
//!
//! `OUT/.NAME.runs/KEY` holds a run's record and its checkpoints. The key is made of every setting that its numbers depend on, the
//! program's version, and checksums of the data and of the weights to start from, so that whatever changes, a run of the past is
//! not taken for another. The folder is renamed from `KEY.partial` when everything in it is on disk: one that exists is complete.
//! When the plan's results are in their place all of it is removed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use candle_core::{DType, Tensor};
use eigenscape_core::{
    Error, Examples, Inputs, Targets,
    notes::{Notes, RunNotes},
    results::Run,
};
use serde::{Deserialize, Serialize};

use crate::{
    artifacts::{RESULTS, failed, remove, sibling},
    diagnostic::Result,
    plan::{Plan, RunPlan},
    prepare::Prepared,
    tensorboard,
};

/// The record of a run.
const RECORD: &str = "run.json";
/// The folder of a run's weights.
const CHECKPOINTS: &str = "checkpoints";
/// The folder of a run's event file.
const SCALARS: &str = "tensorboard";
/// Rows of a tensor that are read at once.
const ROWS: usize = 1024;

/// What a run's numbers depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Short, for folders.
    pub key: String,
    settings: String,
}

impl Identity {
    /// The identity of a run that is ready to start.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn new(prepared: &Prepared) -> Result<Self> {
        let settings = format!("# Eigenscape {}\n{}", env!("CARGO_PKG_VERSION"), prepared.plan.settings);
        let mut data = crc32fast::Hasher::new();
        for examples in [&prepared.train].into_iter().chain(&prepared.test) {
            examples_into(&mut data, examples)?;
        }
        let mut weights = crc32fast::Hasher::new();
        for tensor in prepared.weights.parameters.iter().chain(&prepared.weights.buffers) {
            tensor_into(&mut weights, tensor)?;
        }
        let parts = [crc32fast::hash(settings.as_bytes()), data.finalize(), weights.finalize()];
        Ok(Self { key: parts.map(|part| format!("{part:08x}")).concat(), settings })
    }
}

fn examples_into(hasher: &mut crc32fast::Hasher, examples: &Examples) -> Result<()> {
    rows_into(hasher, &examples.inputs)?;
    match &examples.targets {
        Targets::Values(tensor) | Targets::Classes { labels: tensor, .. } => tensor_into(hasher, tensor),
    }
}

fn tensor_into(hasher: &mut crc32fast::Hasher, tensor: &Tensor) -> Result<()> {
    // A single number is one row of none.
    let rows = if tensor.rank() == 0 { tensor.unsqueeze(0).map_err(Error::from)? } else { tensor.clone() };
    rows_into(hasher, &rows.into())
}

fn rows_into(hasher: &mut crc32fast::Hasher, rows: &Inputs) -> Result<()> {
    rows.dims().iter().for_each(|size| hasher.update(&size.to_le_bytes()));
    for start in (0..rows.len()).step_by(ROWS) {
        let part = rows.range(start, ROWS.min(rows.len() - start))?;
        hasher.update(&bytes(&part).map_err(Error::from)?);
    }
    Ok(())
}

fn bytes(tensor: &Tensor) -> candle_core::Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F32 => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
        _ => flat.to_dtype(DType::F64)?.to_vec1::<f64>()?.into_iter().flat_map(f64::to_le_bytes).collect(),
    })
}

/// The contents of a finished run's record.
#[derive(Serialize, Deserialize)]
struct Record {
    settings: String,
    run: Run,
    notes: RunNotes,
}

/// The finished runs of a plan.
pub struct FinishedRuns {
    folder: PathBuf,
}

impl FinishedRuns {
    /// Those of the plan whose results will be in `target`; none after `fresh`.
    ///
    /// # Errors
    /// When old ones cannot be removed.
    pub fn of(target: &Path, fresh: bool) -> Result<Self> {
        let folder = sibling(target, "runs");
        if fresh {
            remove(&folder).map_err(|error| failed(&folder, &error))?;
        }
        Ok(Self { folder })
    }

    /// A run that was finished earlier, under its present name.
    #[must_use]
    pub fn find(&self, identity: &Identity, plan: &RunPlan) -> Option<(Run, RunNotes)> {
        let text = fs::read_to_string(self.run(identity).join(RECORD)).ok()?;
        // What cannot be read is run again.
        let record: Record = serde_json::from_str(&text).ok()?;
        let named = |run: Run| Run { name: plan.name.clone(), variant: plan.variant.clone(), ..run };
        (record.settings == identity.settings).then(|| (named(record.run), record.notes))
    }

    /// An empty folder for a run that starts.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn start(&self, identity: &Identity) -> Result<Unfinished> {
        let partial = self.folder.join(format!("{}.partial", identity.key));
        let made = fs::create_dir_all(partial.join(CHECKPOINTS));
        made.map_err(|error| failed(&partial, &error))?;
        Ok(Unfinished { partial, folder: self.run(identity) })
    }

    /// The weights of a finished run.
    #[must_use]
    pub fn checkpoints(&self, identity: &Identity) -> PathBuf {
        self.run(identity).join(CHECKPOINTS)
    }

    /// The event file of a finished run that has one, in a folder.
    #[must_use]
    pub fn scalars(&self, identity: &Identity) -> PathBuf {
        self.run(identity).join(SCALARS)
    }

    /// Removes all of them: the plan is finished.
    pub fn close(self) {
        // The results are in their place; what cannot be removed now is removed after the next plan of this name.
        let _ = remove(&self.folder);
    }

    fn run(&self, identity: &Identity) -> PathBuf {
        self.folder.join(&identity.key)
    }
}

impl Drop for FinishedRuns {
    fn drop(&mut self) {
        // A folder with a finished run in it stays.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The folder of a run that is not finished. Dropped before [`Unfinished::finish`], it removes what was written.
pub struct Unfinished {
    partial: PathBuf,
    folder: PathBuf,
}

impl Unfinished {
    /// The folder of what the run can go on from, which need not exist. While there is something in it, the run's folder outlives the process.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.partial.join("state")
    }

    /// The path of a file of weights about to be written.
    #[must_use]
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.partial.join(CHECKPOINTS).join(format!("{name}.safetensors"))
    }

    /// Writes the event file.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn write_scalars(&self, events: &[u8]) -> Result<()> {
        let path = self.partial.join(SCALARS).join(tensorboard::FILE);
        let write = || -> io::Result<()> {
            fs::create_dir_all(self.partial.join(SCALARS))?;
            let mut file = File::create(&path)?;
            file.write_all(events)?;
            file.sync_all()
        };
        write().map_err(|error| failed(&path, &error))
    }

    /// Writes the record and gives the folder its name.
    ///
    /// # Errors
    /// When the operating system refuses; then there is no finished run.
    pub fn finish(self, identity: &Identity, run: &Run, notes: &RunNotes) -> Result<()> {
        let record = Record { settings: identity.settings.clone(), run: run.clone(), notes: notes.clone() };
        let path = self.partial.join(RECORD);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(&serde_json::to_vec(&record)?)?;
            file.sync_all()?;
            for entry in fs::read_dir(self.partial.join(CHECKPOINTS))? {
                File::open(entry?.path())?.sync_all()?;
            }
            remove(&self.folder)?;
            fs::rename(&self.partial, &self.folder)?;
            remove(&self.folder.join("state"))
        };
        write().map_err(|error| failed(&path, &error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !fs::read_dir(self.state()).is_ok_and(|mut entries| entries.next().is_some()) {
            let _ = remove(&self.partial);
        }
    }
}

/// Whether the folder of results holds these very runs.
///
/// # Errors
/// When a run cannot be prepared.
pub fn is_current(plan: &Plan) -> Result<bool> {
    let read = |file: &str| fs::read_to_string(plan.directory.join(file)).ok();
    let notes = read("notes.json").and_then(|text| serde_json::from_str::<Notes>(&text).ok());
    let (Some(notes), true) = (notes, plan.directory.join(RESULTS).is_file()) else { return Ok(false) };
    if notes.runs.len() != plan.runs.len() || read("experiment.toml").as_ref() != Some(&plan.resolved) {
        return Ok(false);
    }
    for (run, notes) in plan.runs.iter().zip(&notes.runs) {
        if Identity::new(&crate::prepare::prepare(run)?)?.key != notes.key {
            return Ok(false);
        }
    }
    Ok(true)
}
