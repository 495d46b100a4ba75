//! The exact factor over all samples, computed by columns in micro-batches.

use std::{ops::Range, sync::Arc};

use candle_core::{DType, Tensor};
use eigenscape_program::Variables;
use eigenscape_runtime::{Error, Part, Result};

use super::{MeanLoss, independence, split::Need};
use crate::{
    factor::{Factor, PushForward, RowSize, Rows},
    placed::PlacedPoint,
};

/// The maximum number of vectors in one forward pass.
const VECTORS: usize = 64;

/// Φ with G = Φᵀ Φ for the Gauss-Newton matrix of one group of parameters, computed by its P
/// columns. Where samples have more outputs than the group has parameters, P forward passes are
/// less work than the backward passes of [`StreamedFactor`](super::StreamedFactor). Φ has D rows
/// per sample, one per output; it is another square root of the same matrix.
pub struct StreamedColumns {
    loss: MeanLoss,
    group: Variables,
    /// The program for one sample.
    one: Arc<PushForward>,
}

impl MeanLoss {
    /// The exact factor of the Gauss-Newton matrix of some parameters, by its columns. Nothing is
    /// evaluated yet.
    ///
    /// # Errors
    /// When the loss has no root or the program cannot be built.
    pub fn columns(&self, group: impl Into<Variables>) -> Result<StreamedColumns> {
        let group = group.into();
        let (loss, group) = self.around(&group)?;
        let one = loss.programs.push_forward(&group, 1)?;
        Ok(StreamedColumns { loss: loss.into_owned(), group: group.into_owned(), one })
    }

    /// D, the number of outputs of a sample.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.network().output_shape().iter().product()
    }
}

impl StreamedColumns {
    /// The size and form of the rows of each variable of the group.
    #[must_use]
    pub fn sizes(&self) -> Vec<RowSize> {
        let size = |columns| RowSize { columns, numbers: columns * self.one.outputs(), outer: false };
        self.one.columns().into_iter().map(size).collect()
    }

    /// The most bytes held while `samples` samples are evaluated at once, in addition to the rows
    /// themselves; a copy of the rows is included.
    #[must_use]
    pub fn evaluating(&self, samples: usize) -> usize {
        let rows = self.sizes().iter().map(|size| size.numbers).sum::<usize>() * self.loss.number();
        samples.saturating_mul(self.one.evaluating(1, self.loss.numbers()).saturating_add(rows))
    }

    /// Floating-point operations for the rows of all samples.
    #[must_use]
    pub fn flops(&self) -> usize {
        self.loss.point.samples().saturating_mul(self.one.flops())
    }

    /// The rows of some of the samples, in micro-batches that take at most `memory` bytes in
    /// addition to the rows.
    ///
    /// # Errors
    /// When one sample takes more memory, or an operation fails.
    pub fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor> {
        let all = self.loss.point.samples();
        let need = |n| Ok(Need { residuals: 0, peak: self.evaluating(n) });
        independence::check(&self.loss.programs, &self.loss.point)?;
        let split = self.loss.split(samples.len(), memory, need)?;
        let (parts, loss) = (Vec::with_capacity(split.count), &self.loss);
        let parts = split.parts().fold(&loss.interrupt, parts, |mut parts, Part { range, .. }| {
            let count = range.len();
            let program = self.loss.programs.push_forward(&self.group, count)?;
            let left = memory.saturating_sub(self.evaluating(count));
            let numbers = self.loss.numbers();
            let vector = program.evaluating(2, numbers).saturating_sub(program.evaluating(1, numbers));
            let vectors = (1 + left / vector.max(1)).min(VECTORS);
            let point = self.loss.point.narrow(samples.start + range.start..samples.start + range.end)?;
            // The root of each sample is scaled for a mean over `count` samples.
            let share = (count as f64 / all as f64).sqrt();
            parts.push(program.at(&point, vectors)?.affine(share, 0.0)?);
            Ok::<_, Error>(parts)
        })?;
        self.factor(&Tensor::cat(&parts, 1)?)
    }

    /// The rounding error of the rows of one sample; see
    /// [`StreamedFactor::rounding`](super::StreamedFactor::rounding).
    ///
    /// # Errors
    /// When there is no such sample or an operation fails.
    pub fn rounding(&self, sample: usize) -> Result<Option<Vec<[f64; 2]>>> {
        if self.loss.point.dtype() == DType::F64 {
            return Ok(None);
        }
        let of_one = |point: &PlacedPoint| self.factor(&self.one.at(point, VECTORS)?);
        let point = self.loss.point.narrow(sample..sample + 1)?;
        let (rounded, exact) = (of_one(&point)?, of_one(&point.in_f64()?)?);
        let pairs = rounded.tensors.iter().zip(&exact.tensors);
        pairs.map(|(rounded, exact)| rounded.deviation(exact, 1)).collect::<Result<_>>().map(Some)
    }

    /// Converts columns \[P, N, D\] to the rows \[D·N, Pₜ\] of each variable.
    fn factor(&self, columns: &Tensor) -> Result<Factor> {
        let (_, samples, outputs) = columns.dims3()?;
        let (rows, mut first) = (samples * outputs, 0);
        let tensors = self.one.columns().into_iter().map(|count| {
            let of_variable = columns.narrow(0, first, count)?.permute((2, 1, 0))?.contiguous()?;
            first += count;
            Ok(Rows::Explicit(of_variable.reshape((rows, count))?))
        });
        Ok(Factor { rows, tensors: tensors.collect::<Result<_>>()? })
    }
}
