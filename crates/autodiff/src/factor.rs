//! Exact factors of a Gauss-Newton matrix: the per-sample rows whose Gram matrix has its non-zero spectrum.

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::{Error, Result},
    network::Traced,
    objective::{Objective, pull_back},
    point::Point,
    program::Program,
};

/// Φ with G = Φᵀ Φ, one [`Rows`] a parameter tensor of the group: Φ = \[Φ₁ Φ₂ ...\], Φ Φᵀ = Σₜ Φₜ Φₜᵀ.
#[derive(Debug, Clone)]
pub struct Factor {
    /// M, the number of rows: N times the rank of the loss' Hessian in the outputs.
    pub rows: usize,
    /// The columns that belong to each parameter tensor of the group, in the group's order.
    pub tensors: Vec<Rows>,
}

/// The M × Pₜ columns of Φ that belong to one parameter tensor. Row r·N + n belongs to column r of the loss factor Sₙ.
#[derive(Debug, Clone)]
pub enum Rows {
    /// The rows themselves, \[M, Pₜ\].
    Explicit(Tensor),
    /// Row (r, n) is the outer product `left[r, n, :] ⊗ right[n, :]` with `left` \[R, N, o\] and `right` \[N, i\], Pₜ = o·i:
    /// a linear layer, whose Gram matrix is (left·left') ∘ (right·right').
    Outer {
        /// The cotangents of the layer's outputs.
        left: Tensor,
        /// The layer's inputs.
        right: Tensor,
    },
}

/// How one parameter's rows come out of the program.
enum Plan {
    Explicit(Value),
    Outer { left: Value, right: Value },
}

impl Objective {
    /// Φ with G = Φᵀ Φ for the Gauss-Newton matrix of `group`: its rows are Sₙᵀ Jₙ for each sample n.
    ///
    /// R backward passes (the columns of Sₙ) serve all parameters at once.
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn factor(&self, point: &Point, group: &[usize]) -> Result<Factor> {
        self.pull_back_samples(point, group, &self.loss_factor(point)?)
    }

    /// The rows of the Jacobian of the outputs in `group`, for all samples at once: row c·N + n is ∂f_c(xₙ)/∂θ.
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn jacobian(&self, point: &Point, group: &[usize]) -> Result<Factor> {
        let outputs: usize = self.network.output_shape().iter().product();
        let identity = Tensor::eye(outputs, point.inputs.dtype(), point.inputs.device())?;
        self.pull_back_samples(point, group, &identity.repeat((point.samples(), 1, 1))?)
    }

