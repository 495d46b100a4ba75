//! Penalties as functions of a point and draws.

use candle_core::{DType, Tensor};
use eigenscape_program::{Graph, Value};
use eigenscape_runtime::{Buffer, Error, Executable, Planning, Result, Signature, split};

use super::{
    sample_mean::{Reduction, SampleMean},
    scope::{Known, PenaltyScope},
};
use crate::{objective::Objective, point::Point};

/// Whether a penalty is a function of the whole batch or a mean over samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// A function of the batch as a whole.
    #[default]
    Batch,
    /// The mean over samples of the penalty of each sample alone, where samples are not coupled.
    /// Per-sample gradients are not stored.
    Samples,
}

/// A penalty with its gradient, as a function of a point and draws of its random inputs.
#[derive(Debug, Clone)]
pub struct PenaltyFunction {
    evaluation: Evaluation,
    probes: Vec<Vec<usize>>,
    /// The number of tensors in the gradient.
    slopes: usize,
    needs_loss: bool,
}

/// The mean loss at a point with its gradient in each parameter, as a training step has computed
/// them before it evaluates penalties.
#[derive(Debug, Clone, Copy)]
pub struct KnownLoss<'a> {
    /// The loss, a scalar of shape \[\].
    pub loss: &'a Tensor,
    /// One tensor per parameter, in the network's order.
    pub gradient: &'a [Tensor],
}

#[derive(Debug, Clone)]
enum Evaluation {
    /// The program of what does not depend on a draw, and the program of the rest.
    Batch {
        fixed: Executable,
        rest: Executable,
    },
    Samples(SampleMean),
}

/// A penalty at a point.
#[derive(Debug, Clone)]
pub struct Penalty {
    /// The value of each draw. The penalty is their mean.
    pub values: Vec<f64>,
    /// The gradient of the mean, in each parameter of the network; for a [trace](Objective::trace),
    /// in the requested parameters.
    pub gradient: Vec<Tensor>,
    /// The other results of a [penalised step](Objective::penalised_step), as means over the draws;
    /// otherwise empty.
    pub others: Vec<Tensor>,
}

impl Penalty {
    /// The mean over the draws.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// The standard error of the mean, s/√K with s the standard deviation of K draws; `None` for
    /// one draw.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        let (mean, count) = (self.mean(), self.values.len() as f64);
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        (self.values.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt())
    }
}

impl PenaltyFunction {
    /// The shapes of the random inputs of one draw.
    #[must_use]
    pub fn probe_shapes(&self) -> &[Vec<usize>] {
        &self.probes
    }

    /// Evaluates at `point` for each of `draws`, tensors of [these shapes](Self::probe_shapes): one
    /// empty draw where nothing is random. Values that depend on no draw are evaluated once, and
    /// one draw is held at a time. `known` are the loss and gradient at `point`; without them,
    /// penalties that [use them](PenaltyScope::known_loss) are refused.
    ///
    /// # Errors
    /// When a draw fails or there is none, `known` is needed and missing, a shape does not fit or a
    /// tensor operation fails.
    pub fn at<E: From<Error>>(
        &self,
        point: &Point,
        known: Option<KnownLoss>,
        draws: impl IntoIterator<Item = Result<Vec<Tensor>, E>>,
    ) -> Result<Penalty, E> {
        let known = match &self.evaluation {
            Evaluation::Batch { fixed, .. } => {
                let inputs = point.tensors().into_iter().chain(self.known_tensors(known)?);
                point.run_placed(fixed, inputs.map(Buffer::from).collect())?
            }
            Evaluation::Samples(_) => Vec::new(),
        };
        let (mut values, mut means) = (Vec::new(), Vec::new());
        for draw in draws {
            let draw = draw?;
            let mut results = match &self.evaluation {
                Evaluation::Batch { rest, .. } => {
                    let inputs = known.iter().cloned().chain(draw.into_iter().map(Buffer::from));
                    Buffer::all_to_host(point.run_placed(rest, inputs.collect())?)?
                }
                Evaluation::Samples(mean) => mean.at(point, &draw)?,
            };
            let terms = results.split_off(1);
            values.push(number(&results[0])?);
            means = if means.is_empty() { terms } else { sums(&means, &terms)? };
        }
        if values.is_empty() {
            return Err(Error::shape("penalty", "needs at least one draw").into());
        }
        if values.len() > 1 {
            means = scaled(&means, 1.0 / values.len() as f64)?;
        }
        let others = means.split_off(self.slopes);
        Ok(Penalty { values, gradient: means, others })
    }

    /// The tensors of `known` that the program takes as inputs.
    fn known_tensors(&self, known: Option<KnownLoss>) -> Result<Vec<Tensor>> {
        match (self.needs_loss, known) {
            (false, _) => Ok(Vec::new()),
            (true, Some(KnownLoss { loss, gradient })) => {
                Ok(std::iter::once(loss).chain(gradient).cloned().collect())
            }
            (true, None) => Err(Error::unsupported(
                "this penalty needs the loss of all its samples, with its gradient, which are not known here"
                    .to_owned(),
            )),
        }
    }

