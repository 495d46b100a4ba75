//! Training.

use eigenscape_autodiff::{Loss, Network};
use eigenscape_core::{Error, Progress, Random, Result};
use rand::seq::SliceRandom;

use crate::{
    augment::Augmentation,
    evaluate::{Batches, Programs, scalar},
    masks,
    plan::TrainPlan,
    sgd,
    weights::Weights,
};

/// A training under way.
pub struct Trainer<'a> {
    plan: &'a TrainPlan,
    network: &'a Network,
    random: Random,
    programs: Programs<'a>,
    state: sgd::State,
    last_loss: Option<f64>,
    augment: Option<&'a Augmentation>,
}

impl<'a> Trainer<'a> {
    /// A training of a network (in train mode) before its first step.
    #[must_use]
    pub fn new(plan: &'a TrainPlan, network: &'a Network, loss: Loss, random: Random) -> Self {
        let programs = Programs::training_step(network, loss);
        Self { plan, network, random, programs, state: sgd::State::default(), last_loss: None, augment: None }
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

    /// The `epoch`-th pass over the examples, counted from 1, in an order that follows from the seed and the epoch alone.
    ///
    /// # Errors
    /// When the loss is not finite: the training has diverged.
    pub fn epoch(
        &mut self,
        epoch: usize,
        data: &Batches,
        weights: &mut Weights,
        progress: &dyn Progress,
    ) -> Result<()> {
        let completed = epoch - 1;
        let sgd = &self.plan.optimizer;
        let lr = self.plan.schedule.as_ref().map_or(sgd.lr, |schedule| schedule.rate(sgd.lr, completed));
        let mut order: Vec<u32> = (0..data.len() as u32).collect();
        order.shuffle(&mut self.random.stream("shuffle", epoch as u64));
        let size = self.plan.batch_size.get();
        let ahead = |augment: &Augmentation| augment.ahead(data.inputs(), &order, size, self.random, epoch);
        let mut ahead = self.augment.map(ahead);
        for (step, batch) in order.chunks(self.plan.batch_size.get()).enumerate() {
            let mut point = data.point(weights, batch)?;
            if let Some(ahead) = &mut ahead {
                point.inputs = ahead.inputs()?;
            }
            let mut generator = self.random.stream("dropout", (epoch as u64) << 32 | step as u64);
            point.masks = masks::draw(self.network.masks(), batch.len(), weights.dtype(), &mut generator)?;
            let results = self.programs.of(batch.len())?.at(&point, &[])?;
            self.check(scalar(&results[0])?, lr, epoch, step + 1)?;
            let (gradient, buffers) = results[2..].split_at(weights.parameters.len());
            self.state.step(sgd, lr, &mut weights.parameters, gradient)?;
            weights.buffers = buffers.to_vec();
            progress.advance(1);
        }
        Ok(())
    }

    /// Refuses a loss that is not finite, naming where it happened.
    fn check(&mut self, loss: f64, lr: f64, epoch: usize, step: usize) -> Result<()> {
        if loss.is_finite() {
            self.last_loss = Some(loss);
            return Ok(());
        }
        let before = self.last_loss.map_or_else(|| "none".to_owned(), |loss| format!("{loss:.4}"));
        let remedy = match self.last_loss {
            Some(_) => "lower train.optimizer.lr, or raise train.batch_size",
            None => {
                "before its first step it is not the learning rate: check the data and the settings in [model]"
            }
        };
        Err(Error::input(
            "training diverged",
            format!(
                "the loss is {loss} in epoch {epoch}, step {step} (learning rate {lr}, last finite loss {before})"
            ),
            remedy,
        ))
    }
}
