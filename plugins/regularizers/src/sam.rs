//! `sam`: sharpness-aware minimisation, as an objective (arXiv 2010.01412).

use eigenscape_core::{Error, Registry, Regularizer, Result};
use eigenscape_curvature::PenaltyScope;
use eigenscape_program::{ElementwiseFunction, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::groups::Groups;

/// Parameters of `sam`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamParameters {
    /// The distance by which the parameters are moved, 0.05 by default.
    pub rho: f64,
    /// The parameters that are moved.
    pub groups: Groups,
}

impl Default for SamParameters {
    fn default() -> Self {
        Self { rho: 0.05, groups: Groups::default() }
    }
}

/// Added to a norm to keep it above zero, as in the published code.
const TINY: f64 = 1e-12;

/// L(θ + ε) − L(θ) with ε = ρ g/‖g‖, g the mini-batch's gradient in some parameters, and ε held
/// fixed in the derivative: with strength 1 the objective is L(θ + ε), sharpness-aware
/// minimisation; with strength α it is (1 − α) L(θ) + α L(θ + ε).
///
/// It costs one gradient, at θ + ε, since L(θ) and g are those of the training step: two gradients
/// in all.
#[derive(Debug, Clone, PartialEq)]
pub struct Sam {
    parameters: SamParameters,
}

impl Sam {
    /// The regularizer with these parameters.
    ///
    /// # Errors
    /// When `rho` is not positive.
    pub fn new(parameters: SamParameters) -> Result<Self> {
        if parameters.rho > 0.0 {
            return Ok(Self { parameters });
        }
        Err(Error::input("rho", format!("is {}", parameters.rho), "it must be a positive number"))
    }
}

impl Regularizer for Sam {
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value> {
        let group = self.parameters.groups.parameters(scope.network())?;
        let values = scope.select(&group)?;
        let gradient = scope.known_gradient(&values)?;
        let square = scope.squared_norm(&gradient)?;
        let graph = scope.graph();
        let norm = graph.function(ElementwiseFunction::Sqrt, square)?;
        let tiny = graph.fill(TINY, &[])?;
        let norm = graph.add(norm, tiny)?;
        let inverse = graph.function(ElementwiseFunction::Recip, norm)?;
        let length = graph.scale(inverse, self.parameters.rho)?;
        let mut moved = Vec::with_capacity(values.len());
        for (value, gradient) in values.iter().zip(gradient) {
            let step = scope.times(length, gradient)?;
            moved.push((*value, scope.graph().add(*value, step)?));
        }
        let there = scope.loss_with(&moved)?;
        let here = scope.known_loss();
        Ok(scope.graph().sub(there, here)?)
    }

    fn description(&self) -> String {
        let SamParameters { rho, groups } = &self.parameters;
        format!(
            "sharpness-aware minimisation: what the loss rises by at distance {rho} along the gradient in {groups}"
        )
    }
}

/// Adds `sam` to the registry.
pub fn register(registry: &mut Registry) {
    registry.regularizers.add::<SamParameters>(
        "sam",
        "sharpness-aware minimisation: the rise of the loss along its gradient",
        |parameters, _| Ok(Box::new(Sam::new(parameters)?)),
    );
}
