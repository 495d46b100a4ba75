//! Forward passes, which compute the columns of a factor.

use candle_core::{DType, Tensor};
use eigenscape_program::{
    Variables,
    transforms::or_zero,
    transforms::{linearize, transpose},
};
use eigenscape_runtime::{Executable, Result, Signature, split};

use crate::{
    objective::Objective,
    parts::Parts,
    placed::PlacedPoint,
    residuals::{Numbers, evaluate_residuals},
};

/// v ↦ Sᵀ J v for the outputs of N samples and the root S of the loss (see
/// [`LossRoot::times`](eigenscape_program::LossRoot)). Applied to the unit vectors, it gives the
/// columns of a factor Φ with ΦᵀΦ = G, which has D rows per sample, one per output.
pub(crate) struct PushForward {
    prefix: Executable,
    linear: Executable,
    parts: Parts,
    samples: usize,
    /// D, the number of outputs per sample.
    outputs: usize,
}

impl PushForward {
    pub fn new(objective: &Objective, group: &Variables) -> Result<Self> {
        let mut graph = objective.graph.clone();
        let (seeds, direction) = objective.seeds(&mut graph, group)?;
        let shape = graph.shape(objective.outputs).to_vec();
        let tangent = linearize(&mut graph, &[objective.outputs], &seeds)?[0];
        let tangent = or_zero(&mut graph, tangent, &shape)?;
        // S s is linear in s: its transpose is Sᵀ.
        let signs = graph.input("signs", &shape);
        let root =
            objective.loss_function.root_times(&mut graph, objective.outputs, objective.target, signs)?;
        let column = transpose(&mut graph, &[(root, tangent)], &[signs])?[0];
        let column = or_zero(&mut graph, column, &shape)?;
        let (prefix, linear) = split(&graph, &objective.inputs, &direction, &[column])?;
        let parts = Parts::new(direction.iter().map(|v| graph.shape(*v).to_vec()).collect());
        let samples = objective.samples();
        let (prefix, linear) = (prefix.into(), linear.into());
        Ok(Self { prefix, linear, parts, samples, outputs: shape.iter().skip(1).product() })
    }

    /// D, the number of outputs per sample.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The number of columns of each variable.
    pub fn columns(&self) -> Vec<usize> {
        self.parts.lens()
    }

    /// The number of operations.
    pub fn steps(&self) -> usize {
        self.prefix.steps() + self.linear.steps()
    }

    /// Floating-point operations for all columns.
    pub fn flops(&self) -> usize {
        self.linear.flops().saturating_mul(self.parts.dimension()).saturating_add(self.prefix.flops())
    }

    /// The most bytes held in addition to the columns, with `vectors` vectors at once.
    pub fn evaluating(&self, vectors: usize, numbers: Numbers) -> usize {
        let Numbers { planning, dtype, .. } = numbers;
        let prefix = self.prefix.footprint(planning, &numbers.of_residuals(self.prefix.inputs()));
        let residuals = self.linear.inputs() - self.parts.count();
        let mut signature = Signature { lead: vectors, ..Signature::plain(self.linear.inputs(), dtype) };
        signature.inputs[residuals..].iter_mut().for_each(|input| input.led = true);
        let linear = self.linear.footprint(planning, &signature);
        let units = vectors.saturating_mul(self.parts.dimension()).saturating_mul(dtype.size_in_bytes());
        prefix.peak().max(prefix.outputs + linear.peak().saturating_add(units))
    }

    /// The columns \[P, N, D\] at a point, computed for `vectors` unit vectors at once.
    pub fn at(&self, point: &PlacedPoint, vectors: usize) -> Result<Tensor> {
        let (dtype, device) = (point.dtype(), point.inputs.device());
        let mut inputs = evaluate_residuals(&self.prefix, point, point.inputs()?)?;
        let (p, residuals, vectors) = (self.parts.dimension(), inputs.len(), vectors.max(1));
        let columns = Tensor::zeros((p, self.samples, self.outputs), dtype, device)?;
        for first in (0..p).step_by(vectors) {
            let count = vectors.min(p - first);
            let units = Tensor::zeros((count, p), dtype, device)?;
            units.slice_set(&Tensor::eye(count, DType::F64, device)?.to_dtype(dtype)?, 1, first)?;
            inputs.extend(self.parts.cut(&*point.backend, &units.into())?);
            let result = point.run_placed(&self.linear, inputs.clone())?.remove(0).to_host()?;
            inputs.truncate(residuals);
            // If the outputs depend on no parameter, the result is zero and has no leading axis.
            let shape = (count, self.samples, self.outputs);
            let result = if result.elem_count() == count * self.samples * self.outputs {
                result.reshape(shape)?
            } else {
                result.reshape((1, self.samples, self.outputs))?.broadcast_as(shape)?
            };
            columns.slice_set(&result.contiguous()?, 0, first)?;
        }
        Ok(columns)
    }
}
