//! Decides what is saved of a run in progress, and when: little work is lost if the process ends,
//! and saving costs little.

use eigenscape_core::{Error, Result};

use crate::{
    diagnostic::{self, Failure},
    kept_spectra::KeptSpectra,
    pace::Pace,
    plan::TrainPlan,
    prepare::Prepared,
    progress::Display,
    resume::Unfinished,
    state_folder::StateFolder,
    train::{Standing, Trainer},
    training_state::{Records, State},
    vectors::VECTORS,
    weights::Weights,
};

/// Bytes of disk space that are reserved besides the weights: the records of a training without
/// spectra.
const RECORDS: usize = 1 << 16;

/// Saves the progress of a run.
pub struct Keeper<'a> {
    /// The folder of the training's state.
    pub folder: StateFolder<'a>,
    /// The finished spectra of epochs after the saved state, including the current one.
    pub spectra: KeptSpectra,
    prepared: &'a Prepared<'a>,
    display: &'a Display,
    /// Steps per epoch.
    steps: usize,
    pace: Pace,
    /// Epoch and step of the saved state.
    saved: Option<(usize, usize)>,
    /// Whether the last attempt to save something failed.
    failing: bool,
}

impl<'a> Keeper<'a> {
    /// A keeper for a run with this folder. Reserves disk space for the training's state.
    #[must_use]
    pub fn new(prepared: &'a Prepared, folder: &'a Unfinished, display: &'a Display) -> Self {
        let (Prepared { plan, weights, .. }, network) = (prepared, prepared.network());
        let folder = StateFolder::of(folder, network);
        let vectors = folder.unfinished().file(VECTORS);
        let spectra = KeptSpectra::read(folder.path().to_owned(), vectors, |why| not_used(display, why));
        let tensors = weights.parameters.iter().chain(&weights.buffers);
        let size = tensors.map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum::<usize>();
        if plan.train.is_some() {
            folder.reserve(size + RECORDS);
        }
        let steps = plan.train.as_ref().map_or(0, |train| Trainer::steps(train, prepared.train.len()));
        let pace = Pace::of_bytes(2 * size);
        Self { folder, spectra, prepared, display, steps, pace, saved: None, failing: false }
    }

    /// Steps per epoch.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The training state that an earlier call saved, if any.
    pub fn state(&mut self) -> Option<State> {
        let train = self.prepared.plan.train.as_ref()?;
        let warn = |why: &str| not_used(self.display, why);
        let state = self.folder.read(train.optimizer, &self.prepared.weights, warn)?;
        let place = (state.standing.epoch, state.standing.log.steps.len());
        self.saved = Some(place);
        self.display.line(&format!("goes on from {}", self.name(place)));
        Some(state)
    }

    /// Saves the state if that is due, after the last step, and on an interrupt.
    ///
    /// # Errors
    /// When an interrupt is requested.
    pub fn after_step(&mut self, plan: &TrainPlan, standing: &Standing, records: &Records) -> Result<()> {
        let ended = standing.log.steps.len() == self.steps;
        let last = ended && standing.epoch == plan.epochs.get();
        let wanted = self.display.interrupt().is_requested();
        if last || wanted || (ended && self.pace.is_cheap()) || self.pace.is_due(plan.keep_every) {
            self.save(standing, records);
        }
        Ok(self.display.interrupt().check()?)
    }

    /// Passes on the result of work outside the training's steps. If the work was interrupted,
    /// saves the training's state first.
    ///
    /// # Errors
    /// The error of the work.
    pub fn unless_interrupted<T>(
        &mut self,
        done: Result<T>,
        standing: &Standing,
        records: &Records,
    ) -> diagnostic::Result<T> {
        if matches!(done, Err(Error::Interrupted)) && standing.epoch > 0 {
            self.save(standing, records);
        }
        Ok(done?)
    }

    /// Writes weights to a file of the run, now or once there is disk space.
    pub fn checkpoint(&mut self, name: &str, weights: &Weights) {
        let written = self.folder.checkpoint(name, weights);
        self.told(written, "the weights wait in memory");
    }

    /// Writes the spectra that are not on disk yet.
    pub fn write_spectra(&mut self) {
        let written = self.spectra.write();
        self.told(written, "the last spectra are not kept");
    }

    fn save(&mut self, standing: &Standing, records: &Records) {
        let place = (standing.epoch, standing.log.steps.len());
        if self.saved == Some(place) {
            return;
        }
        let last = place == (self.prepared.plan.epochs(), self.steps);
        let saved = self.pace.write(|| self.folder.save(standing, records, last));
        if self.told(saved, "the training goes on without it") {
            self.saved = Some(place);
            // The saved records contain the spectra of earlier measured epochs.
            self.spectra.forget_before(standing.epoch);
        }
    }

    /// Warns about the first of several failures in a row, with the consequence. Returns whether
    /// saving succeeded.
    fn told(&mut self, kept: Result<()>, consequence: &str) -> bool {
        let failed = kept.is_err();
        if let (Err(error), false) = (kept, self.failing) {
            let (problem, remedy) = error.into_words();
            let remedy = remedy.map_or(String::new(), |remedy| format!(" ({remedy})"));
            self.display.line(&format!("warning: {problem}: {consequence}{remedy}"));
        }
        self.failing = failed;
        !failed
    }

    /// The failure that ends the run, with a description of what is kept.
    #[must_use]
    pub fn broken_off(&mut self, failure: Failure) -> Failure {
        self.write_spectra();
        let training = self.saved.map(|place| format!("the training up to {}", self.name(place)));
        let spectra = match self.spectra.all() {
            0 => None,
            1 => Some("1 finished spectrum".to_owned()),
            count => Some(format!("{count} finished spectra")),
        };
        let parts: Vec<String> = training.into_iter().chain(spectra).collect();
        let are = if parts.len() > 1 || self.spectra.all() > 1 { "are" } else { "is" };
        let kept = format!("{} {are} kept in {}", parts.join(" and "), self.folder.path().display());
        failure.keeping((!parts.is_empty()).then_some(kept))
    }

    /// A position in the training: "epoch 45 of 50, step 3 of 60".
    fn name(&self, (epoch, step): (usize, usize)) -> String {
        let steps = self.steps;
        let step = if step == steps { String::new() } else { format!(", step {step} of {steps}") };
        format!("epoch {epoch} of {}{step}", self.prepared.plan.epochs())
    }
}

fn not_used(display: &Display, why: &str) {
    display.line(&format!("warning: {why}: it is not used"));
}
