//! The mean loss and its gradient over all samples.

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Error, Part, Result};

use super::{EXACT, MeanLoss, independence, split::Need};

/// A mean loss, with the outputs and the gradient.
#[derive(Debug, Clone)]
pub struct LossGradient {
    /// L, a scalar in f64.
    pub loss: Tensor,
    /// The network's outputs \[N, ...\].
    pub outputs: Tensor,
    /// ∂L/∂θ for each requested parameter, in f64.
    pub gradient: Vec<Tensor>,
}

impl MeanLoss {
    /// The mean loss, the outputs, and the gradient in the parameters of these indices. Loss and
    /// gradient are Σ_b (n_b/N) times those of micro-batch b, in f64.
    ///
    /// # Errors
    /// When the program cannot be built, does not fit into memory, or a tensor operation fails.
    pub fn gradient(&self, parameters: &[usize]) -> Result<LossGradient> {
        let program = |samples: usize| self.programs.gradient(parameters, samples);
        // An invalid index is refused when the program is built.
        let known = parameters.iter().filter_map(|&i| self.network().parameters().get(i));
        let sizes = known.map(|parameter| parameter.shape.iter().product::<usize>());
        let sum_bytes = EXACT * sizes.sum::<usize>();
        let need = |samples: usize| {
            let peak = program(samples)?.peak(self.point.backend.planning(), self.point.dtype());
            Ok(Need { residuals: 0, peak: peak + sum_bytes })
        };
        let split = self.split(self.point.samples(), self.memory, need)?;
        if split.count > 1 {
            independence::check(&self.programs, &self.point)?;
        }
        let mut outputs = Vec::with_capacity(split.count);
        let mut sums =
            split.parts().fold(&self.interrupt, Vec::new(), |sums, Part { range, share, .. }| {
                let mut values = program(range.len())?.at_placed(&self.point.narrow(range)?)?;
                outputs.push(values.remove(1));
                let terms = values.iter().map(|term| term.to_dtype(DType::F64)?.affine(share, 0.0));
                let terms = terms.collect::<candle_core::Result<Vec<Tensor>>>()?;
                if sums.is_empty() {
                    return Ok(terms);
                }
                let added = sums.iter().zip(&terms).map(|(sum, term)| sum + term);
                Ok::<_, Error>(added.collect::<candle_core::Result<_>>()?)
            })?;
        let loss = sums.remove(0);
        Ok(LossGradient { loss, outputs: Tensor::cat(&outputs, 0)?, gradient: sums })
    }
}
