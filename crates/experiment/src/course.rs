//! The course of one run, which alternates between training and measuring, from the beginning or
//! from the state that an interrupted call kept.

use eigenscape_analysis::significant;
use eigenscape_core::{
    Error, Random,
    notes::{Note, RunNotes},
    results::{Divergence, Diverging, PenaltyRecord, Run, TrainingRecord},
};

use crate::{
    diagnostic::{Failure, Result},
    epoch::{self, Measures},
    evaluate::Batches,
    keeper::Keeper,
    notes,
    optimizer::Optimizer,
    plan::{RegularizerPlan, RunPlan, TrainPlan},
    prepare::Prepared,
    progress::{Bar, Display},
    resume::Unfinished,
    tensorboard::Scalars,
    train::{Standing, Stop, Trainer},
    training_state::{Records, State},
    work::Forecast,
};

/// The maximum number of parameters for which weights are saved at each measured epoch. Weights of
/// larger networks are saved only at the end.
const SAVED_AT_MOMENTS: usize = 1 << 22;
/// Significant digits of losses in lines.
const DIGITS: usize = 4;

/// Trains and measures a prepared run, or resumes it where an earlier call was interrupted.
///
/// # Errors
/// When a loss cannot be evaluated, or is not finite before the first step; when a results file
/// cannot be written; when an interrupt is requested. Finished work is then kept in the run's
/// folder, and the error describes it.
pub fn run(prepared: &Prepared, folder: &Unfinished, display: &Display) -> Result<(Run, RunNotes)> {
    let mut course = Course { prepared, display, keeper: Keeper::new(prepared, folder, display) };
    course.follow().map_err(|failure| course.keeper.broken_off(failure))
}

/// A run in progress.
struct Course<'a> {
    prepared: &'a Prepared<'a>,
    display: &'a Display,
    keeper: Keeper<'a>,
}

