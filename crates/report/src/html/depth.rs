//! Distances by depth over several experiments: the study's answer to the paper's first question.

use eigenscape_analysis::depth_summary::{Entry, METRICS, TIMES};
use maud::{Markup, html};

use super::Picture;
use crate::{
    data::prose,
    figures::depth_summary::{name, words},
};

/// One curvature's experiments with their figures.
pub struct Depths<'a> {
    /// At least one entry; all have the same curvature.
    pub entries: Vec<&'a Entry>,
    /// At most one figure per metric.
    pub figures: Vec<Picture>,
}

/// The section; empty if no experiment has an entry.
pub fn section(all: &[Depths]) -> Markup {
    html! {
        @if !all.is_empty() {
            section {
                h2 { "Distance by depth over the experiments" }
                @for Depths { entries, figures } in all {
                    h3 { (prose(&entries[0].curvature)) ": the layer nearest to the network" }
                    (table(entries))
                    @for picture in figures { (super::figure(picture)) }
                }
            }
        }
    }
}

/// Every pair of a metric and a time, by index.
fn columns() -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..METRICS.len()).flat_map(|metric| (0..TIMES.len()).map(move |time| (metric, time)))
}

fn table(entries: &[&Entry]) -> Markup {
    let (estimated, exact): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| !entry.exact);
    let totals = [("estimated", estimated), ("exact", exact)];
    html! {
        div.scroll { table {
            thead {
                tr {
                    th.text rowspan="2" { "experiment" } th rowspan="2" { "layers" }
                    @for metric in METRICS { th colspan=(TIMES.len()) { (metric) } }
                }
                tr { @for (_, time) in columns() { th { (words(TIMES[time])) } } }
            }
            tbody {
                @for entry in entries { tr {
                    td.text { (name(entry)) } td { (entry.profile(0, 0).layers.len()) }
                    @for (metric, time) in columns() { (least(entry, metric, time)) }
                } }
                @for (kind, of) in totals.iter().filter(|(_, of)| !of.is_empty()) {
                    tr {
                        td.text { strong { "in the middle half, " (kind) } } td {}
                        @for (metric, time) in columns() { td { strong { (in_the_middle(of, metric, time)) " of " (of.len()) } } }
                    }
                    tr {
                        td.text { "by chance" } td {}
                        @for _ in columns() { td { (format!("{:.1}", of.iter().map(|entry| entry.chance()).sum::<f64>())) } }
                    }
                }
            }
        } }
        p.remark {
            "Depth of the layer at the least distance: 0 for the first layer, 1 for the last; bold in the middle half, from 0.25 to 0.75. \
             †: at another bandwidth of the smoothing the nearest is on the other side. \
             ‡: the random vectors of estimated spectra do not tell on which side it is (with one, nothing does). \
             By chance: the number to expect if every layer were equally likely to be nearest."
        }
    }
}

fn least(entry: &Entry, metric: usize, time: usize) -> Markup {
    let profile = entry.profile(metric, time);
    let least = profile.least();
    let flips = if profile.flips().is_empty() { "" } else { "†" };
    let open = if profile.tells_the_middle_half().is_none() { "‡" } else { "" };
    let depth = format!("{:.2}{flips}{open}", profile.depth(least));
    html! {
        td title=(profile.layers[least].0) {
            @if profile.is_least_in_the_middle_half() { strong { (depth) } } @else { (depth) }
        }
    }
}

fn in_the_middle(entries: &[&Entry], metric: usize, time: usize) -> usize {
    entries.iter().filter(|entry| entry.profile(metric, time).is_least_in_the_middle_half()).count()
}
