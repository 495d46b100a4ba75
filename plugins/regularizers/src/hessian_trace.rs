//! `hessian-trace`: the trace of the Hessian (arXiv 2012.03801).

use std::num::NonZeroUsize;

use candle_core::Tensor;
use eigenscape_core::{Error, Probe, Registry, Regularizer, Result, probe::check_count};
use eigenscape_curvature::{Objective, Over, PenaltyScope, TraceEstimate};
use eigenscape_program::{Value, Variables};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{groups::Groups, probe};

/// How the trace is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// vᵀHv for a random vector v over the parameters; works on any network (Hutchinson 1990).
    #[default]
    Hutchinson,
    /// (1/N) ‖Σₙ Jₙᵀ Sₙ sₙ‖² for random sₙ over the outputs of each sample; only if tr H = tr G is
    /// proved.
    OutputSpace,
    /// (1/N) Σₙ ‖Jₙᵀ Sₙ sₙ‖², whose variance falls with N: the cheapest; only if tr H = tr G is
    /// proved.
    PerSample,
    /// The mean of the per-sample estimate over all D unit vectors of a sample's D outputs: the
    /// exact trace; only if tr H = tr G is proved.
    Exact,
}

/// Parameters of `hessian-trace`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HessianTraceParameters {
    /// The parameters whose block is used.
    pub groups: Groups,
    /// How the trace is estimated: "hutchinson" (default), "output-space", "per-sample", "exact".
    pub estimator: Estimator,
    /// The distribution of the random vectors: "rademacher" (default) or "gaussian".
    pub probe: Probe,
    /// The number of random vectors that are averaged: 10 by default for "hutchinson", otherwise 1.
    pub probes: Option<NonZeroUsize>,
    /// The share of the parameters that a random vector of "hutchinson" covers, drawn anew for each
    /// vector; 1 by default (arXiv 2208.05924).
    pub keep: f64,
    /// The number of samples of each mini-batch that are used; all by default.
    pub samples: Option<NonZeroUsize>,
}

impl Default for HessianTraceParameters {
    fn default() -> Self {
        Self {
            groups: Groups::default(),
            estimator: Estimator::default(),
            probe: Probe::default(),
            probes: None,
            keep: 1.0,
            samples: None,
        }
    }
}

/// tr H of the mini-batch's mean loss, for the block of some parameters. It is the plain trace: not
/// its absolute value, not a mean over parameters, and negative if that of the Hessian is.
///
/// A Hutchinson probe is v = m ∘ s/√keep with random s and a mask m of elements 1 with probability
/// `keep`, otherwise 0, so that E\[v vᵀ\] = I and E\[vᵀHv\] = tr H. With signs, vᵀHv is 1/keep
/// times the sum of the kept parameters' diagonal, plus products between them.
///
/// A smaller share saves no time. Every layer keeps some elements, and a vector that contains zeros
/// costs as much as any other. Leaving out whole tensors would only save the tangents of the layers
/// before the first kept tensor (later layers have tangents anyway, and the gradient of vᵀHv goes
/// back to every layer), and need a separate program for each choice. `keep` exists for comparison
/// with the regularizer of arXiv 2208.05924, whose noise is larger: with signs, its variance is
/// that of the whole vector plus (1/keep − 1) Σ H_ii². To save time use `per-sample`, `samples`,
/// `groups` or fewer `probes`.
///
/// The expectation of the other estimators is the trace of the Gauss-Newton matrix G; they are
/// refused unless [`Objective::trace_breaker`] proves that it equals tr H.
#[derive(Debug, Clone, PartialEq)]
pub struct HessianTrace {
    parameters: HessianTraceParameters,
    probes: usize,
}

impl HessianTrace {
    /// The regularizer with these parameters.
    ///
    /// # Errors
    /// When `keep` is not in (0, 1], or a key does not apply to the estimator.
    pub fn new(parameters: HessianTraceParameters) -> Result<Self> {
        let HessianTraceParameters { estimator, probes, keep, .. } = parameters;
        probes.map_or(Ok(()), check_count)?;
        if !(keep > 0.0 && keep <= 1.0) {
            return Err(Error::input("keep", format!("is {keep}"), "it must be above 0 and at most 1"));
        }
        if keep < 1.0 && estimator != Estimator::Hutchinson {
            let problem =
                "is a share of the parameters, and the random vectors of this estimator are over the outputs";
            return Err(Error::input("keep", problem, "leave it out, or use estimator = \"hutchinson\""));
        }
        if probes.is_some() && estimator == Estimator::Exact {
            let problem = "has no meaning for the exact trace";
            return Err(Error::input("probes", problem, "leave it out, or use estimator = \"per-sample\""));
        }
        let default = if estimator == Estimator::Hutchinson { 10 } else { 1 };
        Ok(Self { parameters, probes: probes.map_or(default, NonZeroUsize::get) })
    }
}

