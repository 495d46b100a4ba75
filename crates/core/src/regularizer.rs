//! Regularizers: penalties that are added to the loss in training.

use candle_core::Tensor;
use eigenscape_curvature::{KnownLoss, Objective, Over, Penalty, PenaltyFunction, PenaltyScope, Point};
use eigenscape_program::{Loss, Network, Value};
use rand::Rng;

use crate::error::Result;

/// A penalty on the parameters, emitted into the program of the training objective. Only its value
/// is written; its gradient is derived.
///
/// Training minimises L + Σ strength · penalty, with strengths (and when a penalty is due) given by
/// the experiment.
pub trait Regularizer: Send + Sync {
    /// Emits the penalty, a scalar of shape \[\].
    ///
    /// # Errors
    /// When it cannot be used on this network or loss: the error names the key at fault and what to
    /// use instead.
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value>;

    /// Whether it is a function of the whole batch, or a mean over samples.
    fn over(&self) -> Over {
        Over::Batch
    }

    /// The number of samples of a mini-batch on which the penalty is evaluated. They are the first
    /// ones, a random subset since the batch is random.
    fn samples(&self, batch: usize) -> usize {
        batch
    }

    /// K, the number of draws of random inputs of these shapes that the penalty averages over; 1
    /// where nothing is random.
    fn draws(&self, shapes: &[Vec<usize>]) -> usize {
        let _ = shapes;
        1
    }

    /// The `index`-th draw: one tensor per shape, of any floating-point type.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    fn draw(&self, index: usize, shapes: &[Vec<usize>], generator: &mut dyn Rng) -> Result<Vec<Tensor>> {
        let _ = (index, shapes, generator);
        Ok(Vec::new())
    }

    /// What it penalises, with the settings, in one line for the report.
    fn description(&self) -> String;
}

impl dyn Regularizer + '_ {
    /// The penalty with its gradient, for mini-batches of `batch` samples.
    ///
    /// # Errors
    /// Those of [`Regularizer::penalty`], and when the program cannot be built.
    pub fn program(&self, network: &Network, loss: &Loss, batch: usize) -> Result<PenaltyFunction> {
        let objective = Objective::new(network, loss, self.samples(batch).min(batch))?;
        objective.penalty(self.over(), |scope| self.penalty(scope))
    }

    /// The penalty on a mini-batch. `program` is the program for the batch's size, `known` are the
    /// loss and its gradient at `point`, and `generator` provides the draws.
    ///
    /// # Errors
    /// When a draw or a tensor operation fails.
    pub fn evaluate(
        &self,
        program: &PenaltyFunction,
        point: &Point,
        known: KnownLoss,
        generator: &mut dyn Rng,
    ) -> Result<Penalty> {
        let batch = point.samples();
        let samples = self.samples(batch).min(batch);
        let (shapes, dtype) = (program.probe_shapes(), point.targets.dtype());
        let draws = (0..self.draws(shapes)).map(|index| {
            let draw = self.draw(index, shapes, generator)?;
            Ok(draw
                .iter()
                .map(|probe| probe.to_dtype(dtype))
                .collect::<candle_core::Result<Vec<Tensor>>>()?)
        });
        if samples == batch {
            program.at(point, Some(known), draws)
        } else {
            // `known` belongs to the whole batch.
            program.at(&point.narrow(0..samples)?, None, draws)
        }
    }
}