    /// Floating-point operations of one evaluation with one draw.
    #[must_use]
    pub fn flops(&self) -> usize {
        match &self.evaluation {
            Evaluation::Batch { fixed, rest } => fixed.flops() + rest.flops(),
            Evaluation::Samples(mean) => mean.flops(),
        }
    }

    /// The most bytes that an evaluation in `dtype` holds at any time in addition to the point and
    /// the draws, including the values shared by all draws.
    #[must_use]
    pub fn peak(&self, planning: Planning, dtype: DType) -> usize {
        match &self.evaluation {
            Evaluation::Batch { fixed, rest } => {
                let alone = |program: &Executable| {
                    program.footprint(planning, &Signature::plain(program.inputs(), dtype))
                };
                let (fixed, rest) = (alone(fixed), alone(rest));
                // Both programs share one arena; a draw's results are held until they are added to
                // the sum.
                fixed.arena.max(rest.arena) + fixed.outputs + 2 * rest.outputs
            }
            Evaluation::Samples(mean) => mean.peak(planning, dtype),
        }
    }
}

fn number(scalar: &Tensor) -> Result<f64> {
    Ok(scalar.to_dtype(DType::F64)?.to_scalar()?)
}

fn scaled(tensors: &[Tensor], factor: f64) -> Result<Vec<Tensor>> {
    tensors.iter().map(|tensor| Ok(tensor.affine(factor, 0.0)?)).collect()
}

fn sums(left: &[Tensor], right: &[Tensor]) -> Result<Vec<Tensor>> {
    left.iter().zip(right).map(|(l, r)| Ok((l + r)?)).collect()
}

/// The values evaluated in addition to a penalty's value.
pub(super) struct Beside {
    pub gradient: Vec<Value>,
    pub others: Vec<(Value, Reduction)>,
}

impl Objective {
    /// The penalty that `emit` emits into this objective's program, with its gradient in every
    /// parameter.
    ///
    /// # Errors
    /// Those of `emit`; when the program cannot be built; for [`Over::Samples`], where samples are
    /// coupled (BatchNorm in training mode).
    pub fn penalty<E: From<Error>>(
        &self,
        over: Over,
        emit: impl FnOnce(&mut PenaltyScope) -> Result<Value, E>,
    ) -> Result<PenaltyFunction, E> {
        self.penalty_with(over, emit, |scope, penalty| {
            Ok(Beside { gradient: scope.whole_gradient(penalty, scope.parameters())?, others: Vec::new() })
        })
    }

    /// A penalty with the additional values that `beside` emits.
    pub(super) fn penalty_with<E: From<Error>>(
        &self,
        over: Over,
        emit: impl FnOnce(&mut PenaltyScope) -> Result<Value, E>,
        beside: impl FnOnce(&mut PenaltyScope, Value) -> Result<Beside>,
    ) -> Result<PenaltyFunction, E> {
        let one = match over {
            Over::Batch => None,
            Over::Samples => Some(Self::new(&self.network, &self.loss_function, 1)?),
        };
        let mut scope = PenaltyScope::new(one.as_ref().unwrap_or(self));
        let penalty = emit(&mut scope)?;
        self.check_samples(over)?;
        let Beside { gradient, others } = beside(&mut scope, penalty)?;
        let slopes = gradient.len();
        let means = std::iter::once(penalty).chain(gradient).map(|value| (value, Reduction::Mean));
        let outputs: Vec<_> = means.chain(others).collect();
        let probes = scope.probe_shapes(one.as_ref().map(|_| self.samples()));
        let (graph, random, known) = scope.finish();
        let evaluation = match &one {
            None => self.over_batch(&graph, &random, known.as_ref(), &outputs)?,
            Some(_) if known.is_some() => {
                let problem = "a penalty per sample cannot build on the loss of the whole batch";
                return Err(Error::unsupported(problem.to_owned()).into());
            }
            Some(one) => {
                Evaluation::Samples(SampleMean::new(one, &graph, &random, &outputs, self.samples())?)
            }
        };
        Ok(PenaltyFunction { evaluation, probes, slopes, needs_loss: known.is_some() })
    }

    fn check_samples(&self, over: Over) -> Result<()> {
        match self.mixes_samples() {
            Some(module) if over == Over::Samples => Err(Error::unsupported(format!(
                "a penalty per sample needs samples that are not coupled, as they are in {module}"
            ))),
            _ => Ok(()),
        }
    }

    fn over_batch(
        &self,
        graph: &Graph,
        random: &[Value],
        known: Option<&Known>,
        outputs: &[(Value, Reduction)],
    ) -> Result<Evaluation> {
        let given = known.map(Known::values).unwrap_or_default();
        let inputs = [self.inputs.as_slice(), given.as_slice()].concat();
        let outputs: Vec<Value> = outputs.iter().map(|(value, _)| *value).collect();
        let (fixed, rest) = split(graph, &inputs, random, &outputs)?;
        Ok(Evaluation::Batch { fixed: fixed.into(), rest: rest.into() })
    }
}
