//! The summary: the facts a reader wants first.

use eigenscape_analysis::{
    depth,
    expectation::{Quantity, Subject, When},
    measured,
    uncertainty::{Number, Uncertainty},
};
use eigenscape_core::results::{ProbeRecord, Run};
use maud::{Markup, html};

use super::{run_id, run_name};
use crate::{
    data::{Profile, curvatures, distinct, extremes, profiles, prose, unconverged},
    draw::labels::{percent, significant, with_interval},
};

/// A fact: what it is, its value, and under which circumstances.
struct Fact {
    label: String,
    value: String,
    remark: String,
}

/// The facts of a single run, or a table that compares several runs.
pub fn of(runs: &[Run]) -> Markup {
    let facts: Vec<Vec<Fact>> = runs.iter().map(facts).collect();
    html! {
        section {
            h2 { "Summary" }
            @match &facts[..] {
                [] => p { "The experiment has no runs." },
                [only] if only.is_empty() => p { "Nothing was measured." },
                [only] => div.tiles { @for fact in only { (tile(fact)) } },
                several => (comparison(runs, several)),
            }
        }
    }
}

fn tile(fact: &Fact) -> Markup {
    html! {
        div.tile {
            div.label { (fact.label) }
            div.value { (fact.value) }
            div.remark { (fact.remark) }
        }
    }
}

fn comparison(runs: &[Run], facts: &[Vec<Fact>]) -> Markup {
    let labels = distinct(facts.iter().flatten().map(|f| f.label.as_str()));
    html! {
        div.scroll { table {
            thead { tr { th.text { "run" } @for label in &labels { th { (label) } } } }
            tbody { @for (i, (run, facts)) in runs.iter().zip(facts).enumerate() {
                tr {
                    td.text { a href={ "#" (run_id(i)) } { (run_name(run, i)) } }
                    @for label in &labels {
                        @let fact = facts.iter().find(|f| f.label == *label);
                        td title=[fact.map(|f| &f.remark)] { (fact.map_or("", |f| f.value.as_str())) }
                    }
                }
            } }
        } }
    }
}

fn facts(run: &Run) -> Vec<Fact> {
    let mut facts = trained(run);
    for curvature in curvatures(run) {
        let subject = |quantity| Subject::of_network(quantity, curvature);
        let last = |quantity| measured::records(run, &subject(quantity)).last().copied();
        facts.extend(last(Quantity::Trace).map(trace));
        facts.extend(last(Quantity::LambdaMax).and_then(lambda_max));
    }
    for profile in profiles(run) {
        let epoch = profile.epochs.last().copied().unwrap_or_default();
        let Some([nearest, farthest]) = profile.extremes() else { continue };
        let order = depth::Profile::new(run, profile.metric, profile.curvature, When::Last).ok();
        for (which, (layer, value)) in [("Nearest", nearest), ("Farthest", farthest)] {
            let index = |order: &depth::Profile| order.layers.iter().position(|(name, _)| name == layer);
            let doubt = order.as_ref().and_then(|order| order.in_doubt(index(order)?));
            let error = profile
                .error(layer, epoch)
                .map_or(String::new(), |half| format!(" ± {}", significant(half, 2)));
            facts.push(Fact {
                label: format!(
                    "{which} group to the whole ({}, {})",
                    profile.metric,
                    prose(profile.curvature)
                ),
                value: layer.to_owned() + &doubt.map_or(String::new(), |doubt| format!(" {doubt}")),
                remark: format!(
                    "at distance {}{error}{}, epoch {epoch}",
                    significant(value, 4),
                    over(&profile, layer, epoch)
                ),
            });
        }
    }
    facts
}

/// The range of a distance over bandwidths, as " (0.07 to 0.28 over bandwidths)".
fn over(profile: &Profile, layer: &str, epoch: usize) -> String {
    profile.band(layer, epoch).map_or(String::new(), |(low, high)| {
        format!(" ({} to {} over bandwidths)", significant(low, 2), significant(high, 2))
    })
}

fn trained(run: &Run) -> Vec<Fact> {
    let Some(last) = run.training.last() else { return Vec::new() };
    let mut facts = Vec::new();
    if let Some(accuracy) = last.test_accuracy {
        let train = last.train_accuracy.map_or(String::new(), |a| format!("; training {}", percent(a)));
        facts.push(Fact {
            label: "Test accuracy".into(),
            value: percent(accuracy),
            remark: format!("epoch {}{train}", last.epoch),
        });
    }
    facts.push(match last.test_loss {
        Some(loss) => Fact {
            label: "Test loss".into(),
            value: significant(loss, 4),
            remark: format!("epoch {}; training {}", last.epoch, significant(last.train_loss, 4)),
        },
        None => Fact {
            label: "Training loss".into(),
            value: significant(last.train_loss, 4),
            remark: format!("epoch {}; there is no test split", last.epoch),
        },
    });
    facts
}

fn trace(record: &ProbeRecord) -> Fact {
    let ProbeRecord { estimator, epoch, curvature, .. } = record;
    let how = if record.exact { "exact, by" } else { "estimated by" };
    let interval = match Number::trace(record).error {
        Uncertainty::Exact => "",
        Uncertainty::Unknown => "; one probe has no standard error",
        Uncertainty::Sampled { .. } => "; ± half of the 95 % interval",
    };
    Fact {
        label: format!("Trace ({}, whole network)", prose(curvature)),
        value: with_interval(Number::trace(record), 4),
        remark: format!("epoch {epoch}; {how} {estimator}{interval}"),
    }
}

fn lambda_max(record: &ProbeRecord) -> Option<Fact> {
    record.lambda_max?;
    let [largest, smallest] = extremes(record, 4);
    let open = match unconverged(record) {
        [None, _] => "",
        _ => "; not converged: it lies in this interval with a probability of 95 %, more steps tell",
    };
    Some(Fact {
        label: format!("Largest eigenvalue ({}, whole network)", prose(&record.curvature)),
        value: largest,
        remark: format!("epoch {}; smallest {smallest}{open}", record.epoch),
    })
}
