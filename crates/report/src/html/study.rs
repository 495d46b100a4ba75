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

use super::{Picture, Section};
use crate::{
    data::{curvatures, distinct, prose},
    draw::labels::significant,
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
    let given = |quantity: Quantity, epoch: &str| {
        let has = |s: &StatisticRecord| s.quantity == quantity.name() && s.epoch == epoch;
        variants.iter().any(|variant| variant.statistics.iter().any(has))
    };
    html! {
        @if variants.iter().any(|variant| variant.runs > 1) {
            section {
                h2 { "Reruns" }
                @for epoch in ["last", "best"] {
                    @let quantities: Vec<Quantity> = QUANTITIES.into_iter().filter(|q| given(*q, epoch)).collect();
                    h4 { "At the " (epoch) " epoch" }
                    div.scroll { table {
                        thead { tr {
                            th.text { "variant" } th { "runs" } @for quantity in &quantities { th { (quantity.name()) } }
                        } }
                        tbody { @for variant in variants { tr {
                            td.text { (if variant.variant.is_empty() { "all" } else { &variant.variant }) }
                            td { (runs(variant)) }
                            @for quantity in &quantities { td { (statistic(variant, *quantity, epoch)) } }
                        } } }
                    } }
                }
                p.remark {
                    "Mean ± half the width of its 95 % confidence interval by Student's t, or [its ends] where it was cut at 0 or \
                     100 %; in brackets the standard deviation. \
                     Runs that diverged have no part in them. \
                     The best epoch is that of the highest test accuracy (without classes, of the lowest test loss): it is chosen on \
                     the test split and flatters."
                }
            }
        }
    }
}

/// The number of runs, as "3" or "3, 1 diverged".
fn runs(variant: &VariantRecord) -> String {
    match variant.diverged {
        0 => variant.runs.to_string(),
        diverged => format!("{}, {diverged} diverged", variant.runs),
    }
}

fn statistic(variant: &VariantRecord, quantity: Quantity, epoch: &str) -> String {
    let found = variant.statistics.iter().find(|s| s.quantity == quantity.name() && s.epoch == epoch);
    let Some(statistic) = found else { return String::new() };
    match (statistic.interval, statistic.deviation) {
        (Some(interval), Some(deviation)) => {
            format!("{} ({})", with_interval(quantity, statistic.mean, interval), error(quantity, deviation))
        }
        _ => amount(quantity, statistic.mean),
    }
}

/// The numbers of outliers of the whole network's spectra at the last epoch, if the number of
/// classes is known.
pub fn outliers(sections: &[Section]) -> Markup {
    let rows: Vec<[String; 5]> = sections.iter().flat_map(outlier_rows).collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Outliers" }
                div.scroll { table {
                    thead { tr {
                        th.text { "run" } th.text { "curvature" } th { "by the largest gap" } th { "by clusters" } th { "classes" }
                    } }
                    tbody { @for [run, curvature, gap, clusters, classes] in &rows { tr {
                        td.text { (run) } td.text { (curvature) } td { (gap) } td { (clusters) } td { (classes) }
                    } } }
                } }
                p.remark {
                    "Of the whole network after the last epoch, among the logarithms of the largest positive eigenvalues, four times as \
                     many as classes: those above the largest gap, and those in the upper one of two clusters (k-means). Not known: \
                     there are too few, all are equal, or Lanczos has not converged to as many as it takes; more steps, or the estimator \
                     “gram”, tell. “–”: of several samples."
                }
            }
        }
    }
}

fn outlier_rows(section: &Section) -> Vec<[String; 5]> {
    let Some(classes) = section.notes.classes else { return Vec::new() };
    let row = |curvature: &str| {
        let subject = Subject::of_network(Quantity::Outliers, curvature);
        let record = *measured::records(section.run, &subject).last()?;
        // The mean over several samples is not the spectrum of one matrix, so its outliers are not
        // counted.
        let several =
            section.measured.probes.iter().any(|probe| probe.curvature == curvature && probe.batch.is_some());
        let count = |how| match outliers::count(record, Some(classes), how) {
            Ok(count) if !several => count.to_string(),
            Err(_) if !several => "not known".into(),
            _ => "–".into(),
        };
        let [gap, clusters] = [Counting::Gap, Counting::Clusters].map(count);
        Some([section.run.name.clone(), prose(curvature), gap, clusters, classes.to_string()])
    };
    // The residual has no outliers.
    curvatures(section.run).into_iter().filter(|c| *c != "residual").filter_map(row).collect()
}

/// The position of the layer closest to the whole network, for each run and distance.
pub fn depth(runs: &[Run]) -> Markup {
    let mut rows = Vec::new();
    for run in runs {
        for (metric, curvature) in
            distinct(run.distances.iter().map(|d| (d.metric.as_str(), d.curvature.as_str())))
        {
            let profile =
                |when| Profile::new(run, metric, curvature, when).ok().filter(|p| p.layers.len() > 2);
            if let (Some(sum), Some(best)) = (profile(When::All), profile(When::Best)) {
                rows.push((run.name.as_str(), metric, prose(curvature), least(&sum), least(&best)));
            }
        }
    }
    html! {
        @if !rows.is_empty() {
            h4 { "The layer nearest to the whole network" }
            div.scroll { table {
                thead { tr {
                    th.text { "run" } th.text { "distance" } th.text { "curvature" }
                    th.text { "summed over epochs" } th.text { "at the best epoch" }
                } }
                tbody { @for (run, metric, curvature, sum, best) in &rows { tr {
                    td.text { (run) } td.text { (metric) } td.text { (curvature) } td.text { (sum) } td.text { (best) }
                } } }
            } }
            p.remark { "Depth: 0 for the first layer, 1 for the last; the middle half is from 0.25 to 0.75." }
        }
    }
}

fn least(profile: &Profile) -> String {
    let least = profile.least();
    let half =
        if profile.is_least_in_the_middle_half() { "in the middle half" } else { "outside the middle half" };
    let other: Vec<String> = profile
        .other_least()
        .map(|(bandwidth, least)| {
            format!("; at bandwidth {}: {}", significant(bandwidth, 1), profile.layers[least].0)
        })
        .collect();
    let doubt = profile.in_doubt(least).map_or(String::new(), |doubt| format!("; {doubt}"));
    format!(
        "{} (depth {:.2}, {half}{}{doubt})",
        profile.layers[least].0,
        profile.depth(least),
        other.concat()
    )
}

/// The regressions of test accuracy, test loss and the generalisation gap on the trace, over the
/// runs.
pub fn regressions(all: &[AgainstTrace], figures: &[Picture]) -> Markup {
    html! {
        @if !all.is_empty() {
            section {
                h2 { "Curvature and generalisation" }
                div.scroll { table {
                    thead { tr { th.text { "regression" } th { "runs" } th { "slope" } th { "95 % interval" } th { "R²" } } }
                    tbody { @for AgainstTrace { curvature, quantity, line, .. } in all { tr {
                        td.text { (quantity.name()) " on the trace (" (prose(curvature)) ")" }
                        td { (line.points) } td { (significant(line.slope, 4)) }
                        td { "[" (significant(line.interval[0], 4)) ", " (significant(line.interval[1], 4)) "]" }
                        td { (significant(line.explained, 3)) }
                    } } }
                } }
                p.remark { "Least squares over the runs after the last epoch, without those that diverged; the interval is Student's." }
                @for picture in figures { (super::figure(picture)) }
            }
        }
    }
}
