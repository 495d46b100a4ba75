//! Errors as Python's exceptions: what is wrong, and the remedy, in the words of the command line.

use eigenscape_core::Error;
use eigenscape_experiment::Failure;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use pyo3::{create_exception, exceptions::PyException, prelude::*};

use crate::document;

create_exception!(
    eigenscape,
    EigenscapeError,
    PyException,
    "What could not be done. `remedy` says what to do about it, where something can be done, and\n\
     `partial` has what was measured nevertheless."
);
create_exception!(
    eigenscape,
    ConfigurationError,
    EigenscapeError,
    "An argument, or an experiment's file, cannot be used."
);

/// The exception of a failure. What is wrong in an experiment is shown as the command line shows
/// it, with the line underlined.
pub fn exception(failure: &Failure) -> PyErr {
    let remedy = failure.help().map(|help| help.to_string());
    let plain = failure.to_string();
    let key = match failure {
        Failure::Configuration(error) => Some(error.place()),
        _ => None,
    };
    let key = key.map(|(text, place)| document::key_at(text, place));
    let shown = match failure {
        Failure::Configuration(_) => rendered(failure),
        _ => with_help(&failure.to_string(), remedy.as_deref()),
    };
    let error = match failure.exit_code() {
        2 => PyErr::new::<ConfigurationError, _>(shown),
        _ => PyErr::new::<EigenscapeError, _>(shown),
    };
    let error = with_remedy(error, remedy);
    // What `spectra`, whose callers have written no file, makes its message of.
    Python::attach(|py| drop(error.value(py).setattr("_parts", (plain, key))));
    error
}

fn rendered(failure: &Failure) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let mut text = String::new();
    match handler.render_report(&mut text, failure) {
        Ok(()) => text.trim_end().to_owned(),
        Err(_) => failure.to_string(),
    }
}

/// The exception of an error of estimators and operators.
pub fn of_core(error: Error) -> PyErr {
    let (problem, remedy) = error.into_words();
    with_remedy(PyErr::new::<EigenscapeError, _>(with_help(&problem, remedy.as_deref())), remedy)
}

fn with_help(problem: &str, remedy: Option<&str>) -> String {
    remedy.map_or_else(|| problem.to_owned(), |remedy| format!("{problem}\n  help: {remedy}"))
}

fn with_remedy(error: PyErr, remedy: Option<String>) -> PyErr {
    // An exception without this attribute is still the exception.
    Python::attach(|py| drop(error.value(py).setattr("remedy", remedy)));
    error
}
