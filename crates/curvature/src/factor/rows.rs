//! The rows of a factor.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use eigenscape_runtime::{Error, Result};

/// Φ with G = Φᵀ Φ, one [`Rows`] per variable of the group: Φ = \[Φ₁ Φ₂ ...\], Φ Φᵀ = Σₜ Φₜ Φₜᵀ.
#[derive(Debug, Clone)]
pub struct Factor {
    /// M, the number of rows: N times the rank of the loss' Hessian in the outputs.
    pub rows: usize,
    /// The columns that belong to each variable of the group, in the group's order.
    pub tensors: Vec<Rows>,
}

/// The M × Pₜ columns of Φ that belong to one variable. Row r·N + n belongs to column r of the loss
/// factor Sₙ.
#[derive(Debug, Clone)]
pub enum Rows {
    /// The rows themselves, \[M, Pₜ\].
    Explicit(Tensor),
    /// Row (r, n) is Σₚ `left[r, n, p, :] ⊗ right[n, p, :]` with `left` \[R, N, P, o\] and `right`
    /// \[N, P, i\], Pₜ = o·i: a linear layer (P = 1, or one position per token) or a convolution
    /// (one position per output pixel).
    Outer {
        /// The cotangents of the layer's outputs.
        left: Tensor,
        /// The layer's inputs at each output position.
        right: Tensor,
    },
}

impl Rows {
    /// The rows of some of the N samples.
    ///
    /// # Errors
    /// When the range exceeds the samples, N is 0, or M is not a multiple of N.
    pub fn narrow(&self, range: Range<usize>, samples: usize) -> Result<Self> {
        let (start, len) = (range.start, range.len());
        if samples == 0 {
            return Err(Error::shape("factor", "a part of no samples is asked for"));
        }
        Ok(match self {
            Self::Explicit(rows) => {
                let (m, columns) = rows.dims2()?;
                let by_sample = rows.reshape((m / samples, samples, columns))?.narrow(1, start, len)?;
                Self::Explicit(by_sample.flatten_to(1)?)
            }
            Self::Outer { left, right } => {
                Self::Outer { left: left.narrow(1, start, len)?, right: right.narrow(0, start, len)? }
            }
        })
    }

    /// \[Σ(φ̃ − φ)², Σφ²\] for these rows φ̃ and the exact rows φ of the same samples, in the same
    /// form; computed in f64, one row of each sample at a time.
    ///
    /// # Errors
    /// When the two are not of the same shape.
    pub(crate) fn deviation(&self, exact: &Self, samples: usize) -> Result<[f64; 2]> {
        let rows = match self {
            Self::Explicit(rows) => rows.dims()[0] / samples.max(1),
            Self::Outer { left, .. } => left.dims()[0],
        };
        let mut sums = [0.0; 2];
        for r in 0..rows {
            let row = |of: &Self| {
                let row = match of {
                    Self::Explicit(rows) => Self::Explicit(rows.narrow(0, r * samples, samples)?),
                    Self::Outer { left, right } => {
                        Self::Outer { left: left.narrow(0, r, 1)?, right: right.clone() }
                    }
                };
                row.explicit(DType::F64)
            };
            let (rounded, exact) = (row(self)?, row(exact)?);
            sums[0] += (rounded - &exact)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
            sums[1] += exact.sqr()?.sum_all()?.to_scalar::<f64>()?;
        }
        Ok(sums)
    }

    /// The rows as a matrix \[M, Pₜ\] of a floating-point type.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn explicit(&self, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Explicit(rows) => Ok(rows.to_dtype(dtype)?),
            Self::Outer { left, right } => {
                let ((r, n, _, o), (_, _, i)) = (left.dims4()?, right.dims3()?);
                let left = left.to_dtype(dtype)?.transpose(2, 3)?.contiguous()?;
                let right = right.to_dtype(dtype)?.unsqueeze(0)?;
                Ok(left.broadcast_matmul(&right)?.reshape((r * n, o * i))?)
            }
        }
    }
}

/// The size and form of one variable's [`Rows`], known before they are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSize {
    /// Pₜ, the columns of Φ that belong to the variable.
    pub columns: usize,
    /// The number of scalars stored per sample.
    pub numbers: usize,
    /// Whether the rows are [`Rows::Outer`].
    pub outer: bool,
}

/// The shape of one variable's [`Rows`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Explicit { len: usize },
    Outer { positions: usize, left: usize, right: usize },
    Activation { len: usize },
}

