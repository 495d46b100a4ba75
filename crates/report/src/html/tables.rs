//! The numbers behind the figures: one table of a kind for all runs.

use eigenscape_analysis::{
    batches::{self, Spread},
    statistics::Sample,
    uncertainty::Number,
};
use eigenscape_core::results::{DistanceRecord, ProbeRecord, Run};
use maud::{Markup, html};

use super::{
    run_name,
    table::{Cell, Column, Table, numbers, words},
};
use crate::{
    data::{self, distinct},
    draw::labels::{count, percent, significant, with_interval},
};

const DIGITS: usize = 4;

/// The tables for which the runs have data; `measured` are the runs before averaging over samples.
pub fn section(runs: &[Run], measured: &[Run]) -> Markup {
    let tables = tables(runs, measured);
    html! {
        @if tables.iter().any(|table| !table.rows.is_empty()) {
            section #numbers {
                h2 { "Numbers" }
                @for table in &tables { (table.folded(true)) }
            }
        }
    }
}

/// The distances that no figure shows, at the last epoch of each run: between groups, of which
/// neither is the full network, and between curvatures.
pub fn between_groups(runs: &[Run]) -> Markup {
    let metrics = distinct(runs.iter().flat_map(|run| &run.distances).map(|d| d.metric.as_str()));
    let tables = metrics.into_iter().map(|metric| {
        let mut table = Table::new(format!("Other distances: {metric}"), distance_titles());
        for (name, run) in named(runs) {
            let last = run.distances.iter().map(|distance| distance.epoch).max();
            let is_shown = |d: &&DistanceRecord| {
                let to_full = (d.left == "full") != (d.right == "full") && d.right_curvature.is_none();
                d.metric == metric && Some(d.epoch) == last && !to_full
            };
            table.rows.extend(run.distances.iter().filter(is_shown).map(|d| distance(name.clone(), d)));
        }
        table.folded(true)
    });
    html! { @for table in tables { (table) } }
}

fn tables(runs: &[Run], measured: &[Run]) -> Vec<Table> {
    let metrics = distinct(runs.iter().flat_map(|run| &run.distances).map(|d| d.metric.as_str()));
    let mut tables = vec![spectra(runs), spread(measured)];
    tables.extend(metrics.into_iter().map(|metric| distances(runs, metric)));
    tables.push(training(runs));
    tables
}

/// The runs, each with the cell of its name, which is empty if there is only one.
fn named(runs: &[Run]) -> impl Iterator<Item = (Cell, &Run)> {
    runs.iter().enumerate().map(|(index, run)| {
        let name = if runs.len() == 1 { String::new() } else { run_name(run, index) };
        (Cell::words(name), run)
    })
}

fn spectra(runs: &[Run]) -> Table {
    let mut titles = matrix_titles();
    titles.extend([
        words("exact"),
        numbers("dimension"),
        numbers("listed"),
        numbers("mass at 0"),
        numbers("trace"),
        numbers("λ max"),
        numbers("λ min"),
        numbers("orthogonality loss"),
        numbers("products"),
        numbers("seconds"),
    ]);
    let mut table = Table::new("Spectra", titles);
    for (name, run) in named(runs) {
        table.rows.extend(run.probes.iter().map(|probe| spectrum(&name, probe)));
    }
    table
}

fn spectrum(name: &Cell, p: &ProbeRecord) -> Vec<Cell> {
    let [largest, smallest] = data::extremes(p, DIGITS);
    let extreme =
        |text: String, value: Option<f64>| value.map_or_else(Cell::empty, |v| Cell::number(text, v));
    let loss = |loss: f64| Cell::number(significant(loss, 2), loss);
    let cells = [
        Cell::words(if p.exact { "yes" } else { "no" }),
        Cell::number(count(p.dimension), p.dimension as f64),
        if p.has_spectrum() {
            Cell::number(count(p.eigenvalues.len()), p.eigenvalues.len() as f64)
        } else {
            Cell::empty()
        },
        mass_at_zero(p),
        Cell::number(trace(p), p.trace),
        extreme(largest, p.lambda_max),
        extreme(smallest, p.lambda_min),
        p.orthogonality_loss.map_or_else(Cell::empty, loss),
        Cell::number(count(p.products), p.products as f64),
        Cell::number(significant(p.seconds, 3), p.seconds),
    ];
    matrix(name, p).into_iter().chain(cells).collect()
}

/// A trace with its error.
fn trace(record: &ProbeRecord) -> String {
    let number = Number::trace(record);
    let is_nonnegative = data::is_nonnegative(&record.curvature);
    if is_nonnegative { data::from_zero(&number) } else { with_interval(number, DIGITS) }
}

/// The columns that say which matrix a row is about, and by which estimator.
fn matrix_titles() -> Vec<Column> {
    vec![words("run"), numbers("epoch"), words("group"), words("curvature"), words("estimator")]
}

/// The cells of [`matrix_titles`].
fn matrix(name: &Cell, of: &ProbeRecord) -> Vec<Cell> {
    let words = [&of.group, &of.curvature, &of.estimator].map(Cell::words);
    [name.clone(), epoch(of.epoch)].into_iter().chain(words).collect()
}

