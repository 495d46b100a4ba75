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
    columns.extend(QUANTITIES.iter().map(|quantity| numbers(quantity.prose())));
    let mut table = Table::new("Means over the runs, by variant", columns);
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

/// The number of a variant's runs, as "3" or "3, 1 diverged"; "2 of 2 diverged" if all did.
pub fn runs(variant: &Variant) -> String {
    let count = variant.runs.len();
    if variant.all_diverged() {
        return format!("{count} of {count} diverged");
    }
    counted(count + variant.diverged, variant.diverged)
}

fn counted(runs: usize, diverged: usize) -> String {
    if diverged == 0 { runs.to_string() } else { format!("{runs}, {diverged} diverged") }
}

fn statistic(variant: &VariantRecord, quantity: Quantity, epoch: &str) -> Cell {
    let is_it = |s: &&StatisticRecord| s.quantity == quantity.name() && s.epoch == epoch;
    let Some(statistic) = variant.statistics.iter().find(is_it) else { return Cell::empty() };
    let text = match (statistic.interval, statistic.deviation) {
        (Some(interval), Some(deviation)) => {
            let interval = possible(quantity, statistic.mean, interval);
            format!("{} ({})", with_interval(quantity, statistic.mean, interval), error(quantity, deviation))
        }
        _ => amount(quantity, statistic.mean),
    };
    Cell::number(text, statistic.mean)
}

/// No loss is negative, whatever the interval of a mean of few runs.
fn possible(quantity: Quantity, mean: f64, [low, high]: [f64; 2]) -> [f64; 2] {
    match quantity {
        Quantity::TestLoss | Quantity::TrainLoss if mean >= 0.0 => [low.max(0.0), high],
        _ => [low, high],
    }
}

/// What stands for the number of outliers if they cannot be counted.
const NOT_KNOWN: &str = "not known";

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
                @if table.rows.iter().flatten().any(|cell| cell.written() == NOT_KNOWN) {
                    p.remark {
                        "“Not known”: counting needs the " (needed(sections)) ", and Lanczos has found only some of them (or they are \
                         not positive, or all equal). Use more " code { "steps" } ", or " code { "gram" } "."
                    }
                }
            }
        }
    }
}

/// The eigenvalues among which outliers are counted, in words.
fn needed(sections: &[Section]) -> String {
    match distinct(sections.iter().filter_map(|section| section.notes.classes))[..] {
        [classes] => format!("{} largest eigenvalues", outliers::PER_CLASS * classes),
        _ => format!("largest eigenvalues, {} of each class", outliers::PER_CLASS),
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
            Err(_) => Cell::words(NOT_KNOWN),
        };
        let [gap, clusters] = [Counting::Gap, Counting::Clusters].map(count);
        let epoch = Cell::number(record.epoch.to_string(), record.epoch as f64);
        let classes = Cell::number(classes.to_string(), classes as f64);
        (!several).then(|| vec![name.clone(), Cell::words(prose(curvature)), epoch, gap, clusters, classes])
    };
    // The residual has no outliers.
    curvatures(section.run).into_iter().filter(|c| *c != "residual").filter_map(row).collect()
}

/// The layer closest to the full network, for each variant and distance, and the next one.
pub fn depth(runs: &[Run]) -> Markup {
    let titles = vec![
        words("variant"),
        words("distance"),
        words("curvature"),
        words("when"),
        words("nearest"),
        numbers("depth"),
        words("in the middle half"),
        words("middle half"),
        words("runner-up"),
    ];
    let mut table = Table::new("The layer nearest to the full network", titles);
    for variant in &Variant::all(runs) {
        table.rows.extend(depth_rows(variant));
    }
    html! {
        @if !table.rows.is_empty() {
            (table.render())
            p.remark {
                "Depth: 0 for the first layer, 1 for the last; the middle half is from 0.25 to 0.75. In brackets, how many of a \
                 variant’s runs agree. The best epoch is that of the highest test accuracy (without classes, of the lowest test loss)."
            }
        }
    }
}

/// A row for each distance, curvature and time.
fn depth_rows(variant: &Variant) -> Vec<Vec<Cell>> {
    let records = variant.runs.iter().flat_map(|run| &run.distances);
    let mut rows = Vec::new();
    for (metric, curvature) in distinct(records.map(|d| (d.metric.as_str(), d.curvature.as_str()))) {
        for (when, profiles) in profiles(variant, metric, curvature) {
            let known = [variant.label.as_str(), metric, &prose(curvature), when].map(Cell::words);
            rows.push(known.into_iter().chain(nearest(&profiles)).collect());
        }
    }
    rows
}

