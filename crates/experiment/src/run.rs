//! A whole experiment: from the checked plan to the folder of results.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use eigenscape_analysis::{reruns, verdict};
use eigenscape_core::{
    notes::RunNotes,
    results::{Results, Run},
};

use crate::{
    claims::Claims,
    artifacts::{RESULTS, RunDirectory},
    course,
    diagnostic::{Failure, Result},
    executed::Executed,
    notes,
    plan::{Plan, RunPlan},
    prepare::prepare,
    progress::Display,
    resume::{FinishedRuns, Identity},
};

/// Runs every run of the plan and puts the results into its folder: `experiment.toml`, `results.json`, `notes.json`,
/// `checkpoints/`, and what `report` makes of these in the folder that it is given. A run whose training diverges ends there, with what was
/// measured before, and a spectrum that cannot be measured is left out; the others go on.
///
/// Everything that can be found wrong without training is found before anything is trained; the folder appears as a whole at
/// the end. Runs that an earlier call finished before it was interrupted are not repeated, unless everything is to be `fresh`.
///
/// # Errors
/// When the folder cannot be written, a run cannot be prepared, or a loss cannot be evaluated.
pub fn execute(
    plan: &Plan,
    fresh: bool,
    display: &Display,
    report: impl FnOnce(&Path) -> eigenscape_core::Result<()>,
) -> Result<Executed> {
    let start = Instant::now();
    let mut claims = Claims::of(plan);
    let mut identities = Vec::new();
    for run in &plan.runs {
        let prepared = prepare(run)?;
        claims.see(&prepared);
        identities.push(Identity::new(&prepared)?);
    }
    claims.check()?;
    let directory = RunDirectory::create(&plan.directory)?;
    let finished = FinishedRuns::of(&plan.directory, fresh)?;
    let mut runs = Vec::new();
    let mut run_notes = Vec::new();
    for (run, identity) in plan.runs.iter().zip(&identities) {
        let (record, notes) = match finished.find(identity, run) {
            Some(found) => {
                display.line(&format!("run {}: finished earlier", run.name));
                found
            }
            None => {
                if !run.name.is_empty() {
                    display.line(&format!("run {}", run.name));
                }
                let folder = finished.start(identity)?;
                let (record, mut notes) = course::run(&prepare(run)?, &folder, display)?;
                notes.key.clone_from(&identity.key);
                folder.finish(identity, &record, &notes)?;
                (record, notes)
            }
        };
        directory.adopt(&finished.checkpoints(identity), own_folder("checkpoints", run))?;
        if run.tensorboard {
            directory.adopt(&finished.scalars(identity), own_folder("tensorboard", run))?;
        }
        runs.push(record);
        run_notes.push(notes);
    }
    let results = summarised(plan, runs, &run_notes);
    for claim in &results.claims {
        display.line(&format!("{}: {} ({})", claim.verdict, claim.claim, claim.measured));
    }
    let notes = notes::of_plan(plan, start.elapsed().as_secs_f64(), run_notes);
    directory.write("experiment.toml", &plan.resolved)?;
    directory.write(RESULTS, json(&results)?)?;
    directory.write("notes.json", json(&notes)?)?;
    report(directory.path())?;
    let folder = directory.finish()?;
    finished.close();
    Ok(Executed::new(folder, &results.runs))
}

/// The runs with what they say together.
fn summarised(plan: &Plan, runs: Vec<Run>, notes: &[RunNotes]) -> Results {
    let classified: Vec<_> = runs.iter().zip(notes.iter().map(|notes| notes.classes)).collect();
    let claims =
        plan.expectations.iter().map(|expectation| verdict::check(expectation, &classified)).collect();
    Results { name: plan.name.clone(), variants: reruns::statistics(&runs), claims, runs }
}

/// A folder of results, with one of the run's own in it where there are several runs.
fn own_folder(of: &str, plan: &RunPlan) -> PathBuf {
    let keep =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | ',') { c } else { '-' };
    Path::new(of).join(plan.name.chars().map(keep).collect::<String>())
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Run {
        problem: format!("results cannot be written: {error}"),
        remedy: Some("report this as a fault of Eigenscape, with the experiment's file".to_owned()),
    })
}
