//! `binary-cross-entropy`: −log of the sigmoid probability of 0 or 1.

use std::ops::RangeInclusive;

use eigenscape_core::Registry;
use eigenscape_program::{
    DiagonalRoot, ElementwiseFunction, Graph, LossFunction, LossRoot, Real, Result, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rows::mean;

const NAME: &str = "binary-cross-entropy";

/// Parameters of `binary-cross-entropy`: none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BinaryCrossEntropyParameters {}

/// (1/RC) Σ log(1 + e^z) − t z: PyTorch's `binary_cross_entropy_with_logits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BinaryCrossEntropy;

impl LossFunction for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        "binary cross-entropy on logits".to_owned()
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        // For z > 0 written as log(1 + e^−z) + (1 − t) z: for a confident output no derivative is a
        // small difference from t = 1.
        let shape = graph.shape(z).to_vec();
        let side = graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, z)?;
        let sign = graph.scale(side, -2.0)?;
        let one = graph.fill(1.0, &shape)?;
        let sign = graph.add(sign, one)?;
        let unlikely = graph.mul(sign, z)?;
        let softplus = graph.function(ElementwiseFunction::Softplus, unlikely)?;
        let missed = graph.sub(side, target)?;
        let missed = graph.mul(missed, z)?;
        let loss = graph.add(softplus, missed)?;
        mean(graph, loss)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }

    fn takes_binary_labels(&self) -> bool {
        true
    }

    fn range(&self) -> RangeInclusive<f64> {
        0.0..=1.0
    }
}

/// √(p (1 − p)) = exp(−(log(1 + e^z) + log(1 + e^−z)) / 2), whose derivatives are finite
/// everywhere.
impl DiagonalRoot for BinaryCrossEntropy {
    fn deviation(&self, graph: &mut Graph, z: Value, _: Value) -> Result<Option<Value>> {
        let negative = graph.scale(z, -1.0)?;
        let one = graph.function(ElementwiseFunction::Softplus, z)?;
        let other = graph.function(ElementwiseFunction::Softplus, negative)?;
        let both = graph.add(one, other)?;
        let exponent = graph.scale(both, -0.5)?;
        graph.function(ElementwiseFunction::Exp, exponent).map(Some)
    }
}

/// Adds `binary-cross-entropy` to the registry.
pub fn register(registry: &mut Registry) {
    registry.losses.add::<BinaryCrossEntropyParameters>(
        NAME,
        "cross-entropy of sigmoid(output) against a number from 0 to 1, or a label 0 or 1",
        |_, _| Ok(Box::new(BinaryCrossEntropy)),
    );
}
