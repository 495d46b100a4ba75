//! The exact factor over all samples, computed by rows in micro-batches.

use std::{ops::Range, sync::Arc};

use candle_core::{DType, Tensor};
use eigenscape_program::Variables;
use eigenscape_runtime::{Error, Part, Parts, Result};

use super::{MeanLoss, independence, split::Need};
use crate::{
    factor::{Factor, PlacedRows, PullBack, RowPrograms, RowSize, Tiles},
    placed::PlacedPoint,
};

/// Φ with G = Φᵀ Φ for the Gauss-Newton matrix of one group, whose rows are computed on demand. See
/// [`Objective::factor`](crate::Objective::factor).
pub struct StreamedFactor {
    loss: MeanLoss,
    pull_back: Arc<PullBack>,
    /// Programs for rows in the backend's memory.
    programs: Arc<RowPrograms>,
}

impl MeanLoss {
    /// The exact factor of the Gauss-Newton matrix of `group`. Nothing is evaluated yet.
    ///
    /// # Errors
    /// When samples are coupled (BatchNorm in training mode), the loss has no root or the program
    /// cannot be built.
    pub fn factor(&self, group: impl Into<Variables>) -> Result<StreamedFactor> {
        let group = group.into();
        let (loss, group) = self.around(&group)?;
        let pull_back = loss.programs.pull_back(&group, loss.rank()?)?;
        Ok(StreamedFactor { loss: loss.into_owned(), pull_back, programs: Arc::default() })
    }

    /// R, the number of rows of the factor per sample: the rank of the Hessian of the loss in the
    /// outputs.
    ///
    /// # Errors
    /// When the rank is 0, or the loss has no root.
    pub fn rank(&self) -> Result<usize> {
        let rank = self.programs.loss_function().rank(self.network().output_shape())?;
        if rank == 0 {
            return Err(Error::shape("the loss' factor", "needs at least two classes, or one output"));
        }
        Ok(rank)
    }

    /// Bytes that products and factors may take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }
}

impl StreamedFactor {
    /// The size and form of the rows of each variable of the group.
    #[must_use]
    pub fn sizes(&self) -> Vec<RowSize> {
        self.pull_back.sizes(self.loss.point.samples())
    }

    /// The most bytes held while `samples` samples are evaluated at once, in addition to the rows
    /// themselves.
    #[must_use]
    pub fn evaluating(&self, samples: usize) -> usize {
        let number = self.loss.number();
        // The loss' root, and a copy with permuted axes.
        let root =
            2_usize.saturating_mul(number).saturating_mul(samples).saturating_mul(self.numbers_of_root());
        self.pull_back.evaluating(samples, self.loss.numbers()).saturating_add(root)
    }

    /// D·R, the number of elements of the loss' root per sample.
    fn numbers_of_root(&self) -> usize {
        self.loss.outputs().saturating_mul(self.pull_back.columns())
    }

    /// Floating-point operations for the rows of all samples, the loss' root included.
    #[must_use]
    pub fn flops(&self) -> usize {
        /// Floating-point operations per element of the root.
        const ROOT: usize = 4;
        let root = ROOT.saturating_mul(self.numbers_of_root());
        self.loss.point.samples().saturating_mul(self.pull_back.flops().saturating_add(root))
    }

    /// The rows of some of the samples: R backward passes through the network, in micro-batches
    /// that take at most `memory` bytes in addition to the rows.
    ///
    /// # Errors
    /// When one sample takes more memory, or an operation fails.
    pub fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor> {
        let all = self.loss.point.samples();
        let rows = self.pull_back.allocate(
            samples.len(),
            self.loss.point.dtype(),
            self.loss.point.inputs.device(),
        )?;
        let rows =
            self.fold(&samples, (memory, samples.len()), rows, |mut rows, (start, point, cotangents)| {
                self.pull_back.fill(&mut rows, point, cotangents, start)?;
                Ok(rows)
            })?;
        self.pull_back.finish(rows, &samples, all)
    }

