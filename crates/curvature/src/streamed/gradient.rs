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
        let (mut outputs, backend) = (Vec::with_capacity(split.count), &*self.point.backend);
        let mut shapes: Vec<Vec<usize>> = Vec::new();
        let sums = split.parts().fold(&self.interrupt, None, |sums, Part { range, share, .. }| {
            let mut values = program(range.len())?.at_placed(&self.point.narrow(range)?)?;
            outputs.push(values.remove(1).to_host()?);
            shapes = values.iter().map(|value| value.dims().to_vec()).collect();
            let lens: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
            Ok::<_, Error>(Some(match sums {
                None => backend.join(&[(share, values)], &lens, 1, DType::F64)?,
                Some(sums) => backend.add(sums, share, values, &lens)?,
            }))
        })?;
        let sums = sums.ok_or_else(|| Error::shape("gradient", "there are no samples"))?.to_host()?;
        let mut start = 0;
        let cut = shapes.iter().map(|shape| {
            let len = shape.iter().product();
            start += len;
            sums.narrow(1, start - len, len)?.reshape(shape.as_slice())
        });
        let mut gradient = cut.collect::<candle_core::Result<Vec<Tensor>>>()?;
        let loss = gradient.remove(0);
        Ok(LossGradient { loss, outputs: Tensor::cat(&outputs, 0)?, gradient })
    }
}