    /// Jₙᵀ u for each column u of `cotangents`\[n\] \[N, C, R\] and each sample n.
    ///
    /// The program is that of one sample; the samples are the extra leading axis, so that cotangents of parameters come
    /// out per sample.
    fn pull_back_samples(&self, point: &Point, group: &[usize], cotangents: &Tensor) -> Result<Factor> {
        if let Some(module) = self.network.mixes_samples() {
            return Err(Error::Unsupported(format!(
                "the Jacobian has no rows by sample: in {module} (batch normalisation in train mode) samples see each other"
            )));
        }
        let Traced { mut graph, x, parameters, buffers, masks, outputs, .. } = self.network.trace(1)?;
        let shape = graph.shape(outputs).to_vec();
        let cotangent = graph.input("cotangent", &shape);
        let values: Vec<Value> = group.iter().map(|&i| parameters[i]).collect();
        let pulled = pull_back(&mut graph, outputs, cotangent, &values)?;
        let depends = graph.dependents(&[cotangent]);
        let plans: Vec<Plan> = pulled.into_iter().map(|value| plan(&graph, value, &depends)).collect();
        let wanted: Vec<Value> = plans.iter().flat_map(Plan::values).collect();

        let fixed: Vec<Value> =
            parameters.iter().chain(&buffers).chain([&x]).chain(&masks).copied().collect();
        let (prefix, linear) = Program::split(&graph, &fixed, &[cotangent], &wanted)?;
        let inputs = point.parameters.iter().chain(&point.buffers).cloned();
        let mut inputs: Vec<Tensor> = inputs.chain([point.inputs.unsqueeze(1)?]).collect();
        for mask in &point.masks {
            inputs.push(mask.unsqueeze(1)?);
        }
        let place = point.place();
        let mut residuals = prefix.evaluate(&place, &inputs)?;

        let (samples, _, columns) = cotangents.dims3()?;
        let cotangents = cotangents.permute((2, 0, 1))?.contiguous()?;
        let lead: Vec<usize> = std::iter::once(samples).chain(shape).collect();
        let mut passes = Vec::with_capacity(columns);
        for r in 0..columns {
            residuals.push(cotangents.get(r)?.reshape(lead.as_slice())?);
            passes.push(linear.evaluate(&place, &residuals)?.into_iter());
            residuals.pop();
        }
        let mut tensors = Vec::with_capacity(plans.len());
        for plan in &plans {
            let mut next = |value: Value| -> Result<Vec<Tensor>> {
                let len = graph.shape(value).iter().product();
                passes.iter_mut().filter_map(Iterator::next).map(|t| sample_rows(&t, samples, len)).collect()
            };
            tensors.push(match *plan {
                Plan::Explicit(value) => Rows::Explicit(Tensor::cat(&next(value)?, 0)?),
                Plan::Outer { left, right } => {
                    Rows::Outer { left: Tensor::stack(&next(left)?, 0)?, right: next(right)?.swap_remove(0) }
                }
            });
        }
        Ok(Factor { rows: columns * samples, tensors })
    }
}

/// A result for N samples as \[N, len\]; one that is the same for all samples (zero) is repeated.
fn sample_rows(tensor: &Tensor, samples: usize, len: usize) -> Result<Tensor> {
    Ok(if tensor.elem_count() == samples * len {
        tensor.reshape((samples, len))?
    } else {
        tensor.reshape((1, len))?.broadcast_as((samples, len))?.contiguous()?
    })
}

impl Plan {
    fn values(&self) -> Vec<Value> {
        match self {
            Self::Explicit(value) => vec![*value],
            Self::Outer { left, right } => vec![*left, *right],
        }
    }
}

/// A parameter's cotangent that is one outer product of something cotangent (in `depends`) and a constant is left as its two
/// factors.
fn plan(graph: &Graph, value: Value, depends: &[bool]) -> Plan {
    let Some(node) = graph.operation(value) else { return Plan::Explicit(value) };
    let shapes: Vec<&[usize]> = node.args.iter().map(|arg| graph.shape(*arg)).collect();
    match *node.args.as_slice() {
        [left, right]
            if node.primitive.is_outer_product(&shapes)
                && depends[left.index()]
                && !depends[right.index()] =>
        {
            Plan::Outer { left, right }
        }
        _ => Plan::Explicit(value),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{Loss, Network, nn};

    #[test]
    fn a_linear_layer_gives_outer_products_and_its_bias_rows() -> Result<()> {
        let network = Network::new(&[4], |scope, x| nn::linear(&mut scope.at("fc"), x, 3, true))?;
        let ones = |shape: &[usize]| Tensor::ones(shape, DType::F64, &Device::Cpu);
        let point = Point {
            parameters: vec![ones(&[3, 4])?, ones(&[3])?],
            buffers: vec![],
            inputs: ones(&[2, 4])?,
            targets: ones(&[2, 3])?,
            masks: vec![],
        };
        let factor = Objective::new(&network, Loss::CrossEntropy, 2)?.factor(&point, &[0, 1])?;
        assert_eq!(factor.rows, 2 * 2);
        match factor.tensors.as_slice() {
            [Rows::Outer { left, right }, Rows::Explicit(rows)] => {
                assert_eq!((left.dims(), right.dims()), ([2, 2, 3].as_slice(), [2, 4].as_slice()));
                assert_eq!(rows.dims(), [4, 3]);
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}
