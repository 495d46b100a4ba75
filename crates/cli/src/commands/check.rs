//! `check`: what would be run.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use eigenscape_core::{Registry, notes::Note};
use eigenscape_experiment::{
    Failure, Result,
    cases::{self, Experiment},
    choices::Choices,
    claims::Claims,
    measure, notes,
    plan::{DistancePlan, ExperimentPlan, RunPlan, TrainPlan},
    prepare::{Prepared, PreparedProbe},
    surveyed::{self, Surveyed},
    work::{self, Work},
};

use crate::{layout::hanging, locate};

/// The number of groups that a probe's line names.
const GROUPS: usize = 10;

/// Checks every file and prints what it would run. An error in one file does not stop the others.
pub fn run(experiments: &[String], choices: &Choices, registry: &Registry) -> Result<()> {
    let mut all: Vec<(String, Result<(Experiment, PathBuf)>)> = Vec::new();
    for word in experiments {
        let read = locate::experiment(word).and_then(|file| Ok((cases::read(&file, choices)?, file)));
        match read {
            Ok((experiments, file)) => all.extend(experiments.into_iter().map(|experiment| {
                let case = experiment.case.as_ref().map(|case| format!(" --only {case}"));
                (format!("{word}{}", case.unwrap_or_default()), Ok((experiment, file.clone())))
            })),
            Err(failure) => all.push((word.clone(), Err(failure))),
        }
    }
    let count = all.len();
    let mut wrong = Vec::new();
    for (word, read) in all {
        match read.and_then(|(experiment, file)| one(&experiment, &file, choices, registry)) {
            Ok(text) => crate::print(text)?,
            Err(failure) if count == 1 => return Err(failure),
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
        problem: format!("{} of {count} experiments cannot run", wrong.len()),
        remedy: format!("see the messages above\ncannot run: {}", wrong.join(", ")),
    })
}

fn one(experiment: &Experiment, file: &Path, choices: &Choices, registry: &Registry) -> Result<String> {
    let plan = experiment.plan(choices, registry)?;
    let mut lines = vec![format!("{}: {} -> {}", file.display(), plan.name, plan.directory.display())];
    let said = |text: String| hanging(&text, "  ", "      ");
    lines.extend(plan.warnings.iter().flat_map(|warning| said(format!("warning: {warning}"))));
    if let Some(shortened) = &plan.profile {
        lines.extend(said(format!("profile {}: {}", shortened.profile, shortened.changes.join("; "))));
    }
    lines.extend(
        plan.expectations.iter().flat_map(|expectation| {
            said(format!("expects: {} ({})", expectation.claim, expectation.words()))
        }),
    );
    lines.extend(plan.set.iter().flat_map(|change| said(format!("--set {change}"))));
    let (variants, seconds) = variants(&plan, file)?;
    lines.extend(common_first(&variants, plan.runs.len()));
    if let (Some(seconds), true) = (seconds, plan.runs.len() > 1) {
        lines.push(format!("  time in all: about {} for {} runs", in_words(seconds), plan.runs.len()));
    }
    Ok(lines.join("\n"))
}

/// Runs that differ in their seed alone.
struct Variant {
    name: String,
    seeds: Vec<u64>,
    lines: Vec<String>,
}

/// What is to say of each variant, and the seconds that all runs may take.
fn variants(plan: &ExperimentPlan, file: &Path) -> Result<(Vec<Variant>, Option<f64>)> {
    let (mut claims, mut variants) = (Claims::of(plan), Vec::<Variant>::new());
    let mut rate = None;
    // The seconds of a run of each variant.
    let mut times: Vec<Option<f64>> = Vec::new();
    surveyed::each(plan, |surveyed| {
        match surveyed {
            Surveyed::First(prepared) => {
                claims.see(&prepared);
                let rate = *rate.get_or_insert_with(|| work::rate(&prepared));
                let work = Work::of(&prepared).ok();
                let time = work.as_ref().zip(rate).map(|(work, rate)| work.total() / rate);
                let mut lines = describe(&prepared, file);
                lines.extend(work.zip(rate).map(|(work, rate)| spent(&work, rate)));
                times.push(time);
                let run = prepared.plan;
                variants.push(Variant { name: run.variant.clone(), seeds: vec![run.seed], lines });
            }
            Surveyed::Rerun { run, missing, .. } => {
                let known = variants.iter_mut().find(|variant| variant.name == run.variant);
                if let Some(variant) = known {
                    variant.seeds.push(run.seed);
                    let of_seed = |text: String| format!("warning: with seed {}: {text}", run.seed);
                    variant.lines.extend(missing.into_iter().map(of_seed));
                }
            }
        }
        Ok(())
    })?;
    claims.check()?;
    let all = variants.iter().zip(times).map(|(variant, time)| Some(variant.seeds.len() as f64 * time?));
    let seconds = all.sum();
    Ok((variants, seconds))
}

