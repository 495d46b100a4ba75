//! Penalties: functions of the parameters that training adds to the loss, emitted into the program
//! of the loss itself.
//!
//! Whoever defines a penalty says what its value is ([`PenaltyScope`]); its gradient is derived.
//! Random inputs (probes) are data of the program: whoever evaluates it draws them, and the penalty
//! is the mean over the draws.

mod scope;

use candle_core::{DType, Tensor};
use eigenscape_program::Value;
use eigenscape_runtime::{Buffer, Error, Executable, Fusion, Result, Signature, split};

use self::scope::Known;
pub use self::scope::PenaltyScope;
use crate::{
    objective::Objective,
    point::Point,
    trace::{Reduction, SampleMean},
};

/// Of what a penalty is a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// Of the batch as a whole.
    #[default]
    Batch,
    /// It is the mean over the samples of the penalty for each sample alone, where samples do not
    /// see each other. No sample's own gradient is stored.
    Samples,
}

/// A penalty with its gradient, as a function of a point and draws of its random inputs.
#[derive(Debug, Clone)]
pub struct PenaltyFunction {
    evaluation: Evaluation,
    probes: Vec<Vec<usize>>,
    needs_loss: bool,
}

/// The mean loss at a point with its gradient in each parameter, as a training step has computed
/// them before it evaluates penalties.
#[derive(Debug, Clone, Copy)]
pub struct KnownLoss<'a> {
    /// The loss, a scalar of shape \[\].
    pub loss: &'a Tensor,
    /// One tensor a parameter, in the network's order.
    pub gradient: &'a [Tensor],
}

#[derive(Debug, Clone)]
enum Evaluation {
    /// What does not depend on a draw, and the rest.
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
    /// The gradient of the mean, in each parameter of the network.
    pub gradient: Vec<Tensor>,
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
    /// empty draw where nothing is random. What no draw changes is evaluated once, and one draw is
    /// held at a time. `known` are the loss and gradient at `point`; without them, penalties that
    /// [build on them](PenaltyScope::known_loss) are refused.
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
        let (mut values, mut gradient) = (Vec::new(), Vec::new());
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
            gradient = if gradient.is_empty() { terms } else { sums(&gradient, &terms)? };
        }
        if values.is_empty() {
            return Err(Error::shape("penalty", "needs at least one draw").into());
        }
        if values.len() > 1 {
            gradient = scaled(&gradient, 1.0 / values.len() as f64)?;
        }
        Ok(Penalty { values, gradient })
    }

    /// What the program takes of `known`.
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

    /// The most bytes that an evaluation in `dtype` holds at any time beside the point and the
    /// draws; what it has in common for all draws included.
    #[must_use]
    pub fn peak(&self, fusion: Fusion, dtype: DType) -> usize {
        match &self.evaluation {
            Evaluation::Batch { fixed, rest } => {
                let alone = |program: &Executable| {
                    program.footprint(fusion, &Signature::plain(program.inputs(), dtype))
                };
                let (fixed, rest) = (alone(fixed), alone(rest));
                // One arena serves both; a draw's results are held until they are added to others.
                fixed.arena.max(rest.arena) + fixed.outputs + 2 * rest.outputs
            }
            Evaluation::Samples(mean) => mean.peak(fusion, dtype),
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

impl Objective {
    /// The penalty that `emit` emits into this objective's program, with its gradient in every
    /// parameter.
    ///
    /// # Errors
    /// What `emit` refuses; when the program cannot be built; for [`Over::Samples`], where samples
    /// see each other.
    pub fn penalty<E: From<Error>>(
        &self,
        over: Over,
        emit: impl FnOnce(&mut PenaltyScope) -> Result<Value, E>,
    ) -> Result<PenaltyFunction, E> {
        match over {
            Over::Batch => {
                let mut scope = PenaltyScope::new(self);
                let penalty = emit(&mut scope)?;
                Ok(self.of_batch(scope, penalty)?)
            }
            Over::Samples => {
                let one = Self::new(&self.network, &self.loss_function, 1)?;
                let mut scope = PenaltyScope::new(&one);
                let penalty = emit(&mut scope)?;
                Ok(self.of_samples(&one, scope, penalty)?)
            }
        }
    }

    fn of_batch(&self, mut scope: PenaltyScope, penalty: Value) -> Result<PenaltyFunction> {
        let gradient = scope.whole_gradient(penalty, &self.parameters)?;
        let probes = scope.probe_shapes(None);
        let (graph, random, known) = scope.finish();
        let given = known.as_ref().map(Known::values).unwrap_or_default();
        let inputs = [self.inputs.as_slice(), given.as_slice()].concat();
        let outputs = [&[penalty], gradient.as_slice()].concat();
        let (fixed, rest) = split(&graph, &inputs, &random, &outputs)?;
        Ok(PenaltyFunction {
            evaluation: Evaluation::Batch { fixed: fixed.into(), rest: rest.into() },
            probes,
            needs_loss: known.is_some(),
        })
    }

    fn of_samples(&self, one: &Self, mut scope: PenaltyScope, penalty: Value) -> Result<PenaltyFunction> {
        if let Some(module) = self.mixes_samples() {
            return Err(Error::unsupported(format!(
                "a penalty per sample needs samples that do not see each other, as they do in {module}"
            )));
        }
        let gradient = scope.gradient(penalty, &one.parameters)?;
        let probes = scope.probe_shapes(Some(self.samples()));
        let (graph, random, known) = scope.finish();
        if known.is_some() {
            return Err(Error::unsupported(
                "a penalty per sample cannot build on the loss of the whole batch".to_owned(),
            ));
        }
        let outputs = std::iter::once(penalty).chain(gradient).map(|value| (value, Reduction::Mean));
        let outputs: Vec<_> = outputs.collect();
        let mean = SampleMean::new(one, &graph, &random, &outputs, self.samples())?;
        Ok(PenaltyFunction { evaluation: Evaluation::Samples(mean), probes, needs_loss: false })
    }
}
