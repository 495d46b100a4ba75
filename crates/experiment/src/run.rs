//! A whole experiment: from the checked plan to the folder of results.

use std::{
    env,
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    time::Instant,
};

use eigenscape_analysis::{batches, reruns, verdict};
use eigenscape_core::{
    Error,
    notes::{Note, RunNotes},
    results::{FORMAT, Results, Run, Versions},
};
use eigenscape_runtime::simd;

use crate::{
    artifacts::{self, RESULTS, RunDirectory},
    claims::Claims,
    course,
    diagnostic::{Failure, Result},
    earlier::{EXPERIMENT, Earlier, NOTES, run_folders},
    executed::Executed,
    identity::Identity,
    lock::Lock,
    notes,
    plan::{ExperimentPlan, RunPlan},
    prepare::prepare,
    progress::Display,
    resume::{CHECKPOINTS, Kept, KeptRuns, SCALARS},
    sums, tables,
    vectors::{self, VECTORS},
};

/// The label of the note on a run whose folder is not named like the run.
const FOLDER: &str = "Folder";

/// Executes every run of the plan and writes the results into its folder: `experiment.toml`,
/// `results.json`, the files of [`tables`], `notes.json`, `checkpoints/`, `vectors/` if there are
/// eigenvectors, the files that `report` makes in the folder passed to it, and the sums of all
/// files. A run whose training diverges ends there and keeps what was measured before. A spectrum
/// that cannot be measured is left out. Everything else goes on.
///
/// All errors that can be found without training are found before any training. The folder appears
/// as a whole at the end, and no other process writes it meanwhile. Unless `fresh` is set, results
/// of the same plan in the folder are returned without running anything, and runs are reused that
/// the folder holds or that an interrupted call finished. Other results are kept under another
/// name.
///
/// # Errors
/// When the folder cannot be written or another process writes it, a run cannot be prepared, or a
/// loss cannot be evaluated.
pub fn execute(
    plan: &ExperimentPlan,
    fresh: bool,
    display: &Display,
    report: impl FnOnce(&Path) -> eigenscape_core::Result<()>,
) -> Result<Executed> {
    let mut claims = Claims::of(plan);
    let mut identities = Vec::new();
    let bar = display.waiting("preparing data and network");
    for run in &plan.runs {
        bar.message(&run.name);
        let prepared = prepare(run)?;
        claims.see(&prepared);
        identities.push(Identity::new(&prepared)?);
    }
    drop(bar);
    claims.check()?;
    let _lock = Lock::of(&plan.directory)?;
    artifacts::tidy(&plan.directory)?;
    let earlier = Earlier::at(&plan.directory)?;
    let kept = KeptRuns::of(&plan.directory, &identities);
    kept.tidy()?;
    if fresh {
        kept.remove()?;
    } else if let Some(earlier) = &earlier {
        match earlier.of(plan, &identities) {
            Some(results) if kept.is_empty() => {
                earlier.complete_report(report)?;
                return Ok(Executed::new(plan.directory.clone(), &results.runs).earlier());
            }
            // The same runs again: an interrupted `fresh` call is resumed.
            Some(_) => {}
            None => {
                earlier.damage().iter().for_each(|damage| display.line(&format!("warning: {damage}")));
                earlier.hand_over(plan, &kept, &identities)?;
            }
        }
    }
    let aside = earlier.as_ref().and_then(|earlier| earlier.aside(&identities));
    if let (Some(earlier), Some(aside)) = (&earlier, &aside) {
        let why = earlier.difference(plan, &identities);
        display.line(&format!("{why}: it will be kept as {}", aside.display()));
    }
    let directory = RunDirectory::create(&plan.directory)?;
    let results = run_all(plan, &identities, &kept, &directory, display)?;
    let put = || -> Result<PathBuf> {
        let _bar = display.waiting("drawing the report");
        report(directory.path())?;
        sums::write(directory.path())?;
        directory.finish(aside.as_deref())
    };
    let folder = put().map_err(|failure| failure.keeping(finished(results.runs.len())))?;
    // The results are in place; what cannot be removed now is removed by the next call.
    let _ = kept.remove();
    if let Some((folder, count)) = kept.others() {
        display.line(&format!("{count} runs of other settings are kept in {}", folder.display()));
    }
    Ok(Executed::new(folder, &results.runs))
}

/// The text "3 finished runs are kept", for runs in the store when the results are not in place.
fn finished(runs: usize) -> Option<String> {
    match runs {
        0 => None,
        1 => Some("1 finished run is kept".to_owned()),
        runs => Some(format!("{runs} finished runs are kept")),
    }
}

