//! Data sets: examples with targets, split into training and test.

use candle_core::Tensor;

use crate::{
    account::size,
    error::{Error, Result},
    inputs::Inputs,
};

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The examples that training sees, and at which curvature is measured.
    Train,
    /// The examples held out.
    Test,
}

/// What a network should say for each example.
#[derive(Debug, Clone)]
pub enum Targets {
    /// Class indices of type `u32` or `i64`: \[N\], or \[N, ...\] with one for each token, pixel or
    /// voxel.
    Classes {
        /// The indices, below `classes`, but for labels that the loss ignores.
        labels: Tensor,
        /// C, the number of classes.
        classes: usize,
    },
    /// Real targets, \[N, ..., C\], as the network's outputs should be.
    Values(Tensor),
}

impl Targets {
    /// Those of the examples at `indices`, in that order.
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

/// The error of a data set that is asked for examples held out, and has none.
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
    /// One target an input.
    pub targets: Targets,
}

impl Examples {
    /// N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are held for them.
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

/// A data set, loaded.
pub trait Dataset: Send + Sync {
    /// The examples of a split.
    ///
    /// # Errors
    /// When the data cannot be read, or there is no such split.
    fn examples(&self, split: Split) -> Result<Examples>;

    /// Whether there are examples held out. Without them nothing is known of test loss and
    /// accuracy.
    fn has_test_split(&self) -> bool {
        true
    }

    /// The names of the classes, empty where they have none.
    fn class_names(&self) -> &[String];

    /// What the data is, from where and how it was prepared, in one line for the report.
    fn description(&self) -> String;

    /// What was found where the data was read and is not in it, or is probably not meant.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// For images \[C, H, W\]: what a black pixel is in each channel, with which images are padded.
    /// `None` where examples are no images.
    fn background(&self) -> Option<Vec<f32>> {
        None
    }
}
