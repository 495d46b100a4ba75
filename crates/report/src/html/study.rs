//! Results over all runs: reruns, outliers, distances by depth, regressions.

use eigenscape_analysis::{
    against_trace::AgainstTrace,
    depth::Profile,
    expectation::{Counting, Quantity, Subject, When},
    measured, outliers,
    verdict::{amount, error, with_interval},
};
use eigenscape_core::results::{Run, StatisticRecord, VariantRecord};
use maud::{Markup, html};

use super::{
    Picture, Section, run_name,
    table::{Cell, Table, numbers, words},
};
use crate::{
    data::{curvatures, distinct, prose},
    draw::labels::significant,
    variants::Variant,
};

/// The quantities of training in the order of a table.
const QUANTITIES: [Quantity; 5] = [
    Quantity::TestAccuracy,
    Quantity::TestLoss,
    Quantity::TrainAccuracy,
    Quantity::TrainLoss,
    Quantity::GeneralisationGap,
];

/// A table over the variants, if there are reruns.
pub fn reruns(variants: &[VariantRecord]) -> Markup {
    if variants.iter().all(|variant| variant.runs < 2) {
        return html! {};
    }
    let mut columns = vec![words("variant"), numbers("runs"), words("epoch")];
    columns.extend(QUANTITIES.iter().map(|quantity| numbers(quantity.name())));
    let mut table = Table::new("Reruns", columns);
    for epoch in ["last", "best"] {
        for variant in variants {
            let name = if variant.variant.is_empty() { "all" } else { &variant.variant };
            let counted = Cell::number(counted(variant.runs, variant.diverged), variant.runs as f64);
            let cells = QUANTITIES.iter().map(|quantity| statistic(variant, *quantity, epoch));
            table
                .rows
                .push([Cell::words(name), counted, Cell::words(epoch)].into_iter().chain(cells).collect());
        }
    }
    html! {
        h3 { "Reruns" }
        (table.render())
        p.remark {
            "Means over the runs that did not diverge; in brackets the standard deviation. The best epoch is that of the highest test \
             accuracy (without classes, of the lowest test loss): it is chosen on the test split, and is therefore optimistic."
        }
    }
}

/// The number of a variant's runs, as "3" or "3, 1 diverged".
pub fn runs(variant: &Variant) -> String {
    counted(variant.runs.len() + variant.diverged, variant.diverged)
}

fn counted(runs: usize, diverged: usize) -> String {
    if diverged == 0 { runs.to_string() } else { format!("{runs}, {diverged} diverged") }
}

fn statistic(variant: &VariantRecord, quantity: Quantity, epoch: &str) -> Cell {
    let is_it = |s: &&StatisticRecord| s.quantity == quantity.name() && s.epoch == epoch;
    let Some(statistic) = variant.statistics.iter().find(is_it) else { return Cell::empty() };
    let text = match (statistic.interval, statistic.deviation) {
        (Some(interval), Some(deviation)) => {
            format!("{} ({})", with_interval(quantity, statistic.mean, interval), error(quantity, deviation))
        }
        _ => amount(quantity, statistic.mean),
    };
    Cell::number(text, statistic.mean)
}

/// The numbers of outliers of the full network's spectra at the last epoch, if the number of
/// classes is known.
pub fn outliers(sections: &[Section]) -> Markup {
    let titles = vec![
        words("run"),
        words("curvature"),
        numbers("epoch"),
        numbers("by the largest gap"),
        numbers("by clusters"),
        numbers("classes"),
    ];
    let mut table = Table::new("Outliers of the full network", titles);
    for (index, section) in sections.iter().enumerate() {
        let name = if sections.len() == 1 { String::new() } else { run_name(section.run, index) };
        table.rows.extend(outlier_rows(section, &Cell::words(name)));
    }
    html! {
        @if !table.rows.is_empty() {
            section #outliers {
                h2 { "Outliers" }
                (table.render())
                p.remark {
                    "“Not known”: there are too few positive eigenvalues, all are equal, or Lanczos has not converged to as many as it \
                     takes; more steps, or the estimator “gram”, tell."
                }
            }
        }
    }
}

fn outlier_rows(section: &Section, name: &Cell) -> Vec<Vec<Cell>> {
    let Some(classes) = section.notes.classes else { return Vec::new() };
    let row = |curvature: &str| {
        let subject = Subject::of_network(Quantity::Outliers, curvature);
        let record = *measured::records(section.run, &subject).last()?;
        // The mean over several samples is not the spectrum of one matrix, so its outliers are not
        // counted.
        let several =
            section.measured.probes.iter().any(|probe| probe.curvature == curvature && probe.batch.is_some());
        let count = |how| match outliers::count(record, Some(classes), how) {
            Ok(count) => Cell::number(count.to_string(), count as f64),
            Err(_) => Cell::words("not known"),
        };
        let [gap, clusters] = [Counting::Gap, Counting::Clusters].map(count);
        let epoch = Cell::number(record.epoch.to_string(), record.epoch as f64);
        let classes = Cell::number(classes.to_string(), classes as f64);
        (!several).then(|| vec![name.clone(), Cell::words(prose(curvature)), epoch, gap, clusters, classes])
    };
    // The residual has no outliers.
    curvatures(section.run).into_iter().filter(|c| *c != "residual").filter_map(row).collect()
}