fn epoch(epoch: usize) -> Cell {
    Cell::number(epoch.to_string(), epoch as f64)
}

/// Only exact spectra have an atom at zero; in an estimate, Ritz values near zero represent it.
fn mass_at_zero(probe: &ProbeRecord) -> Cell {
    if !probe.exact || !probe.has_spectrum() {
        return Cell::empty();
    }
    let mass = data::mass_at_zero(probe);
    let bound =
        data::rounding(probe).map_or(String::new(), |bound| format!(" (|λ| < {})", significant(bound, 1)));
    Cell::number(percent(mass) + &bound, mass)
}

/// One row per matrix, followed by one row per sample.
fn spread(measured: &[Run]) -> Table {
    let mut titles = matrix_titles();
    titles.extend([
        words("batch"),
        numbers("trace"),
        numbers("deviation of the trace"),
        numbers("λ max"),
        numbers("deviation of λ max"),
    ]);
    let mut table = Table::new("Spread over batches", titles);
    for (name, run) in named(measured) {
        for spread in batches::spreads(run) {
            table.rows.extend(of_matrix(&name, &spread));
        }
    }
    table
}

fn of_matrix(name: &Cell, spread: &Spread) -> Vec<Vec<Cell>> {
    let first = spread.records[0];
    let matrix = || matrix(name, first).into_iter();
    let all = [Cell::words(format!("all {}", spread.records.len()))];
    let whole = matrix().chain(all).chain(mean(Some(&spread.trace))).chain(mean(spread.lambda_max.as_ref()));
    let of_batch = |record: &&ProbeRecord| {
        let batch = record.batch.map_or_else(String::new, |batch| batch.to_string());
        let largest = record
            .lambda_max
            .map_or_else(Cell::empty, |value| Cell::number(data::extremes(record, DIGITS)[0].clone(), value));
        let trace = Cell::number(trace(record), record.trace);
        matrix().chain([Cell::words(batch), trace, Cell::empty(), largest, Cell::empty()]).collect()
    };
    std::iter::once(whole.collect()).chain(spread.records.iter().map(of_batch)).collect()
}

/// A mean with its interval, and the standard deviation.
fn mean(sample: Option<&Sample>) -> [Cell; 2] {
    let Some(sample) = sample else { return [Cell::empty(), Cell::empty()] };
    let mean = Cell::number(with_interval(sample.number(), DIGITS), sample.mean);
    [mean, sample.deviation().map_or_else(Cell::empty, |of| Cell::number(significant(of, 2), of))]
}

/// One row per pair and epoch.
fn distances(runs: &[Run], metric: &str) -> Table {
    let mut table = Table::new(format!("Distances: {metric}"), distance_titles());
    for (name, run) in named(runs) {
        let ours = run.distances.iter().filter(|distance| distance.metric == metric);
        table.rows.extend(ours.map(|record| distance(name.clone(), record)));
    }
    table
}

fn distance_titles() -> Vec<Column> {
    vec![
        words("run"),
        numbers("epoch"),
        words("curvature"),
        words("from"),
        words("to"),
        numbers("distance"),
        numbers("over bandwidths"),
    ]
}

fn distance(name: Cell, record: &DistanceRecord) -> Vec<Cell> {
    let range =
        |(low, high)| Cell::number(format!("{} to {}", significant(low, 2), significant(high, 2)), high);
    vec![
        name,
        epoch(record.epoch),
        Cell::words(&record.curvature),
        Cell::words(&record.left),
        // Between two curvatures of a group, the other curvature instead of the same group.
        Cell::words(record.right_curvature.as_ref().unwrap_or(&record.right)),
        Cell::number(data::from_zero(&Number::distance(record)), record.value),
        data::band(record).map_or_else(Cell::empty, range),
    ]
}

fn training(runs: &[Run]) -> Table {
    let titles = vec![
        words("run"),
        numbers("epoch"),
        numbers("training loss"),
        numbers("test loss"),
        numbers("training accuracy"),
        numbers("test accuracy"),
        numbers("training top 5"),
        numbers("test top 5"),
        numbers("penalty"),
    ];
    let mut table = Table::new("Training", titles);
    let penalised = runs.iter().flat_map(|run| &run.training).any(|record| record.penalty != 0.0);
    let number = |value: f64| Cell::number(significant(value, DIGITS), value);
    let share = |share: Option<f64>| share.map_or_else(Cell::empty, |of| Cell::number(percent(of), of));
    for (name, run) in named(runs) {
        table.rows.extend(run.training.iter().map(|r| {
            vec![
                name.clone(),
                epoch(r.epoch),
                number(r.train_loss),
                r.test_loss.map_or_else(Cell::empty, number),
                share(r.train_accuracy),
                share(r.test_accuracy),
                share(r.train_top5),
                share(r.test_top5),
                if penalised { number(r.penalty) } else { Cell::empty() },
            ]
        }));
    }
    table
}
