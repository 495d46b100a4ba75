//! `huber`: quadratic near the target, linear beyond.

use eigenscape_core::{Error, Registry};
use eigenscape_program::{
    DiagonalRoot, ElementwiseFunction, Graph, LossFunction, LossRoot, Real, Result, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rows::mean;

const NAME: &str = "huber";

/// Parameters of `huber`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HuberParameters {
    /// δ: the distance from the target at which the loss becomes linear; above 0, 1 by default.
    pub delta: f64,
}

impl Default for HuberParameters {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

/// (1/RC) Σ h(z − t) with h(d) = ½ d² for |d| ≤ δ and δ (|d| − ½ δ) beyond: PyTorch's `huber_loss`.
///
/// Its second derivative is a step: 1 for |d| ≤ δ, otherwise 0. At |d| = δ, where it does not
/// exist, the value from inside is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// The loss with these parameters.
    ///
    /// # Errors
    /// When δ is not a number above 0.
    pub fn new(HuberParameters { delta }: HuberParameters) -> eigenscape_core::Result<Self> {
        if !(delta > 0.0 && delta.is_finite()) {
            return Err(Error::input("delta", format!("is {delta:?}"), "it must be above 0"));
        }
        Ok(Self { delta })
    }

    /// d = z − t, and the indicators (1 or 0) of d > δ, of d < −δ and of neither.
    fn parts(self, graph: &mut Graph, z: Value, target: Value) -> Result<[Value; 4]> {
        let difference = graph.sub(z, target)?;
        let shape = graph.shape(difference).to_vec();
        let delta = graph.fill(self.delta, &shape)?;
        let mut beyond = |side: f64| {
            let distance = graph.scale(difference, side)?;
            let excess = graph.sub(distance, delta)?;
            graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, excess)
        };
        let (above, below) = (beyond(1.0)?, beyond(-1.0)?);
        let outside = graph.add(above, below)?;
        let inside = graph.one_minus(outside)?;
        Ok([difference, above, below, inside])
    }
}

impl LossFunction for Huber {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        format!("Huber loss, delta {}", self.delta)
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        // c (d − c/2), with c = d clamped to ±δ.
        let [difference, above, below, inside] = self.parts(graph, z, target)?;
        let side = graph.sub(above, below)?;
        let side = graph.scale(side, self.delta)?;
        let near = graph.mul(inside, difference)?;
        let cut = graph.add(near, side)?;
        let half = graph.scale(cut, 0.5)?;
        let rest = graph.sub(difference, half)?;
        let loss = graph.mul(cut, rest)?;
        mean(graph, loss)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }
}

impl DiagonalRoot for Huber {
    fn deviation(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Option<Value>> {
        let [.., inside] = self.parts(graph, z, target)?;
        Ok(Some(inside))
    }
}

/// Adds `huber` to the registry.
pub fn register(registry: &mut Registry) {
    registry.losses.add::<HuberParameters>(
        NAME,
        "½ (output − target)² up to a distance delta, and a line beyond",
        |parameters, _| Ok(Box::new(Huber::new(parameters)?)),
    );
}
