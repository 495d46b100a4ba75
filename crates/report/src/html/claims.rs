//! Claims next to what was measured, for one experiment and for a whole study.

use eigenscape_core::results::{ClaimRecord, Verdict};
use maud::{Markup, html};

use super::{depth, document};
use crate::{
    REPORT_FILE,
    claims::{Finished, counts},
};

/// A table of one experiment's claims.
pub fn table(claims: &[ClaimRecord]) -> Markup {
    html! {
        div.table { div.scroll { table.data.prose {
            caption { "Claims" }
            thead { tr {
                th.text scope="col" { "verdict" } th.text scope="col" { "claim" }
                th.text scope="col" { "paper" } th.text scope="col" { "measured" }
            } }
            tbody { @for claim in claims { tr {
                td.text { (verdict(claim.verdict)) }
                th.text.row scope="row" { (claim.claim) div.remark { (claim.check) } }
                td.text { (claim.paper.as_deref().unwrap_or("–")) }
                td.text { (measured(&claim.measured)) }
            } } }
        } } }
    }
}

/// What was measured; what it was in each of many runs is folded.
fn measured(text: &str) -> Markup {
    let parts = text.find(" (").filter(|_| text.len() > LONG).map(|at| text.split_at(at));
    html! {
        @match parts {
            Some((head, rest)) => details { summary { (head) } (rest) },
            None => (text),
        }
    }
}

/// Longer texts are folded.
const LONG: usize = 320;

/// A verdict by a sign, a colour and words.
fn verdict(verdict: Verdict) -> Markup {
    let (sign, class) = match verdict {
        Verdict::Holds => ("✓", "holds"),
        Verdict::DoesNotHold => ("✗", "fails"),
        Verdict::Undecided => ("?", "open"),
        Verdict::NotMeasured => ("–", "open"),
    };
    html! { span.verdict.{ (class) } { span aria-hidden="true" { (sign) " " } (verdict.to_string()) } }
}

/// The complete document of a study.
pub fn page(finished: &[Finished], left_out: &[(String, String)], depths: &[depth::Depths]) -> String {
    let body = html! {
        main {
            section { h2 { "Summary" } p { (counts(finished)) "." } }
            (depth::section(depths))
            @for experiment in finished { (section(experiment)) }
            @if !left_out.is_empty() {
                section {
                    h2 { "Left out" }
                    dl { @for (name, why) in left_out { dt { (name) } dd { (why) } } }
                }
            }
        }
    };
    document("Claims", "Eigenscape study", "Claims and measurements", &body)
}

fn section(Finished { folder, results, notes }: &Finished) -> Markup {
    html! {
        section {
            h2 { a href={ (folder) "/" (REPORT_FILE) } { (results.name) } }
            @if let Some(profile) = &notes.profile {
                p.remark { "Profile " (profile.name) ": " (profile.changes.join("; ")) "." }
            }
            @if !notes.set.is_empty() {
                p.remark { "Changed by --set: " (notes.set.join("; ")) "." }
            }
            @for run in &results.runs {
                @if let Some(divergence) = &run.diverged {
                    p { strong { "Diverged. " } @if !run.name.is_empty() { (run.name) ": " } (divergence.to_string()) }
                }
            }
            @let missing = results.runs.iter().map(|run| run.failures.len()).sum::<usize>();
            @if missing > 0 { p { strong { "Spectra that could not be measured: " (missing) "." } } }
            @if results.claims.is_empty() { p { "Nothing was claimed." } }
            @else { (table(&results.claims)) }
            (super::study::depth(&results.runs))
        }
    }
}
