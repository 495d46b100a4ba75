//! Training.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Instant,
};

use candle_core::Tensor;
use eigenscape_core::{
    Error, Random, Result,
    results::{Divergence, Diverging, PenaltyRecord},
};
use eigenscape_curvature::{KnownLoss, PenaltyFunction, Point, Programs};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::{
    augment::Augmentation,
    evaluate::{Batches, scalar},
    masks,
    optimizer::{self, Optimizer},
    plan::TrainPlan,
    weights::Weights,
};

/// The state of a training: everything that its continuation depends on, besides its settings and
/// the data. Random numbers depend only on the seed, the epoch and the step.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The current epoch, counted from 1; 0 before training.
    pub epoch: usize,
    /// The log of the current epoch. The number of its steps is the position in the epoch.
    pub log: EpochLog,
    /// The weights.
    pub weights: Weights,
    /// The optimizer's state.
    pub optimizer: optimizer::State,
    /// The loss of the last mini-batch, for messages.
    pub last_loss: Option<f64>,
}

impl Standing {
    /// The state before training.
    #[must_use]
    pub fn new(optimizer: Optimizer, weights: Weights) -> Self {
        let optimizer = optimizer::State::new(optimizer);
        Self { epoch: 0, log: EpochLog::default(), weights, optimizer, last_loss: None }
    }

    /// The state before the first step of an epoch.
    #[must_use]
    pub fn at_start_of(self, epoch: usize) -> Self {
        Self { epoch, log: EpochLog::default(), ..self }
    }
}

/// The programs and settings of a training. What changes is a [`Standing`].
pub struct Trainer<'a> {
    plan: &'a TrainPlan,
    programs: &'a Programs,
    random: Random,
    /// Penalty programs by regularizer and number of samples.
    penalties: BTreeMap<(usize, usize), PenaltyFunction>,
    augment: Option<&'a Augmentation>,
}

/// Why an epoch was not finished.
#[derive(Debug)]
pub enum Stop {
    /// The loss or a penalty is not finite.
    Diverged(Divergence),
    /// A program could not be built or evaluated.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<eigenscape_runtime::Error> for Stop {
    fn from(error: eigenscape_runtime::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<candle_core::Error> for Stop {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The log of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// Every step.
    pub steps: Vec<StepLog>,
    /// Every penalty that was added.
    pub penalties: Vec<PenaltyLog>,
}

/// The log of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepLog {
    /// The mini-batch's loss before the step, without penalties.
    pub loss: f64,
    /// The learning rate.
    pub lr: f64,
}

/// The log of a penalty in one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PenaltyLog {
    /// The index of the regularizer in the plan.
    pub regularizer: usize,
    /// The step, counted from 0 in its epoch.
    pub step: usize,
    /// The penalty, without its strength.
    pub value: f64,
    /// Its standard error over the random vectors; `None` for fewer than two.
    pub stderr: Option<f64>,
    /// The time it took, in seconds.
    pub seconds: f64,
}

/// The position of a step in a training.
#[derive(Debug, Clone, Copy)]
struct Step {
    epoch: usize,
    /// The step in its epoch, counted from 0.
    step: usize,
    lr: f64,
}

impl Step {
    /// The index of the step's random streams, unique for each step.
    fn index(self) -> u64 {
        (self.epoch as u64) << 32 | self.step as u64
    }
}

impl<'a> Trainer<'a> {
    /// A trainer of the network of these programs, which is in train mode.
    #[must_use]
    pub fn new(plan: &'a TrainPlan, programs: &'a Programs, random: Random) -> Self {
        Self { plan, programs, random, penalties: BTreeMap::new(), augment: None }
    }

    /// The same trainer, with images changed at random.
    #[must_use]
    pub fn augmented(mut self, augment: Option<&'a Augmentation>) -> Self {
        self.augment = augment;
        self
    }

