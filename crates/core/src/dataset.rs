//! Data sets: examples with targets, split into training and test.

use candle_core::Tensor;

use crate::{
    account::size,
    error::{Error, Result},
    inputs::Inputs,
};

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The examples for training.
    Train,
    /// The held-out examples.
    Test,
}

/// The targets of a network, one per example, token, pixel or voxel.
#[derive(Debug, Clone)]
pub enum Targets {
    /// Class indices of type `u32` or `i64`: \[N\], or \[N, ...\] with one for each token, pixel or
    /// voxel.
    Classes {
        /// The indices, below `classes` except for labels that the loss ignores.
        labels: Tensor,
        /// C, the number of classes.
        classes: usize,
    },
    /// Real targets \[N, ..., C\], in the shape of the network's outputs.
    Values(Tensor),
}

impl Targets {
    /// The targets of the examples at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn select(&self, indices: &[u32]) -> Result<Self> {
        let pick = |t: &Tensor| t.index_select(&Tensor::new(indices, t.device())?, 0);
        Ok(match self {
            Self::Classes { labels, classes } => Self::Classes { labels: pick(labels)?, classes: *classes },
            Self::Values(values) => Self::Values(pick(values)?),
        })
    }
}

/// The error of requesting held-out examples of a data set that has none.
#[must_use]
pub fn no_test_split(subject: impl Into<String>) -> Error {
    let remedy = "use split = \"train\", or give the data set a test split (docs/data.md)";
    Error::input(subject, "it has no test split", remedy)
}

/// Inputs with their targets.
#[derive(Debug, Clone)]
pub struct Examples {
    /// \[N, ...\], normalised as the network sees them, in a floating-point type.
    pub inputs: Inputs,
    /// One target per input.
    pub targets: Targets,
}

impl Examples {
    /// N, the number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held for the inputs and targets.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let (Targets::Classes { labels: targets, .. } | Targets::Values(targets)) = &self.targets;
        let targets = size(targets.dims().iter().copied(), targets.dtype().size_in_bytes());
        self.inputs.bytes().saturating_add(targets)
    }

    /// C: the number of classes, or the length of the last axis of real targets.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match &self.targets {
            Targets::Classes { classes, .. } => *classes,
            Targets::Values(values) => values.dims().last().copied().unwrap_or(1),
        }
    }

    /// The examples at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn select(&self, indices: &[u32]) -> Result<Self> {
        Ok(Self { inputs: self.inputs.select(indices)?.into(), targets: self.targets.select(indices)? })
    }
}

/// A loaded data set.
pub trait Dataset: Send + Sync {
    /// The examples of a split.
    ///
    /// # Errors
    /// When the data cannot be read, or there is no such split.
    fn examples(&self, split: Split) -> Result<Examples>;

    /// Whether there are held-out examples. Without them, test loss and accuracy are unknown.
    fn has_test_split(&self) -> bool {
        true
    }

    /// The names of the classes, empty where they have none.
    fn class_names(&self) -> &[String];

    /// What the data is, where it comes from and how it was prepared, in one line for the report.
    fn description(&self) -> String;

    /// Warnings from reading the data: what was found but is not part of the data, or is probably
    /// not intended.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// For images \[C, H, W\], the value of a black pixel in each channel, used for padding. `None`
    /// for examples that are not images.
    fn background(&self) -> Option<Vec<f32>> {
        None
    }
}
