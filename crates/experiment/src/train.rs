//! Training.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Instant,
};

use candle_core::Tensor;
use eigenscape_autodiff::{KnownLoss, Loss, Network, PenaltyFunction, Point};
use eigenscape_core::{
    Error, Progress, Random, Result,
    results::{Divergence, Diverging, PenaltyRecord},
};
use rand::seq::SliceRandom;

use crate::{
    augment::Augmentation,
    evaluate::{Batches, Programs, scalar},
    masks, optimizer,
    plan::TrainPlan,
    weights::Weights,
};

/// A training under way.
pub struct Trainer<'a> {
    plan: &'a TrainPlan,
    network: &'a Network,
    loss: Loss,
    random: Random,
    programs: Programs<'a>,
    /// By regularizer and number of samples.
    penalties: BTreeMap<(usize, usize), PenaltyFunction>,
    state: optimizer::State,
    last_loss: Option<f64>,
    augment: Option<&'a Augmentation>,
}

/// Why an epoch was not finished.
#[derive(Debug)]
pub enum Stop {
    /// The training came to a number that is not finite.
    Diverged(Divergence),
    /// A program could not be built or evaluated.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<eigenscape_autodiff::Error> for Stop {
    fn from(error: eigenscape_autodiff::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<candle_core::Error> for Stop {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What happened in an epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpochLog {
    /// Every step.
    pub steps: Vec<StepLog>,
    /// Every penalty that was added.
    pub penalties: Vec<PenaltyLog>,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepLog {
    /// The mini-batch's loss before it, without penalties.
    pub loss: f64,
    /// The learning rate.
    pub lr: f64,
}

/// A penalty in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyLog {
    /// Which of the plan's regularizers.
    pub regularizer: usize,
    /// The step, counted from 0 in its epoch.
    pub step: usize,
    /// The penalty, without its strength.
    pub value: f64,
    /// Its standard error over the probes; `None` where there is one.
    pub stderr: Option<f64>,
    /// What it took.
    pub seconds: f64,
}

/// Where in a training something happens.
#[derive(Debug, Clone, Copy)]
struct Moment {
    epoch: usize,
    /// Counted from 0.
    step: usize,
    lr: f64,
}

impl Moment {
    /// The index of random streams: one a step.
    fn index(self) -> u64 {
        (self.epoch as u64) << 32 | self.step as u64
    }
}

impl<'a> Trainer<'a> {
    /// A training of a network (in train mode) before its first step.
    #[must_use]
    pub fn new(plan: &'a TrainPlan, network: &'a Network, loss: Loss, random: Random) -> Self {
        let programs = Programs::training_step(network, loss);
        let (penalties, state) = (BTreeMap::new(), optimizer::State::new(plan.optimizer));
        Self { plan, network, loss, random, programs, penalties, state, last_loss: None, augment: None }
    }

    /// The same training, with images changed at random.
    #[must_use]
    pub fn augmented(mut self, augment: Option<&'a Augmentation>) -> Self {
        self.augment = augment;
        self
    }

    /// Steps of an epoch over so many examples; the last batch may be smaller than the others.
    #[must_use]
    pub fn steps(plan: &TrainPlan, examples: usize) -> usize {
        examples.div_ceil(plan.batch_size.get())
    }

    /// The `epoch`-th pass over the examples, counted from 1, in an order that follows from the seed and the epoch alone. What happens is
    /// put into `log` step by step.
    ///
    /// # Errors
    /// When the loss or a penalty is not finite: the training has diverged.
    pub fn epoch(
        &mut self,
        epoch: usize,
        data: &Batches,
        weights: &mut Weights,
        progress: &dyn Progress,
        log: &mut EpochLog,
    ) -> Result<(), Stop> {
        let (completed, steps) = (epoch - 1, Self::steps(self.plan, data.len()));
        let mut order: Vec<u32> = (0..data.len() as u32).collect();
        order.shuffle(&mut self.random.stream("shuffle", epoch as u64));
        let size = self.plan.batch_size.get();
        let ahead = |augment: &Augmentation| augment.ahead(data.inputs(), &order, size, self.random, epoch);
        let mut ahead = self.augment.map(ahead);
        for (step, batch) in order.chunks(self.plan.batch_size.get()).enumerate() {
            let lr = self.plan.schedule.rate(self.plan.optimizer.lr(), completed, step, steps);
            let moment = Moment { epoch, step, lr };
            let mut point = data.point(weights, batch)?;
            if let Some(ahead) = &mut ahead {
                point.inputs = ahead.inputs()?.to_dtype(weights.dtype()).map_err(Error::from)?;
            }
            let mut generator = self.random.stream("dropout", moment.index());
            point.masks = masks::draw(self.network.masks(), batch.len(), weights.dtype(), &mut generator)?;
            let results = self.programs.of(batch.len())?.at(&point, &[])?;
            let loss = scalar(&results[0])?;
            self.check(Diverging::Loss, loss, moment)?;
            self.last_loss = Some(loss);
            log.steps.push(StepLog { loss, lr });
            let (gradient, buffers) = results[2..].split_at(weights.parameters.len());
            let known = KnownLoss { loss: &results[0], gradient };
            let penalised = self.penalise(known, &point, moment, &mut log.penalties)?;
            let gradient = penalised.as_deref().unwrap_or(gradient);
            self.state.step(lr, &mut weights.parameters, gradient)?;
            weights.buffers = buffers.to_vec();
            progress.advance(1);
        }
        Ok(())
    }

    /// The divergence that a loss shows which is not finite after the steps of an epoch.
    #[must_use]
    pub fn diverged_after(&self, what: Diverging, value: f64, epoch: usize, log: &EpochLog) -> Divergence {
        let lr = log.steps.last().map_or(self.plan.optimizer.lr(), |step| step.lr);
        self.divergence(what, value, Moment { epoch, step: log.steps.len().saturating_sub(1), lr })
    }

    /// The gradient with those of the penalties that are due; `None` where none is.
    fn penalise(
        &mut self,
        known: KnownLoss,
        point: &Point,
        moment: Moment,
        log: &mut Vec<PenaltyLog>,
    ) -> Result<Option<Vec<Tensor>>, Stop> {
        let mut total: Option<Vec<Tensor>> = None;
        for (index, plan) in self.plan.regularizers.iter().enumerate() {
            if !plan.is_due(moment.epoch - 1, moment.step) {
                continue;
            }
            let regularizer = &*plan.regularizer;
            let program = match self.penalties.entry((index, point.samples())) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(regularizer.program(self.network, self.loss, point.samples())?)
                }
            };
            let start = Instant::now();
            let mut generator = self.random.stream(&format!("regularizer-{index}"), moment.index());
            let penalty = regularizer.evaluate(program, point, known, &mut generator)?;
            let value = penalty.mean();
            self.check(Diverging::Penalty(plan.name.clone()), value, moment)?;
            let before = total.as_deref().unwrap_or(known.gradient);
            let add = |(g, p): (&Tensor, &Tensor)| Ok((g + p.affine(plan.strength, 0.0)?)?);
            total = Some(before.iter().zip(&penalty.gradient).map(add).collect::<Result<Vec<_>>>()?);
            let (stderr, seconds) = (penalty.standard_error(), start.elapsed().as_secs_f64());
            log.push(PenaltyLog { regularizer: index, step: moment.step, value, stderr, seconds });
        }
        Ok(total)
    }

    /// Stops at a number that is not finite.
    fn check(&self, what: Diverging, value: f64, moment: Moment) -> Result<(), Stop> {
        if value.is_finite() { Ok(()) } else { Err(Stop::Diverged(self.divergence(what, value, moment))) }
    }

    fn divergence(&self, what: Diverging, value: f64, Moment { epoch, step, lr }: Moment) -> Divergence {
        Divergence {
            what,
            value: value.to_string(),
            epoch,
            step: step + 1,
            learning_rate: lr,
            last_finite_loss: self.last_loss,
        }
    }
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
    /// Mean over the steps of what was added to the loss.
    #[must_use]
    pub fn mean_penalty(&self, plan: &TrainPlan) -> f64 {
        let added = |log: &PenaltyLog| plan.regularizers[log.regularizer].strength * log.value;
        // Not `sum`, which is -0 of nothing.
        self.penalties.iter().map(added).fold(0.0, |sum, added| sum + added) / self.steps.len().max(1) as f64
    }

    /// What became of each regularizer that was due.
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