/// The layer closest to the full network, for each run and distance, and the next one.
pub fn depth(runs: &[Run]) -> Markup {
    let titles = vec![
        words("run"),
        words("distance"),
        words("curvature"),
        words("when"),
        words("nearest"),
        numbers("depth"),
        words("in the middle half"),
        words("middle half"),
        words("runner-up"),
        words("open"),
    ];
    let mut table = Table::new("The layer nearest to the full network", titles);
    for (index, run) in runs.iter().enumerate() {
        let name = if runs.len() == 1 { String::new() } else { run_name(run, index) };
        let keys = distinct(run.distances.iter().map(|d| (d.metric.as_str(), d.curvature.as_str())));
        for (metric, curvature) in keys {
            for (when, profile) in moments(run, metric, curvature) {
                let known = [name.clone(), metric.to_owned(), prose(curvature), when.to_owned()];
                let known = known.map(|text| Cell::words(&text));
                table.rows.push(known.into_iter().chain(nearest(&profile)).collect());
            }
        }
    }
    html! {
        @if !table.rows.is_empty() {
            (table.render())
            p.remark {
                "Depth: 0 for the first layer, 1 for the last; the middle half is from 0.25 to 0.75. Open: undecided by the random \
                 vectors, or different at another bandwidth."
            }
        }
    }
}

/// The profiles of more than two layers: summed over the epochs, if there are several, and at the
/// best epoch, or at the last where none is best.
fn moments(run: &Run, metric: &str, curvature: &str) -> Vec<(&'static str, Profile)> {
    let ours = run.distances.iter().filter(|d| d.metric == metric && d.curvature == curvature);
    let several = distinct(ours.map(|distance| distance.epoch)).len() > 1;
    let profile = |when| Profile::new(run, metric, curvature, when).ok().filter(|p| p.layers.len() > 2);
    let sum = several.then(|| profile(When::All)).flatten().map(|p| ("summed over epochs", p));
    let best = profile(When::Best).map(|p| ("at the best epoch", p));
    let one = best.or_else(|| profile(When::Last).map(|p| ("at the last epoch", p)));
    sum.into_iter().chain(one).collect()
}

fn nearest(profile: &Profile) -> [Cell; 6] {
    let least = profile.least();
    let other = profile.other_least().map(|(bandwidth, least)| {
        format!("{} at bandwidth {}", profile.layers[least].0, significant(bandwidth, 1))
    });
    let open: Vec<String> = profile.in_doubt(least).into_iter().chain(other).collect();
    let inside = if profile.is_least_in_the_middle_half() { "✓ yes" } else { "✗ no" };
    [
        Cell::words(&profile.layers[least].0),
        Cell::number(format!("{:.2}", profile.depth(least)), profile.depth(least)),
        Cell::words(inside),
        Cell::words(
            profile.middle_half().map_or(String::new(), |[first, last]| format!("{first} to {last}")),
        ),
        Cell::words(profile.runner_up_in_words().unwrap_or_default()),
        Cell::words(open.join("; ")),
    ]
}

/// The regressions of test accuracy, test loss and the generalisation gap on the trace, over the
/// runs.
pub fn regressions(all: &[AgainstTrace], figures: &[Picture]) -> Markup {
    let titles =
        vec![words("regression"), numbers("runs"), numbers("slope"), numbers("95 % interval"), numbers("R²")];
    let mut table = Table::new("Regressions on the trace", titles);
    for AgainstTrace { curvature, quantity, line, .. } in all {
        let [low, high] = line.interval.map(|end| significant(end, 4));
        table.rows.push(vec![
            Cell::words(format!("{} on the trace ({})", quantity.name(), prose(curvature))),
            Cell::number(line.points.to_string(), line.points as f64),
            Cell::number(significant(line.slope, 4), line.slope),
            Cell::words(format!("[{low}, {high}]")),
            Cell::number(significant(line.explained, 3), line.explained),
        ]);
    }
    html! {
        @if !all.is_empty() {
            section #generalisation {
                h2 { "Curvature and generalisation" }
                (table.render())
                p.remark { "Least squares over the runs after the last epoch, without those that diverged." }
                @for picture in figures { (super::figure(picture)) }
            }
        }
    }
}