impl Regularizer for HessianTrace {
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value> {
        let HessianTraceParameters { groups, estimator, .. } = &self.parameters;
        let group = groups.parameters(scope.network())?;
        if *estimator == Estimator::Hutchinson {
            return Ok(scope.trace(TraceEstimate::Hutchinson, &group)?);
        }
        check_convex(scope)?;
        check_traces_are_equal(scope.objective(), &group)?;
        Ok(scope.trace(TraceEstimate::Summed, &group)?)
    }

    fn over(&self) -> Over {
        match self.parameters.estimator {
            Estimator::Hutchinson | Estimator::OutputSpace => Over::Batch,
            Estimator::PerSample | Estimator::Exact => Over::Samples,
        }
    }

    fn samples(&self, batch: usize) -> usize {
        self.parameters.samples.map_or(batch, |count| count.get().min(batch))
    }

    fn draws(&self, shapes: &[Vec<usize>]) -> usize {
        match self.parameters.estimator {
            Estimator::Exact => shapes.iter().map(|shape| probe::elements_of_sample(shape)).sum(),
            _ => self.probes,
        }
    }

    fn draw(&self, index: usize, shapes: &[Vec<usize>], generator: &mut dyn Rng) -> Result<Vec<Tensor>> {
        let HessianTraceParameters { estimator, probe, keep, .. } = &self.parameters;
        let one = |shape: &Vec<usize>| {
            if *estimator == Estimator::Exact {
                return probe::unit(index, shape);
            }
            let drawn = probe::draw(*probe, shape, generator)?;
            Ok(if *keep < 1.0 { (drawn * probe::mask(*keep, shape, generator)?)? } else { drawn })
        };
        shapes.iter().map(one).collect()
    }

    fn description(&self) -> String {
        let HessianTraceParameters { groups, estimator, probe, keep, samples, .. } = &self.parameters;
        let plural = if self.probes == 1 { "" } else { "s" };
        let probes = format!("{} {probe} random vector{plural}", self.probes);
        let how = match estimator {
            Estimator::Hutchinson if *keep < 1.0 => {
                format!("Hutchinson's estimate, {probes} on a share {keep} of the parameters")
            }
            Estimator::Hutchinson => format!("Hutchinson's estimate, {probes}"),
            Estimator::OutputSpace => format!("the estimate in output space, {probes}"),
            Estimator::PerSample => format!("the estimate per sample, {probes}"),
            Estimator::Exact => "exactly".to_owned(),
        };
        let of = samples.map_or(String::new(), |count| format!(" on {count} samples of each mini-batch"));
        format!("the trace of the Hessian of {groups}, by {how}{of}").replace("by exactly", "exactly")
    }
}

/// Refuses a loss whose Hessian in the outputs has no square root, which output-space estimates
/// need.
fn check_convex(scope: &PenaltyScope) -> Result<()> {
    let loss = scope.loss_function();
    if loss.is_convex() {
        return Ok(());
    }
    let problem =
        format!("needs a loss that is convex in the network's outputs, and `{}` is not", loss.name());
    Err(Error::input("estimator", problem, "use estimator = \"hutchinson\", which works with any loss"))
}

/// Refuses a group whose Hessian block is not proved to have the trace of the Gauss-Newton block.
fn check_traces_are_equal(objective: &Objective, group: &Variables) -> Result<()> {
    let Some(breaker) = objective.trace_breaker(group)? else { return Ok(()) };
    let problem = format!(
        "needs the trace of the Hessian to be that of the Gauss-Newton matrix, which cannot be proved here: the outputs are \
         not piecewise affine in each parameter tensor by itself ({breaker})"
    );
    Err(Error::input("estimator", problem, "use estimator = \"hutchinson\", which works on any network"))
}

/// Adds `hessian-trace` to the registry.
pub fn register(registry: &mut Registry) {
    registry.regularizers.add::<HessianTraceParameters>(
        "hessian-trace",
        "the trace of the Hessian, of all parameters or of some groups",
        |parameters, _| Ok(Box::new(HessianTrace::new(parameters)?)),
    );
}
