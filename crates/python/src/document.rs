//! Where an experiment comes from: a file, or a dictionary.

use std::path::{Path, PathBuf};

use eigenscape_core::Registry;
use eigenscape_experiment::{
    Failure, Result, cases,
    choices::{Choices, Profile},
    diagnostic::Source,
    plan::ExperimentPlan,
};

/// An experiment as Python gives it.
pub enum Given {
    /// The path of its TOML file.
    File(PathBuf),
    /// A dictionary as JSON.
    Json(String),
}

/// What the command line's options choose.
pub fn choices(set: Vec<String>, out: Option<PathBuf>, only: Vec<String>, profile: &str) -> Result<Choices> {
    let named = Profile::ALL.into_iter().find(|known| known.name() == profile);
    let profile = named.ok_or_else(|| Failure::Usage {
        problem: format!("there is no profile \"{profile}\""),
        remedy: "use \"small\" or \"full\"".to_owned(),
    })?;
    Ok(Choices { profile, set, out, only })
}

/// The checked plan of the one experiment that is given.
pub fn plan(given: &Given, choices: &Choices, registry: &Registry) -> Result<ExperimentPlan> {
    let (experiments, source) = match given {
        Given::File(path) => (cases::read(path, choices)?, path.display().to_string()),
        Given::Json(json) => {
            let source = Source::new("experiment", toml(json)?);
            (cases::parse(&source, Path::new(""), choices)?, "the dictionary".to_owned())
        }
    };
    cases::only(&experiments, &source, "only")?.plan(choices, registry)
}

/// The dotted key at a place of what [`toml()`] writes: "probe.estimator.steps".
pub fn key_at(text: &str, place: usize) -> String {
    let rest = text.get(place..).and_then(|rest| rest.find('\n'));
    let upto = rest.and_then(|length| text.get(..place + length)).unwrap_or(text);
    let (mut table, mut key) = (String::new(), String::new());
    for line in upto.lines() {
        match line.trim_matches(['[', ']']) {
            header if line.starts_with('[') => (table, key) = (header.to_owned(), String::new()),
            line => key = line.split_once(" = ").map_or("", |(key, _)| key).to_owned(),
        }
    }
    [table, key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

/// A dictionary that is given as JSON, as TOML.
pub fn toml(json: &str) -> Result<String> {
    let unfit = |error: &dyn std::fmt::Display| Failure::Usage {
        problem: format!("the dictionary cannot be written as TOML: {error}"),
        remedy: "use dictionaries with strings as keys, lists, strings, numbers and truth values alone; \
                 leave out what is None"
            .to_owned(),
    };
    let value: serde_json::Value = serde_json::from_str(json).map_err(|error| unfit(&error))?;
    toml::to_string(&value).map_err(|error| unfit(&error))
}
