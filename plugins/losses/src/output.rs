//! `output`: the network computes its own loss.

use eigenscape_core::Registry;
use eigenscape_program::{DiagonalRoot, Graph, LossFunction, LossRoot, Needs, Result, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rows::mean;

pub(crate) const NAME: &str = "output";

/// Parameters of `output`: none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputParameters {}

/// (1/RC) Σ z: the loss of a sample is the network's output, or the mean of its outputs. Targets
/// are not used.
///
/// It is linear in the outputs: the Gauss-Newton matrix is zero, and the Hessian is its residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Output;

impl LossFunction for Output {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        "the network's own output".to_owned()
    }

    fn emit(&self, graph: &mut Graph, z: Value, _: Value) -> Result<Value> {
        mean(graph, z)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }

    fn needs(&self) -> Needs {
        Needs::Nothing
    }

    fn outputs(&self, _: usize) -> usize {
        1
    }
}

impl DiagonalRoot for Output {
    fn scale(&self) -> f64 {
        0.0
    }

    fn deviation(&self, _: &mut Graph, _: Value, _: Value) -> Result<Option<Value>> {
        Ok(None)
    }
}

/// Adds `output` to the registry.
pub fn register(registry: &mut Registry) {
    registry.losses.add::<OutputParameters>(
        NAME,
        "the network's own output is the loss of each sample; targets are not used",
        |_, _| Ok(Box::new(Output)),
    );
}
