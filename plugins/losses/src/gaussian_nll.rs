//! `gaussian-nll`: −log of the density of a normal distribution whose mean and variance are outputs
//! of the network.

use eigenscape_core::Registry;
use eigenscape_program::{ElementwiseFunction, Error, Graph, LossFunction, Needs, Real, Result, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rows::mean;

const NAME: &str = "gaussian-nll";

/// How an output becomes a variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// e^s: the output s is the logarithm of the variance.
    #[default]
    Exp,
    /// log(1 + e^s)
    Softplus,
}

/// Parameters of `gaussian-nll`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianNllParameters {
    /// How the second half of the outputs becomes variances: "exp" (the default; they are
    /// log-variances) or "softplus".
    pub variance: Variance,
    /// ε: the minimum of the variances, as in PyTorch; not negative, 1e-6 by default.
    pub eps: f64,
    /// Whether to include the constant ½ log 2π; not by default.
    pub full: bool,
}

impl Default for GaussianNllParameters {
    fn default() -> Self {
        Self { variance: Variance::default(), eps: 1e-6, full: false }
    }
}

/// (1/RD) Σ ½ (log v + (m − t)²/v): PyTorch's `gaussian_nll_loss(m, t, v, full, eps)` for outputs z
/// = (m, s) \[N, ..., 2D\] and targets \[N, ..., D\]. The first D outputs along the last axis are
/// the means m, the other D become the variances v by `variance`.
///
/// Where v < ε, v is replaced by ε, but derivatives are taken as if v had only been shifted: like
/// PyTorch's, the clamp is not differentiated. The second derivative in (m, s) may have any sign,
/// so the loss is not convex.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianNll {
    parameters: GaussianNllParameters,
}

impl GaussianNll {
    /// The loss with these parameters.
    ///
    /// # Errors
    /// When ε is negative.
    pub fn new(parameters: GaussianNllParameters) -> eigenscape_core::Result<Self> {
        let eps = parameters.eps;
        if !(eps >= 0.0 && eps.is_finite()) {
            return Err(eigenscape_core::Error::input("eps", format!("is {eps:?}"), "it must be at least 0"));
        }
        Ok(Self { parameters })
    }

    /// v, clamped at ε, and log v.
    fn variance(&self, graph: &mut Graph, s: Value) -> Result<[Value; 2]> {
        let GaussianNllParameters { variance, eps, .. } = self.parameters;
        let own = match variance {
            Variance::Exp => graph.function(ElementwiseFunction::Exp, s)?,
            Variance::Softplus => graph.function(ElementwiseFunction::Softplus, s)?,
        };
        let shape = graph.shape(s).to_vec();
        let least = graph.fill(eps, &shape)?;
        let missing = graph.sub(least, own)?;
        let raised = graph.function(ElementwiseFunction::Relu, missing)?;
        let raised = graph.detach(raised)?;
        let v = graph.add(own, raised)?;
        if variance == Variance::Softplus {
            return Ok([v, graph.function(ElementwiseFunction::Log, v)?]);
        }
        // log v is s itself where v is not clamped: its second derivative is then 0 and not a
        // difference of two ones.
        let is_cut = graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, missing)?;
        let is_own = graph.one_minus(is_cut)?;
        let cut = graph.mul(is_cut, v)?;
        let cut = graph.add(cut, is_own)?;
        let (cut, own) = (graph.function(ElementwiseFunction::Log, cut)?, graph.mul(is_own, s)?);
        Ok([v, graph.add(cut, own)?])
    }
}

impl LossFunction for GaussianNll {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        let GaussianNllParameters { variance, eps, full } = self.parameters;
        let variance = match variance {
            Variance::Exp => "exp",
            Variance::Softplus => "softplus",
        };
        let full = if full { ", with its constant" } else { "" };
        format!("Gaussian negative log-likelihood, variances by {variance}, at least {eps:?}{full}")
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let shape = self.target_shape(graph.shape(z))?;
        let last = shape.len() - 1;
        let mean_of_normal = graph.slice(z, last, 0, shape[last])?;
        let s = graph.slice(z, last, shape[last], shape[last])?;
        let [v, log] = self.variance(graph, s)?;
        let distance = graph.sub(mean_of_normal, target)?;
        let square = graph.mul(distance, distance)?;
        let precision = graph.function(ElementwiseFunction::Recip, v)?;
        let square = graph.mul(square, precision)?;
        let both = graph.add(log, square)?;
        let mut each = graph.scale(both, 0.5)?;
        if self.parameters.full {
            let constant = graph.fill(0.5 * (2.0 * std::f64::consts::PI).ln(), &shape)?;
            each = graph.add(each, constant)?;
        }
        mean(graph, each)
    }

    fn needs(&self) -> Needs {
        Needs::Values
    }

    fn outputs(&self, targets: usize) -> usize {
        targets.saturating_mul(2)
    }

    fn target_shape(&self, outputs: &[usize]) -> Result<Vec<usize>> {
        let mut shape = outputs.to_vec();
        match shape.last_mut() {
            Some(last) if *last > 0 && last.is_multiple_of(2) => *last /= 2,
            _ => {
                let problem = format!(
                    "needs a mean and a variance for each target along the last axis, not outputs {outputs:?}"
                );
                return Err(Error::shape(NAME, problem));
            }
        }
        Ok(shape)
    }
}

/// Adds `gaussian-nll` to the registry.
pub fn register(registry: &mut Registry) {
    registry.losses.add::<GaussianNllParameters>(
        NAME,
        "−log of a normal density; the outputs are its means, followed by its variances",
        |parameters, _| Ok(Box::new(GaussianNll::new(parameters)?)),
    );
}