/// The lines of each variant; with several variants, first the lines that all share.
fn common_first(variants: &[Variant], runs: usize) -> Vec<String> {
    let indented = |line: &String| hanging(line, "    ", "      ");
    if let [only] = variants {
        let title = [format!("  run{}:", seeds(&only.seeds))];
        return title.into_iter().chain(only.lines.iter().flat_map(indented)).collect();
    }
    // The number of variants that have each line.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for variant in variants {
        let distinct: HashSet<&str> = variant.lines.iter().map(String::as_str).collect();
        distinct.into_iter().for_each(|line| *counts.entry(line).or_default() += 1);
    }
    let is_common = |line: &&String| counts.get(line.as_str()) == Some(&variants.len());
    let first = variants.first().map_or(&[] as &[String], |variant| &variant.lines);
    let mut all = vec![format!("  all {runs} runs:")];
    all.extend(first.iter().filter(is_common).flat_map(indented));
    for Variant { name, seeds: numbers, lines } in variants {
        all.push(format!("  run {name}{}:", seeds(numbers)));
        all.extend(lines.iter().filter(|line| !is_common(line)).flat_map(indented));
    }
    all
}

/// The seeds of a variant: " (seed 0)", or " (x 3 seeds: 0, 1, 2)".
fn seeds(seeds: &[u64]) -> String {
    match seeds {
        [only] => format!(" (seed {only})"),
        several => {
            let numbers: Vec<usize> =
                several.iter().map(|seed| usize::try_from(*seed).unwrap_or(usize::MAX)).collect();
            format!(" (x {} seeds: {})", several.len(), ranges(&numbers))
        }
    }
}

fn describe(prepared: &Prepared, file: &Path) -> Vec<String> {
    let run = prepared.plan;
    let mut lines = Vec::new();
    for Note { label, value } in notes::settings(prepared) {
        match (label.as_str(), &run.train) {
            // The seeds stand in the title.
            ("Seed", _) => {}
            ("Training", Some(train)) => lines.extend(training(train, prepared.train.len())),
            (label, _) => lines.push(format!("{}: {value}", label.to_lowercase())),
        }
    }
    if run.train.is_none() {
        lines.push("training: none, the network is analysed as it is".to_owned());
    }
    let numbered = prepared.probes.iter().enumerate();
    lines.extend(numbered.map(|(index, prepared)| probe(index + 1, prepared, run, file)));
    lines.extend(prepared.warnings.iter().chain(&prepared.missing).map(|text| format!("warning: {text}")));
    let distance = |plan: &DistancePlan| format!("distance: {}, {}", plan.name, plan.description());
    lines.extend(run.distances.iter().map(distance));
    lines.extend(prepared.account.lines());
    lines
}

fn training(train: &TrainPlan, examples: usize) -> [String; 2] {
    let TrainPlan { epochs, batch_size, optimizer, schedule, .. } = train;
    let steps = examples.div_ceil(batch_size.get());
    [
        format!(
            "training: {} of {}, batch size {batch_size}",
            count(epochs.get(), "epoch"),
            count(steps, "step")
        ),
        format!("optimizer: {}{}", optimizer.description(), schedule.description()),
    ]
}

