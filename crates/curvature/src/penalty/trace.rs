//! Unbiased estimates of a trace, with their gradients, for penalties on the curvature in training.
//!
//! | [`TraceEstimate`] | of | one draw | its gradient takes | variance |
//! | --- | --- | --- | --- | --- |
//! | `Hutchinson` | tr H | a sign per parameter | third derivatives | 2 Σ_{i≠j} H_ij² |
//! | `Summed` | tr G | a sign per output and sample | second derivatives | 2 Σ_{i≠j} K_ij² |
//! | `PerSample` | tr G | as `Summed` | second derivatives | 2 Σ_{i≠j} K_ij² within samples |
//!
//! The variance of `Hutchinson` includes the residual's part; that of `PerSample`, a sum over pairs
//! i, j of the same sample, falls with the number of samples.
//!
//! K = (1/N) Sᵀ J Jᵀ S is the Gram matrix, with the non-zero eigenvalues of G. tr H = tr G wherever
//! [`Objective::trace_breaker`] finds nothing. On samples drawn at random ([`Point::narrow`] after
//! a shuffle), `PerSample` is also unbiased for all samples: where one draw over all samples is
//! more accurate than needed, a few samples are cheaper.
//!
//! [`Point::narrow`]: crate::Point::narrow

use eigenscape_program::{
    Value, Variables,
    transforms::{Breaker, Seed, affinity, gradient},
};
use eigenscape_runtime::Result;

use super::{
    function::{Beside, Over, PenaltyFunction},
    sample_mean::Reduction,
    scope::PenaltyScope,
};
use crate::objective::Objective;

/// How a trace is estimated from random signs, independent elements ±1 with probability ½ each.
///
/// With Aₙ = Sₙ Sₙᵀ the Hessian of the loss in the outputs of sample n and sₙ random signs, gₙ =
/// Jₙᵀ Sₙ sₙ has E\[gₙ gₙᵀ\] = Jₙᵀ Aₙ Jₙ, and gₙ of different samples are uncorrelated. The
/// expectations hold at every θ, and the signs do not depend on θ: so the gradient of an estimate,
/// in which Jₙ and Sₙ are differentiated, is an unbiased estimate of the gradient of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceEstimate {
    /// vᵀHv for signs v of the group's shapes (Hutchinson 1990): for the Hessian of any network.
    Hutchinson,
    /// (1/N) ‖Σₙ gₙ‖²: for the Gauss-Newton matrix, by one backward pass like that of the mean
    /// loss.
    Summed,
    /// (1/N) Σₙ ‖gₙ‖²: for the Gauss-Newton matrix, where samples are not coupled.
    PerSample,
}

impl TraceEstimate {
    pub(super) fn over(self) -> Over {
        match self {
            Self::Hutchinson | Self::Summed => Over::Batch,
            Self::PerSample => Over::Samples,
        }
    }
}

impl PenaltyScope<'_> {
    /// An estimate of the trace of `group`'s curvature block from one draw of random signs, which
    /// are [probes](Self::probe): one per parameter for [`TraceEstimate::Hutchinson`], one per
    /// output and sample for the others. `Summed` and `PerSample` emit the same program here: a
    /// penalty [over samples](crate::Over::Samples) makes it `PerSample`.
    ///
    /// # Errors
    /// When the network has no such activation, the loss has no root that the estimate needs, or a
    /// rule fails.
    pub fn trace(&mut self, estimate: TraceEstimate, group: &Variables) -> eigenscape_program::Result<Value> {
        let (objective, values) = (self.objective(), self.select(group)?);
        if estimate == TraceEstimate::Hutchinson {
            let seeds: Vec<Seed> = values.iter().map(|value| (*value, self.probe_like(*value))).collect();
            return objective.emit_form(self.graph(), &seeds);
        }
        let signs = self.probe_like(objective.outputs);
        let cotangent =
            objective.loss_function.root_times(self.graph(), objective.outputs, objective.target, signs)?;
        let gradients = self.pull_back(objective.outputs, cotangent, &values)?;
        self.squared_norm(&gradients)
    }
}

impl Objective {
    /// An estimate of the trace of `group`'s block with its gradient in each parameter of `wrt`;
    /// each draw consists of random signs.
    ///
    /// # Errors
    /// When the program cannot be built; for [`TraceEstimate::PerSample`], where samples are
    /// coupled (BatchNorm in training mode).
    pub fn trace(
        &self,
        estimate: TraceEstimate,
        group: impl Into<Variables>,
        wrt: impl Into<Variables>,
    ) -> Result<PenaltyFunction> {
        let (group, wrt) = (group.into(), wrt.into());
        let emit = |scope: &mut PenaltyScope| Ok(scope.trace(estimate, &group)?);
        self.penalty_with(estimate.over(), emit, |scope, trace| {
            Ok(Beside { gradient: scope.gradient(trace, &scope.select(&wrt)?)?, others: Vec::new() })
        })
    }

    /// A training step that penalises the trace of `group`'s block, as one program: the value is
    /// the estimate of the trace, the gradient is ∂(loss + `strength` · estimate)/∂θ of each
    /// parameter, and the [others](crate::Penalty::others) are \[loss, outputs, new value of each
    /// buffer...\].
    ///
    /// # Errors
    /// Those of [`Self::trace`].
    pub fn penalised_step(
        &self,
        estimate: TraceEstimate,
        group: impl Into<Variables>,
        strength: f64,
    ) -> Result<PenaltyFunction> {
        let group = group.into();
        let emit = |scope: &mut PenaltyScope| Ok(scope.trace(estimate, &group)?);
        self.penalty_with(estimate.over(), emit, |scope, trace| {
            let objective = scope.objective();
            let graph = scope.graph();
            let penalty = graph.scale(trace, strength)?;
            let total = graph.add(objective.loss, penalty)?;
            let gradient = gradient(graph, total, &objective.parameters)?;
            let step = [(objective.loss, Reduction::Mean), (objective.outputs, Reduction::Stack)];
            let updates = objective.updates.iter().map(|update| (*update, Reduction::Mean));
            Ok(Beside { gradient, others: step.into_iter().chain(updates).collect() })
        })
    }

    /// Where the proof fails that the Hessian block of `group` has the trace of its Gauss-Newton
    /// block; `None` where it is proved.
    ///
    /// The trace is a sum over the blocks of single parameter tensors. It therefore suffices that
    /// the outputs are piecewise affine in each parameter tensor alone: then their second
    /// derivative in each tensor vanishes.
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn trace_breaker(&self, group: impl Into<Variables>) -> Result<Option<Breaker>> {
        for value in self.select(&group.into())? {
            let (level, breaker) = affinity(&self.graph, self.outputs, &[value]);
            if !level.is_affine() {
                let nowhere = || Breaker { node: self.graph.describe(self.outputs), multiplies: false };
                return Ok(Some(breaker.unwrap_or_else(nowhere)));
            }
        }
        Ok(None)
    }
}
