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
    /// vᵀHv for a random vector v over the parameters: on any network (Hutchinson 1990).
    #[default]
    Hutchinson,
    /// (1/N) ‖Σₙ Jₙᵀ Sₙ sₙ‖² for random sₙ over the outputs of each sample, where tr H = tr G is
    /// proved.
    OutputSpace,
    /// (1/N) Σₙ ‖Jₙᵀ Sₙ sₙ‖², of which the variance falls with N: the cheapest; where tr H = tr G
    /// is proved.
    PerSample,
    /// The mean of the above over all D unit vectors of a sample's D outputs: the trace itself,
    /// where tr H = tr G is proved.
    Exact,
}

/// Parameters of `hessian-trace`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HessianTraceParameters {
    /// Of which parameters' block.
    pub groups: Groups,
    /// How the trace is estimated: "hutchinson" (default), "output-space", "per-sample", "exact".
    pub estimator: Estimator,
    /// What probes are: "rademacher" (default) or "gaussian".
    pub probe: Probe,
    /// How many probes the estimate is the mean of: 10 by default for "hutchinson", otherwise 1.
    pub probes: Option<NonZeroUsize>,
    /// The share of the parameters that a probe of "hutchinson" is on, drawn anew for each; 1 by
    /// default (arXiv 2208.05924).
    pub keep: f64,
    /// How many samples of each mini-batch it is the mean over; all by default.
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

/// tr H of the mini-batch's mean loss, for the block of some parameters. The plain trace: neither
/// its absolute value nor a mean over parameters, and negative where the Hessian's is.
///
/// A Hutchinson probe is v = m ∘ s/√keep with random s and a mask m of elements 1 with probability
/// `keep`, otherwise 0, so that E\[v vᵀ\] = I and E\[vᵀHv\] = tr H: with signs, a mean over the
/// kept parameters of 1/keep times their diagonal, and products between them.
///
/// A smaller share saves no time. Every layer keeps some elements, and a vector with zeros in it
/// goes through the network like any other. Leaving out whole tensors would spare a draw the
/// tangents of the layers before the first tensor that it keeps and no more (what comes after moves
/// with it, and the gradient of vᵀHv goes back to every layer), for a program of its own for each
/// choice. `keep` is the regularizer of arXiv 2208.05924 for comparison, whose noise is larger:
/// with signs, its variance is that of the whole vector and (1/keep − 1) Σ H_ii². For less time
/// there are `per-sample`, `samples`, `groups` and fewer `probes`.
///
/// The other estimators have the trace of the Gauss-Newton matrix G as their expectation; they are
/// refused where [`Objective::trace_breaker`] does not prove that it is tr H.
#[derive(Debug, Clone, PartialEq)]
pub struct HessianTrace {
    parameters: HessianTraceParameters,
    probes: usize,
}

impl HessianTrace {
    /// The regularizer with these parameters.
    ///
    /// # Errors
    /// When `keep` is not in (0, 1], or a key has no meaning for the estimator.
    pub fn new(parameters: HessianTraceParameters) -> Result<Self> {
        let HessianTraceParameters { estimator, probes, keep, .. } = parameters;
        probes.map_or(Ok(()), check_count)?;
        if !(keep > 0.0 && keep <= 1.0) {
            return Err(Error::input("keep", format!("is {keep}"), "it must be above 0 and at most 1"));
        }
        if keep < 1.0 && estimator != Estimator::Hutchinson {
            let problem = "is a share of the parameters, and this estimator's probes are over the outputs";
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
        self.parameters.samples.map_or(batch, NonZeroUsize::get)
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
        let probes = format!("{} {probe} probe{plural}", self.probes);
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

/// Refuses a loss whose Hessian in the outputs has no square root, which the estimates in output
/// space are made of.
fn check_convex(scope: &PenaltyScope) -> Result<()> {
    let loss = scope.loss_function();
    if loss.is_convex() {
        return Ok(());
    }
    let problem =
        format!("needs a loss that is convex in the network's outputs, and `{}` is not", loss.name());
    Err(Error::input("estimator", problem, "use estimator = \"hutchinson\", which works with any loss"))
}

/// Refuses a group of which the Hessian block is not known to have the trace of the Gauss-Newton
/// block.
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
        "the trace of the Hessian, of the whole network or of some layers",
        |parameters, _| Ok(Box::new(HessianTrace::new(parameters)?)),
    );
}