fn probe(number: usize, probe: &PreparedProbe, run: &RunPlan, file: &Path) -> String {
    let plan = probe.plan;
    let when = match (&run.train, plan.epochs.as_slice()) {
        (None, _) => String::new(),
        (Some(_), [only]) => format!(", after epoch {only}"),
        (Some(_), epochs) => format!(", after epochs {}", ranges(epochs)),
    };
    let curvatures: Vec<String> = plan.curvatures.iter().map(ToString::to_string).collect();
    let moments = plan.epochs.len();
    let spectra = probe.matrices().count() * probe.batches.len() * moments;
    let what = if plan.estimator.number().is_some() { "number" } else { "spectrum" };
    let work = match measure::products(probe).saturating_mul(moments) {
        0 => String::new(),
        products => format!(", {}", count(products, "product")),
    };
    format!(
        "probe {number}: {} by {} ({}){}{when}, on {}, in {}, of {}: {}{work}",
        curvatures.join(", "),
        plan.estimator_name.value,
        plan.estimator.description(),
        notes::eigenvectors(probe),
        notes::sample(probe),
        plan.types(),
        groups(probe, file),
        count(spectra, what),
    )
}

/// The groups with their dimensions, and how many more there are.
fn groups(probe: &PreparedProbe, file: &Path) -> String {
    let named = probe.groups.iter().take(GROUPS).map(|group| format!("{} ({})", group.name, group.dimension));
    let more = match probe.groups.len().saturating_sub(GROUPS) {
        0 => None,
        more => Some(format!("and {more} more (`list groups {}` names them)", file.display())),
    };
    named.chain(more).collect::<Vec<_>>().join(", ")
}

/// The time of a run, by its parts.
fn spent(work: &Work, rate: f64) -> String {
    let parts = work.parts().map(|part| part / rate);
    let named = ["to train", "to evaluate losses", "to measure"];
    let parts = named.iter().zip(parts).filter(|(_, seconds)| *seconds >= 0.5);
    let parts: Vec<String> = parts.map(|(what, seconds)| format!("{} {what}", in_words(seconds))).collect();
    let parts = if parts.len() > 1 { format!(": {}", parts.join(", ")) } else { String::new() };
    format!(
        "time: about {}{parts}; {:.1e} operations, at {:.1e} per second on this machine",
        in_words(work.total() / rate),
        work.total(),
        rate
    )
}

fn in_words(seconds: f64) -> String {
    work::words(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// "1 product", "2 products", "3 spectra".
fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, what) => format!("1 {what}"),
        (number, "spectrum") => format!("{number} spectra"),
        (number, what) => format!("{number} {what}s"),
    }
}

/// Numbers as "1, 2, 5", and many consecutive ones as "1 to 100".
fn ranges(numbers: &[usize]) -> String {
    const LISTED: usize = 12;
    match numbers {
        [first, .., last] if numbers.len() > LISTED && last.wrapping_sub(*first) + 1 == numbers.len() => {
            format!("{first} to {last}")
        }
        [some @ .., last] if numbers.len() > LISTED => {
            let first: Vec<String> = some[..LISTED / 2].iter().map(ToString::to_string).collect();
            format!("{}, ..., {last} ({} of them)", first.join(", "), numbers.len())
        }
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(name: &str, seeds: &[u64], lines: &[&str]) -> Variant {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Variant { name: name.to_owned(), seeds: seeds.to_vec(), lines }
    }

    #[test]
    fn seeds_share_one_block_and_variants_what_they_have_in_common() {
        let one = [variant("", &[1, 2], &["data: iris"])];
        assert_eq!(common_first(&one, 2), ["  run (x 2 seeds: 1, 2):", "    data: iris"]);
        let two = [variant("a", &[0], &["data: iris", "loss: mse"]), variant("b", &[0], &["data: iris"])];
        let expected =
            ["  all 2 runs:", "    data: iris", "  run a (seed 0):", "    loss: mse", "  run b (seed 0):"];
        assert_eq!(common_first(&two, 2), expected);
    }

    #[test]
    fn one_is_not_plural() {
        assert_eq!([count(1, "spectrum"), count(2, "spectrum")], ["1 spectrum", "2 spectra"]);
        assert_eq!([count(1, "product"), count(0, "epoch")], ["1 product", "0 epochs"]);
    }

    #[test]
    fn many_numbers_are_a_range() {
        let many: Vec<usize> = (3..=40).collect();
        assert_eq!(ranges(&many), "3 to 40");
        assert_eq!(ranges(&[1, 2, 5]), "1, 2, 5");
    }
}
