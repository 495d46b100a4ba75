//! `data`: which data sets are there, and where one is looked for.

use eigenscape_core::{Registry, registry::Environment};
use eigenscape_datasets::locate::{Found, overview};
use eigenscape_experiment::{Failure, Result};

use crate::layout::{indented, table, width};

/// Prints where a data set was looked for, what was found and what to do; of all data sets whether
/// they are there, if none is named.
pub fn run(name: Option<&str>, registry: &Registry) -> Result<()> {
    let environment = Environment::default();
    let Some(name) = name else { return crate::print(all(registry, &environment)) };
    let report = eigenscape_datasets::locate(name, &environment).map_err(|error| match error {
        eigenscape_core::Error::Input { subject, problem, remedy } => {
            Failure::Usage { problem: format!("{subject}: {problem}"), remedy }
        }
        other => other.into(),
    })?;
    crate::print(report)
}

/// A table of all data sets: found or not, and where.
fn all(registry: &Registry, environment: &Environment) -> String {
    let published = overview(environment);
    let mut rows: Vec<[String; 2]> =
        published.iter().map(|(set, found)| [set.name.to_owned(), words(found)]).collect();
    // EMNIST is one data set for experiments, and several published sets.
    let is_listed = |name: &str| {
        published.iter().any(|(set, _)| set.name == name || set.name.starts_with(&format!("{name}-")))
    };
    let others = registry.datasets.iter().filter(|(name, _)| !is_listed(name));
    rows.extend(others.map(|(name, entry)| {
        let given = entry.keys.contains("path");
        let found = if given { "yours: give its `data.path`" } else { "found: it is part of the program" };
        [name.to_owned(), found.to_owned()]
    }));
    let mut lines = table(&rows, width());
    lines.push(String::new());
    let hint = "`cargo xtask data NAME` says where a set is searched for, checks its files, and says how to get it; `data.path` in an \
                experiment names any other folder.";
    lines.extend(indented(hint, ""));
    lines.join("\n")
}

fn words(found: &Found) -> String {
    match found {
        Found::Complete(place) => format!("found: {}", place.display()),
        Found::Embedded(part) => format!("found: {part}"),
        Found::Partly { place, missing } => {
            format!("incomplete: {} lacks {}", place.display(), missing.join(", "))
        }
        Found::Nowhere => "not found".to_owned(),
    }
}