impl Form {
    /// The size with R = `rank` rows for each of N = `samples` samples in total.
    pub fn size(self, samples: usize, rank: usize) -> RowSize {
        match self {
            Self::Explicit { len } => RowSize { columns: len, numbers: rank * len, outer: false },
            Self::Outer { positions, left, right } => {
                let numbers = positions * (rank * left + right);
                RowSize { columns: left * right, numbers, outer: true }
            }
            Self::Activation { len } => {
                RowSize { columns: len * samples, numbers: rank * len + samples, outer: true }
            }
        }
    }

    /// The shapes of the results of a backward pass for one sample.
    pub fn shapes(self) -> Vec<Vec<usize>> {
        match self {
            Self::Explicit { len } => vec![vec![len]],
            Self::Outer { positions, left, right } => vec![vec![positions, left], vec![positions, right]],
            Self::Activation { len } => vec![vec![1, len]],
        }
    }

    /// P, o and i of rows that are outer products, for N = `samples` samples in total. Each row of
    /// an activation is one with a unit vector.
    pub fn outer(self, samples: usize) -> Option<[usize; 3]> {
        match self {
            Self::Explicit { .. } => None,
            Self::Outer { positions, left, right } => Some([positions, left, right]),
            Self::Activation { len } => Some([1, len, samples]),
        }
    }
}

/// One variable's rows while they are filled, by samples and cotangents.
pub(crate) struct Assembly {
    form: Form,
    samples: usize,
    /// \[R·N, ...\]
    left: Tensor,
    /// \[N, ...\]
    right: Option<Tensor>,
}

impl Assembly {
    pub fn new(form: Form, samples: usize, columns: usize, dtype: DType, device: &Device) -> Result<Self> {
        let zeros = |rows: usize, len: usize| Tensor::zeros((rows, len), dtype, device);
        let (left, right) = match form {
            Form::Explicit { len } | Form::Activation { len } => (zeros(columns * samples, len)?, None),
            Form::Outer { positions, left, right } => {
                (zeros(columns * samples, positions * left)?, Some(zeros(samples, positions * right)?))
            }
        };
        Ok(Self { form, samples, left, right })
    }

    /// Stores the rows for cotangent r of the samples from `start` on, the results of one backward
    /// pass.
    pub fn put(
        &mut self,
        r: usize,
        start: usize,
        samples: usize,
        results: &mut impl Iterator<Item = Tensor>,
    ) -> Result<()> {
        if let Some(left) = results.next() {
            put_rows(&self.left, &left, r * self.samples + start, samples)?;
        }
        if let (Some(all), Some(right)) = (&self.right, self.right.as_ref().and_then(|_| results.next())) {
            // The inputs are the same in every backward pass.
            if r == 0 {
                put_rows(all, &right, start, samples)?;
            }
        }
        Ok(())
    }

    /// The rows of these samples, the first of which is sample `first` of `all`.
    pub fn finish(self, first: usize, all: usize) -> Result<Rows> {
        let n = self.samples;
        let m = self.left.dims()[0];
        Ok(match (self.form, self.right) {
            (Form::Outer { positions, left, right }, Some(inputs)) => Rows::Outer {
                left: self.left.reshape((m / n, n, positions, left))?,
                right: inputs.reshape((n, positions, right))?,
            },
            // Row (r, n) is non-zero only in its own sample's columns: it is an outer product with
            // the n-th unit vector.
            (Form::Activation { len }, _) => Rows::Outer {
                right: unit_vectors(first..first + n, all, self.left.dtype(), self.left.device())?
                    .reshape((n, 1, all))?,
                left: self.left.reshape((m / n, n, 1, len))?,
            },
            _ => Rows::Explicit(self.left),
        })
    }
}

/// The unit vectors of `range` in a space of dimension `all`.
pub(crate) fn unit_vectors(range: Range<usize>, all: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let zeros = Tensor::zeros((range.len(), all), dtype, device)?;
    zeros.slice_set(&Tensor::eye(range.len(), dtype, device)?, 1, range.start)?;
    Ok(zeros)
}

/// Stores a result for `samples` samples in the rows from `start` on. A result that is the same for
/// all samples (zero) is repeated.
fn put_rows(all: &Tensor, result: &Tensor, start: usize, samples: usize) -> Result<()> {
    let len = all.dims()[1];
    let rows = if result.elem_count() == samples * len {
        result.reshape((samples, len))?
    } else {
        result.reshape((1, len))?.broadcast_as((samples, len))?
    };
    // A result that is an input of the program has the input's type.
    Ok(all.slice_set(&rows.to_dtype(all.dtype())?.contiguous()?, 0, start)?)
}
