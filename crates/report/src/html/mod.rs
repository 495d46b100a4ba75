//! The page: one file that needs no network access.

pub mod chart;
pub mod claims;
pub mod depth;
mod method;
mod script;
mod study;
mod style;
mod summary;
mod table;
mod tables;

use eigenscape_analysis::against_trace::AgainstTrace;
use eigenscape_core::{
    notes::{Notes, ProfileNote},
    results::{Results, Run},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    Note, RunNotes,
    data::{distinct, is_too_wide},
    variants::Variant,
};

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

/// One run with what was drawn of it.
pub struct Section<'a> {
    /// The run's numbers, averaged over samples if there are several.
    pub run: &'a Run,
    /// The run's numbers as measured.
    pub measured: &'a Run,
    /// How the numbers were computed.
    pub notes: RunNotes,
    /// The figures of its classes.
    pub pictures: Vec<Picture>,
    /// Files of figures that the page does not show: those of the run by itself.
    pub files: Vec<Files>,
}

/// A figure in files beside the page.
pub struct Files {
    /// Its title.
    pub title: String,
    /// The path of the SVG file, relative to the page.
    pub svg: String,
    /// The path of the PNG file, relative to the page.
    pub png: String,
}

/// The charts of all runs, by section.
#[derive(Default)]
pub struct Charts {
    /// Densities.
    pub densities: Vec<Markup>,
    /// The largest eigenvalues.
    pub eigenvalues: Vec<Markup>,
    /// Distances.
    pub distances: Vec<Markup>,
    /// Losses and accuracies.
    pub training: Vec<Markup>,
}

/// Generalisation against the trace over all runs.
pub struct Generalisation {
    /// The regressions.
    pub against_trace: Vec<AgainstTrace>,
    /// The figures of the regressions.
    pub figures: Vec<Picture>,
}

/// Everything that the page shows.
pub struct Report<'a> {
    /// The results, averaged over samples.
    pub results: &'a Results,
    /// The runs as measured.
    pub measured: &'a [Run],
    /// Their variants.
    pub variants: &'a [Variant<'a>],
    /// The charts.
    pub charts: Charts,
    /// The runs by themselves.
    pub sections: Vec<Section<'a>>,
    /// Generalisation against the trace.
    pub generalisation: Generalisation,
    /// The experiments' files, each with its name if there are several.
    pub experiments: &'a [(String, String)],
    /// The notes.
    pub notes: &'a Notes,
    /// Files beside the page.
    pub beside: &'a [String],
}

/// The complete HTML document.
pub fn page(report: &Report) -> String {
    let Report { results, charts, sections, notes, .. } = report;
    let title = if results.name.is_empty() { "unnamed experiment" } else { &results.name };
    let depth = study::depth(&results.runs);
    let training = html! { @for chart in &charts.training { (chart) } (study::reruns(&results.variants)) };
    let mut probes = results.runs.iter().flat_map(|run| &run.probes);
    let eigenvalues = if probes.any(|probe| probe.has_spectrum()) { "Largest eigenvalues" } else { "Trace" };
    let claims = html! { @if !results.claims.is_empty() { (claims::table(&results.claims)) } };
    let main = html! {
        (notices(report))
        (summary::of(report.variants))
        (method::intervals())
        (part("claims", "Claims", &claims))
        (part("densities", "Densities", &html! { (all(&charts.densities)) (too_wide(&results.runs)) }))
        (part("eigenvalues", eigenvalues, &html! { (all(&charts.eigenvalues)) (of_classes(sections)) }))
        (part("distances", "Distances", &html! { (all(&charts.distances)) (tables::between_groups(&results.runs)) }))
        (study::outliers(sections))
        (part("depth", "Depth", &depth))
        (part("training", "Training", &training))
        (study::regressions(&report.generalisation.against_trace, &report.generalisation.figures))
        (tables::section(&results.runs, report.measured))
        (method::section(sections, &notes.lines, &results.runs))
        (files(sections))
        (experiments(report.experiments))
    };
    let body = html! {
        (contents(&main.0))
        main { (main) }
        footer {
            "Beside this page: "
            @for (i, file) in report.beside.iter().enumerate() {
                @if i > 0 { ", " }
                a href=(file) { (file) }
            }
            "."
        }
    };
    document(title, "Eigenscape report", title, &body)
}

/// The ids of the page's parts, in their order.
const PARTS: [&str; 13] = [
    "summary",
    "claims",
    "densities",
    "eigenvalues",
    "distances",
    "outliers",
    "depth",
    "training",
    "generalisation",
    "numbers",
    "method",
    "files",
    "experiment",
];

/// The table of contents: the parts that the page has, by their headings.
fn contents(page: &str) -> Markup {
    let heading = |id: &str| {
        let (_, rest) = page.split_once(&format!("<section id=\"{id}\"><h2>"))?;
        rest.split_once("</h2>").map(|(heading, _)| PreEscaped(heading.to_owned()))
    };
    html! {
        nav aria-label="Contents" { ul {
            @for id in PARTS {
                @if let Some(heading) = heading(id) { li { a href={ "#" (id) } { (heading) } } }
            }
        } }
    }
}

