//! Results that the target folder holds before a run: reused if they match the plan, otherwise kept
//! under another name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use eigenscape_core::{
    file_names,
    notes::{Notes, RunNotes},
    results::{EARLIER, Results, Run},
};

use crate::{
    artifacts::{RESULTS, failed, unwritable},
    diagnostic::{Failure, Result},
    identity::Identity,
    plan::ExperimentPlan,
    resume::{CHECKPOINTS, Kept, KeptRuns, SCALARS},
    sums::{Fault, Sums},
    vectors::{self, VECTORS},
};

/// The file of the resolved experiment in a results folder.
pub const EXPERIMENT: &str = "experiment.toml";
/// The file of notes on how the results were computed.
pub const NOTES: &str = "notes.json";

/// The results found in a folder.
pub struct Earlier {
    folder: PathBuf,
    experiment: String,
    results: Results,
    notes: Notes,
    faults: Vec<Fault>,
    strangers: Vec<String>,
}

impl Earlier {
    /// Reads the results at `target`; `None` if there is nothing.
    ///
    /// # Errors
    /// When `target` is something other than a results folder, or cannot be read.
    pub fn at(target: &Path) -> Result<Option<Self>> {
        match fs::read_dir(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unwritable(target, &error)),
            Ok(_) if is_results(target) => {}
            Ok(mut entries) => return entries.next().map_or(Ok(None), |_| Err(no_results(target))),
        }
        // Without a list of sums no file can be verified.
        let sums = Sums::read(target).unwrap_or_default();
        let strangers = sums.strangers(target).map_err(|error| failed(target, &error))?;
        let text = |file: &str| fs::read_to_string(target.join(file)).unwrap_or_default();
        Ok(Some(Self {
            folder: target.to_owned(),
            experiment: text(EXPERIMENT),
            results: serde_json::from_str(&text(RESULTS)).unwrap_or_default(),
            notes: serde_json::from_str(&text(NOTES)).unwrap_or_default(),
            faults: sums.faults(target),
            strangers,
        }))
    }

    /// The results, if they match the plan and no file outside the report is missing or changed.
    #[must_use]
    pub fn of(&self, plan: &ExperimentPlan, identities: &[Identity]) -> Option<&Results> {
        let whole = self.faults.iter().all(|fault| is_report(&fault.file)) && self.is_known(RESULTS);
        (whole && self.experiment == plan.resolved && self.has_runs(identities)).then_some(&self.results)
    }

    /// Makes the report again if a file of it is missing or was changed.
    ///
    /// # Errors
    /// Errors of `report`, and when the list of sums cannot be written.
    pub fn complete_report(&self, report: impl FnOnce(&Path) -> eigenscape_core::Result<()>) -> Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        report(&self.folder)?;
        renew_report(&self.folder)
    }

    fn has_runs(&self, identities: &[Identity]) -> bool {
        let keys = self.notes.runs.iter().map(|run| &run.key);
        keys.eq(identities.iter().map(|identity| &identity.key))
    }

    /// Whether a file is listed in the sums, or does not exist.
    fn is_known(&self, file: &str) -> bool {
        !self.strangers.iter().any(|stranger| stranger == file)
    }

    /// Copies the runs that the plan shares with these results into `kept`, if their files are
    /// unchanged.
    ///
    /// # Errors
    /// When a copy cannot be written.
    pub fn hand_over(&self, plan: &ExperimentPlan, kept: &KeptRuns, identities: &[Identity]) -> Result<()> {
        let folders = run_folders(self.results.runs.iter().map(|run| run.name.as_str()));
        let runs = self.results.runs.iter().zip(&self.notes.runs).zip(folders);
        let runs: Vec<((&Run, &RunNotes), String)> = runs.collect();
        for (identity, plan) in identities.iter().zip(&plan.runs) {
            let found =
                runs.iter().find(|((_, notes), folder)| notes.key == identity.key && self.is_whole(folder));
            if let (Some(((run, notes), folder)), Kept::Nothing) = (found, kept.find(identity, plan)) {
                let unfinished = kept.start(identity)?;
                for of in [CHECKPOINTS, SCALARS, VECTORS] {
                    unfinished.copy(&self.folder.join(of).join(folder), of)?;
                }
                let mut run = (*run).clone();
                vectors::relocate(&mut run, "");
                unfinished.finish(&run, notes)?;
            }
        }
        Ok(())
    }

    /// Whether the records and files of the run with this folder are unchanged.
    fn is_whole(&self, folder: &str) -> bool {
        let ours = |file: &str| {
            let part = |of: &str| Path::new(file).starts_with(Path::new(of).join(folder));
            [RESULTS, NOTES].contains(&file) || [CHECKPOINTS, SCALARS, VECTORS].into_iter().any(part)
        };
        let strange = |file: &String| ours(file);
        !self.faults.iter().any(|fault| ours(&fault.file)) && !self.strangers.iter().any(strange)
    }

    /// The name under which these results are kept when others replace them. `None` if nothing is
    /// lost by replacing them: they have the same runs, and no file was added or changed.
    #[must_use]
    pub fn aside(&self, identities: &[Identity]) -> Option<PathBuf> {
        let untouched = self.strangers.is_empty() && self.faults.iter().all(|fault| fault.missing);
        (!untouched || !self.has_runs(identities)).then(|| unused(&self.folder))
    }

    /// Why these results are kept, as text.
    #[must_use]
    pub fn difference(&self, plan: &ExperimentPlan, identities: &[Identity]) -> String {
        let mut reasons = Vec::new();
        if self.experiment != plan.resolved {
            reasons.push("is of other settings".to_owned());
        } else if !self.has_runs(identities) {
            reasons.push(
                "is of another version of the program, of the data or of the weights to start from"
                    .to_owned(),
            );
        }
        let changed = self.faults.iter().filter(|fault| !fault.missing).map(|fault| fault.file.as_str());
        let changed: Vec<&str> = changed.collect();
        if !changed.is_empty() {
            reasons.push(format!("has been changed ({})", listed(&changed)));
        }
        let strangers: Vec<&str> = self.strangers.iter().map(String::as_str).collect();
        if !strangers.is_empty() && !self.is_known(RESULTS) {
            reasons.push("has no sums of its files".to_owned());
        } else if !strangers.is_empty() {
            reasons.push(format!("holds other files ({})", listed(&strangers)));
        }
        format!("{} {}", self.folder.display(), reasons.join(" and "))
    }

    /// The files that are missing or were changed, except those of the report.
    #[must_use]
    pub fn damage(&self) -> Vec<String> {
        let faults = self.faults.iter().filter(|fault| !is_report(&fault.file));
        faults.map(|fault| format!("{}/{fault}", self.folder.display())).collect()
    }
}

