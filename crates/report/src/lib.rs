//! Figures and one self-contained HTML page from an experiment's results.
//!
//! [`write()`] turns [`Results`] into `report.html` and `figures/*.{svg,png}`; [`rebuild`] does it
//! from the files of a run directory alone. A figure is a pure function from data to a list of
//! shapes (`figures`, `draw`); the shapes are written as SVG, and the PNG is that SVG rasterised
//! with an embedded font, so neither depends on the machine.

// The sample experiment, which unit and integration tests share, names this crate.
#[cfg(test)]
extern crate self as eigenscape_report;

pub mod claims;
mod data;
mod draw;
mod figure;
mod figures;
mod files;
mod html;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod sample;
mod scaling;

use std::{fmt::Display, path::Path};

use eigenscape_analysis::{against_trace::AgainstTrace, batches};
pub use eigenscape_core::notes::{Note, Notes, RunNotes};
use eigenscape_core::{Error, Result, results::Results};
use eigenscape_formats::regular_file;
use serde::de::DeserializeOwned;

pub use crate::{
    draw::labels::significant,
    scaling::{ScalingCurve, ScalingPanel, scaling},
};
use crate::{
    figure::{Figure, slug},
    files::Staging,
};

/// The measurements, a [`Results`], in the run directory.
pub const RESULTS_FILE: &str = "results.json";
/// The resolved experiment in the run directory.
pub const EXPERIMENT_FILE: &str = "experiment.toml";
/// How the measurements were made, a [`Notes`], in the run directory.
pub const NOTES_FILE: &str = "notes.json";
/// The page that [`write()`] makes.
pub const REPORT_FILE: &str = "report.html";
/// The folder of the figures that [`write()`] makes; with several runs each has a folder in it.
pub const FIGURES_FOLDER: &str = "figures";

/// Writes `report.html` and the figures into `dir`, which is created where it does not exist.
///
/// Every file appears whole (by rename), and none before all could be written; the page comes last.
/// The page needs nothing but itself: figures are inline, and the links to the files beside it are
/// an extra.
///
/// # Errors
/// When a folder or file cannot be written, or a folder is in a file's place; then no file was
/// changed. Only when the system refuses one of the final renames some figures have been replaced
/// already, each whole, and the page has not.
pub fn write(results: &Results, experiment_toml: &str, notes: &Notes, dir: &Path) -> Result<()> {
    let measured = &results.runs;
    let results = &batches::averaged(results);
    let mut staging = Staging::in_folder(dir)?;
    let mut sections = Vec::new();
    for (i, (run, measured)) in results.runs.iter().zip(measured).enumerate() {
        let notes = notes.runs.get(i).cloned().unwrap_or_default();
        let folder = match results.runs.len() {
            1 => FIGURES_FOLDER.to_owned(),
            _ => format!("{FIGURES_FOLDER}/{:02}-{}", i + 1, slug(&run.name)),
        };
        let figures = figure::of_run(run, &notes);
        let figures =
            figures.into_iter().map(|f| write_figure(f, &folder, &mut staging)).collect::<Result<_>>()?;
        sections.push(html::Section { run, measured, notes, figures });
    }
    let against_trace = AgainstTrace::all(&results.runs);
    let figures = figures::against_trace::draw(&against_trace);
    let figures =
        figures.into_iter().map(|f| write_figure(f, FIGURES_FOLDER, &mut staging)).collect::<Result<_>>()?;
    let generalisation = html::Generalisation { against_trace, figures };
    let page = html::page(results, &generalisation, &sections, experiment_toml, notes);
    staging.add(REPORT_FILE, page.as_bytes())?;
    staging.publish()
}

fn write_figure(figure: Figure, folder: &str, staging: &mut Staging) -> Result<html::Picture> {
    let file = staging.unused(&format!("{folder}/{}", figure.slug));
    let (svg_file, png_file) = (format!("{file}.svg"), format!("{file}.png"));
    let svg = figure.svg();
    staging.add(&svg_file, svg.as_bytes())?;
    staging.add(&png_file, &draw::png::rasterise(&svg)?)?;
    Ok(html::Picture { title: figure.title, caption: figure.caption, svg, svg_file, png_file })
}

/// Writes the report of a run directory again, from [`RESULTS_FILE`], [`EXPERIMENT_FILE`] and
/// [`NOTES_FILE`] in it.
///
/// # Errors
/// When one of the three is missing or not what it should be, the numbers do not fit together, or
/// the report cannot be written.
pub fn rebuild(dir: &Path) -> Result<()> {
    let results: Results = read_json(dir, RESULTS_FILE)?;
    results.check().map_err(|misfit| unfit(dir, RESULTS_FILE, misfit))?;
    let notes: Notes = read_json(dir, NOTES_FILE)?;
    let (runs, noted) = (results.runs.len(), notes.runs.len());
    if runs != noted {
        return Err(unfit(dir, NOTES_FILE, format!("runs: {noted}, and {RESULTS_FILE} has {runs}")));
    }
    write(&results, &read(dir, EXPERIMENT_FILE)?, &notes, dir)
}

fn read_json<T: DeserializeOwned>(dir: &Path, file: &str) -> Result<T> {
    serde_json::from_str(&read(dir, file)?).map_err(|e| {
        let remedy = "give the directory of a finished run, or run the experiment again";
        Error::input(dir.join(file).display().to_string(), format!("not a valid {file}: {e}"), remedy)
    })
}

fn unfit(dir: &Path, file: &str, problem: impl Display) -> Error {
    let remedy = "the file was changed after it was written: run the experiment again";
    Error::input(dir.join(file).display().to_string(), problem.to_string(), remedy)
}

fn read(dir: &Path, file: &str) -> Result<String> {
    let path = dir.join(file);
    regular_file::read_text(&path).map_err(|error| match error.into() {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Error::input(
            path.display().to_string(),
            "no such file: this is not the directory of a finished run",
            format!("give a directory that holds {RESULTS_FILE}, {EXPERIMENT_FILE} and {NOTES_FILE}"),
        ),
        other => other,
    })
}
