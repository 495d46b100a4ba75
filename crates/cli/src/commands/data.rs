//! `data`: where a data set is looked for.

use eigenscape_core::registry::Environment;
use eigenscape_experiment::{Failure, Result};

/// Prints where the data set was looked for, what was found and what to do.
pub fn run(name: &str) -> Result<()> {
    let environment = Environment::default();
    let report = eigenscape_datasets::locate(name, &environment).map_err(|error| match error {
        eigenscape_core::Error::Input { subject, problem, remedy } => {
            Failure::Usage { problem: format!("{subject}: {problem}"), remedy }
        }
        other => other.into(),
    })?;
    crate::print(report)
}
