//! Profiles that are not chosen: a mistake in one is found before it is.

use eigenscape_core::{Registry, registry::Environment};

use super::Checker;
use crate::{
    choices::{self, Choices},
    diagnostic::ConfigError,
    document::Node,
    raw, read, sweep,
};

/// Checks what the file would be with each of the other profiles: everything but whether its data
/// and checkpoints are on this machine.
pub(super) fn check_others(
    document: &Node,
    environment: &Environment,
    chosen: &Choices,
    registry: &Registry,
) -> Result<(), ConfigError> {
    let others = chosen.others().filter(|other| choices::mentions(document, other.profile));
    for other in others {
        // A flag may be of use to the chosen profile alone, and may be needed by all.
        let without_flags = Choices { set: Vec::new(), ..other.clone() };
        check(document, environment, &other, registry)
            .or_else(|error| check(document, environment, &without_flags, registry).map_err(|_| error))
            .map_err(|error| error.when(&format!("with --profile {}", other.profile.name())))?;
    }
    Ok(())
}

fn check(
    document: &Node,
    environment: &Environment,
    choices: &Choices,
    registry: &Registry,
) -> Result<(), ConfigError> {
    for combination in &sweep::expand(document, choices)?.runs {
        let raw = read::experiment(&combination.document)?;
        let mut checker = Checker::new(&combination.document, registry, environment);
        // Another machine may have the device.
        if !raw.device.starts_with("cuda") {
            checker.identity(&raw)?;
        }
        checker.measurements(&raw)?;
        checker.names(&raw)?;
    }
    Ok(())
}

impl Checker<'_> {
    /// Checks that the data set and the architecture exist, and have the keys that they are given.
    fn names(&mut self, raw: &raw::Experiment) -> Result<(), ConfigError> {
        let own = ["checkpoint", "batch_norm"];
        let model = &raw.model;
        self.build(&self.registry.architectures, "model", &model.name, model.parameters.clone(), &own)?;
        if let Some(checkpoint) = &model.checkpoint {
            self.selection(checkpoint)?;
        }
        let entry = self.registry.datasets.iter().find(|(name, _)| *name == raw.data.name);
        let Some((_, entry)) = entry else {
            // It says that there is none of this name.
            return self
                .build(&self.registry.datasets, "data", &raw.data.name, raw.data.parameters.clone(), &[])
                .map(drop);
        };
        let known: Vec<&str> = entry.keys.iter().map(String::as_str).collect();
        let mut unknown = raw.data.parameters.clone();
        unknown.retain(|key, _| !known.contains(&key));
        self.no_other_key("data", &unknown, &known)?;
        self.loss(raw.loss.as_ref()).map(drop)
    }
}