/// Whether a folder holds results.
#[must_use]
pub fn is_results(folder: &Path) -> bool {
    folder.join(RESULTS).is_file()
}

/// Updates the list of sums after the report of a results folder was made again.
///
/// # Errors
/// When a file cannot be read, or the list of sums not be written.
pub fn renew_report(folder: &Path) -> Result<()> {
    let Some(mut sums) = Sums::read(folder) else { return Ok(()) };
    let renewed = sums.renew(folder, is_report).and_then(|()| sums.write(folder));
    renewed.map_err(|error| failed(folder, &error))
}

/// Whether a file belongs to the report, which can be made again from the results.
fn is_report(file: &str) -> bool {
    file == "report.html" || file.starts_with("figures/")
}

/// A short list of files: "a, b and 3 more".
fn listed(files: &[&str]) -> String {
    match files {
        [a, b, _, rest @ ..] if !rest.is_empty() => format!("{a}, {b} and {} more", rest.len() + 1),
        few => few.join(", "),
    }
}

/// `OUT/NAME~K`, with K one larger than any existing K.
fn unused(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let number = |entry: fs::DirEntry| {
        let other = entry.file_name().to_string_lossy().into_owned();
        other.strip_prefix(&name)?.strip_prefix(EARLIER)?.parse::<u64>().ok()
    };
    let last = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(number).max().unwrap_or(0);
    target.with_file_name(format!("{name}{EARLIER}{}", last.saturating_add(1)))
}

/// The subfolder of each run in `checkpoints`, `vectors` and `tensorboard`. It is empty for a single
/// run without a name.
pub fn run_folders<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.into_iter().collect();
    match names[..] {
        [""] => vec![String::new()],
        _ => file_names::distinct(names),
    }
}

fn no_results(target: &Path) -> Failure {
    Failure::Run {
        problem: format!("{} exists and is not a folder of results", target.display()),
        remedy: Some("move it away, or choose another folder with --out DIR".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_earlier_results_is_not_in_use() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("demo");
        assert_eq!(unused(&target), out.path().join("demo~1"));
        for name in ["demo~2", "demo~x", "demonstration~9"] {
            fs::create_dir(out.path().join(name)).unwrap();
        }
        assert_eq!(unused(&target), out.path().join("demo~3"));
    }

    #[test]
    fn somebody_elses_folder_is_refused() {
        let out = tempfile::tempdir().unwrap();
        assert!(Earlier::at(&out.path().join("none")).unwrap().is_none());
        assert!(Earlier::at(out.path()).unwrap().is_none(), "an empty one");
        fs::write(out.path().join("thesis.tex"), "").unwrap();
        let error = Earlier::at(out.path()).map(drop).unwrap_err();
        assert!(error.exit_code() == 1 && error.to_string().contains("not a folder of results"));
    }

    #[test]
    fn a_single_run_without_a_name_has_no_folder_of_its_own() {
        assert_eq!(run_folders([""]), [""]);
        assert_eq!(run_folders(["a b", "a/b"]), ["a-b", "a-b-2"]);
    }
}
