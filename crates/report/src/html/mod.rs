//! The page: one file that needs no network access.

pub mod claims;
pub mod depth;
mod study;
mod style;
mod summary;
mod tables;

use eigenscape_analysis::against_trace::AgainstTrace;
use eigenscape_core::{
    notes::{Notes, ProfileNote},
    results::{Results, Run},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{EXPERIMENT_FILE, NOTES_FILE, Note, RESULTS_FILE, RunNotes};

/// A figure as the page shows it.
pub struct Picture {
    /// The title.
    pub title: String,
    /// The caption: what is shown and how it was computed.
    pub caption: String,
    /// The SVG document, which is embedded in the page.
    pub svg: String,
    /// The path of the SVG file, relative to the page.
    pub svg_file: String,
    /// The path of the PNG file, relative to the page.
    pub png_file: String,
}

/// The part of the page about one run.
pub struct Section<'a> {
    /// The run's numbers, averaged over samples if there are several.
    pub run: &'a Run,
    /// The run's numbers as measured.
    pub measured: &'a Run,
    /// How the numbers were computed.
    pub notes: RunNotes,
    /// The run's figures, in order.
    pub figures: Vec<Picture>,
}

/// Generalisation against the trace over all runs.
pub struct Generalisation {
    /// The regressions.
    pub against_trace: Vec<AgainstTrace>,
    /// The figures of the regressions.
    pub figures: Vec<Picture>,
}

/// The complete HTML document.
pub fn page(
    results: &Results,
    generalisation: &Generalisation,
    sections: &[Section],
    experiment_toml: &str,
    notes: &Notes,
) -> String {
    let title = if results.name.is_empty() { "unnamed experiment" } else { &results.name };
    let body = html! {
        main {
            @if let Some(profile) = &notes.profile { (shortened(profile)) }
            (set(&notes.set))
            (warnings(&notes.lines))
            (diverged(&results.runs))
            (not_measured(&results.runs))
            (summary::of(&results.runs))
            @if !results.claims.is_empty() {
                section { h2 { "Claims" } (claims::table(&results.claims)) }
            }
            (study::reruns(&results.variants))
            (study::outliers(sections))
            (study::regressions(&generalisation.against_trace, &generalisation.figures))
            @let depth = study::depth(&results.runs);
            @if !depth.0.is_empty() { section { h2 { "Depth" } (depth) } }
            @for (i, section) in sections.iter().enumerate() {
                (run(i, section, sections.len()))
            }
            (experiment(experiment_toml))
            (how_computed(sections, &notes.lines))
        }
        footer {
            "Beside this page: "
            @for (i, file) in [RESULTS_FILE, EXPERIMENT_FILE, NOTES_FILE].iter().enumerate() {
                @if i > 0 { ", " }
                a href=(file) { (file) }
            }
            "."
        }
    };
    document(title, "Eigenscape report", title, &body)
}

/// A complete page: its title, what kind of page it is, its heading, and what follows.
fn document(title: &str, kind: &str, heading: &str, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Eigenscape" }
                style { (PreEscaped(style::CSS)) }
            }
            body {
                header { p.kind { (kind) } h1 { (heading) } }
                (body)
            }
        }
    };
    document.into_string()
}

fn run(index: usize, section: &Section, count: usize) -> Markup {
    html! {
        section id=(run_id(index)) {
            @if count > 1 { h2 { (run_name(section.run, index)) } }
            @if !section.figures.is_empty() {
                h3 { "Figures" }
                @for picture in &section.figures { (figure(picture)) }
            }
            @let tables = tables::of(section.run, section.measured);
            @if !tables.is_empty() {
                h3 { "Numbers" }
                @for table in tables { (table) }
            }
        }
    }
}

fn figure(picture: &Picture) -> Markup {
    html! {
        figure {
            h4 { (picture.title) }
            div.paper { (PreEscaped(&picture.svg)) }
            figcaption {
                (picture.caption) " "
                span.files { a href=(picture.svg_file) { "SVG" } " · " a href=(picture.png_file) { "PNG" } }
            }
        }
    }
}

