//! Unbiased estimates of a trace, with their gradients: what a penalty on the curvature costs in
//! training.
//!
//! | [`TraceEstimate`] | of | one draw | derivative behind its gradient | variance |
//! | --- | --- | --- | --- | --- |
//! | `Hutchinson` | tr H | a sign a parameter | third | 2 Σ_{i≠j} H_ij², the residual's part included |
//! | `Summed` | tr G | a sign an output and sample | second | 2 Σ_{i≠j} K_ij² |
//! | `PerSample` | tr G | the same | second | of that, the pairs i, j of one sample: it falls with the number of samples |
//!
//! K = (1/N) Sᵀ J Jᵀ S is the Gram matrix, with the non-zero eigenvalues of G. tr H = tr G wherever
//! [`Objective::trace_breaker`] finds nothing. At some samples drawn at random ([`Point::narrow`]
//! after a shuffle) `PerSample` is unbiased for all, too: where one draw of all is more accurate
//! than is needed, a few samples are the cheaper estimate.

mod mean;
mod norm;

use candle_core::Tensor;
use eigenscape_program::{
    Graph, Value, Variables,
    transforms::gradient,
    transforms::{Breaker, affinity},
};
use eigenscape_runtime::{Error, Executable, Result};

pub(crate) use self::{
    mean::{Reduction, SampleMean},
    norm::squared_norm,
};
use crate::{objective::Objective, penalty::PenaltyScope, point::Point};

/// How a trace is estimated from random signs, independent elements ±1 with probability ½ each.
///
/// With Aₙ = Sₙ Sₙᵀ the Hessian of the loss in the outputs of sample n and sₙ random signs, gₙ =
/// Jₙᵀ Sₙ sₙ has E\[gₙ gₙᵀ\] = Jₙᵀ Aₙ Jₙ, and gₙ of different samples are uncorrelated. The
/// expectations hold at every θ, and the signs do not depend on θ: so the gradient of an estimate,
/// in which Jₙ and Sₙ are differentiated, is an unbiased estimate of the gradient of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceEstimate {
    /// vᵀHv for signs v of the group's shapes (Hutchinson 1990): of the Hessian, whatever the
    /// network.
    Hutchinson,
    /// (1/N) ‖Σₙ gₙ‖²: of the Gauss-Newton matrix, by one backward pass of the mean loss' shape.
    Summed,
    /// (1/N) Σₙ ‖gₙ‖²: of the Gauss-Newton matrix, where samples do not see each other.
    PerSample,
}

/// An estimate of a trace, with derivatives, as a function of a point and random signs.
#[derive(Debug, Clone)]
pub struct TraceFunction {
    evaluation: Evaluation,
    probes: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
enum Evaluation {
    Whole(Executable),
    BySample(SampleMean),
}

impl TraceFunction {
    /// The shapes of the random signs that one draw takes.
    #[must_use]
    pub fn probe_shapes(&self) -> &[Vec<usize>] {
        &self.probes
    }

    /// Evaluates at `point` with signs of [these shapes](Self::probe_shapes). All may have a
    /// leading axis of K draws: then the result is the mean over the draws.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn at(&self, point: &Point, probes: &[Tensor]) -> Result<Vec<Tensor>> {
        match &self.evaluation {
            Evaluation::Whole(program) => {
                let inputs: Vec<Tensor> = point.tensors().into_iter().chain(probes.iter().cloned()).collect();
                let results = point.run(program, inputs)?;
                let mean = |(result, shape): (Tensor, &[usize])| {
                    Ok(if result.rank() > shape.len() { result.mean(0)? } else { result })
                };
                results.into_iter().zip(program.output_shapes()).map(mean).collect()
            }
            Evaluation::BySample(mean) => {
                let draws = draws(probes, &self.probes)?;
                let mut total = mean.at(point, &draws[0])?;
                for draw in &draws[1..] {
                    for (total, term) in total.iter_mut().zip(mean.at(point, draw)?) {
                        *total = (&*total + term)?;
                    }
                }
                let share = 1.0 / draws.len() as f64;
                total.into_iter().map(|total| Ok(total.affine(share, 0.0)?)).collect()
            }
        }
    }

    /// Floating-point operations of one evaluation with one draw.
    #[must_use]
    pub fn flops(&self) -> usize {
        match &self.evaluation {
            Evaluation::Whole(program) => program.flops(),
            Evaluation::BySample(mean) => mean.flops(),
        }
    }
}