/// Executes the runs that are not kept, and writes everything but the report into the folder.
fn run_all(
    plan: &ExperimentPlan,
    identities: &[Identity],
    kept: &KeptRuns,
    directory: &RunDirectory,
    display: &Display,
) -> Result<Results> {
    let start = Instant::now();
    let (mut runs, mut run_notes) = (Vec::new(), Vec::new());
    let folders = run_folders(plan.runs.iter().map(|run| run.name.as_str()));
    for ((run, identity), own) in plan.runs.iter().zip(identities).zip(&folders) {
        let stopped = display.interrupt().check().map_err(|stopped| Failure::from(Error::from(stopped)));
        let executed = stopped.and_then(|()| kept_or_executed(run, identity, kept, display));
        let (mut record, mut notes) = executed.map_err(|failure| failure.keeping(finished(runs.len())))?;
        let stored = kept.run(identity);
        directory.adopt(&stored.join(CHECKPOINTS), Path::new(CHECKPOINTS).join(own))?;
        if stored.join(VECTORS).exists() {
            directory.adopt(&stored.join(VECTORS), Path::new(VECTORS).join(own))?;
        }
        let folder = if own.is_empty() { VECTORS.to_owned() } else { format!("{VECTORS}/{own}") };
        vectors::relocate(&mut record, &folder);
        if run.tensorboard {
            directory.adopt(&stored.join(SCALARS), Path::new(SCALARS).join(own))?;
        }
        notes.lines.retain(|note| note.label != FOLDER);
        if *own != run.name {
            notes.lines.push(Note::new(FOLDER, format!("{CHECKPOINTS}/{own}")));
        }
        runs.push(record);
        run_notes.push(notes);
    }
    let results = summarised(plan, runs, &run_notes);
    for claim in &results.claims {
        display.line(&format!("{}: {} ({})", claim.verdict, claim.claim, claim.measured));
    }
    let notes = notes::of_plan(plan, start.elapsed().as_secs_f64(), run_notes);
    directory.write(EXPERIMENT, &plan.resolved)?;
    directory.write(RESULTS, json(&results)?)?;
    for (name, write) in tables::FILES {
        let path = directory.file(name)?;
        let written = File::create(&path).and_then(|file| write(&results, &mut BufWriter::new(file)));
        if let Err(error) = written {
            if error.raw_os_error().is_some() {
                return Err(artifacts::failed(&path, &error));
            }
            // It is too large for its format; the numbers are in results.json, too.
            display.line(&format!("warning: {name} is left out: {error}"));
            let _ = fs::remove_file(&path);
        }
    }
    directory.write(NOTES, json(&notes)?)?;
    Ok(results)
}

/// A run's result from an earlier call, or else from executing it now.
fn kept_or_executed(
    run: &RunPlan,
    identity: &Identity,
    kept: &KeptRuns,
    display: &Display,
) -> Result<(Run, RunNotes)> {
    let name = format!("run {}", run.name);
    match kept.find(identity, run) {
        Kept::Finished(found) => {
            display.line(&format!("{}: finished earlier", name.trim_end()));
            return Ok(*found);
        }
        Kept::Damaged(why) => display.line(&format!("warning: {why}: the run is repeated")),
        Kept::Nothing => {}
    }
    if !run.name.is_empty() {
        display.line(&name);
    }
    let folder = kept.start(identity)?;
    let (record, mut notes) = course::run(&prepare(run)?, &folder, display)?;
    notes.key.clone_from(&identity.key);
    folder.finish(&record, &notes)?;
    Ok((record, notes))
}

/// The results of the runs, with statistics over reruns and verdicts on claims.
fn summarised(plan: &ExperimentPlan, runs: Vec<Run>, notes: &[RunNotes]) -> Results {
    let averaged: Vec<Run> = runs.iter().map(batches::averaged_run).collect();
    let classified: Vec<_> = averaged.iter().zip(notes.iter().map(|notes| notes.classes)).collect();
    let claims =
        plan.expectations.iter().map(|expectation| verdict::check(expectation, &classified)).collect();
    let name = plan.name.clone();
    Results { name, versions: Some(versions()), variants: reruns::statistics(&runs), claims, runs }
}

/// What computes these results.
fn versions() -> Versions {
    Versions {
        format: FORMAT,
        eigenscape: eigenscape_version::VERSION.to_owned(),
        platform: format!("{} {}", env::consts::ARCH, env::consts::OS),
        simd: simd().to_owned(),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Run {
        problem: format!("results cannot be written: {error}"),
        remedy: Some("report this as a fault of Eigenscape, with the experiment's file".to_owned()),
    })
}
