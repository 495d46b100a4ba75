//! The device that an experiment runs on, and the memory that measuring may take there.

use std::sync::Arc;

use eigenscape_core::account::bytes;
use eigenscape_runtime::Backend;

use super::Checker;
use crate::{
    device,
    diagnostic::{ConfigError, Located},
    raw,
};

/// Where an experiment computes.
pub(super) struct Computing {
    pub backend: Arc<dyn Backend>,
    /// Bytes that measuring may take, if they are given or the device is a card.
    pub memory: Option<Located<usize>>,
}

impl Checker<'_> {
    /// Opens the experiment's device.
    pub(super) fn device(&self, raw: &raw::Experiment) -> Result<Computing, ConfigError> {
        let opened = device::open(&raw.device, raw.tf32, &self.registry.operations);
        let device::Opened { backend, card } =
            opened.map_err(|refused| self.error(refused.key, refused.problem, refused.remedy))?;
        let memory = self.memory(raw.memory.as_deref())?;
        match (&memory, card) {
            (Some(memory), Some(card)) if memory.value > card.free => {
                let (free, total) = (bytes(card.free), bytes(card.total));
                let problem = format!("the GPU has {free} of its {total} free");
                Err(self.error("memory", problem, "allow less, or end what else uses the GPU"))
            }
            (None, Some(card)) => {
                Ok(Computing { backend, memory: Some(self.located("device", card.allowed())) })
            }
            _ => Ok(Computing { backend, memory }),
        }
    }
}