impl Course<'_> {
    fn follow(&mut self) -> Result<(Run, RunNotes)> {
        let prepared = self.prepared;
        let (plan, network) = (prepared.plan, prepared.network());
        let (epochs, random) = (plan.epochs(), Random::new(plan.seed));
        let steps = self.keeper.steps();
        let batches = |examples| -> Result<Batches> {
            let split = Batches::new(examples, &prepared.labels, prepared.weights.dtype())?;
            Ok(split.on(&plan.backend))
        };
        let train = batches(&prepared.train)?;
        let test = prepared.test.as_ref().map(batches).transpose()?;
        let trainer =
            |train| Trainer::new(train, &prepared.training, random).augmented(plan.augment.as_ref());
        let mut trainer = plan.train.as_ref().map(trainer);
        let (mut standing, mut records) = self.beginning();
        prepared.warnings.iter().for_each(|warning| self.display.line(&format!("warning: {warning}")));
        let bar = self.display.training("training", epochs * steps);
        bar.skip(standing.epoch.saturating_sub(1) * steps + standing.log.steps.len());
        let forecast = Forecast::new(prepared, standing.epoch);
        for epoch in standing.epoch..=epochs {
            if epoch > standing.epoch {
                standing = standing.at_start_of(epoch);
            }
            if let (Some(trainer), true) = (&mut trainer, epoch > 0) {
                records.run.diverged = self.train(trainer, &train, &mut standing, &records, &bar)?;
            }
            let mut record = TrainingRecord { epoch, ..TrainingRecord::default() };
            if let Some(train) = &plan.train {
                record.penalty = standing.log.mean_penalty(train);
                record.penalties = standing.log.penalty_records(train);
            }
            if records.run.diverged.is_none() {
                let splits = (&train, test.as_ref());
                let programs = &*prepared.programs;
                let evaluated =
                    epoch::evaluate(programs, splits, &standing.weights, &mut record, self.display);
                self.keeper.unless_interrupted(evaluated, &standing, &records)?;
                records.run.diverged = check_finite(plan, trainer.as_ref(), &record, &standing)?;
            }
            if let Some(divergence) = &records.run.diverged {
                self.display.line(&divergence.to_string());
                if let Some(scalars) = &mut records.scalars {
                    scalars.steps(plan, epoch, &standing.log, steps);
                }
                break;
            }
            bar.message(format!("loss {}", significant(record.train_loss, DIGITS)));
            let left = forecast.left(epoch, false).map(|left| format!("; {left}")).unwrap_or_default();
            self.display.line(&format!("{}{left}", line(&record, epochs)));
            let measures =
                epoch::measure(prepared, epoch, &standing.weights, &mut self.keeper.spectra, self.display);
            let measures = self.keeper.unless_interrupted(measures, &standing, &records)?;
            let probed = prepared.probes.iter().any(|probe| probe.plan.epochs.contains(&epoch));
            if probed && epoch < epochs && network.dimension() <= SAVED_AT_MOMENTS {
                self.keeper.checkpoint(&format!("epoch-{epoch}"), &standing.weights);
            }
            self.record(record, measures, &standing, &mut records);
        }
        self.finish(&standing, records)
    }

    /// The training state that an earlier call kept, or the initial state.
    fn beginning(&mut self) -> (Standing, Records) {
        let Prepared { plan, weights, .. } = self.prepared;
        let (name, variant) = (plan.name.clone(), plan.variant.clone());
        if let Some(State { standing, mut records, .. }) = self.keeper.state() {
            (records.run.name, records.run.variant) = (name, variant);
            return (standing, records);
        }
        let settings = toml::from_str(&plan.settings).unwrap_or_default();
        let run = Run { name, variant, seed: plan.seed, settings, ..Run::default() };
        let scalars = plan.tensorboard.then(Scalars::new);
        let optimizer = plan.train.as_ref().map_or(Optimizer::NONE, |train| train.optimizer);
        (Standing::new(optimizer, weights.clone()), Records { run, scalars, ..Records::default() })
    }

    /// Trains the rest of an epoch. Returns the divergence, if the training diverged.
    fn train(
        &mut self,
        trainer: &mut Trainer,
        data: &Batches,
        standing: &mut Standing,
        records: &Records,
        bar: &Bar,
    ) -> Result<Option<Divergence>> {
        let Some(plan) = &self.prepared.plan.train else { return Ok(None) };
        let stopped = self.display.interrupt().check().map_err(Error::from);
        self.keeper.unless_interrupted(stopped, standing, records)?;
        let watch = |standing: &Standing| {
            bar.skip(1);
            bar.message(last_step(standing, plan));
            Ok(self.keeper.after_step(plan, standing, records)?)
        };
        match trainer.epoch(data, standing, watch) {
            Ok(()) => Ok(None),
            Err(Stop::Diverged(divergence)) => Ok(Some(divergence)),
            Err(Stop::Failed(error)) => Err(error.into()),
        }
    }

    /// Adds the measurements of a measured epoch to the records.
    fn record(
        &mut self,
        record: TrainingRecord,
        measures: Measures,
        standing: &Standing,
        Records { run, left_out, scalars }: &mut Records,
    ) {
        if let Some(scalars) = scalars {
            scalars.epoch(self.prepared.plan, &record, &standing.log, self.keeper.steps());
        }
        // The last state contains all spectra but those of the last epoch: reserve space for them.
        if self.prepared.plan.train.is_some() && record.epoch < self.prepared.plan.epochs() {
            self.keeper.folder.reserve(measures.bytes());
        }
        self.keeper.folder.list(measures.files);
        run.training.push(record);
        run.probes.extend(measures.probes);
        run.means.extend(measures.means);
        run.distances.extend(measures.distances);
        run.failures.extend(measures.failures);
        left_out.extend(measures.left_out.into_iter().map(|why| Note::new("Left out", why)));
    }

    /// Writes the run's remaining files, and returns its record and notes.
    fn finish(&mut self, standing: &Standing, records: Records) -> Result<(Run, RunNotes)> {
        self.keeper.write_spectra();
        let folder = &mut self.keeper.folder;
        if records.run.diverged.is_none() {
            folder.checkpoint("final", &standing.weights)?;
        }
        folder.settle()?;
        if let Some(scalars) = &records.scalars {
            folder.unfinished().write_scalars(scalars.bytes())?;
        }
        let mut notes = notes::of_run(self.prepared);
        notes.lines.extend(records.left_out);
        Ok((records.run, notes))
    }
}

