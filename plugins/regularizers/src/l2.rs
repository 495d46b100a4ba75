//! `l2`: the squared norm of the parameters.

use eigenscape_core::{Registry, Regularizer, Result};
use eigenscape_curvature::PenaltyScope;
use eigenscape_program::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::groups::Groups;

/// Parameters of `l2`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct L2Parameters {
    /// The parameters that are penalised.
    pub groups: Groups,
}

/// ‖θ‖² = Σ θᵢ² over some parameters, without a factor ½: for plain SGD a strength λ is equivalent
/// to the weight decay 2λ.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct L2 {
    parameters: L2Parameters,
}

impl Regularizer for L2 {
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value> {
        let group = self.parameters.groups.parameters(scope.network())?;
        let values = scope.select(&group)?;
        Ok(scope.squared_norm(&values)?)
    }

    fn description(&self) -> String {
        format!("the squared norm of {}", self.parameters.groups)
    }
}

/// Adds `l2` to the registry.
pub fn register(registry: &mut Registry) {
    registry.regularizers.add::<L2Parameters>(
        "l2",
        "the squared norm of the parameters, without a factor 1/2",
        |parameters, _| Ok(Box::new(L2 { parameters })),
    );
}
