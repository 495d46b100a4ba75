//! The device that an experiment runs on, and the memory that measuring may take there.

use std::sync::Arc;

use eigenscape_runtime::Backend;

use super::Checker;
use crate::{
    device,
    diagnostic::{ConfigError, Located},
    raw, resolved,
};

/// Where an experiment computes.
pub(super) struct Computing {
    pub backend: Arc<dyn Backend>,
    /// Bytes that measuring may take, if they are given or the device is a card.
    pub memory: Option<Located<usize>>,
    /// What to say about the device.
    pub description: Option<String>,
    /// The settings, with "cpu" or "cuda" for the device: what numbers depend on.
    pub settings: String,
}

impl Checker<'_> {
    /// Opens the experiment's device.
    pub(super) fn device(&self, raw: &raw::Experiment) -> Result<Computing, ConfigError> {
        let opened = device::open(&raw.device, raw.tf32, &self.registry.operations)
            .map_err(|refused| self.error(refused.key, refused.problem, &refused.remedy))?;
        let memory = self.memory(raw.memory.as_deref())?;
        let memory = match (memory, opened.card) {
            (Some(said), Some(card)) => {
                let value = card.allowed(Some(said.value));
                Some(Located { value, ..said })
            }
            (None, Some(card)) => Some(self.located("device", card.allowed(None))),
            (memory, None) => memory,
        };
        let settings = resolved::settings(
            &raw::Experiment { device: opened.kind().to_owned(), ..raw.clone() },
            self.registry,
        );
        Ok(Computing { backend: opened.backend, memory, description: opened.description, settings })
    }
}
