//! `mse`: the mean squared error.

use eigenscape_core::Registry;
use eigenscape_program::{DiagonalRoot, Graph, LossFunction, LossRoot, Result, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rows::mean;

pub(crate) const NAME: &str = "mse";

/// Parameters of `mse`: none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanSquaredErrorParameters {}

/// (1/RC) Σ (z − t)².
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeanSquaredError;

impl LossFunction for MeanSquaredError {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        "mean squared error".to_owned()
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let difference = graph.sub(z, target)?;
        let square = graph.mul(difference, difference)?;
        mean(graph, square)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }
}

impl DiagonalRoot for MeanSquaredError {
    fn scale(&self) -> f64 {
        2.0
    }

    fn deviation(&self, _: &mut Graph, _: Value, _: Value) -> Result<Option<Value>> {
        Ok(None)
    }
}

/// Adds `mse` to the registry, and `mean-squared-error`, which is the same.
pub fn register(registry: &mut Registry) {
    for (name, summary) in
        [(NAME, "(output − target)²"), ("mean-squared-error", "(output − target)²: another name of mse")]
    {
        registry
            .losses
            .add::<MeanSquaredErrorParameters>(name, summary, |_, _| Ok(Box::new(MeanSquaredError)));
    }
}
