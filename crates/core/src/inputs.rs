//! The inputs of examples: a tensor, or rows that are made when they are asked for.

use std::{fmt, sync::Arc};

use candle_core::Tensor;

use crate::{account::size, error::Result};

/// Rows that are made when they are asked for. Images are kept so, as bytes: a quarter of the
/// memory of what a network sees.
pub trait RowSource: fmt::Debug + Send + Sync {
    /// \[N, ...\].
    fn dims(&self) -> &[usize];

    /// Bytes that are held for them all the time.
    fn bytes(&self) -> usize {
        size(self.dims().iter().copied(), size_of::<f32>())
    }

    /// The rows at `indices`, in that order, normalised as the network sees them, in a
    /// floating-point type.
    ///
    /// # Errors
    /// When an index is out of range, or the tensor cannot be made.
    fn select(&self, indices: &[u32]) -> Result<Tensor>;
}

/// Inputs \[N, ...\], normalised as the network sees them, in a floating-point type.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// All of them as numbers.
    Tensor(Tensor),
    /// Numbers when they are asked for.
    Rows(Arc<dyn RowSource>),
}

impl Inputs {
    /// \[N, ...\].
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::Tensor(tensor) => tensor.dims(),
            Self::Rows(rows) => rows.dims(),
        }
    }

    /// N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dims().first().copied().unwrap_or(0)
    }

    /// Bytes that are held for them all the time.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Tensor(tensor) => size(tensor.dims().iter().copied(), tensor.dtype().size_in_bytes()),
            Self::Rows(rows) => rows.bytes(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn select(&self, indices: &[u32]) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.index_select(&Tensor::new(indices, tensor.device())?, 0)?),
            Self::Rows(rows) => rows.select(indices),
        }
    }

    /// `count` of them from `start` on.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn range(&self, start: usize, count: usize) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.narrow(0, start, count)?),
            Self::Rows(rows) => {
                let indices: Vec<u32> = (start..start + count).map(|index| index as u32).collect();
                rows.select(&indices)
            }
        }
    }

    /// All of them.
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
