//! Keeps the runs of a plan until the plan is finished, so that an interrupted plan resumes where
//! it stopped.
//!
//! `OUT/.NAME.runs/KEY` holds a finished run: its record, its checkpoints and their sums. The key
//! ([`Identity`]) depends on everything that the run's numbers depend on, so that a run is not
//! mistaken for another after a change. The folder is renamed from `KEY.partial` when everything in
//! it is on disk, and its sums are compared before it is used. `KEY.partial` itself stays as long
//! as its folder `state` contains something to resume from. A plan's runs are removed when its
//! results are in place; runs of other settings stay.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use eigenscape_core::{notes::RunNotes, results::Run};
use serde::{Deserialize, Serialize};

use crate::{
    artifacts::{copy, failed, remove, sibling},
    diagnostic::Result,
    identity::Identity,
    plan::RunPlan,
    sums::{self, Fault, Sums},
    tensorboard,
};

/// The file of a run's record.
const RECORD: &str = "run.json";
/// The folder of a run's weights.
pub const CHECKPOINTS: &str = "checkpoints";
/// The folder of a run's event file.
pub const SCALARS: &str = "tensorboard";
/// The folder that an unfinished run resumes from.
const STATE: &str = "state";
/// The file of a run's settings.
const SETTINGS: &str = "settings.toml";

/// The path of a file of weights in a run's folder.
#[must_use]
pub fn checkpoint(name: &str) -> String {
    format!("{CHECKPOINTS}/{name}.safetensors")
}

/// The contents of a finished run's record.
#[derive(Serialize, Deserialize)]
struct Record {
    run: Run,
    notes: RunNotes,
}

/// The result of looking for a kept run.
pub enum Kept {
    /// No finished run.
    Nothing,
    /// The finished run, under its present name.
    Finished(Box<(Run, RunNotes)>),
    /// A run that cannot be used, with the reason.
    Damaged(String),
}

/// The store of a plan's kept runs.
pub struct KeptRuns<'a> {
    folder: PathBuf,
    identities: &'a [Identity],
}

impl<'a> KeptRuns<'a> {
    /// The store of a plan with these runs, whose results will be in `target`.
    #[must_use]
    pub fn of(target: &Path, identities: &'a [Identity]) -> Self {
        Self { folder: sibling(target, "runs"), identities }
    }

    /// Removes what killed processes left of runs that cannot be resumed.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn tidy(&self) -> Result<()> {
        for partial in self.folders().filter(|folder| folder.extension().is_some()) {
            if !has_state(&partial) {
                remove(&partial).map_err(|error| failed(&partial, &error))?;
            }
        }
        Ok(())
    }

    /// Whether none of this plan's runs is kept, finished or begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.identities.iter().all(|run| !self.run(run).exists() && !self.partial(run).exists())
    }

    /// The folders of all runs, finished (`KEY`) or begun (`KEY.partial`).
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path())
    }

    /// Finds a run that was finished earlier, and checks that its files are unchanged.
    #[must_use]
    pub fn find(&self, identity: &Identity, plan: &RunPlan) -> Kept {
        let folder = self.run(identity);
        if !folder.exists() {
            return Kept::Nothing;
        }
        match read(&folder) {
            Err(why) => Kept::Damaged(why),
            // A run of other settings with the same key.
            Ok(_) if !identity.is_written(&folder) => Kept::Nothing,
            Ok(Record { run, notes }) => {
                let run = Run { name: plan.name.clone(), variant: plan.variant.clone(), ..run };
                Kept::Finished(Box::new((run, notes)))
            }
        }
    }

    /// Opens the folder of a run that starts, or resumes from its saved state.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn start(&self, identity: &Identity) -> Result<Unfinished> {
        let partial = self.partial(identity);
        let unfinished = Unfinished { partial, folder: self.run(identity) };
        unfinished.open(identity).map_err(|error| failed(&unfinished.partial, &error))?;
        Ok(unfinished)
    }

    /// The folder of a finished run.
    #[must_use]
    pub fn run(&self, identity: &Identity) -> PathBuf {
        self.folder.join(&identity.key)
    }

    fn partial(&self, identity: &Identity) -> PathBuf {
        self.folder.join(format!("{}.partial", identity.key))
    }

    /// Removes this plan's runs, finished or not.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn remove(&self) -> Result<()> {
        for identity in self.identities {
            for folder in [self.run(identity), self.partial(identity)] {
                remove(&folder).map_err(|error| failed(&folder, &error))?;
            }
        }
        Ok(())
    }

    /// The folder with runs of other settings, and how many there are, finished or begun.
    #[must_use]
    pub fn others(&self) -> Option<(&Path, usize)> {
        let ours = |folder: &PathBuf| {
            self.identities.iter().any(|run| *folder == self.run(run) || *folder == self.partial(run))
        };
        let others = self.folders().filter(|folder| !ours(folder)).count();
        (others > 0).then_some((&self.folder, others))
    }
}

