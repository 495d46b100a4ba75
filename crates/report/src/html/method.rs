//! How to read the numbers of the page: said once, for all tables and figures.

use eigenscape_core::results::{ProbeRecord, Run};
use maud::{Markup, html};

use super::{Section, run_name};
use crate::{Note, data::distinct};

/// The meaning of ± and of bands in the whole page.
pub fn intervals() -> Markup {
    html! {
        p.remark #intervals {
            "± is half of a 95 % interval by Student's t, and a band in a figure is that interval: over the runs of a variant where there are \
             several, otherwise over the sample sets or the random vectors of an estimate. [a, b]: the interval, if it is not symmetric. \
             “± ?”: unknown, as with one random vector. A number without either is exact, or its error is below 0.1 %."
        }
    }
}

/// How everything was computed: the notes of the runs, each once, and the terms of the tables.
pub fn section(sections: &[Section], lines: &[Note], runs: &[Run]) -> Markup {
    let notes = [
        ("", merged(sections, |section| &section.notes.lines)),
        ("Estimators", merged(sections, |section| &section.notes.estimators)),
        ("Distances", merged(sections, |section| &section.notes.distances)),
    ];
    let general: Vec<(String, String)> =
        lines.iter().map(|line| (line.label.clone(), line.value.clone())).collect();
    let empty = general.is_empty() && notes.iter().all(|(_, notes)| notes.is_empty());
    html! {
        @if !empty {
            section #method {
                h2 { "How it was computed" }
                (list("", &general))
                @for (title, notes) in &notes { (list(title, notes)) }
                (list("Terms", &terms(runs)))
            }
        }
    }
}

/// The notes of all runs, each once, with the runs that it is about if these are not all.
fn merged(
    sections: &[Section],
    of: impl for<'a, 'b> Fn(&'a Section<'b>) -> &'a [Note],
) -> Vec<(String, String)> {
    let all = distinct(sections.iter().flat_map(|section| of(section).iter().cloned()));
    let entry = |note: &Note| {
        let with: Vec<usize> = (0..sections.len()).filter(|i| of(&sections[*i]).contains(note)).collect();
        let names = || with.iter().map(|index| run_name(sections[*index].run, *index));
        let label = match with.len() {
            count if count == sections.len() => note.label.clone(),
            count if count > 3 => format!("{} ({count} runs)", note.label),
            _ => format!("{} ({})", note.label, names().collect::<Vec<_>>().join("; ")),
        };
        (label, note.value.clone())
    };
    all.iter().map(entry).collect()
}

fn list(title: &str, entries: &[(String, String)]) -> Markup {
    html! {
        @if !entries.is_empty() {
            @if !title.is_empty() { h3 { (title) } }
            dl { @for (label, text) in entries { dt { (label) } dd { (text) } } }
        }
    }
}

/// The terms that tables use, those that occur.
fn terms(runs: &[Run]) -> Vec<(String, String)> {
    let any = |is: fn(&ProbeRecord) -> bool| runs.iter().flat_map(|run| &run.probes).any(is);
    let classes = any(|probe| probe.has_spectrum());
    let terms = [
        (
            any(|probe| probe.exact && probe.has_spectrum()),
            "Mass at 0",
            "the share of the eigenvalues of an exact spectrum that rounding does not tell from 0: those below the bound that is given; dtype = \
             \"f64\" lowers it.",
        ),
        (
            any(ProbeRecord::has_spectrum),
            "Listed",
            "the non-zero eigenvalues of an exact spectrum, the Ritz values of an estimated one.",
        ),
        (
            any(|probe| !probe.exact && probe.has_spectrum()),
            "λ max, λ min",
            "Ritz values. Where Lanczos has not converged, the interval holds the eigenvalue with a probability of 95 %: use more steps. \
             Ritz values that several random vectors share (to 10⁻⁴ of the largest) are drawn once.",
        ),
        (
            any(|probe| !probe.exact && probe.has_spectrum()),
            "Bands of densities",
            "the error of the mean over the random vectors, whose variance follows from the density itself (2‖A‖²/k for k vectors); over several \
             runs, their scatter.",
        ),
        (
            any(|probe| probe.orthogonality_loss.is_some()),
            "Orthogonality loss",
            "the largest |qᵢᵀqⱼ| of the last vector of a Krylov basis with the others, measured, where the basis was stored in 16 or 8 bits to fit \
             into memory: 0 for an orthogonal basis.",
        ),
        (
            runs.iter().any(|run| !run.distances.is_empty()),
            "Errors of distances",
            "by the jackknife over the random vectors of estimated spectra; they do not include the error of too few steps.",
        ),
        (
            runs.iter().flat_map(|run| &run.distances).any(|distance| distance.band.is_some()),
            "Over bandwidths",
            "the least and the largest that a distance is at other bandwidths of its smoothing.",
        ),
        (
            classes,
            "Outliers",
            "counted among the logarithms of the largest positive eigenvalues, four times as many as classes: those above the largest gap, and \
             those in the upper one of two clusters (k-means).",
        ),
        (classes, "Products", "operator-vector products, or work of the same cost."),
    ];
    let told = terms.into_iter().filter(|(is, ..)| *is);
    told.map(|(_, label, text)| (label.to_owned(), text.to_owned())).collect()
}
