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
        Profile, curvatures, distinct, extremes, from_zero, is_nonnegative, profiles, prose,
        significant_interval, unconverged,
    },
    draw::labels::{percent, significant, with_interval},
    variants::Variant,
};

/// A fact: what it is, its value, and under which circumstances.
struct Fact {
    label: String,
    value: Cell,
    remark: String,
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
            dd.value { (fact.value.written()) }
            dd.remark { (fact.remark) }
        }
    }
}

fn comparison(title: &str, variants: &[Variant], rows: &[Vec<Fact>]) -> Markup {
    let labels = distinct(rows.iter().flatten().map(|fact| fact.label.as_str()));
    let mut columns: Vec<Column> = vec![words("variant"), numbers("runs")];
    let are_numbers =
        |label: &str| rows.iter().flatten().any(|fact| fact.label == label && fact.value.is_number());
    let column = |label: &&str| if are_numbers(label) { numbers(*label) } else { words(*label) };
    columns.extend(labels.iter().map(column));
    let mut table = Table::new(format!("{title}, by variant"), columns);
    for (variant, facts) in variants.iter().zip(rows) {
        let find = |label: &&str| facts.iter().find(|fact| fact.label == *label);
        let cells =
            labels.iter().map(|label| find(label).map_or_else(Cell::empty, |fact| fact.value.clone()));
        let runs = Cell::number(super::study::runs(variant), variant.runs.len() as f64);
        table.rows.push([Cell::words(&variant.label), runs].into_iter().chain(cells).collect());
    }
    table.render()
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
            remark: of_trace(record, &trace),
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
            remark: format!("epoch {}{open}{loss}", largest.epoch),
        });
    }
    let smallest = last(Quantity::LambdaMax, |record| record.lambda_min.map(Number::exact));
    if let (Some(smallest), Some(record)) = (smallest, first_record(Quantity::LambdaMax)) {
        let text =
            if variant.runs.len() == 1 { extremes(record, 4)[1].clone() } else { written(&smallest.mean) };
        facts.push(Fact {
            label: "Smallest eigenvalue".into(),
            value: Cell::number(text, smallest.mean.value),
            remark: format!("epoch {}", smallest.epoch),
        });
    }
    facts.extend(nearest(variant, curvature));
    facts
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
        let order = depth::Profile::new(run, profile.metric, profile.curvature, When::Last).ok();
        for (which, (layer, _)) in [("Nearest", nearest), ("Farthest", farthest)] {
            let index = |order: &depth::Profile| order.layers.iter().position(|(name, _)| name == layer);
            let doubt = order.as_ref().and_then(|order| order.in_doubt(index(order)?));
            let doubt = doubt.map_or(String::new(), |doubt| format!("; {doubt}"));
            facts.push(Fact {
                label: format!("{which} group ({})", profile.metric),
                value: Cell::words(layer),
                remark: format!("at distance {}, epoch {epoch}{doubt}", at(profile, layer, epoch)),
            });
        }
    }
    facts
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
        ours.filter_map(|profile| Some((profile.metric.to_owned(), profile.extremes()?[0].0.to_owned())))
            .collect()
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
            remark: "after the last epoch measured".into(),
        }
    };
    distinct(all.iter().map(|(metric, _)| metric.clone())).into_iter().map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::{Number, share};

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
