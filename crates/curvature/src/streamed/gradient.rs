//! The mean loss and its gradient over all samples.

use std::collections::{BTreeMap, btree_map::Entry};

use candle_core::{DType, Tensor};
use eigenscape_runtime::Result;

use super::{EXACT, MeanLoss, split::Need};
use crate::objective::{Function, Objective};

/// A mean loss with what was computed on the way.
#[derive(Debug, Clone)]
pub struct LossGradient {
    /// L, a scalar in f64.
    pub loss: Tensor,
    /// The network's outputs \[N, ...\].
    pub outputs: Tensor,
    /// ∂L/∂θ for each parameter that was asked for, in f64.
    pub gradient: Vec<Tensor>,
}

impl MeanLoss {
    /// The mean loss, the outputs, and the gradient in the parameters of these indices: Σ_b (n_b/N) of those of the micro-batches, in
    /// f64.
    ///
    /// # Errors
    /// When the program cannot be built, does not fit into memory, or a tensor operation fails.
    pub fn gradient(&self, parameters: &[usize]) -> Result<LossGradient> {
        let program =
            |samples: usize| Objective::new(&self.network, &self.loss, samples)?.gradient(parameters);
        // An index of none is refused with the program.
        let known = parameters.iter().filter_map(|&i| self.network.parameters().get(i));
        let sizes = known.map(|parameter| parameter.shape.iter().product::<usize>());
        let sum_bytes = EXACT * sizes.sum::<usize>();
        let need = |samples: usize| {
            let peak = program(samples)?.peak(self.point.backend.fusion(), self.point.dtype());
            Ok(Need { residuals: 0, peak: peak + sum_bytes })
        };
        let split = self.split(self.point.samples(), self.memory, need)?;
        let mut programs: BTreeMap<usize, Function> = BTreeMap::new();
        let (mut sums, mut outputs) = (Vec::new(), Vec::with_capacity(split.count));
        for index in 0..split.count {
            let range = split.range(index);
            let (samples, share) = (range.len(), range.len() as f64 / split.samples as f64);
            let program = match programs.entry(samples) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(place) => place.insert(program(samples)?),
            };
            let mut values = program.at(&self.point.narrow(range)?, &[])?;
            outputs.push(values.remove(1));
            let parts = values.iter().map(|part| part.to_dtype(DType::F64)?.affine(share, 0.0));
            let parts = parts.collect::<candle_core::Result<Vec<_>>>()?;
            sums = if sums.is_empty() {
                parts
            } else {
                let added = sums.iter().zip(&parts).map(|(sum, part)| sum + part);
                added.collect::<candle_core::Result<_>>()?
            };
        }
        let loss = sums.remove(0);
        Ok(LossGradient { loss, outputs: Tensor::cat(&outputs, 0)?, gradient: sums })
    }
}
