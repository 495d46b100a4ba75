//! The summary: a block for training and one for each curvature.

use eigenscape_analysis::{
    depth,
    expectation::{Quantity, Subject, When},
    measured,
    uncertainty::{Number, Uncertainty},
};
use eigenscape_core::results::{ProbeRecord, Run};
use maud::{Markup, html};

use super::table::{Cell, Column, Table, numbers, words};
use crate::{
    data::{
        FULL, Profile, curvatures, distinct, extremes, from_zero, is_nonnegative, profiles, prose,
        significant_interval, unconverged,
    },
    draw::labels::{percent, signed, significant, with_interval},
    variants::Variant,
};

/// What stands in a table where there is no number.
const NONE: &str = "–";
/// What stands for the nearest group where no group is nearer than another.
const ALL_EQUAL: &str = "all equal";

/// A fact: what it is, its value, and under which circumstances.
struct Fact {
    label: String,
    value: Cell,
    /// The epoch after which it was measured, if it is one.
    epoch: Option<usize>,
    remark: String,
}

impl Fact {
    /// The cell of a table.
    fn cell(&self, epochs: Epochs) -> Cell {
        match self.epoch.filter(|_| epochs == Epochs::Cells) {
            Some(epoch) => self.value.clone().followed_by(&format!(" (epoch {epoch})")),
            None => self.value.clone(),
        }
    }
}

/// Where a table says after which epochs its numbers were measured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Epochs {
    /// Nowhere: the epochs of a column are the same.
    Same,
    /// In a column: each row has a single epoch.
    Column,
    /// In each cell.
    Cells,
}

impl Epochs {
    fn of(labels: &[&str], rows: &[Vec<Fact>]) -> Self {
        let differs = |label: &&str| {
            let same = rows.iter().flatten().filter(|fact| fact.label == *label);
            distinct(same.filter_map(|fact| fact.epoch)).len() > 1
        };
        let is_one = |facts: &Vec<Fact>| distinct(facts.iter().filter_map(|fact| fact.epoch)).len() < 2;
        match (labels.iter().any(differs), rows.iter().all(is_one)) {
            (false, _) => Self::Same,
            (true, true) => Self::Column,
            (true, false) => Self::Cells,
        }
    }
}

/// A block of the summary: its title, and the facts of each row.
struct Block {
    title: String,
    rows: Vec<Vec<Fact>>,
}

/// The facts of a single run, or tables that compare variants.
pub fn of(variants: &[Variant]) -> Markup {
    let blocks: Vec<Block> =
        blocks(variants).into_iter().filter(|b| b.rows.iter().any(|r| !r.is_empty())).collect();
    html! {
        section #summary {
            h2 { "Summary" }
            @if variants.is_empty() { p { "The experiment has no runs." } }
            @else if variants.iter().all(Variant::all_diverged) { p { (all_diverged(variants)) } }
            @else if blocks.is_empty() { p { "Nothing was measured." } }
            @for block in &blocks {
                h3 { (block.title) }
                @match &block.rows[..] {
                    [only] => dl.tiles { @for fact in only { (tile(fact)) } },
                    rows => (comparison(&block.title, variants, rows)),
                }
            }
        }
    }
}

/// Says that there are no statistics because every run diverged.
fn all_diverged(variants: &[Variant]) -> String {
    let why = "there is no end of training to summarise.";
    match variants.iter().map(|variant| variant.runs.len()).sum::<usize>() {
        1 => format!("The run diverged: {why}"),
        count => format!("{count} of {count} runs diverged: {why}"),
    }
}

