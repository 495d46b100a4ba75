//! `check`: what would be run.

use std::path::Path;

use eigenscape_core::Registry;
use eigenscape_experiment::{
    Failure, Result, check,
    choices::Choices,
    claims::Claims,
    notes,
    plan::DistancePlan,
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
    let mut runs = Vec::new();
    for run in &plan.runs {
        let prepared = survey(run)?;
        claims.see(&prepared);
        runs.push((run.name.as_str(), describe(&prepared)));
    }
    lines.extend(common_first(&runs));
    lines.extend(claims.check()?.iter().map(|warning| format!("  warning: {warning}")));
    Ok(lines.join("\n"))
}

/// The lines of each run; of several first those that they share.
fn common_first(runs: &[(&str, Vec<String>)]) -> Vec<String> {
    let indented =
        |lines: Vec<&String>| lines.into_iter().map(|line| format!("    {line}")).collect::<Vec<_>>();
    if let [(_, only)] = runs {
        return [vec!["  run:".to_owned()], indented(only.iter().collect())].concat();
    }
    let is_common = |line: &&String| runs.iter().all(|(_, lines)| lines.contains(line));
    let first = runs.first().map_or(&[] as &[String], |(_, lines)| lines);
    let mut all = vec![format!("  all {} runs:", runs.len())];
    all.extend(indented(first.iter().filter(is_common).collect()));
    for (name, lines) in runs {
        all.push(format!("  run {name}:"));
        all.extend(indented(lines.iter().filter(|line| !is_common(line)).collect()));
    }
    all
}

fn describe(prepared: &Prepared) -> Vec<String> {
    let run = prepared.plan;
    let mut lines: Vec<String> = notes::settings(prepared)
        .iter()
        .map(|note| format!("{}: {}", note.label.to_lowercase(), note.value))
        .collect();
    if run.train.is_none() {
        lines.push("training: none, the network is analysed as it is".to_owned());
    }
    let numbered = prepared.probes.iter().enumerate();
    lines.extend(numbered.map(|(index, prepared)| probe(index + 1, prepared, run.train.is_some())));
    lines.extend(prepared.warnings.iter().map(|warning| format!("warning: {warning}")));
    let distance = |plan: &DistancePlan| format!("distance: {}, {}", plan.name, plan.distance.description());
    lines.extend(run.distances.iter().map(distance));
    lines.extend(prepared.account.lines());
    lines
}

fn probe(number: usize, probe: &PreparedProbe, trained: bool) -> String {
    let list = |items: Vec<String>| items.join(", ");
    let plan = probe.plan;
    let when = match (trained, plan.epochs.as_slice()) {
        (false, _) => String::new(),
        (true, [only]) => format!(", after epoch {only}"),
        (true, epochs) => format!(", after epochs {}", moments(epochs)),
    };
    format!(
        "probe {number}: {} by {} ({}){when}, on {}, in {}, of {}",
        list(plan.curvatures.iter().map(ToString::to_string).collect()),
        plan.estimator_name.value,
        plan.estimator.description(),
        notes::sample(probe),
        plan.dtype.as_str(),
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