/// The divergence of the training before this record, if one of the record's losses is not finite.
///
/// # Errors
/// When a loss is not finite before the first step.
fn check_finite(
    plan: &RunPlan,
    trainer: Option<&Trainer>,
    record: &TrainingRecord,
    standing: &Standing,
) -> Result<Option<Divergence>> {
    let on_train = (Diverging::TrainingLoss, record.train_loss);
    let on_test = record.test_loss.map(|loss| (Diverging::TestLoss, loss));
    let losses = [on_train].into_iter().chain(on_test);
    let Some((what, value)) = losses.into_iter().find(|(_, loss)| !loss.is_finite()) else {
        return Ok(None);
    };
    match trainer {
        Some(trainer) if record.epoch > 0 => Ok(Some(trainer.diverged_after(what, value, standing))),
        _ => Err(Failure::Run {
            problem: format!(
                "the loss after epoch {} is {} on the training split{}",
                record.epoch,
                record.train_loss,
                record.test_loss.map(|loss| format!(" and {loss} on the test split")).unwrap_or_default()
            ),
            remedy: Some(remedy(plan).to_owned()),
        }),
    }
}

/// The remedy for a loss that is not finite before the first epoch, where the learning rate is not
/// the cause.
fn remedy(plan: &RunPlan) -> &'static str {
    match &plan.model.checkpoint {
        Some(_) => {
            "check that the data has no huge values and is scaled as that which the checkpoint was trained on, and that the \
             checkpoint belongs to this model and its settings"
        }
        None => "check that the data has no huge values, and the settings in [model]",
    }
}

/// The loss of the last step, and each penalty when it was added last: "loss 0.5123, hessian-trace
/// 12.34".
fn last_step(standing: &Standing, plan: &TrainPlan) -> String {
    let loss = standing.log.steps.last().map(|step| format!("loss {}", significant(step.loss, DIGITS)));
    let penalty = |(index, regularizer): (usize, &RegularizerPlan)| {
        let last = standing.log.penalties.iter().rev().find(|log| log.regularizer == index)?;
        Some(format!("{} {}", regularizer.name, significant(last.value, DIGITS)))
    };
    let penalties = plan.regularizers.iter().enumerate().filter_map(penalty);
    loss.into_iter().chain(penalties).collect::<Vec<_>>().join(", ")
}

/// "epoch 3/10: training loss 0.5123 (81.2 %), test loss 0.6011 (78.0 %), penalty 0.0123:
/// hessian-trace 12.34 ± 0.51".
fn line(record: &TrainingRecord, epochs: usize) -> String {
    let percent =
        |share: Option<f64>| share.map_or(String::new(), |share| format!(" ({:.1} %)", 100.0 * share));
    let loss = |loss: f64| significant(loss, DIGITS);
    let when = if epochs == 0 { "as given".to_owned() } else { format!("epoch {}/{epochs}", record.epoch) };
    let test = record
        .test_loss
        .map(|value| format!(", test loss {}{}", loss(value), percent(record.test_accuracy)))
        .unwrap_or_default();
    let penalties: Vec<String> = record.penalties.iter().map(penalty).collect();
    let penalty = match penalties.as_slice() {
        [] => String::new(),
        all => format!(", penalty {}: {}", significant(record.penalty, DIGITS), all.join(", ")),
    };
    let train = loss(record.train_loss);
    format!("{when}: training loss {train}{}{test}{penalty}", percent(record.train_accuracy))
}

/// The mean of a penalty over an epoch, without its strength, with its standard error.
fn penalty(record: &PenaltyRecord) -> String {
    let error = record.stderr.filter(|error| *error > 0.0);
    let error = error.map(|error| format!(" ± {}", significant(error, 2))).unwrap_or_default();
    format!("{} {}{error}", record.name, significant(record.value, DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_its_losses_and_penalties_in_few_digits() {
        let penalty = PenaltyRecord {
            name: "hessian-trace".to_owned(),
            strength: 0.01,
            count: 3,
            value: 1234.5678,
            stderr: Some(51.0),
            seconds: 1.0,
        };
        let record = TrainingRecord {
            epoch: 3,
            train_loss: 0.512_345,
            train_accuracy: Some(0.812),
            test_loss: Some(1e25),
            penalty: 12.345_678,
            penalties: vec![penalty],
            ..TrainingRecord::default()
        };
        assert_eq!(
            line(&record, 10),
            "epoch 3/10: training loss 0.5123 (81.2 %), test loss 1.000e25, penalty 12.35: hessian-trace 1235 ± 51"
        );
        assert_eq!(line(&TrainingRecord::default(), 0), "as given: training loss 0");
    }
}
