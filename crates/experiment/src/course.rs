//! The course of one run: training and measuring by turns, from the beginning or from what an interrupted call kept.

use std::path::Path;

use eigenscape_core::{
    Error, Random,
    notes::{Note, RunNotes},
    results::{Divergence, Diverging, Run, TrainingRecord},
};

use crate::{
    diagnostic::{Failure, Result},
    evaluate::{Batches, Programs},
    kept_spectra::KeptSpectra,
    moment::{self, Measures},
    notes,
    optimizer::Optimizer,
    pace::Pace,
    plan::{RunPlan, TrainPlan},
    prepare::Prepared,
    progress::{Bar, Display},
    resume::Unfinished,
    state_folder::StateFolder,
    tensorboard::Scalars,
    train::{Standing, Stop, Trainer},
    training_state::Records,
};

/// Weights of larger networks are saved at the end only, not at each moment that is measured.
const SAVED_AT_MOMENTS: usize = 1 << 22;
/// Bytes beside the weights for which place is held: the records of a training without spectra.
const RECORDS: usize = 1 << 16;

/// Trains and measures a run that is ready to start, or goes on where an earlier call was interrupted.
///
/// # Errors
/// When a loss cannot be evaluated, or is not finite before the first step, or a file of the results cannot be written; when an interrupt
/// is requested. What was done is then kept in the run's folder, and the error says what.
pub fn run(prepared: &Prepared, folder: &Unfinished, display: &Display) -> Result<(Run, RunNotes)> {
    let warn = |why: &str| display.line(&format!("warning: {why}: it is not used"));
    let folder = StateFolder::of(folder);
    let weights = &prepared.weights;
    let sizes = weights.parameters.iter().chain(&weights.buffers);
    let size: usize = sizes.map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum();
    let mut course = Course {
        prepared,
        display,
        spectra: KeptSpectra::read(folder.path().to_owned(), warn),
        folder,
        steps: prepared.plan.train.as_ref().map_or(0, |plan| Trainer::steps(plan, prepared.train.len())),
        pace: Pace::of_bytes(2 * size),
        saved: None,
        failing: false,
    };
    if prepared.plan.train.is_some() {
        course.folder.reserve(size + RECORDS);
    }
    course.follow(warn).map_err(|failure| course.broken_off(failure))
}

/// A run under way, with what is kept of it.
struct Course<'a> {
    prepared: &'a Prepared<'a>,
    display: &'a Display,
    folder: StateFolder<'a>,
    spectra: KeptSpectra,
    /// Steps of an epoch.
    steps: usize,
    pace: Pace,
    /// Epoch and step of the state that is kept.
    saved: Option<(usize, usize)>,
    /// Whether the last attempt to keep something failed.
    failing: bool,
}