fn blocks(variants: &[Variant]) -> Vec<Block> {
    let runs = || variants.iter().flat_map(|variant| variant.runs.iter().copied());
    let all = distinct(runs().flat_map(curvatures));
    let training = Block { title: "Training".into(), rows: variants.iter().map(trained).collect() };
    let of_curvature = |curvature: &&str| Block {
        title: capitalised(&prose(curvature)),
        rows: variants.iter().map(|variant| of_curvature(variant, curvature)).collect(),
    };
    std::iter::once(training).chain(all.iter().map(of_curvature)).collect()
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

fn tile(fact: &Fact) -> Markup {
    html! {
        div.tile {
            dt { (fact.label) }
            dd.value.number[fact.value.is_number()] { (fact.value.written()) }
            dd.remark { (fact.remark) }
        }
    }
}

fn comparison(title: &str, variants: &[Variant], rows: &[Vec<Fact>]) -> Markup {
    let labels = distinct(rows.iter().flatten().map(|fact| fact.label.as_str()));
    let epochs = Epochs::of(&labels, rows);
    let mut columns: Vec<Column> = vec![words("variant"), numbers("runs")];
    if epochs == Epochs::Column {
        columns.push(numbers("epoch"));
    }
    let are_numbers =
        |label: &str| rows.iter().flatten().any(|fact| fact.label == label && fact.value.is_number());
    let column = |label: &&str| if are_numbers(label) { numbers(*label) } else { words(*label) };
    columns.extend(labels.iter().map(column));
    let mut table = Table::new(format!("{title}, by variant"), columns);
    for (variant, facts) in variants.iter().zip(rows) {
        let find = |label: &&str| facts.iter().find(|fact| fact.label == *label);
        let cell = |label: &&str| find(label).map_or_else(|| Cell::words(NONE), |fact| fact.cell(epochs));
        let runs = Cell::number(super::study::runs(variant), variant.runs.len() as f64);
        let mut row = vec![Cell::words(&variant.label), runs];
        if epochs == Epochs::Column {
            row.push(epoch_of(facts));
        }
        row.extend(labels.iter().map(cell));
        table.rows.push(row);
    }
    table.render()
}

/// The epoch of a row whose facts have the same one.
fn epoch_of(facts: &[Fact]) -> Cell {
    let epoch = facts.iter().find_map(|fact| fact.epoch);
    epoch.map_or_else(|| Cell::words(NONE), |epoch| Cell::number(epoch.to_string(), epoch as f64))
}

/// The mean of a number over the runs of a variant, and the epoch after which it was measured.
struct Measured {
    mean: Number,
    epoch: usize,
}

fn mean(variant: &Variant, of: impl Fn(&Run) -> Option<(usize, Number)>) -> Option<Measured> {
    let found: Vec<(usize, Number)> = variant.runs.iter().filter_map(|run| of(run)).collect();
    let numbers: Vec<Number> = found.iter().map(|(_, number)| *number).collect();
    Some(Measured { mean: Number::over_runs(&numbers)?, epoch: found.last()?.0 })
}

fn trained(variant: &Variant) -> Vec<Fact> {
    if variant.all_diverged() {
        return Vec::new();
    }
    let last = |quantity: Quantity| {
        mean(variant, |run| {
            let record = run.training.last()?;
            Some((record.epoch, Number::exact(measured::of_training(quantity, record)?)))
        })
    };
    let quantities = [
        ("Test accuracy", Quantity::TestAccuracy),
        ("Training accuracy", Quantity::TrainAccuracy),
        ("Test loss", Quantity::TestLoss),
        ("Training loss", Quantity::TrainLoss),
    ];
    let no_test = variant.runs.iter().flat_map(|run| run.training.last()).all(|r| r.test_loss.is_none());
    let fact = |(label, quantity): (&str, Quantity)| {
        let Measured { mean, epoch } = last(quantity)?;
        let is_share = matches!(quantity, Quantity::TestAccuracy | Quantity::TrainAccuracy);
        let text = if is_share { share(&mean) } else { from_zero(&mean) };
        let remark = if no_test { "; there is no test split" } else { "" };
        Some(Fact {
            label: label.into(),
            value: Cell::number(text, mean.value),
            epoch: Some(epoch),
            remark: format!("epoch {epoch}{remark}"),
        })
    };
    quantities.into_iter().filter_map(fact).collect()
}

/// A share in percent with its error; an interval that goes below 0 or above 100 % ends there.
fn share(mean: &Number) -> String {
    let Some(half) = mean.half_width().filter(|half| *half > 0.0) else { return percent(mean.value) };
    let (value, half) = (100.0 * mean.value, 100.0 * half);
    let ends = [value - half, value + half];
    if ends.iter().all(|end| (0.0..=100.0).contains(end)) {
        return format!("{} %", eigenscape_analysis::with_error(value, half, 4));
    }
    let decimals = if half >= 10.0 { 0 } else { 2 };
    let [low, high] = ends.map(|end| end.clamp(0.0, 100.0));
    format!("{value:.decimals$} % [{low:.decimals$} %, {high:.decimals$} %]")
}

/// A number with its error, or with the interval in which it lies if it has not converged.
fn written(mean: &Number) -> String {
    if mean.has_converged() { with_interval(*mean, 4) } else { significant_interval(mean, 4) }
}

/// A trace or an eigenvalue with its error.
fn of_spectra(mean: &Number, curvature: &str) -> String {
    if is_nonnegative(curvature) { from_zero(mean) } else { written(mean) }
}

fn of_curvature(variant: &Variant, curvature: &str) -> Vec<Fact> {
    if variant.all_diverged() {
        return Vec::new();
    }
    let probes = variant.runs.iter().flat_map(|run| &run.probes);
    let mut probes = probes.filter(|probe| probe.curvature == curvature);
    if probes.any(|probe| probe.group == FULL) {
        of_network(variant, curvature)
    } else {
        of_groups(variant, curvature)
    }
}

/// Where the full network was not measured: the group with the largest trace, and that with the
/// largest eigenvalue; the number of groups if no number is finite.
fn of_groups(variant: &Variant, curvature: &str) -> Vec<Fact> {
    let probes = variant.runs.iter().flat_map(|run| &run.probes);
    let ours = probes.filter(|probe| probe.curvature == curvature);
    let groups = distinct(ours.map(|probe| probe.group.as_str()));
    if groups.is_empty() {
        return Vec::new();
    }
    let trace: fn(&ProbeRecord) -> Option<Number> = |record| Some(Number::trace(record));
    let eigenvalue: fn(&ProbeRecord) -> Option<Number> = Number::lambda_max;
    let wanted = [
        ("Largest trace of a group", Quantity::Trace, trace),
        ("Largest eigenvalue of a group", Quantity::LambdaMax, eigenvalue),
    ];
    let mut facts = Vec::new();
    for (label, quantity, number) in wanted {
        let Some((group, found)) = largest(variant, curvature, &groups, quantity, number) else { continue };
        let text = of_spectra(&found.mean, curvature);
        facts.push(Fact {
            label: label.into(),
            value: Cell::words(format!("{} ({group})", signed(&text))),
            epoch: Some(found.epoch),
            remark: format!("epoch {}; {}", found.epoch, among(groups.len())),
        });
    }
    if facts.is_empty() {
        facts.push(Fact {
            label: "Groups measured".into(),
            value: Cell::number(groups.len().to_string(), groups.len() as f64),
            epoch: None,
            remark: "no number is finite".into(),
        });
    }
    facts
}

/// Of how many groups one is the largest.
fn among(count: usize) -> String {
    if count == 1 { "the only group measured".into() } else { format!("the largest of {count} groups") }
}

/// The group with the largest mean of a number over the runs, at the last epoch.
fn largest<'a>(
    variant: &Variant,
    curvature: &str,
    groups: &[&'a str],
    quantity: Quantity,
    number: fn(&ProbeRecord) -> Option<Number>,
) -> Option<(&'a str, Measured)> {
    let mut largest: Option<(&'a str, Measured)> = None;
    for group in groups.iter().copied() {
        let subject = Subject { group: group.to_owned(), ..Subject::of_network(quantity, curvature) };
        let found = mean(variant, |run| {
            let record = *measured::records(run, &subject).last()?;
            Some((record.epoch, number(record)?))
        });
        let Some(found) = found.filter(|found| found.mean.value.is_finite()) else { continue };
        if largest.as_ref().is_none_or(|(_, before)| found.mean.value > before.mean.value) {
            largest = Some((group, found));
        }
    }
    largest
}

/// The facts of the full network, and the groups that resemble it most and least.
fn of_network(variant: &Variant, curvature: &str) -> Vec<Fact> {
    let last = |quantity, number: fn(&ProbeRecord) -> Option<Number>| {
        mean(variant, |run| {
            let subject = Subject::of_network(quantity, curvature);
            let record = *measured::records(run, &subject).last()?;
            Some((record.epoch, number(record)?))
        })
    };
    let first_record = |quantity| {
        let run = variant.runs.first()?;
        measured::records(run, &Subject::of_network(quantity, curvature)).last().copied()
    };
    let mut facts = Vec::new();
    if let (Some(trace), Some(record)) =
        (last(Quantity::Trace, |record| Some(Number::trace(record))), first_record(Quantity::Trace))
    {
        facts.push(Fact {
            label: "Trace".into(),
            value: Cell::number(of_spectra(&trace.mean, curvature), trace.mean.value),
            epoch: Some(trace.epoch),
            remark: of_trace(record, &trace) + &choice(variant, Quantity::Trace, curvature),
        });
    }
    if let (Some(largest), Some(record)) =
        (last(Quantity::LambdaMax, Number::lambda_max), first_record(Quantity::LambdaMax))
    {
        let open = if unconverged(record)[0].is_some() { "; not converged, use more steps" } else { "" };
        let loss = record.orthogonality_loss.map_or(String::new(), |loss| {
            format!("; the basis was stored rounded, its orthogonality loss is {}", significant(loss, 2))
        });
        facts.push(Fact {
            label: "Largest eigenvalue".into(),
            value: Cell::number(of_largest(&largest.mean, record, variant), largest.mean.value),
            epoch: Some(largest.epoch),
            remark: format!("epoch {}{open}{loss}", largest.epoch)
                + &choice(variant, Quantity::LambdaMax, curvature),
        });
    }
    let smallest = last(Quantity::LambdaMax, |record| record.lambda_min.map(Number::exact));
    if let (Some(smallest), Some(record)) = (smallest, first_record(Quantity::LambdaMax)) {
        let text =
            if variant.runs.len() == 1 { extremes(record, 4)[1].clone() } else { written(&smallest.mean) };
        facts.push(Fact {
            label: "Smallest eigenvalue".into(),
            value: Cell::number(text, smallest.mean.value),
            epoch: Some(smallest.epoch),
            remark: format!("epoch {}", smallest.epoch),
        });
    }
    facts.extend(nearest(variant, curvature));
    facts
}

/// Says which measurement was taken where several are of the same matrix; empty where none is.
fn choice(variant: &Variant, quantity: Quantity, curvature: &str) -> String {
    let subject = Subject::of_network(quantity, curvature);
    let choice = variant.runs.first().and_then(|run| measured::choice(run, &subject));
    choice.map_or(String::new(), |choice| format!("; taken {choice}"))
}

fn of_largest(mean: &Number, record: &ProbeRecord, variant: &Variant) -> String {
    if variant.runs.len() == 1 { extremes(record, 4)[0].clone() } else { of_spectra(mean, &record.curvature) }
}

fn of_trace(record: &ProbeRecord, trace: &Measured) -> String {
    let how = if record.exact { "exact, by" } else { "estimated by" };
    let unknown = match trace.mean.error {
        Uncertainty::Unknown => "; one random vector has no standard error",
        _ => "",
    };
    format!("epoch {}; {how} {}{unknown}", trace.epoch, record.estimator)
}

/// The nearest and the farthest layer by each distance. Of several runs, those of their mean.
fn nearest(variant: &Variant, curvature: &str) -> Vec<Fact> {
    let [run] = variant.runs[..] else { return of_runs(variant, curvature) };
    let mut facts = Vec::new();
    for profile in profiles(run).iter().filter(|profile| profile.curvature == curvature) {
        let epoch = profile.epochs.last().copied().unwrap_or_default();
        let Some([nearest, farthest]) = profile.extremes() else { continue };
        if are_equal([nearest, farthest]) {
            facts.push(Fact {
                label: format!("Nearest group ({})", profile.metric),
                value: Cell::words(ALL_EQUAL),
                epoch: Some(epoch),
                remark: format!("all at distance {}, epoch {epoch}", significant(nearest.1, 4)),
            });
            continue;
        }
        let order = depth::Profile::new(run, profile.metric, profile.curvature, When::Last).ok();
        // A single group is the nearest only.
        let count = if nearest.0 == farthest.0 { 1 } else { 2 };
        for (which, (layer, _)) in [("Nearest", nearest), ("Farthest", farthest)].into_iter().take(count) {
            let index = |order: &depth::Profile| order.layers.iter().position(|(name, _)| name == layer);
            let doubt = order.as_ref().and_then(|order| order.in_doubt(index(order)?));
            let doubt = doubt.map_or(String::new(), |doubt| format!("; {doubt}"));
            facts.push(Fact {
                label: format!("{which} group ({})", profile.metric),
                value: Cell::words(layer),
                epoch: Some(epoch),
                remark: format!("at distance {}, epoch {epoch}{doubt}", at(profile, layer, epoch)),
            });
        }
    }
    facts
}

/// Whether the nearest and the farthest of several groups are at the same distance.
fn are_equal([nearest, farthest]: [(&str, f64); 2]) -> bool {
    nearest.0 != farthest.0 && nearest.1 == farthest.1
}

/// The nearest layer, if one is.
fn nearest_layer(profile: &Profile) -> Option<String> {
    let [nearest, farthest] = profile.extremes()?;
    Some(if are_equal([nearest, farthest]) { ALL_EQUAL } else { nearest.0 }.to_owned())
}

/// A layer's distance with its error and its range over bandwidths.
fn at(profile: &Profile, layer: &str, epoch: usize) -> String {
    let Some(record) = profile.record(layer, epoch) else { return String::new() };
    let range = profile.band(layer, epoch).map_or(String::new(), |(low, high)| {
        format!(" ({} to {} over bandwidths)", significant(low, 2), significant(high, 2))
    });
    from_zero(&Number::distance(record)) + &range
}

/// How many of the runs have which layer nearest.
fn of_runs(variant: &Variant, curvature: &str) -> Vec<Fact> {
    let of = |run: &Run| -> Vec<(String, String)> {
        let ours = profiles(run).into_iter().filter(|profile| profile.curvature == curvature);
        ours.filter_map(|profile| Some((profile.metric.to_owned(), nearest_layer(&profile)?))).collect()
    };
    let all: Vec<(String, String)> = variant.runs.iter().flat_map(|run| of(run)).collect();
    let fact = |metric: String| {
        let layers: Vec<&String> = all.iter().filter(|(m, _)| *m == metric).map(|(_, layer)| layer).collect();
        let mut counts: Vec<(usize, &String)> = distinct(layers.iter().copied())
            .into_iter()
            .map(|layer| (layers.iter().filter(|other| **other == layer).count(), layer))
            .collect();
        counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let words = match counts[..] {
            [(_, only)] => only.clone(),
            _ => counts
                .iter()
                .map(|(n, layer)| format!("{layer} ({n} of {})", layers.len()))
                .collect::<Vec<_>>()
                .join(", "),
        };
        Fact {
            label: format!("Nearest group ({metric})"),
            value: Cell::words(words),
            epoch: None,
            remark: "after the last epoch measured".into(),
        }
    };
    distinct(all.iter().map(|(metric, _)| metric.clone())).into_iter().map(fact).collect()
}

#[cfg(test)]
mod tests {
    use eigenscape_core::results::{Divergence, Diverging, Run};

    use super::{Number, of, share};
    use crate::{
        sample::{distance, probe, trained},
        variants::Variant,
    };

    /// The text of the summary of runs whose variants are a, b, ...
    fn page(mut runs: Vec<Run>) -> String {
        for (index, run) in runs.iter_mut().enumerate() {
            run.variant = ["a", "b", "c"][index].into();
        }
        of(&Variant::all(&runs)).into_string()
    }

    #[test]
    fn a_diverged_variant_has_no_statistics() {
        let diverged = Divergence {
            what: Diverging::Loss,
            value: "NaN".into(),
            epoch: 1,
            step: 2,
            learning_rate: 0.5,
            last_finite_loss: None,
        };
        let good = Run { training: vec![trained(0), trained(3)], ..Run::default() };
        let bad = Run { training: vec![trained(0)], diverged: Some(diverged), ..Run::default() };
        let found = page(vec![good, bad.clone()]);
        assert!(found.contains("1 of 1 diverged") && found.contains(">–</td>"), "{found}");
        assert!(!found.contains(">epoch</th>"), "{found}");
        let found = page(vec![bad.clone(), bad]);
        assert!(found.contains("2 of 2 runs diverged") && !found.contains("<table"), "{found}");
    }

    #[test]
    fn rows_that_end_at_different_epochs_say_so() {
        let until = |epoch| Run { training: vec![trained(0), trained(epoch)], ..Run::default() };
        assert!(page(vec![until(2), until(3)]).contains(">epoch</th>"));
        assert!(!page(vec![until(3), until(3)]).contains(">epoch</th>"));
        let mut measured = until(3);
        measured.probes = vec![probe(3, "full", "dense", 4, &[2.0, 1.0])];
        measured.distances = vec![distance(1, "a", "full", 1.0), distance(1, "b", "full", 2.0)];
        let mut earlier = measured.clone();
        earlier.probes[0].epoch = 2;
        assert!(page(vec![measured, earlier]).contains("(epoch 2)"));
    }

    #[test]
    fn groups_without_the_network_are_summarised() {
        let probes = vec![probe(1, "a", "dense", 4, &[3.0]), probe(1, "b", "dense", 4, &[2.0, 2.0])];
        let found = page(vec![Run { probes, ..Run::default() }]);
        assert!(found.contains("3.000 (a)") && found.contains("4.000 (b)"), "{found}");
        assert!(found.contains("the largest of 2 groups") && !found.contains("Nothing"), "{found}");
    }

    #[test]
    fn of_equal_distances_none_is_the_nearest() {
        let distances = vec![distance(1, "a", "full", 0.0), distance(1, "b", "full", 0.0)];
        let probes = vec![probe(1, "full", "dense", 4, &[2.0]), probe(1, "full", "gram", 4, &[2.0])];
        let found = page(vec![Run { distances, probes, ..Run::default() }]);
        assert!(found.contains("all equal") && !found.contains("Farthest"), "{found}");
        assert!(found.contains("taken by dense, one of 2 measurements of the same matrix"), "{found}");
    }

    #[test]
    fn a_share_is_between_0_and_100_percent() {
        let mean = |values: &[f64]| {
            let numbers: Vec<Number> = values.iter().map(|value| Number::exact(*value)).collect();
            share(&Number::over_runs(&numbers).unwrap())
        };
        // t(0.975; 1) = 12.706 times the standard errors 0.07, 0.01 and 0.001.
        assert_eq!(mean(&[0.49, 0.63]), "56 % [0 %, 100 %]");
        assert_eq!(mean(&[0.55, 0.57]), "56 ± 13 %");
        assert_eq!(mean(&[0.993, 0.995]), "99.40 % [98.13 %, 100.00 %]");
        assert_eq!(mean(&[0.56]), "56.00 %");
    }
}