/// Warns that these are not the numbers of the full experiment.
fn shortened(profile: &ProfileNote) -> Markup {
    html! {
        section {
            p {
                strong { "Profile “" (profile.name) "”. " }
                "The experiment was changed from what its file asks for in full: the question is the same, the numbers need not be."
            }
            ul { @for change in &profile.changes { li { code { (change) } } } }
        }
    }
}

/// Lists what the command line changed in the experiment's file.
fn set(changes: &[String]) -> Markup {
    html! {
        @if !changes.is_empty() {
            section {
                p { strong { "Changed on the command line. " } "These are not the numbers of the file as it stands:" }
                ul { @for change in changes { li { code { "--set " (change) } } } }
            }
        }
    }
}

/// Warns of settings that are allowed but probably unintended.
fn warnings(lines: &[Note]) -> Markup {
    html! {
        @for line in lines.iter().filter(|line| line.label == "Warning") {
            p.remark { strong { "Warning: " } (line.value) }
        }
    }
}

/// Lists the runs that diverged, whose numbers end before training was complete.
fn diverged(runs: &[Run]) -> Markup {
    let diverged: Vec<_> =
        runs.iter().enumerate().filter_map(|(i, run)| Some((i, run, run.diverged.as_ref()?))).collect();
    html! {
        @if !diverged.is_empty() {
            section {
                p {
                    strong { @if runs.len() == 1 { "Diverged. " } @else { (diverged.len()) " of " (runs.len()) " runs diverged. " } }
                    "Their numbers are those measured before."
                }
                ul { @for (i, run, divergence) in &diverged {
                    li { @if runs.len() > 1 { (run_name(run, *i)) ": " } (divergence.to_string()) }
                } }
            }
        }
    }
}

/// Lists the spectra that could not be measured, with the reasons.
fn not_measured(runs: &[Run]) -> Markup {
    let failures: Vec<_> = runs
        .iter()
        .enumerate()
        .flat_map(|(i, run)| run.failures.iter().map(move |failure| (i, run, failure)))
        .collect();
    html! {
        @if !failures.is_empty() {
            section {
                p {
                    strong { @if failures.len() == 1 { "A spectrum is missing. " } @else { (failures.len()) " spectra are missing. " } }
                    "They could not be measured; everything else was."
                }
                ul { @for (i, run, failure) in &failures {
                    li {
                        @if runs.len() > 1 { (run_name(run, *i)) ": " } (failure.to_string())
                        @if let Some(remedy) = &failure.remedy { "; " (remedy) }
                    }
                } }
            }
        }
    }
}

fn experiment(toml: &str) -> Markup {
    html! {
        section {
            h2 { "Experiment" }
            p { "The resolved file: every setting, the defaults included." }
            pre { code { (toml) } }
        }
    }
}

fn how_computed(sections: &[Section], lines: &[Note]) -> Markup {
    let empty = |s: &Section| {
        s.notes.lines.is_empty() && s.notes.estimators.is_empty() && s.notes.distances.is_empty()
    };
    html! {
        @if !lines.is_empty() || !sections.iter().all(empty) {
            section {
                h2 { "How it was computed" }
                (notes("", lines))
                @for (i, section) in sections.iter().enumerate() {
                    @if sections.len() > 1 && !empty(section) { h3 { (run_name(section.run, i)) } }
                    (notes("", &section.notes.lines))
                    (notes("Estimators", &section.notes.estimators))
                    (notes("Distances", &section.notes.distances))
                }
            }
        }
    }
}

fn notes(title: &str, notes: &[Note]) -> Markup {
    html! {
        @if !notes.is_empty() {
            @if !title.is_empty() { h4 { (title) } }
            dl { @for note in notes { dt { (note.label) } dd { (note.value) } } }
        }
    }
}

fn run_id(index: usize) -> String {
    format!("run-{}", index + 1)
}

fn run_name(run: &Run, index: usize) -> String {
    if run.name.is_empty() { format!("Run {}", index + 1) } else { run.name.clone() }
}