/// The draws of signs that may have a leading axis, one by one.
fn draws(probes: &[Tensor], shapes: &[Vec<usize>]) -> Result<Vec<Vec<Tensor>>> {
    let lead = probes.iter().zip(shapes).find(|(probe, shape)| probe.rank() > shape.len());
    let Some(count) = lead.map(|(probe, _)| probe.dims()[0]) else { return Ok(vec![probes.to_vec()]) };
    if count == 0 {
        return Err(Error::shape("trace", "needs at least one draw"));
    }
    let draw = |k: usize| probes.iter().map(|probe| Ok(probe.get(k)?)).collect();
    (0..count).map(draw).collect()
}

impl Objective {
    /// \[estimate of the trace of `group`'s block, its gradient in each parameter of `wrt`...\] at
    /// a point, given signs.
    ///
    /// # Errors
    /// When the program cannot be built; for `PerSample`, where samples see each other.
    pub fn trace(
        &self,
        estimate: TraceEstimate,
        group: impl Into<Variables>,
        wrt: impl Into<Variables>,
    ) -> Result<TraceFunction> {
        let wrt = wrt.into();
        self.trace_function(estimate, &group.into(), |objective, graph, trace| {
            let gradient = gradient(graph, trace, &objective.select(&wrt)?)?;
            Ok(std::iter::once(trace).chain(gradient).map(|value| (value, Reduction::Mean)).collect())
        })
    }

    /// \[loss, outputs, estimate, ∂(loss + `strength` · estimate)/∂θ of each parameter..., what
    /// each buffer becomes...\] at a point, given signs: what a training step with a penalty on the
    /// trace of `group`'s block needs.
    ///
    /// # Errors
    /// When the program cannot be built; for `PerSample`, where samples see each other.
    pub fn penalised_step(
        &self,
        estimate: TraceEstimate,
        group: impl Into<Variables>,
        strength: f64,
    ) -> Result<TraceFunction> {
        self.trace_function(estimate, &group.into(), |objective, graph, trace| {
            let penalty = graph.scale(trace, strength)?;
            let total = graph.add(objective.loss, penalty)?;
            let gradient = gradient(graph, total, &objective.parameters)?;
            let means = std::iter::once(trace).chain(gradient).chain(objective.updates.iter().copied());
            let means = means.map(|value| (value, Reduction::Mean));
            let first = [(objective.loss, Reduction::Mean), (objective.outputs, Reduction::Stack)];
            Ok(first.into_iter().chain(means).collect())
        })
    }

    /// Where it cannot be proved that the Hessian block of `group` has the trace of its
    /// Gauss-Newton block; `None` where it is proved.
    ///
    /// The traces are sums over the parameters' own blocks, so that it suffices that the outputs
    /// are piecewise affine in each parameter tensor by itself: then the second derivative of the
    /// outputs has no diagonal.
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

    fn trace_function(
        &self,
        estimate: TraceEstimate,
        group: &Variables,
        outputs: impl FnOnce(&Self, &mut Graph, Value) -> Result<Vec<(Value, Reduction)>>,
    ) -> Result<TraceFunction> {
        if estimate == TraceEstimate::PerSample {
            if let Some(module) = self.mixes_samples() {
                return Err(Error::unsupported(format!(
                    "a trace per sample needs samples that do not see each other, as they do in {module}"
                )));
            }
            let one = Self::new(&self.network, &self.loss_function, 1)?;
            let mut scope = PenaltyScope::new(&one);
            let trace = scope.trace(estimate, group)?;
            let outputs = outputs(&one, scope.graph(), trace)?;
            let samples = self.samples();
            let probes = scope.probe_shapes(Some(samples));
            let (graph, random, _) = scope.finish();
            let evaluation = SampleMean::new(&one, &graph, &random, &outputs, samples)?;
            return Ok(TraceFunction { evaluation: Evaluation::BySample(evaluation), probes });
        }
        let mut scope = PenaltyScope::new(self);
        let trace = scope.trace(estimate, group)?;
        let outputs = outputs(self, scope.graph(), trace)?;
        let probes = scope.probe_shapes(None);
        let (graph, random, _) = scope.finish();
        let inputs: Vec<Value> = self.inputs.iter().chain(&random).copied().collect();
        let outputs: Vec<Value> = outputs.into_iter().map(|(value, _)| value).collect();
        let program = Executable::new(&graph, &inputs, &outputs)?;
        Ok(TraceFunction { evaluation: Evaluation::Whole(program), probes })
    }
}