    /// Whether rows can be [placed](Self::place): the backend does not keep numbers on the host.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        !self.loss.point.backend.is_host()
    }

    /// As [`Self::rows`], with rows that stay in the memory of the backend. An operand of their
    /// products has about `slab` numbers in f64 at a time.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn place(&self, samples: Range<usize>, memory: usize, slab: usize) -> Result<PlacedRows> {
        let tiles = self.tiles(slab, self.loss.point.samples());
        let rows = self.placed(&self.loss.point, tiles);
        self.fold(&samples, (memory, tiles.samples), rows, |mut rows, (start, point, cotangents)| {
            rows.begin(start..start + point.samples(), samples.start + start)?;
            self.pull_back.place(&mut rows, point, cotangents)?;
            Ok(rows)
        })
    }

    fn tiles(&self, slab: usize, samples: usize) -> Tiles {
        Tiles::new(slab, self.pull_back.columns(), samples, self.pull_back.forms())
    }

    /// No rows yet, of the samples of `point`.
    fn placed(&self, point: &PlacedPoint, tiles: Tiles) -> PlacedRows {
        let (backend, programs) = (Arc::clone(&point.backend), Arc::clone(&self.programs));
        let counts = [self.pull_back.columns(), point.samples()];
        PlacedRows::new(backend, programs, self.pull_back.forms().to_vec(), counts, tiles)
    }

    /// Folds micro-batches of at most `most` of the samples, which take at most `memory` bytes:
    /// their first sample among `samples`, their point and their cotangents \[n, D, R\].
    fn fold<T>(
        &self,
        samples: &Range<usize>,
        (memory, most): (usize, usize),
        rows: T,
        add: impl Fn(T, (usize, &PlacedPoint, &Tensor)) -> Result<T>,
    ) -> Result<T> {
        let all = self.loss.point.samples();
        let need = |n| Ok(Need { residuals: 0, peak: self.evaluating(n) });
        independence::check(&self.loss.programs, &self.loss.point)?;
        let split = self.loss.split(samples.len(), memory, need)?;
        let count = split.count.max(samples.len().div_ceil(most.max(1)));
        Parts::evenly(samples.len(), count).fold(&self.loss.interrupt, rows, |rows, Part { range, .. }| {
            let count = range.len();
            let point = self.loss.point.narrow(samples.start + range.start..samples.start + range.end)?;
            // The cotangents of each sample are scaled for a mean over `count` samples.
            let share = (count as f64 / all as f64).sqrt();
            add(rows, (range.start, &point, &self.cotangents(&point)?.affine(share, 0.0)?))
        })
    }

    /// The rounding error of the rows of one sample: for each variable \[Σ(φ̃ − φ)², Σφ²\] over the
    /// computed rows φ̃ and the rows φ in f64 at the same point. `None` where the rows are in f64.
    ///
    /// # Errors
    /// When there is no such sample or an operation fails.
    pub fn rounding(&self, sample: usize) -> Result<Option<Vec<[f64; 2]>>> {
        if self.loss.point.dtype() == DType::F64 {
            return Ok(None);
        }
        let point = self.loss.point.narrow(sample..sample + 1)?;
        if self.is_placed() {
            let (rounded, exact) = (self.placed_of_one(&point)?, self.placed_of_one(&point.in_f64()?)?);
            return rounded.deviations(&exact).map(Some);
        }
        let (rounded, exact) = (self.of_one(&point)?, self.of_one(&point.in_f64()?)?);
        let pairs = rounded.tensors.iter().zip(&exact.tensors);
        pairs.map(|(rounded, exact)| rounded.deviation(exact, 1)).collect::<Result<_>>().map(Some)
    }

    /// The rows of the loss of one sample alone.
    fn of_one(&self, point: &PlacedPoint) -> Result<Factor> {
        let mut rows = self.pull_back.allocate(1, point.dtype(), point.inputs.device())?;
        self.pull_back.fill(&mut rows, point, &self.cotangents(point)?, 0)?;
        self.pull_back.finish(rows, &(0..1), 1)
    }

    /// As [`Self::of_one`], in the memory of the backend.
    fn placed_of_one(&self, point: &PlacedPoint) -> Result<PlacedRows> {
        let mut rows = self.placed(point, self.tiles(usize::MAX, 1));
        rows.begin(0..1, 0)?;
        self.pull_back.place(&mut rows, point, &self.cotangents(point)?)?;
        Ok(rows)
    }

    /// The columns \[n, D, R\] of the loss factor of all samples of a point.
    fn cotangents(&self, point: &PlacedPoint) -> Result<Tensor> {
        self.loss.programs.loss_factor(point.samples())?.rounded_at(point)?.remove(0).to_host()
    }
}
