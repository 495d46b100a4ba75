//! `jacobian`: the norm of the outputs' Jacobian in the inputs (arXiv 1908.02729).

use std::num::NonZeroUsize;

use candle_core::Tensor;
use eigenscape_core::{Error, Probe, Registry, Regularizer, Result, probe::check_count};
use eigenscape_curvature::PenaltyScope;
use eigenscape_program::Value;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probe;

/// Parameters of `jacobian`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JacobianParameters {
    /// The distribution of the random vectors: "rademacher" (default) or "gaussian".
    pub probe: Probe,
    /// The number of random projections of the outputs that are averaged, 1 by default.
    pub probes: NonZeroUsize,
}

impl Default for JacobianParameters {
    fn default() -> Self {
        Self { probe: Probe::default(), probes: NonZeroUsize::MIN }
    }
}

/// (1/N) Σₙ ‖∂f(xₙ)/∂xₙ‖²_F, estimated by (1/N) Σₙ ‖Jₙᵀ vₙ‖² with a random vₙ over the outputs of
/// each sample, E\[vₙ vₙᵀ\] = I: one backward pass for all samples. Where samples are coupled
/// (BatchNorm in training mode), J is the derivative of all outputs in all inputs, and the penalty
/// is (1/N) ‖J‖²_F.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Jacobian {
    parameters: JacobianParameters,
}

impl Regularizer for Jacobian {
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value> {
        let (inputs, outputs) = (scope.inputs(), scope.outputs());
        if !scope.varies(outputs, inputs)? {
            let problem = "the outputs have no derivative in the inputs, which are indices";
            return Err(Error::input("name", problem, "use another penalty for tokens"));
        }
        let shape = scope.graph().shape(outputs).to_vec();
        let probe = scope.probe(&shape);
        let pulled = scope.pull_back(outputs, probe, &[inputs])?;
        let square = scope.squared_norm(&pulled)?;
        Ok(scope.graph().scale(square, 1.0 / shape[0] as f64)?)
    }

    fn draws(&self, _: &[Vec<usize>]) -> usize {
        self.parameters.probes.get()
    }

    fn draw(&self, _: usize, shapes: &[Vec<usize>], generator: &mut dyn Rng) -> Result<Vec<Tensor>> {
        shapes.iter().map(|shape| probe::draw(self.parameters.probe, shape, generator)).collect()
    }

    fn description(&self) -> String {
        let JacobianParameters { probe, probes } = &self.parameters;
        format!(
            "the mean squared norm of the outputs' Jacobian in the inputs, by {probes} {probe} projection(s)"
        )
    }
}

/// Adds `jacobian` to the registry.
pub fn register(registry: &mut Registry) {
    registry.regularizers.add::<JacobianParameters>(
        "jacobian",
        "the squared norm of the outputs' Jacobian in the inputs, by random projections",
        |parameters, _| {
            check_count(parameters.probes)?;
            Ok(Box::new(Jacobian { parameters }))
        },
    );
}