impl Drop for KeptRuns<'_> {
    fn drop(&mut self) {
        // A folder that contains a run stays.
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Identity {
    /// Whether the run in a folder has these settings.
    fn is_written(&self, folder: &Path) -> bool {
        fs::read_to_string(folder.join(SETTINGS)).is_ok_and(|text| text == self.settings)
    }
}

/// Whether an unfinished run can be resumed.
fn has_state(partial: &Path) -> bool {
    fs::read_dir(partial.join(STATE)).is_ok_and(|mut entries| entries.next().is_some())
}

/// Reads a run's record, if the files are unchanged.
fn read(folder: &Path) -> Result<Record, String> {
    let Some(sums) = Sums::read(folder).filter(|sums| sums.files().any(|file| file == RECORD)) else {
        return Err(format!("{} is missing or damaged", folder.join(sums::FILE).display()));
    };
    let faults: Vec<String> = sums.faults(folder).iter().map(Fault::to_string).collect();
    if !faults.is_empty() {
        return Err(format!("in {}, {}", folder.display(), faults.join(", ")));
    }
    let path = folder.join(RECORD);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The folder of an unfinished run. Dropping it before [`Unfinished::finish`] removes the folder,
/// unless the folder of [`Unfinished::state`] contains something.
pub struct Unfinished {
    partial: PathBuf,
    folder: PathBuf,
}

impl Unfinished {
    /// Creates the folder. Its contents are kept only if the same run saved a state in it.
    fn open(&self, identity: &Identity) -> io::Result<()> {
        if !(has_state(&self.partial) && identity.is_written(&self.partial)) {
            remove(&self.partial)?;
        }
        fs::create_dir_all(self.partial.join(CHECKPOINTS))?;
        fs::write(self.partial.join(SETTINGS), &identity.settings)
    }

    /// The path of a file of the run, given its path in the run's folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// The folder that the run resumes from, which need not exist. As long as it contains
    /// something, the run's folder outlives the process.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.partial.join(STATE)
    }

    /// Writes the TensorBoard event file.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn write_scalars(&self, events: &[u8]) -> Result<()> {
        let path = self.partial.join(SCALARS).join(tensorboard::FILE);
        let write = || fs::create_dir_all(self.partial.join(SCALARS)).and_then(|()| fs::write(&path, events));
        write().map_err(|error| failed(&path, &error))
    }

    /// Copies the files of a folder, if it exists, into a folder of this run.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn copy(&self, folder: &Path, into: &str) -> Result<()> {
        let into = self.partial.join(into);
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| failed(folder, &error))?,
        };
        fs::create_dir_all(&into).map_err(|error| failed(&into, &error))?;
        for entry in entries.flatten() {
            let to = into.join(entry.file_name());
            copy(&entry.path(), &to).map_err(|error| failed(&to, &error))?;
        }
        Ok(())
    }

    /// Writes the record and the sums, and renames the folder to its final name.
    ///
    /// # Errors
    /// When the operating system refuses; the run is then still unfinished, and its state still
    /// there.
    pub fn finish(self, run: &Run, notes: &RunNotes) -> Result<()> {
        let record = Record { run: run.clone(), notes: notes.clone() };
        let path = self.partial.join(RECORD);
        let write = || -> io::Result<()> {
            File::create(&path)?.write_all(&serde_json::to_vec(&record)?)?;
            let sums = Sums::of(&self.partial, Some(STATE))?;
            for file in sums.files() {
                File::open(self.partial.join(file))?.sync_all()?;
            }
            sums.write(&self.partial)?;
            remove(&self.folder)?;
            fs::rename(&self.partial, &self.folder)?;
            remove(&self.folder.join(STATE))
        };
        write().map_err(|error| failed(&path, &error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !has_state(&self.partial) {
            let _ = remove(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(key: &str) -> Identity {
        Identity { key: key.to_owned(), settings: format!("settings of {key}") }
    }

    fn keep(kept: &KeptRuns, identity: &Identity) {
        let unfinished = kept.start(identity).unwrap();
        fs::write(unfinished.file(&checkpoint("final")), "weights").unwrap();
        unfinished.finish(&Run::default(), &RunNotes::default()).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_the_runs_of_the_plan_are_removed() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("demo");
        let (sweep, other) = ([identity("1"), identity("2")], [identity("3")]);
        let store = out.path().join(".demo.runs");
        {
            let kept = KeptRuns::of(&target, &sweep);
            keep(&kept, &sweep[0]);
            keep(&kept, &sweep[1]);
        }
        {
            let kept = KeptRuns::of(&target, &other);
            keep(&kept, &other[0]);
            assert_eq!(kept.others().unwrap().1, 2);
            kept.remove().unwrap();
        }
        assert_eq!(names(&store), ["1", "2"]);
        KeptRuns::of(&target, &sweep).remove().unwrap();
        assert!(!store.exists());
    }

    #[test]
    fn an_unfinished_run_stays_while_it_has_a_state() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("demo");
        let one = [identity("1")];
        let kept = KeptRuns::of(&target, &one);
        let store = out.path().join(".demo.runs");
        drop(kept.start(&one[0]).unwrap());
        assert!(names(&store).is_empty());
        {
            let unfinished = kept.start(&one[0]).unwrap();
            fs::write(unfinished.file(&checkpoint("epoch-0")), "weights").unwrap();
            fs::create_dir(unfinished.state()).unwrap();
            fs::write(unfinished.state().join("training"), "state").unwrap();
        }
        assert_eq!(names(&store), ["1.partial"]);
        let unfinished = kept.start(&one[0]).unwrap();
        assert!(
            unfinished.file(&checkpoint("epoch-0")).is_file()
                && unfinished.state().join("training").is_file()
        );
        unfinished.finish(&Run::default(), &RunNotes::default()).unwrap();
        assert_eq!(names(&store), ["1"]);
        assert_eq!(names(&kept.run(&one[0])), ["MD5SUMS", "checkpoints", "run.json", "settings.toml"]);
        // The same key with other settings: the saved state is not used.
        let other = [Identity { settings: "others".to_owned(), ..identity("1") }];
        let unfinished = kept.start(&one[0]).unwrap();
        fs::create_dir(unfinished.state()).unwrap();
        fs::write(unfinished.state().join("training"), "state").unwrap();
        drop(unfinished);
        assert!(!KeptRuns::of(&target, &other).start(&other[0]).unwrap().state().exists());
    }
}