    /// Steps per epoch over `examples` examples; the last batch may be smaller than the others.
    #[must_use]
    pub fn steps(plan: &TrainPlan, examples: usize) -> usize {
        examples.div_ceil(plan.batch_size.get())
    }

    /// Runs the rest of the current epoch: a pass over the examples, in an order that depends only
    /// on the seed and the epoch. `watch` is called after each step, and may stop the epoch.
    ///
    /// # Errors
    /// When the loss or a penalty is not finite (the training has diverged), a program fails, or
    /// `watch` stops the epoch.
    pub fn epoch(
        &mut self,
        data: &Batches,
        standing: &mut Standing,
        mut watch: impl FnMut(&Standing) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let (epoch, done) = (standing.epoch, standing.log.steps.len());
        let (completed, steps) = (epoch - 1, Self::steps(self.plan, data.len()));
        let mut order: Vec<u32> = (0..data.len() as u32).collect();
        order.shuffle(&mut self.random.stream("shuffle", epoch as u64));
        let size = self.plan.batch_size.get();
        let rest = order.get(done.saturating_mul(size)..).unwrap_or_default();
        let ahead = |augment: &Augmentation| augment.ahead(data.inputs(), rest, size, self.random, epoch);
        let mut ahead = self.augment.map(ahead);
        for (step, batch) in (done..).zip(rest.chunks(size)) {
            let lr = self.plan.schedule.rate(self.plan.optimizer.lr(), completed, step, steps);
            let Standing { weights, log, .. } = standing;
            let at = Step { epoch, step, lr };
            let mut point = data.point(weights, batch)?;
            if let Some(ahead) = &mut ahead {
                point.inputs = ahead.inputs()?.to_dtype(weights.dtype()).map_err(Error::from)?;
            }
            let mut generator = self.random.stream("dropout", at.index());
            point.masks =
                masks::draw(self.programs.network().masks(), batch.len(), weights.dtype(), &mut generator)?;
            let results = self.programs.training_step(batch.len())?.at(&point, &[])?;
            let loss = scalar(&results[0])?;
            check(Diverging::Loss, loss, at, standing.last_loss)?;
            standing.last_loss = Some(loss);
            log.steps.push(StepLog { loss, lr });
            let (gradient, buffers) = results[2..].split_at(weights.parameters.len());
            let known = KnownLoss { loss: &results[0], gradient };
            let penalised = self.penalise(known, &point, at, loss, &mut log.penalties)?;
            let gradient = penalised.as_deref().unwrap_or(gradient);
            let fixed = self.fixed(weights);
            standing.optimizer.step(lr, &mut weights.parameters, gradient)?;
            fixed.into_iter().for_each(|(index, tensor)| weights.parameters[index] = tensor);
            weights.buffers = buffers.to_vec();
            watch(standing)?;
        }
        Ok(())
    }

    /// The parameters that the network holds fixed, with their places.
    fn fixed(&self, weights: &Weights) -> Vec<(usize, Tensor)> {
        let parameters = self.programs.network().parameters().iter().zip(&weights.parameters);
        let fixed = parameters.enumerate().filter(|(_, (declared, _))| declared.frozen);
        fixed.map(|(index, (_, tensor))| (index, tensor.clone())).collect()
    }

    /// The divergence of a training whose loss is not finite after an epoch.
    #[must_use]
    pub fn diverged_after(&self, what: Diverging, value: f64, standing: &Standing) -> Divergence {
        let Standing { epoch, log, last_loss, .. } = standing;
        let lr = log.steps.last().map_or(self.plan.optimizer.lr(), |step| step.lr);
        let at = Step { epoch: *epoch, step: log.steps.len().saturating_sub(1), lr };
        divergence(what, value, at, *last_loss)
    }