impl Course<'_> {
    fn follow(&mut self, warn: impl FnMut(&str)) -> Result<(Run, RunNotes)> {
        let prepared = self.prepared;
        let (plan, network, loss) = (prepared.plan, &prepared.network, prepared.loss);
        let (epochs, random) = (plan.epochs(), Random::new(plan.seed));
        let train = Batches::new(&prepared.train, &prepared.labels, prepared.weights.dtype())?;
        let test = prepared.test.as_ref();
        let test = test.map(|test| Batches::new(test, &prepared.labels, prepared.weights.dtype()));
        let test = test.transpose()?;
        let mut losses = Programs::loss(network, loss);
        let trainer =
            |train| Trainer::new(train, &prepared.training, loss, random).augmented(plan.augment.as_ref());
        let mut trainer = plan.train.as_ref().map(trainer);
        let (mut standing, mut records) = self.beginning(warn);
        let bar = self.display.training("training", epochs * self.steps);
        bar.skip(standing.epoch.saturating_sub(1) * self.steps + standing.log.steps.len());
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
                let evaluated =
                    moment::evaluate(&mut losses, splits, &standing.weights, &mut record, self.display);
                self.unless_interrupted(evaluated, &standing, &records)?;
                records.run.diverged = check_finite(plan, trainer.as_ref(), &record, &standing)?;
            }
            if let Some(divergence) = &records.run.diverged {
                self.display.line(&divergence.to_string());
                if let Some(scalars) = &mut records.scalars {
                    scalars.steps(plan, epoch, &standing.log, self.steps);
                }
                break;
            }
            bar.message(format!("loss {:.4}", record.train_loss));
            self.display.line(&line(&record, epochs));
            let measures =
                moment::measure(prepared, epoch, &standing.weights, &mut self.spectra, self.display);
            let measures = self.unless_interrupted(measures, &standing, &records)?;
            let probed = prepared.probes.iter().any(|probe| probe.plan.epochs.contains(&epoch));
            if probed && epoch < epochs && network.dimension() <= SAVED_AT_MOMENTS {
                let written = self.folder.checkpoint(&format!("epoch-{epoch}"), network, &standing.weights);
                self.told(written, "they wait in memory");
            }
            self.record(record, measures, &standing, &mut records);
        }
        self.finish(&standing, records)
    }

    /// What an earlier call kept of the training, or the weights to start from.
    fn beginning(&mut self, warn: impl FnMut(&str)) -> (Standing, Records) {
        let Prepared { plan, weights, .. } = self.prepared;
        let optimizer = plan.train.as_ref().map_or(Optimizer::NONE, |train| train.optimizer);
        let kept = plan.train.as_ref().and_then(|_| self.folder.read(optimizer, weights, warn));
        let (name, variant) = (plan.name.clone(), plan.variant.clone());
        if let Some(state) = kept {
            let (standing, mut records) = (state.standing, state.records);
            (records.run.name, records.run.variant) = (name, variant);
            self.saved = Some((standing.epoch, standing.log.steps.len()));
            self.display.line(&format!("goes on from {}", self.place(&standing)));
            return (standing, records);
        }
        let run = Run { name, variant, seed: plan.seed, ..Run::default() };
        let scalars = plan.tensorboard.then(Scalars::new);
        (Standing::new(optimizer, weights.clone()), Records { run, scalars, ..Records::default() })
    }

    /// The rest of an epoch; the divergence that it came to.
    fn train(
        &mut self,
        trainer: &mut Trainer,
        data: &Batches,
        standing: &mut Standing,
        records: &Records,
        bar: &Bar,
    ) -> Result<Option<Divergence>> {
        let Some(plan) = &self.prepared.plan.train else { return Ok(None) };
        self.display.interrupt().check()?;
        let watch = |standing: &Standing| {
            bar.skip(1);
            self.after_step(plan, standing, records)?;
            Ok(())
        };
        match trainer.epoch(data, standing, watch) {
            Ok(()) => Ok(None),
            Err(Stop::Diverged(divergence)) => Ok(Some(divergence)),
            Err(Stop::Failed(error)) => Err(error.into()),
        }
    }

    /// Keeps the state where that is due, and always after the last step; stops where that is wanted.
    fn after_step(
        &mut self,
        plan: &TrainPlan,
        standing: &Standing,
        records: &Records,
    ) -> eigenscape_core::Result<()> {
        let ended = standing.log.steps.len() == self.steps;
        let last = ended && standing.epoch == plan.epochs.get();
        let wanted = self.display.interrupt().is_requested();
        if last || wanted || (ended && self.pace.is_cheap()) || self.pace.is_due(plan.keep_every) {
            // Spectra that were measured before are in the records.
            if self.save(standing, records) {
                self.spectra.forget();
            }
        }
        self.display.interrupt().check()
    }

    /// Keeps the state; whether it could be.
    fn save(&mut self, standing: &Standing, records: &Records) -> bool {
        let place = (standing.epoch, standing.log.steps.len());
        if self.saved == Some(place) {
            return true;
        }
        let last = place == (self.prepared.plan.epochs(), self.steps);
        let saved = self.pace.write(|| self.folder.save(standing, records, last));
        let saved = self.told(saved, "the training goes on without it");
        if saved {
            self.saved = Some(place);
        }
        saved
    }

    /// Says once that something cannot be kept, and what that means; whether it was.
    fn told(&mut self, kept: eigenscape_core::Result<()>, consequence: &str) -> bool {
        let failed = kept.is_err();
        if let (Err(error), false) = (kept, self.failing) {
            let (problem, remedy) = error.into_words();
            let remedy = remedy.map_or(String::new(), |remedy| format!(" ({remedy})"));
            self.display.line(&format!("warning: {problem}: {consequence}{remedy}"));
        }
        self.failing = failed;
        !failed
    }

    /// Before work at a moment is stopped, what the training has come to is kept.
    fn unless_interrupted<T>(
        &mut self,
        done: eigenscape_core::Result<T>,
        standing: &Standing,
        records: &Records,
    ) -> Result<T> {
        if matches!(done, Err(Error::Interrupted)) && standing.epoch > 0 {
            self.save(standing, records);
        }
        Ok(done?)
    }

    /// Adds what was found at a moment to the records.
    fn record(
        &mut self,
        record: TrainingRecord,
        measures: Measures,
        standing: &Standing,
        Records { run, left_out, scalars }: &mut Records,
    ) {
        if let Some(scalars) = scalars {
            scalars.epoch(self.prepared.plan, &record, &standing.log, self.steps);
        }
        // The last state has the spectra of all moments but the last in it.
        if self.prepared.plan.train.is_some() && record.epoch < self.prepared.plan.epochs() {
            self.folder.reserve(measures.bytes());
        }
        run.training.push(record);
        run.probes.extend(measures.probes);
        run.means.extend(measures.means);
        run.distances.extend(measures.distances);
        run.failures.extend(measures.failures);
        left_out.extend(measures.left_out.into_iter().map(|why| Note::new("Left out", why)));
    }

    /// Writes the files of results beside the records.
    fn finish(&mut self, standing: &Standing, records: Records) -> Result<(Run, RunNotes)> {
        let kept = self.spectra.write();
        self.told(kept, "the last spectra are not kept");
        if records.run.diverged.is_none() {
            self.folder.checkpoint("final", &self.prepared.network, &standing.weights)?;
        }
        self.folder.settle()?;
        if let Some(scalars) = &records.scalars {
            self.folder.unfinished().write_scalars(scalars.bytes())?;
        }
        let mut notes = notes::of_run(self.prepared);
        notes.lines.extend(records.left_out);
        Ok((records.run, notes))
    }

    /// "epoch 45 of 50, step 3 of 60".
    fn place(&self, standing: &Standing) -> String {
        place((standing.epoch, standing.log.steps.len()), self.prepared.plan.epochs(), self.steps)
    }

    /// The failure, with what is kept.
    fn broken_off(&mut self, failure: Failure) -> Failure {
        let written = self.spectra.write();
        self.told(written, "the last spectra are not kept");
        let spectra = self.spectra.all();
        let training = self.saved.map(|saved| place(saved, self.prepared.plan.epochs(), self.steps));
        let parts = [
            training.map(|place| format!("the training up to {place}")),
            (spectra > 0)
                .then(|| format!("{spectra} finished {}", if spectra == 1 { "spectrum" } else { "spectra" })),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let folder: &Path = self.folder.path();
        let are = if parts.len() > 1 || spectra > 1 { "are" } else { "is" };
        let kept = (!parts.is_empty())
            .then(|| format!("{} {are} kept in {}", parts.join(" and "), folder.display()));
        failure.keeping(kept)
    }
}

