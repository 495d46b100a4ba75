//! Checks of the profiles that are not chosen, so that their mistakes are found early.

use eigenscape_core::{Registry, registry::Environment};

use super::Checker;
use crate::{
    choices::{self, Choices},
    diagnostic::ConfigError,
    document::Node,
    raw, read, sweep,
};

/// Checks the file with each of the other profiles, except whether its data and checkpoints exist
/// on this machine.
pub(super) fn check_others(
    document: &Node,
    environment: &Environment,
    chosen: &Choices,
    registry: &Registry,
) -> Result<(), ConfigError> {
    // A profile without a table is the file as it stands, which the chosen profile may hide.
    let chosen_differs = choices::mentions(document, chosen.profile);
    let others = chosen.others().filter(|other| chosen_differs || choices::mentions(document, other.profile));
    for other in others {
        // A flag may be valid only with the chosen profile, or be needed by all: try with and
        // without flags.
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
        let raw = read::experiment(&combination.document, registry)?;
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
    /// Checks that the data set, architecture and loss exist and have the given keys.
    fn names(&mut self, raw: &raw::Experiment) -> Result<(), ConfigError> {
        let own = ["checkpoint", "batch_norm"];
        let model = &raw.model;
        self.build(&self.registry.architectures, "model", &model.name, model.parameters.clone(), &own)?;
        if let Some(checkpoint) = &model.checkpoint {
            self.selection(checkpoint)?;
        }
        let entry = self.registry.datasets.iter().find(|(name, _)| *name == raw.data.name);
        let Some((_, entry)) = entry else {
            // Building it fails with the message that there is no data set of this name.
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