    /// The sum of the gradient and of the gradients of the penalties that are due; `None` if none
    /// is due.
    fn penalise(
        &mut self,
        known: KnownLoss,
        point: &Point,
        at: Step,
        loss: f64,
        log: &mut Vec<PenaltyLog>,
    ) -> Result<Option<Vec<Tensor>>, Stop> {
        let mut total: Option<Vec<Tensor>> = None;
        for (index, plan) in self.plan.regularizers.iter().enumerate() {
            if !plan.is_due(at.epoch - 1, at.step) {
                continue;
            }
            let regularizer = &*plan.regularizer;
            let program = match self.penalties.entry((index, point.samples())) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(new) => {
                    let (network, loss) = (self.programs.network(), self.programs.loss_function());
                    new.insert(regularizer.program(network, loss, point.samples())?)
                }
            };
            let start = Instant::now();
            let mut generator = self.random.stream(&format!("regularizer-{index}"), at.index());
            let penalty = regularizer.evaluate(program, point, known, &mut generator)?;
            let value = penalty.mean();
            check(Diverging::Penalty(plan.name.clone()), value, at, Some(loss))?;
            let before = total.as_deref().unwrap_or(known.gradient);
            let add = |(g, p): (&Tensor, &Tensor)| Ok((g + p.affine(plan.strength, 0.0)?)?);
            total = Some(before.iter().zip(&penalty.gradient).map(add).collect::<Result<Vec<_>>>()?);
            let (stderr, seconds) = (penalty.standard_error(), start.elapsed().as_secs_f64());
            log.push(PenaltyLog { regularizer: index, step: at.step, value, stderr, seconds });
        }
        Ok(total)
    }
}

/// Stops at a number that is not finite.
fn check(what: Diverging, value: f64, at: Step, last_loss: Option<f64>) -> Result<(), Stop> {
    let stop = || Stop::Diverged(divergence(what, value, at, last_loss));
    if value.is_finite() { Ok(()) } else { Err(stop()) }
}

fn divergence(what: Diverging, value: f64, at: Step, last_finite_loss: Option<f64>) -> Divergence {
    let Step { epoch, step, lr: learning_rate } = at;
    Divergence { what, value: value.to_string(), epoch, step: step + 1, learning_rate, last_finite_loss }
}

/// What to do about a training that diverged.
#[must_use]
pub fn remedy(divergence: &Divergence) -> &'static str {
    match (&divergence.what, divergence.last_finite_loss) {
        (Diverging::Penalty(_), _) => {
            "lower train.optimizer.lr or the penalty's strength, or add it later (from_epoch)"
        }
        (_, Some(_)) => "lower train.optimizer.lr, or raise train.batch_size",
        (_, None) => {
            "before its first step it is not the learning rate: check the data and the settings in [model]"
        }
    }
}

impl EpochLog {
    /// The penalty added to the loss, averaged over the steps.
    #[must_use]
    pub fn mean_penalty(&self, plan: &TrainPlan) -> f64 {
        let added = |log: &PenaltyLog| plan.regularizers[log.regularizer].strength * log.value;
        // Not `sum`, which is -0.0 for an empty iterator.
        self.penalties.iter().map(added).fold(0.0, |sum, added| sum + added) / self.steps.len().max(1) as f64
    }

    /// The records of the regularizers that were due.
    #[must_use]
    pub fn penalty_records(&self, plan: &TrainPlan) -> Vec<PenaltyRecord> {
        let record = |(index, plan): (usize, &crate::plan::RegularizerPlan)| {
            let of: Vec<&PenaltyLog> = self.penalties.iter().filter(|log| log.regularizer == index).collect();
            let count = of.len() as f64;
            let squares: Option<f64> = of.iter().map(|log| Some(log.stderr?.powi(2))).sum();
            (!of.is_empty()).then(|| PenaltyRecord {
                name: plan.name.clone(),
                strength: plan.strength,
                count: of.len(),
                value: of.iter().map(|log| log.value).sum::<f64>() / count,
                stderr: squares.map(|squares| squares.sqrt() / count),
                seconds: of.iter().map(|log| log.seconds).sum(),
            })
        };
        plan.regularizers.iter().enumerate().filter_map(record).collect()
    }
}
