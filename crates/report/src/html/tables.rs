//! The numbers behind the figures.

use eigenscape_analysis::{
    batches::{self, Spread},
    statistics::Sample,
    uncertainty::{Number, Uncertainty},
};
use eigenscape_core::results::{DistanceRecord, ProbeRecord, Run, TrainingRecord};
use maud::{Markup, html};

use crate::{
    data::{self, distinct},
    draw::{
        axis::range,
        labels::{count, percent, significant, with_interval},
    },
};

/// Tables with more rows are folded.
const LONG: usize = 40;
const DIGITS: usize = 4;

/// The tables for which the run has data; `measured` is the run before averaging over samples.
pub fn of(run: &Run, measured: &Run) -> Vec<Markup> {
    let mut tables = Vec::new();
    if !run.probes.is_empty() {
        tables.push(spectra(&run.probes));
    }
    let spreads = batches::spreads(measured);
    if !spreads.is_empty() {
        tables.push(spread(&spreads));
    }
    let keys = distinct(run.distances.iter().map(|d| (d.metric.as_str(), d.curvature.as_str())));
    tables.extend(keys.into_iter().map(|(metric, curvature)| distances(&run.distances, metric, curvature)));
    if !run.training.is_empty() {
        tables.push(training(&run.training));
    }
    tables
}

fn folded(title: &str, rows: usize, table: &Markup, remark: &str) -> Markup {
    html! {
        details open[rows <= LONG] {
            summary { (title) @if rows > LONG { " (" (rows) " rows)" } }
            div.scroll { table { (table) } }
            @if !remark.is_empty() { p.remark { (remark) } }
        }
    }
}

fn spectra(probes: &[ProbeRecord]) -> Markup {
    let table = html! {
        thead { tr {
            th { "epoch" } th.text { "group" } th.text { "curvature" } th.text { "estimator" } th.text { "exact" }
            th { "dimension" } th { "listed" } th { "mass at 0" } th { "trace" }
            th { "λ max" } th { "λ min" } th { "products" } th { "seconds" }
        } }
        tbody { @for p in probes { @let [largest, smallest] = data::extremes(p, DIGITS); tr {
            td { (p.epoch) } td.text { (p.group) } td.text { (p.curvature) } td.text { (p.estimator) }
            td.text { (if p.exact { "yes" } else { "no" }) }
            td { (count(p.dimension)) } td { (listed(p)) } td { (mass_at_zero(p)) }
            td { (with_interval(Number::trace(p), DIGITS)) }
            td { (largest) } td { (smallest) }
            td { (count(p.products)) } td { (significant(p.seconds, 3)) }
        } } }
    };
    let remark = "Mass at 0: eigenvalues of an exact spectrum that rounding does not tell from 0, those below the bound that is \
                  given; dtype = \"f64\" lowers it. Listed: the non-zero eigenvalues of an exact spectrum, the Ritz values of an estimated one; “–” where the \
                  trace alone was measured. ±: half of the 95 % interval of an estimated trace, by Student's t (“?”: \
                  unknown, one probe has no standard error). In brackets: where λ max or λ min lies with a probability of 95 %, where \
                  Lanczos has not converged to it; more steps tell. Products: operator-vector products, or work of the same cost.";
    folded("Spectra", probes.len(), &table, remark)
}

fn listed(probe: &ProbeRecord) -> String {
    if probe.has_spectrum() { count(probe.eigenvalues.len()) } else { "–".into() }
}

/// One row per matrix, followed by one row per sample.
fn spread(spreads: &[Spread]) -> Markup {
    let rows: usize = spreads.iter().map(|spread| 1 + spread.records.len()).sum();
    let table = html! {
        thead { tr {
            th { "epoch" } th.text { "group" } th.text { "curvature" } th.text { "estimator" } th { "batch" }
            th { "trace" } th { "λ max" }
        } }
        tbody { @for spread in spreads {
            @let first = spread.records[0];
            tr {
                td { (first.epoch) } td.text { (first.group) } td.text { (first.curvature) }
                td.text { (first.estimator) } td { "all " (spread.records.len()) }
                td { (mean_and_deviation(&spread.trace)) } td { (spread.lambda_max.as_ref().map_or("–".into(), mean_and_deviation)) }
            }
            @for record in &spread.records { tr {
                td {} td {} td {} td {} td { (record.batch.map_or_else(String::new, |batch| batch.to_string())) }
                td { (with_interval(Number::trace(record), DIGITS)) } td { (data::extremes(record, DIGITS)[0]) }
            } }
        } }
    };
    let remark = "Mean ± standard deviation over disjoint samples. Figures show the mean over them: of the spectra as measures, of \
                  extreme eigenvalues and of distances.";
    folded("Spread over batches", rows, &table, remark)
}

