//! `gradient-norm`: the squared norm of the loss' gradient.

use eigenscape_core::{Registry, Regularizer, Result};
use eigenscape_curvature::PenaltyScope;
use eigenscape_program::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::groups::Groups;

/// Parameters of `gradient-norm`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GradientNormParameters {
    /// The parameters in which the gradient is taken.
    pub groups: Groups,
}

/// ‖∇L‖², the squared norm of the gradient of the mini-batch's mean loss in some parameters (arXiv
/// 2009.11162, 2202.03599). Its gradient is 2 H ∇L.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GradientNorm {
    parameters: GradientNormParameters,
}

impl Regularizer for GradientNorm {
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value> {
        let group = self.parameters.groups.parameters(scope.network())?;
        let values = scope.select(&group)?;
        let gradient = scope.gradient(scope.loss(), &values)?;
        Ok(scope.squared_norm(&gradient)?)
    }

    fn description(&self) -> String {
        format!("the squared norm of the gradient in {}", self.parameters.groups)
    }
}

/// Adds `gradient-norm` to the registry.
pub fn register(registry: &mut Registry) {
    registry.regularizers.add::<GradientNormParameters>(
        "gradient-norm",
        "the squared norm of the mini-batch's gradient",
        |parameters, _| Ok(Box::new(GradientNorm { parameters })),
    );
}
