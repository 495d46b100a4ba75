//! State that the runs of a plan share: a network of several runs is traced once.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::DType;
use eigenscape_core::{Examples, Targets};
use eigenscape_curvature::Programs;

use crate::{diagnostic::Result, labels::Coding};

/// Everything that a compiled network with its loss depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The architecture's name and keys.
    model: (String, toml::Table),
    /// The loss' name and keys.
    loss: (String, toml::Table),
    /// The shape of an example.
    inputs: Vec<usize>,
    /// The type of targets, their shape for an example, and how many classes there are.
    targets: (DType, Vec<usize>, usize),
}

impl Key {
    /// The key of a network for these examples.
    #[must_use]
    pub fn new(model: (String, toml::Table), loss: (String, toml::Table), examples: &Examples) -> Self {
        let each = |dims: &[usize]| dims.get(1..).unwrap_or_default().to_vec();
        let targets = match &examples.targets {
            Targets::Classes { labels, classes } => (labels.dtype(), each(labels.dims()), *classes),
            Targets::Values(values) => (values.dtype(), each(values.dims()), 0),
        };
        Self { model, loss, inputs: each(examples.inputs.dims()), targets }
    }
}

/// A network with its loss, ready for programs.
#[derive(Clone)]
pub struct Compiled {
    /// The programs of the network in eval mode, and in train mode.
    pub programs: [Arc<Programs>; 2],
    /// What an output stands for.
    pub coding: Coding,
    /// Whether the network gives classes along the first axis, and was permuted.
    pub classes_first: bool,
}

/// The network of the previous run. All runs of a sweep over other settings have the same network;
/// the networks of a sweep over the network itself would not be used again.
#[derive(Default)]
pub struct Shared(Mutex<Option<(Key, Compiled)>>);

impl Shared {
    /// The network of a key: that of the previous run, or else made by `make`.
    ///
    /// # Errors
    /// Errors of `make`.
    pub fn network(&self, key: Key, make: impl FnOnce() -> Result<Compiled>) -> Result<Compiled> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, compiled)) if *known == key => Ok(compiled.clone()),
            _ => Ok(last.insert((key, make()?)).1.clone()),
        }
    }
}
