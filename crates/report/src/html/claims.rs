//! Claims beside what was measured: of one experiment, and of a whole study.

use eigenscape_core::results::ClaimRecord;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::style;
use crate::{
    REPORT_FILE,
    claims::{Finished, counts},
};

/// A table of one experiment's claims.
pub fn table(claims: &[ClaimRecord]) -> Markup {
    html! {
        div.scroll { table.prose {
            thead { tr {
                th.text { "claim" } th.text { "paper" } th.text { "measured" } th.text { "verdict" }
            } }
            tbody { @for claim in claims { tr {
                td.text { (claim.claim) div.remark { (claim.check) } }
                td.text { (claim.paper.as_deref().unwrap_or("–")) }
                td.text { (claim.measured) }
                td.text { strong { (claim.verdict.to_string()) } }
            } } }
        } }
    }
}

/// The complete document of a study.
pub fn page(finished: &[Finished], left_out: &[(String, String)]) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Claims · Eigenscape" }
                style { (PreEscaped(style::CSS)) }
            }
            body {
                header { p.kind { "Eigenscape study" } h1 { "Claims and measurements" } }
                main {
                    section { h2 { "Summary" } p { (counts(finished)) "." } }
                    @for experiment in finished { (section(experiment)) }
                    @if !left_out.is_empty() {
                        section {
                            h2 { "Left out" }
                            dl { @for (name, why) in left_out { dt { (name) } dd { (why) } } }
                        }
                    }
                }
            }
        }
    };
    document.into_string()
}

fn section(Finished { folder, results, notes }: &Finished) -> Markup {
    html! {
        section {
            h2 { a href={ (folder) "/" (REPORT_FILE) } { (results.name) } }
            @if let Some(profile) = &notes.profile {
                p.remark { "Profile " (profile.name) ": " (profile.changes.join("; ")) "." }
            }
            @if results.claims.is_empty() { p { "Nothing was claimed." } }
            @else { (table(&results.claims)) }
            (super::study::depth(&results.runs))
        }
    }
}