/// "epoch 45 of 50, step 3 of 60".
fn place((epoch, step): (usize, usize), epochs: usize, steps: usize) -> String {
    let step = if step == steps { String::new() } else { format!(", step {step} of {steps}") };
    format!("epoch {epoch} of {epochs}{step}")
}

/// Whether the training diverged in the steps before this record, which its losses show.
///
/// # Errors
/// When they are not finite before the first step.
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

/// What may be wrong with a loss that is not finite before the first epoch: it is not the learning rate.
fn remedy(plan: &RunPlan) -> &'static str {
    match &plan.model.checkpoint {
        Some(_) => {
            "check that the data has no huge values and is scaled as that which the checkpoint was trained on, and that the \
             checkpoint belongs to this model and its settings"
        }
        None => "check that the data has no huge values, and the settings in [model]",
    }
}

fn line(record: &TrainingRecord, epochs: usize) -> String {
    let percent =
        |share: Option<f64>| share.map_or(String::new(), |share| format!(" ({:.1} %)", 100.0 * share));
    let moment = if epochs == 0 { "as given".to_owned() } else { format!("epoch {}/{epochs}", record.epoch) };
    let test = record
        .test_loss
        .map(|loss| format!(", test loss {loss:.4}{}", percent(record.test_accuracy)))
        .unwrap_or_default();
    format!("{moment}: training loss {:.4}{}{test}", record.train_loss, percent(record.train_accuracy))
}