fn all(markups: &[Markup]) -> Markup {
    html! { @for markup in markups { (markup) } }
}

/// A part of the page; nothing if it is empty.
fn part(id: &str, title: &str, content: &Markup) -> Markup {
    html! { @if !content.0.is_empty() { section id=(id) { h2 { (title) } (content) } } }
}

/// What a reader must know before the numbers.
fn notices(report: &Report) -> Markup {
    html! {
        @if let Some(profile) = &report.notes.profile { (shortened(profile)) }
        (set(&report.notes.set))
        (warnings(&report.notes.lines))
        (diverged(&report.results.runs))
        (not_measured(&report.results.runs))
    }
}

/// The browser loads nothing, from the network or from beside the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// A complete page: its title, what kind of page it is, its heading, and what follows.
fn document(title: &str, kind: &str, heading: &str, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " · Eigenscape" }
                style { (PreEscaped(style::css())) }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header { p.kind { (kind) } h1 { (heading) } div #theme {} }
                div #content tabindex="-1" { (body) }
                p #status role="status" aria-live="polite" {}
                script { (PreEscaped(script::all())) }
            }
        }
    };
    document.into_string()
}

/// The figures of the classes, run by run.
fn of_classes(sections: &[Section]) -> Markup {
    let drawn: Vec<(usize, &Section)> =
        sections.iter().enumerate().filter(|(_, section)| !section.pictures.is_empty()).collect();
    html! {
        @match &drawn[..] {
            [] => {},
            [(_, only)] => { @for picture in &only.pictures { (figure(picture)) } },
            several => div.choice data-label="run" { @for (index, section) in several {
                div.option data-name=(run_name(section.run, *index)) {
                    h3 { (run_name(section.run, *index)) }
                    @for picture in &section.pictures { (figure(picture)) }
                }
            } },
        }
    }
}

/// The files of the figures of each run by itself.
fn files(sections: &[Section]) -> Markup {
    html! {
        @if sections.iter().any(|section| !section.files.is_empty()) {
            section #files {
                h2 { "Files" }
                p { "The figures of each run by itself:" }
                @for (index, section) in sections.iter().enumerate() {
                    details id=(run_id(index)) {
                        summary { (run_name(section.run, index)) }
                        ul { @for file in &section.files {
                            li { (file.title) ": " a href=(file.svg) { "SVG" } " · " a href=(file.png) { "PNG" } }
                        } }
                    }
                }
            }
        }
    }
}

fn figure(picture: &Picture) -> Markup {
    html! {
        figure {
            h3 { (picture.title) }
            div.paper { (PreEscaped(&picture.svg)) }
            figcaption {
                (unbroken(&picture.caption)) " "
                span.files { a href=(picture.svg_file) { "SVG" } " · " a href=(picture.png_file) { "PNG" } }
            }
        }
    }
}

/// The text with joiners, so that no line ends within |λ|.
fn unbroken(text: &str) -> String {
    text.replace("|λ|", "|\u{2060}λ\u{2060}|")
}

/// Says which groups have a spectrum without a density because its eigenvalues are too large.
fn too_wide(runs: &[Run]) -> Markup {
    let wide = runs.iter().flat_map(|run| &run.probes).filter(|probe| is_too_wide(probe));
    let groups = distinct(wide.map(|probe| probe.group.as_str()));
    html! {
        @if !groups.is_empty() {
            p.remark {
                "No density is drawn where eigenvalues are too large for the axis, beyond ±1e300: " (groups.join(", ")) "."
            }
        }
    }
}

/// Warns that these are not the numbers of the full experiment.
fn shortened(profile: &ProfileNote) -> Markup {
    html! {
        section.notice {
            p {
                strong { "Profile “" (profile.name) "”. " }
                "The experiment was changed from what its file asks for in full: its numbers may differ from those at full length."
            }
            ul { @for change in &profile.changes { li { code { (change) } } } }
        }
    }
}

/// Lists what the command line changed in the experiment's file.
fn set(changes: &[String]) -> Markup {
    html! {
        @if !changes.is_empty() {
            section.notice {
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
            section.notice {
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
            section.notice {
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

fn experiments(files: &[(String, String)]) -> Markup {
    html! {
        section #experiment {
            h2 { "Experiment" }
            p { "The resolved file: every setting, the defaults included." }
            @for (name, toml) in files {
                @if files.len() > 1 { h3 { (name) } }
                details {
                    summary { "Settings" }
                    pre tabindex="0" { code { (toml) } }
                }
            }
        }
    }
}

fn run_id(index: usize) -> String {
    format!("run-{}", index + 1)
}

fn run_name(run: &Run, index: usize) -> String {
    if run.name.is_empty() { format!("Run {}", index + 1) } else { run.name.clone() }
}
