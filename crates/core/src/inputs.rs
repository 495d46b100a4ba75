//! The inputs of examples: a tensor, or rows produced on demand.

use std::{fmt, sync::Arc};

use candle_core::Tensor;

use crate::{account::size, error::Result};

/// A source that produces rows on demand. For example, images stay stored as bytes, a quarter of
/// the memory of the numbers that a network takes.
pub trait RowSource: fmt::Debug + Send + Sync {
    /// The shape \[N, ...\].
    fn dims(&self) -> &[usize];

    /// Bytes held permanently for the rows.
    fn bytes(&self) -> usize {
        size(self.dims().iter().copied(), size_of::<f32>())
    }

    /// The rows at `indices`, in that order, normalised for the network, in a floating-point type.
    ///
    /// # Errors
    /// When an index is out of range, or the tensor cannot be made.
    fn select(&self, indices: &[u32]) -> Result<Tensor>;
}

/// Inputs \[N, ...\], normalised as the network sees them, in a floating-point type.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// All inputs as one tensor.
    Tensor(Tensor),
    /// Rows produced on demand.
    Rows(Arc<dyn RowSource>),
}

impl Inputs {
    /// The shape \[N, ...\].
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::Tensor(tensor) => tensor.dims(),
            Self::Rows(rows) => rows.dims(),
        }
    }

    /// N, the number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dims().first().copied().unwrap_or(0)
    }

    /// Bytes held permanently for the inputs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Tensor(tensor) => size(tensor.dims().iter().copied(), tensor.dtype().size_in_bytes()),
            Self::Rows(rows) => rows.bytes(),
        }
    }

    /// Whether there are no inputs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The inputs at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn select(&self, indices: &[u32]) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.index_select(&Tensor::new(indices, tensor.device())?, 0)?),
            Self::Rows(rows) => rows.select(indices),
        }
    }

    /// The `count` inputs from index `start` on.
    ///
    /// # Errors
    /// When there are fewer than `start + count` inputs.
    pub fn range(&self, start: usize, count: usize) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.narrow(0, start, count)?),
            Self::Rows(rows) => {
                let indices: Vec<u32> = (start..start + count).map(|index| index as u32).collect();
                rows.select(&indices)
            }
        }
    }

    /// All inputs as one tensor.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn all(&self) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.clone()),
            Self::Rows(_) => self.range(0, self.len()),
        }
    }
}

impl From<Tensor> for Inputs {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
