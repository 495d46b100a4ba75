//! Figures and one self-contained HTML page from an experiment's results.
//!
//! [`write()`] turns [`Results`] into `report.html` and `figures/*.{svg,png}`; [`rebuild`] reads
//! the files of a run directory and does the same. A figure is a pure function from data to a list
//! of shapes (`figures`, `draw`). The shapes are written as SVG and rasterised as PNG
//! with an embedded font, so neither depends on the machine.

// The sample experiment, shared by unit and integration tests, refers to this crate by name.
#[cfg(test)]
extern crate self as eigenscape_report;

pub mod claims;
pub mod compare;
mod data;
mod draw;
mod figure;
mod figures;
mod files;
mod html;
#[cfg(test)]
mod layout;
mod page;
mod plot;
#[cfg(test)]
mod sample;
mod scaling;
mod variants;

use std::{fmt::Display, path::Path};

pub use eigenscape_core::notes::{Note, Notes, RunNotes};
use eigenscape_core::{Error, Result, results::Results};
use eigenscape_formats::regular_file;
use serde::de::DeserializeOwned;

pub use crate::{
    draw::labels::significant,
    scaling::{ScalingCurve, ScalingPanel, scaling},
};
/// The measurements, a [`Results`], in the run directory.
pub const RESULTS_FILE: &str = "results.json";
/// The resolved experiment in the run directory.
pub const EXPERIMENT_FILE: &str = "experiment.toml";
/// How the measurements were made, a [`Notes`], in the run directory.
pub const NOTES_FILE: &str = "notes.json";
/// The page that [`write()`] makes.
pub const REPORT_FILE: &str = "report.html";
/// The folder of the figures that [`write()`] makes; with several runs each has its own subfolder.
pub const FIGURES_FOLDER: &str = "figures";

/// Writes `report.html` and the figures into `dir`, which is created if missing.
///
/// Every file appears whole (by a rename), and only once all of them could be written; the page
/// comes last. The page is self-contained: its figures are inline, and the links to files next to
/// it are optional.
///
/// # Errors
/// When a folder or file cannot be written, or a folder exists at a file's path: then no file was
/// changed. Only when the system refuses one of the final renames, some figures have already been
/// replaced, each as a whole, and the page has not.
pub fn write(results: &Results, experiment_toml: &str, notes: &Notes, dir: &Path) -> Result<()> {
    let experiments = [(String::new(), experiment_toml.to_owned())];
    let beside = [RESULTS_FILE, EXPERIMENT_FILE, NOTES_FILE].map(str::to_owned);
    page::write(results, &experiments, notes, &beside, dir)
}

/// Rewrites the report of a run directory from its [`RESULTS_FILE`], [`EXPERIMENT_FILE`] and
/// [`NOTES_FILE`].
///
/// # Errors
/// When one of the three files is missing or invalid, the numbers are inconsistent, or the report
/// cannot be written.
pub fn rebuild(dir: &Path) -> Result<()> {
    let (results, experiment, notes) = read_all(dir)?;
    write(&results, &experiment, &notes, dir)
}

/// The three files of a run directory.
fn read_all(dir: &Path) -> Result<(Results, String, Notes)> {
    let results: Results = read_json(dir, RESULTS_FILE)?;
    results.check().map_err(|misfit| unfit(dir, RESULTS_FILE, misfit))?;
    let notes: Notes = read_json(dir, NOTES_FILE)?;
    let (runs, noted) = (results.runs.len(), notes.runs.len());
    if runs != noted {
        return Err(unfit(dir, NOTES_FILE, format!("runs: {noted}, and {RESULTS_FILE} has {runs}")));
    }
    Ok((results, read(dir, EXPERIMENT_FILE)?, notes))
}

fn read_json<T: DeserializeOwned>(dir: &Path, file: &str) -> Result<T> {
    parsed(&read(dir, file)?).map_err(|problem| {
        let remedy = "give the directory of a finished run, or run the experiment again";
        Error::input(dir.join(file).display().to_string(), format!("not a valid {file}: {problem}"), remedy)
    })
}

/// What the JSON holds; or what is wrong, with the field, or with the line where it is not JSON.
fn parsed<T: DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let problem = error.inner().to_string();
        if !error.inner().is_data() {
            return problem;
        }
        let words = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(words, _)| words);
        match error.path().to_string().as_str() {
            "." => in_words(words),
            path => format!("{path}: {}", in_words(words)),
        }
    })?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A complaint of serde without the names of Rust's types: "expected a number, found null".
fn in_words(problem: &str) -> String {
    let kind = problem.strip_prefix("invalid type: ").or_else(|| problem.strip_prefix("invalid value: "));
    let Some((found, expected)) = kind.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return problem.to_owned();
    };
    let expected = match expected {
        "f64" | "f32" => "a number",
        "usize" | "u64" | "u32" => "a whole number",
        "a sequence" => "a list",
        "a map" => "a table",
        of if of.starts_with("struct ") => "a table",
        other => other,
    };
    let found = match found {
        "sequence" => "a list",
        "map" => "a table",
        other => other,
    };
    format!("expected {expected}, found {found}")
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
