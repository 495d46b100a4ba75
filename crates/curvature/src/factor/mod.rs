//! Exact factors of a Gauss-Newton matrix: the per-sample rows whose Gram matrix has its non-zero
//! spectrum.

mod placed;
mod pull_back;
mod push_forward;
mod row_values;
mod rows;

use candle_core::Tensor;
use eigenscape_program::Variables;
use eigenscape_runtime::Result;

pub use self::{
    placed::{PlacedProduct, PlacedRows},
    rows::{Factor, RowSize, Rows},
};
pub(crate) use self::{
    placed::{RowPrograms, Tiles},
    pull_back::PullBack,
    push_forward::PushForward,
};
use crate::{objective::Objective, placed::PlacedPoint, point::Point};

impl Objective {
    /// Φ with G = Φᵀ Φ for the Gauss-Newton matrix of `group`: its rows are Sₙᵀ Jₙ for each sample
    /// n.
    ///
    /// R backward passes, one per column of Sₙ, compute the rows for all variables together. The
    /// columns of an activation are ordered by element, then sample.
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn factor(&self, point: &Point, group: impl Into<Variables>) -> Result<Factor> {
        let point = point.clone().into();
        let cotangents = self.loss_factor()?.rounded_at(&point)?.remove(0).to_host()?;
        self.pull_back_samples(&point, &group.into(), &cotangents)
    }

    /// The rows of the Jacobian of the outputs in `group`, for all samples at once: row c·N + n is
    /// ∂f_c(xₙ)/∂θ.
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn jacobian(&self, point: &Point, group: impl Into<Variables>) -> Result<Factor> {
        let outputs: usize = self.network.output_shape().iter().product();
        let identity = Tensor::eye(outputs, point.dtype(), point.inputs.device())?;
        self.pull_back_samples(
            &point.clone().into(),
            &group.into(),
            &identity.repeat((point.samples(), 1, 1))?,
        )
    }

    /// Jₙᵀ u for each sample n and each column u of `cotangents`\[n\]. The shape of `cotangents` is
    /// \[N, D, R\] for D outputs per sample.
    fn pull_back_samples(
        &self,
        point: &PlacedPoint,
        group: &Variables,
        cotangents: &Tensor,
    ) -> Result<Factor> {
        let (samples, _, columns) = cotangents.dims3()?;
        let pull_back = PullBack::new(&self.network, group, columns)?;
        let mut rows = pull_back.allocate(samples, point.dtype(), point.inputs.device())?;
        pull_back.fill(&mut rows, point, cotangents, 0)?;
        pull_back.finish(rows, &(0..samples), samples)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use eigenscape_program::{Network, nn};

    use super::*;
    use crate::testing::squared_error;

    #[test]
    fn a_linear_layer_gives_outer_products_and_its_bias_rows() -> Result<()> {
        let network = Network::new(&[4], |scope, x| nn::linear(&mut scope.at("fc"), x, 3, true))?;
        let ones = |shape: &[usize]| Tensor::ones(shape, DType::F64, &Device::Cpu);
        let point = Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters: vec![ones(&[3, 4])?, ones(&[3])?],
            buffers: vec![],
            inputs: ones(&[2, 4])?,
            targets: ones(&[2, 3])?,
            masks: vec![],
        };
        let factor = Objective::new(&network, &squared_error(), 2)?.factor(&point, &[0, 1])?;
        assert_eq!(factor.rows, 2 * 3);
        match factor.tensors.as_slice() {
            [Rows::Outer { left, right }, Rows::Explicit(rows)] => {
                assert_eq!((left.dims(), right.dims()), ([3, 2, 1, 3].as_slice(), [2, 1, 4].as_slice()));
                assert_eq!(rows.dims(), [6, 3]);
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}