fn mean_and_deviation(sample: &Sample) -> String {
    let mean = significant(sample.mean, DIGITS);
    match sample.deviation() {
        Some(deviation) => format!("{mean} ± {}", significant(deviation, 2)),
        None => format!("{mean} ± ?"),
    }
}

/// Only exact spectra have an atom at zero; in an estimate, Ritz values near zero represent it.
fn mass_at_zero(probe: &ProbeRecord) -> String {
    match data::rounding(probe) {
        _ if !probe.exact || !probe.has_spectrum() => "–".into(),
        Some(bound) => format!("{} (|λ| < {})", percent(data::mass_at_zero(probe)), significant(bound, 1)),
        None => percent(data::mass_at_zero(probe)),
    }
}

/// One row per pair, one column per epoch.
fn distances(records: &[DistanceRecord], metric: &str, curvature: &str) -> Markup {
    let of_key = |d: &&DistanceRecord| d.metric == metric && d.curvature == curvature;
    let records: Vec<&DistanceRecord> = records.iter().filter(of_key).collect();
    // Between two curvatures of a group, the right one is named instead of the same group.
    let right = |d: &DistanceRecord| d.right_curvature.clone().unwrap_or_else(|| d.right.clone());
    let pairs = distinct(records.iter().map(|d| (d.left.as_str(), right(d))));
    let mut epochs = distinct(records.iter().map(|d| d.epoch));
    epochs.sort_unstable();
    let cell = |(left, to): &(&str, String), epoch: usize| {
        let found = records.iter().find(|d| d.left == *left && right(d) == *to && d.epoch == epoch);
        found.map_or(String::new(), |d| distance(d))
    };
    let table = html! {
        thead { tr { th.text { "from" } th.text { "to" } @for epoch in &epochs { th { "epoch " (epoch) } } } }
        tbody { @for pair in &pairs { tr {
            td.text { (pair.0) } td.text { (pair.1) }
            @for epoch in &epochs { td { (cell(pair, *epoch)) } }
        } } }
    };
    let bandwidths = records.iter().find_map(|d| range(d.band.as_ref()?.bandwidths.iter().copied()));
    let band = bandwidths.map_or(String::new(), |(low, high)| {
        let [low, high] = [low, high].map(|bandwidth| significant(bandwidth, 1));
        format!("In brackets: the least and the largest that it is at bandwidths from {low} to {high}. ")
    });
    let estimated = records.iter().any(|d| Number::distance(d).error != Uncertainty::Exact);
    let remark = if estimated { band + ERROR } else { band };
    folded(&format!("Distances: {metric}, {curvature}"), pairs.len(), &table, &remark)
}

/// The meaning of ± for a distance.
const ERROR: &str = "±: half of the 95 % interval by Student's t, by the jackknife over the random vectors of estimated spectra (“?”: unknown, as \
                     with one); what too few steps leave out is not in it.";

/// A distance as "0.21 ± 0.01 [0.07, 0.28]", the brackets only if it has a band.
fn distance(record: &DistanceRecord) -> String {
    let value = with_interval(Number::distance(record), DIGITS);
    match data::band(record) {
        None => value,
        Some((low, high)) => format!("{value} [{}, {}]", significant(low, 2), significant(high, 2)),
    }
}

fn training(records: &[TrainingRecord]) -> Markup {
    let classes = records.iter().any(|r| r.train_accuracy.or(r.test_accuracy).is_some());
    let tested = records.iter().any(|r| r.test_loss.is_some());
    let penalised = records.iter().any(|r| r.penalty != 0.0);
    let share = |accuracy: Option<f64>| accuracy.map_or("–".into(), percent);
    let table = html! {
        thead { tr {
            th { "epoch" } th { "training loss" } @if tested { th { "test loss" } }
            @if classes { th { "training accuracy" } @if tested { th { "test accuracy" } } }
            @if penalised { th { "penalty" } }
        } }
        tbody { @for r in records { tr {
            td { (r.epoch) } td { (significant(r.train_loss, DIGITS)) }
            @if tested { td { (r.test_loss.map_or("–".into(), |loss| significant(loss, DIGITS))) } }
            @if classes { td { (share(r.train_accuracy)) } @if tested { td { (share(r.test_accuracy)) } } }
            @if penalised { td { (significant(r.penalty, DIGITS)) } }
        } } }
    };
    folded("Training", records.len(), &table, "")
}
