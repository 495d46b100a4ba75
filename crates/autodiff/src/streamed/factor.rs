//! The exact factor over all samples, some samples at a time.

use std::ops::Range;

use super::{MeanLoss, split::Need};
use crate::{
    error::Result,
    factor::{Factor, PullBack, RowSize},
    objective::Objective,
    variables::Variables,
};

/// Φ with G = Φᵀ Φ for the Gauss-Newton matrix of one group, whose rows are computed when they are asked for. See
/// [`Objective::factor`].
pub struct StreamedFactor {
    loss: MeanLoss,
    pull_back: PullBack,
}

impl MeanLoss {
    /// The exact factor of the Gauss-Newton matrix of `group`. Nothing is evaluated yet.
    ///
    /// # Errors
    /// When samples see each other or the program cannot be built.
    pub fn factor(&self, group: impl Into<Variables>) -> Result<StreamedFactor> {
        let pull_back = PullBack::new(&self.network, &group.into(), self.rank()?)?;
        Ok(StreamedFactor { loss: self.clone(), pull_back })
    }

    /// R, the number of the factor's rows for each sample: the rank of the loss' Hessian in the outputs.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn rank(&self) -> Result<usize> {
        Objective::new(&self.network, self.loss, 1)?.loss_factor_columns()
    }

    /// Bytes that products and factors may take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }
}

impl StreamedFactor {
    /// What the rows of each variable of the group are like.
    #[must_use]
    pub fn sizes(&self) -> Vec<RowSize> {
        self.pull_back.sizes(self.loss.point.samples())
    }

    /// Bytes held at most while so many samples are evaluated at once, beside the rows themselves.
    #[must_use]
    pub fn evaluating(&self, samples: usize) -> usize {
        self.pull_back.evaluating(samples, self.loss.number())
    }

    /// The rows of some of the samples: R passes backward through the network, in micro-batches that take at most `memory` bytes
    /// beside the rows.
    ///
    /// # Errors
    /// When one sample takes more memory, or an operation fails.
    pub fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor> {
        let (place, all) = (self.loss.point.place(), self.loss.point.samples());
        let need = |n| Ok(Need { residuals: 0, peak: self.evaluating(n) });
        let split = self.loss.split(samples.len(), memory, need)?;
        let mut rows = self.pull_back.allocate(samples.len(), place.dtype, &place.device)?;
        for index in 0..split.count {
            let range = split.range(index);
            let (start, count) = (range.start, range.len());
            let point = self.loss.point.narrow(samples.start + start..samples.start + range.end)?;
            let cotangents =
                Objective::new(&self.loss.network, self.loss.loss, count)?.loss_factor(&point)?;
            // Each sample's cotangents are those of a mean over `count` samples.
            let share = (count as f64 / all as f64).sqrt();
            self.pull_back.fill(&mut rows, &point, &cotangents.affine(share, 0.0)?, start)?;
        }
        self.pull_back.finish(rows, &samples, all)
    }
}
