//! The outcome of a plan, and what failed.

use std::{fmt::Display, path::PathBuf};

use eigenscape_core::results::{Divergence, ProbeFailure, Run};

use crate::{diagnostic::Failure, train};

/// The maximum number of failures listed one by one; the report has all of them.
const LISTED: usize = 10;

/// The outcome of a plan whose results are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// The folder of results.
    pub folder: PathBuf,
    /// The runs whose training diverged, by name.
    pub diverged: Vec<(String, Divergence)>,
    /// The spectra that could not be measured, by the name of their run.
    pub failures: Vec<(String, ProbeFailure)>,
    /// Whether the folder held these results before, so that nothing was run.
    pub finished_earlier: bool,
    /// How many runs there are.
    runs: usize,
}

impl Executed {
    pub(crate) fn new(folder: PathBuf, runs: &[Run]) -> Self {
        let diverged = runs.iter().filter_map(|run| Some((run.name.clone(), run.diverged.clone()?)));
        let named = |run: &Run| {
            let name = run.name.clone();
            run.failures.clone().into_iter().map(move |failure| (name.clone(), failure))
        };
        let failures = runs.iter().flat_map(named).collect();
        let diverged = diverged.collect();
        Self { folder, diverged, failures, finished_earlier: false, runs: runs.len() }
    }

    /// Marks the results as written before this call.
    pub(crate) fn earlier(self) -> Self {
        Self { finished_earlier: true, ..self }
    }

    /// The failures as one error: trainings that diverged and spectra that could not be measured.
    /// All other results are in the folder.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let parts: Vec<(String, Option<String>)> =
            [self.divergence(), self.not_measured()].into_iter().flatten().collect();
        if parts.is_empty() {
            return None;
        }
        let (problems, remedies): (Vec<String>, Vec<Option<String>>) = parts.into_iter().unzip();
        let kept = if self.diverged.is_empty() { "everything else is" } else { "results up to there are" };
        let kept = format!("{kept} in {}", self.folder.display());
        let remedies = remedies.into_iter().flatten().chain([kept]);
        Some(Failure::Run {
            problem: problems.join("\n"),
            remedy: Some(remedies.collect::<Vec<_>>().join("; ")),
        })
    }

    fn divergence(&self) -> Option<(String, Option<String>)> {
        let (_, first) = self.diverged.first()?;
        let problem = match self.runs {
            1 => first.to_string(),
            runs => listed(format!("{} of {runs} runs diverged", self.diverged.len()), &self.diverged),
        };
        Some((problem, Some(train::remedy(first).to_owned())))
    }

    fn not_measured(&self) -> Option<(String, Option<String>)> {
        let (_, first) = self.failures.first()?;
        let title = match self.failures.len() {
            1 => "a spectrum could not be measured".to_owned(),
            count => format!("{count} spectra could not be measured"),
        };
        Some((listed(title, &self.failures), first.remedy.clone()))
    }
}

/// A title, with one line below it for each run's failure.
fn listed<T: Display>(title: String, all: &[(String, T)]) -> String {
    let line = |(name, what): &(String, T)| match name.as_str() {
        "" => what.to_string(),
        name => format!("{name}: {what}"),
    };
    let more = all.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    [title].into_iter().chain(all.iter().take(LISTED).map(line)).chain(more).collect::<Vec<_>>().join("\n")
}
