//! `check`: what would be run.

use std::path::Path;

use eigenscape_core::Registry;
use eigenscape_experiment::{
    Failure, Result, check,
    choices::Choices,
    claims::Claims,
    notes,
    plan::Plan,
    prepare::{Prepared, PreparedProbe, survey},
};

use crate::locate;

/// Checks every file and says what it would run. All are checked, whatever is wrong with the first.
pub fn run(experiments: &[String], choices: &Choices, registry: &Registry) -> Result<()> {
    if let [word] = experiments {
        return crate::print(one(&locate::experiment(word)?, choices, registry)?);
    }
    let mut wrong = Vec::new();
    for word in experiments {
        match locate::experiment(word).and_then(|file| one(&file, choices, registry)) {
            Ok(text) => crate::print(text)?,
            Err(failure) => {
                wrong.push(word.as_str());
                crate::report(failure);
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage {
        problem: format!(
            "{} of {} experiments cannot run: {}",
            wrong.len(),
            experiments.len(),
            wrong.join(", ")
        ),
        remedy: "the reasons are above".to_owned(),
    })
}

fn one(file: &Path, choices: &Choices, registry: &Registry) -> Result<String> {
    let plan = check::plan(file, choices, registry)?;
    let mut lines = vec![format!("{}: {} -> {}", file.display(), plan.name, plan.directory.display())];
    lines.extend(plan.warnings.iter().map(|warning| format!("  warning: {warning}")));
    if let Some(shortened) = &plan.profile {
        lines.push(format!("  profile {}: {}", shortened.profile, shortened.changes.join("; ")));
    }
    lines.extend(
        plan.expectations
            .iter()
            .map(|expectation| format!("  expects: {} ({})", expectation.claim, expectation.words())),
    );
    lines.extend(plan.set.iter().map(|change| format!("  --set {change}")));
    let mut claims = Claims::of(&plan);
    for run in &plan.runs {
        let prepared = survey(run)?;
        claims.see(&prepared);
        lines.extend(describe(&plan, &prepared));
    }
    claims.check()?;
    Ok(lines.join("\n"))
}

fn describe(plan: &Plan, prepared: &Prepared) -> Vec<String> {
    let run = prepared.plan;
    let name = if plan.runs.len() > 1 { format!(" {}", run.name) } else { String::new() };
    let training = run.train.as_ref().map_or_else(
        || "analysed as it is".to_owned(),
        |train| format!("{} epochs of batches of {}", train.epochs, train.batch_size),
    );
    let mut lines = vec![
        format!("  run{name}: {} parameters, {training}", prepared.network.dimension()),
        format!("    data: {}", run.data.description()),
        format!("    model: {}", run.model.architecture.description()),
    ];
    lines.extend(prepared.checkpoint_notes.iter().map(|note| format!("    checkpoint: {note}")));
    lines.extend(prepared.probes.iter().map(probe));
    lines.extend(prepared.warnings.iter().map(|warning| format!("    warning: {warning}")));
    lines.extend(run.distances.iter().map(|distance| format!("    distance: {}", distance.name)));
    lines.extend(prepared.account.lines().into_iter().map(|line| format!("    {line}")));
    lines
}

fn probe(probe: &PreparedProbe) -> String {
    let list = |items: Vec<String>| items.join(", ");
    let plan = probe.plan;
    format!(
        "    probe: {} by {}, after epochs {}, on {}, of {}",
        list(plan.curvatures.iter().map(ToString::to_string).collect()),
        plan.estimator_name.value,
        moments(&plan.epochs),
        notes::sample(probe),
        list(probe.groups.iter().map(|group| format!("{} ({})", group.name, group.dimension)).collect()),
    )
}

/// "1, 2, 5", and of many that follow one another "1 to 100".
fn moments(epochs: &[usize]) -> String {
    const LISTED: usize = 12;
    match epochs {
        [first, .., last] if epochs.len() > LISTED && last - first + 1 == epochs.len() => {
            format!("{first} to {last}")
        }
        [some @ .., last] if epochs.len() > LISTED => {
            let first: Vec<String> = some[..LISTED / 2].iter().map(ToString::to_string).collect();
            format!("{}, ..., {last} ({} of them)", first.join(", "), epochs.len())
        }
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
