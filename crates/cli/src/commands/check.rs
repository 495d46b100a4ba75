//! `check`: what would be run.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use eigenscape_core::{Registry, notes::Note};
use eigenscape_experiment::{
    Failure, Result,
    cases::{self, Experiment},
    choices::Choices,
    claims::Claims,
    notes,
    plan::DistancePlan,
    prepare::{Prepared, PreparedProbe},
    surveyed::{self, Surveyed},
};

use crate::locate;

/// Checks every file and prints what it would run. An error in one file does not stop the others.
pub fn run(experiments: &[String], choices: &Choices, registry: &Registry) -> Result<()> {
    let mut all: Vec<(String, Result<String>)> = Vec::new();
    for word in experiments {
        let read = locate::experiment(word).and_then(|file| Ok((cases::read(&file, choices)?, file)));
        match read {
            Ok((experiments, file)) => all.extend(experiments.iter().map(|experiment| {
                let case = experiment.case.as_ref().map(|case| format!(" --only {case}"));
                (format!("{word}{}", case.unwrap_or_default()), one(experiment, &file, choices, registry))
            })),
            Err(failure) => all.push((word.clone(), Err(failure))),
        }
    }
    let count = all.len();
    if count == 1 {
        return all.into_iter().try_for_each(|(_, said)| crate::print(said?));
    }
    let mut wrong = Vec::new();
    for (word, said) in all {
        match said {
            Ok(text) => crate::print(text)?,
            Err(failure) => {
                wrong.push(word);
                crate::report(failure);
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage {
        problem: format!("{} of {count} experiments cannot run: {}", wrong.len(), wrong.join(", ")),
        remedy: "the reasons are above".to_owned(),
    })
}

fn one(experiment: &Experiment, file: &Path, choices: &Choices, registry: &Registry) -> Result<String> {
    let plan = experiment.plan(choices, registry)?;
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
    let mut runs: Vec<(&str, Vec<Line>)> = Vec::new();
    surveyed::each(&plan, |surveyed| {
        let (name, lines) = match surveyed {
            Surveyed::First(prepared) => {
                claims.see(&prepared);
                (prepared.plan.name.as_str(), describe(&prepared))
            }
            Surveyed::Rerun { run, first, missing } => {
                let known = runs.iter().find(|(name, _)| *name == first.name);
                let shared = known.into_iter().flat_map(|(_, lines)| lines).filter(|line| !line.of_seed);
                let own = [seed(run.seed)].into_iter().chain(missing.iter().map(|text| warning(text, true)));
                (run.name.as_str(), shared.cloned().chain(own).collect())
            }
        };
        runs.push((name, lines));
        Ok(())
    })?;
    lines.extend(common_first(&runs));
    claims.check()?;
    Ok(lines.join("\n"))
}

/// A line about a run.
#[derive(Clone)]
struct Line {
    text: String,
    /// Whether the line may differ for another seed.
    of_seed: bool,
}

fn line(text: String) -> Line {
    Line { text, of_seed: false }
}

fn seed(seed: u64) -> Line {
    Line { text: format!("seed: {seed}"), of_seed: true }
}

fn warning(text: &str, of_seed: bool) -> Line {
    Line { text: format!("warning: {text}"), of_seed }
}

/// The lines of each run; with several runs, first the lines that all share.
fn common_first(runs: &[(&str, Vec<Line>)]) -> Vec<String> {
    let indented = |line: &Line| format!("    {}", line.text);
    if let [(_, only)] = runs {
        return ["  run:".to_owned()].into_iter().chain(only.iter().map(indented)).collect();
    }
    // The number of runs that have each line.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (_, lines) in runs {
        let distinct: HashSet<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        distinct.into_iter().for_each(|line| *counts.entry(line).or_default() += 1);
    }
    let is_common = |line: &&Line| counts.get(line.text.as_str()) == Some(&runs.len());
    let first = runs.first().map_or(&[] as &[Line], |(_, lines)| lines);
    let mut all = vec![format!("  all {} runs:", runs.len())];
    all.extend(first.iter().filter(is_common).map(indented));
    for (name, lines) in runs {
        all.push(format!("  run {name}:"));
        all.extend(lines.iter().filter(|line| !is_common(line)).map(indented));
    }
    all
}

fn describe(prepared: &Prepared) -> Vec<Line> {
    let run = prepared.plan;
    let setting = |note: Note| match note.label.as_str() {
        "Seed" => seed(run.seed),
        label => line(format!("{}: {}", label.to_lowercase(), note.value)),
    };
    let mut lines: Vec<Line> = notes::settings(prepared).into_iter().map(setting).collect();
    if run.train.is_none() {
        lines.push(line("training: none, the network is analysed as it is".to_owned()));
    }
    let numbered = prepared.probes.iter().enumerate();
    lines.extend(numbered.map(|(index, prepared)| line(probe(index + 1, prepared, run.train.is_some()))));
    lines.extend(prepared.warnings.iter().map(|text| warning(text, false)));
    lines.extend(prepared.missing.iter().map(|text| warning(text, true)));
    let distance = |plan: &DistancePlan| format!("distance: {}, {}", plan.name, plan.distance.description());
    lines.extend(run.distances.iter().map(distance).map(line));
    lines.extend(prepared.account.lines().into_iter().map(line));
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
        "probe {number}: {} by {} ({}){}{when}, on {}, in {}, of {}",
        list(plan.curvatures.iter().map(ToString::to_string).collect()),
        plan.estimator_name.value,
        plan.estimator.description(),
        notes::eigenvectors(probe),
        notes::sample(probe),
        plan.types(),
        list(probe.groups.iter().map(|group| format!("{} ({})", group.name, group.dimension)).collect()),
    )
}

/// Epochs as "1, 2, 5", and many consecutive ones as "1 to 100".
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