/// The profiles of a variant's runs, by time.
fn profiles(variant: &Variant, metric: &str, curvature: &str) -> Vec<(&'static str, Vec<Profile>)> {
    let mut found: Vec<(&'static str, Vec<Profile>)> = Vec::new();
    for (when, profile) in variant.runs.iter().flat_map(|run| moments(run, metric, curvature)) {
        match found.iter_mut().find(|(other, _)| *other == when) {
            Some((_, profiles)) => profiles.push(profile),
            None => found.push((when, vec![profile])),
        }
    }
    found
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

/// What the runs say of the nearest layer: that of most of them, and how many agree.
fn nearest(profiles: &[Profile]) -> [Cell; 5] {
    if profiles.iter().all(are_equal) {
        return ["all equal", "–", "–", "–", "–"].map(Cell::words);
    }
    let (layer, count) = most_frequent(profiles);
    let name = match profiles.len() {
        1 => layer.to_owned(),
        all => format!("{layer} ({count} of {all})"),
    };
    let depth = |profile: &Profile| {
        let index = profile.layers.iter().position(|(name, _)| name == layer)?;
        Some(profile.depth(index))
    };
    let number = |depth: f64| Cell::number(format!("{depth:.2}"), depth);
    let middle = profiles.first().and_then(Profile::middle_half);
    let verdict = [in_the_middle(profiles)].into_iter().chain(doubts(profiles)).collect::<Vec<_>>();
    let runner_up = match profiles {
        [only] => only.runner_up_in_words().unwrap_or_default(),
        _ => String::new(),
    };
    [
        Cell::words(name),
        profiles.iter().find_map(depth).map_or_else(Cell::empty, number),
        Cell::words(verdict.join("; ")),
        Cell::words(middle.map_or(String::new(), |[first, last]| format!("{first} to {last}"))),
        Cell::words(runner_up),
    ]
}

/// Whether all layers are at the same distance, so that none is nearest.
fn are_equal(profile: &Profile) -> bool {
    profile.layers.iter().all(|(_, value)| *value == profile.layers[0].1)
}

/// The layer that is nearest in most of the runs, the first of several, and the number of these
/// runs.
fn most_frequent(profiles: &[Profile]) -> (&str, usize) {
    let all: Vec<&str> = profiles.iter().map(|profile| profile.layers[profile.least()].0.as_str()).collect();
    let count = |layer: &str| all.iter().filter(|other| **other == layer).count();
    // Of equal ones, `max_by_key` takes the last.
    let layers = distinct(all.iter().copied()).into_iter().rev();
    let most = layers.max_by_key(|layer| count(layer)).unwrap_or_default();
    (most, count(most))
}

/// Whether the nearest layer is in the middle half of the depth.
fn in_the_middle(profiles: &[Profile]) -> String {
    let inside = profiles.iter().filter(|profile| profile.is_least_in_the_middle_half()).count();
    match (inside, profiles.len()) {
        (0, 1) => "✗ no".to_owned(),
        (1, 1) => "✓ yes".to_owned(),
        (0, all) => format!("✗ no ({all} of {all})"),
        (inside, all) if inside == all => format!("✓ yes ({all} of {all})"),
        (inside, all) => format!("yes in {inside} of {all}"),
    }
}

/// Why another layer may be the nearest: the errors allow it, or it is at another bandwidth.
fn doubts(profiles: &[Profile]) -> Vec<String> {
    if let [only] = profiles {
        let other = only.other_least().map(|(bandwidth, least)| {
            format!("{} is nearest at bandwidth {}", only.layers[least].0, significant(bandwidth, 1))
        });
        return only.in_doubt(only.least()).into_iter().chain(other).collect();
    }
    let count = |is: fn(&Profile) -> bool, words: &str| {
        let count = profiles.iter().filter(|profile| is(profile)).count();
        (count > 0).then(|| format!("{words} in {count} of {}", profiles.len()))
    };
    let uncertain = count(|profile| profile.in_doubt(profile.least()).is_some(), "not certain");
    let other = "another is nearest at other bandwidths";
    let other = count(|profile| profile.other_least().next().is_some(), other);
    uncertain.into_iter().chain(other).collect()
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
            Cell::words(format!("{} on the trace ({})", quantity.prose(), prose(curvature))),
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

#[cfg(test)]
mod tests {
    use eigenscape_core::results::Run;

    use super::{Profile, When, are_equal, doubts, in_the_middle, most_frequent};
    use crate::sample::distance;

    /// The profile of a run with these distances of its layers a, b, c and d.
    fn profile(values: [f64; 4]) -> Profile {
        let layers = ["a", "b", "c", "d"].into_iter().zip(values);
        let distances = layers.map(|(layer, value)| distance(1, layer, "full", value)).collect();
        let run = Run { distances, ..Run::default() };
        Profile::new(&run, "wasserstein", "hessian", When::Last).unwrap()
    }

    #[test]
    fn of_equal_distances_none_is_the_nearest() {
        assert!(are_equal(&profile([0.0; 4])) && !are_equal(&profile([0.0, 0.0, 0.0, 1.0])));
    }

    #[test]
    fn runs_of_a_variant_are_counted() {
        let [first, second] = [[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0]].map(profile);
        let of = |profiles: &[Profile]| {
            let (layer, count) = most_frequent(profiles);
            (layer.to_owned(), count, in_the_middle(profiles))
        };
        assert_eq!(of(std::slice::from_ref(&first)), ("a".into(), 1, "✗ no".into()));
        assert_eq!(of(&[first.clone(), first.clone()]), ("a".into(), 2, "✗ no (2 of 2)".into()));
        assert_eq!(of(&[first.clone(), second.clone()]), ("a".into(), 1, "yes in 1 of 2".into()));
        let three = [first, second.clone(), second];
        assert_eq!(of(&three), ("b".into(), 2, "yes in 2 of 3".into()));
        assert!(doubts(&three).is_empty(), "the spectra are exact");
    }
}
