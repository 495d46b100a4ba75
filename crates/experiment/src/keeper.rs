//! What is kept of a run under way, and when: so that little is lost with the process, and keeping
//! costs little.

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
    weights::Weights,
};

/// Bytes beside the weights for which place is held: the records of a training without spectra.
const RECORDS: usize = 1 << 16;

/// The keeper of a run.
pub struct Keeper<'a> {
    /// Where the training's state is kept.
    pub folder: StateFolder<'a>,
    /// The spectra of the moment that is being measured, and of those after the state that is kept.
    pub spectra: KeptSpectra,
    prepared: &'a Prepared<'a>,
    display: &'a Display,
    /// Steps of an epoch.
    steps: usize,
    pace: Pace,
    /// Epoch and step of the state that is kept.
    saved: Option<(usize, usize)>,
    /// Whether the last attempt to keep something failed.
    failing: bool,
}

impl<'a> Keeper<'a> {
    /// For a run with this folder.
    #[must_use]
    pub fn new(prepared: &'a Prepared, folder: &'a Unfinished, display: &'a Display) -> Self {
        let (Prepared { plan, weights, .. }, network) = (prepared, prepared.network());
        let folder = StateFolder::of(folder, network);
        let spectra = KeptSpectra::read(folder.path().to_owned(), |why| not_used(display, why));
        let tensors = weights.parameters.iter().chain(&weights.buffers);
        let size = tensors.map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum::<usize>();
        if plan.train.is_some() {
            folder.reserve(size + RECORDS);
        }
        let steps = plan.train.as_ref().map_or(0, |train| Trainer::steps(train, prepared.train.len()));
        let pace = Pace::of_bytes(2 * size);
        Self { folder, spectra, prepared, display, steps, pace, saved: None, failing: false }
    }

    /// Steps of an epoch.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// What an earlier call kept of the training.
    pub fn state(&mut self) -> Option<State> {
        let train = self.prepared.plan.train.as_ref()?;
        let warn = |why: &str| not_used(self.display, why);
        let state = self.folder.read(train.optimizer, &self.prepared.weights, warn)?;
        let place = (state.standing.epoch, state.standing.log.steps.len());
        self.saved = Some(place);
        self.display.line(&format!("goes on from {}", self.name(place)));
        Some(state)
    }

    /// Keeps the state where that is due, and always after the last step; stops where that is
    /// wanted.
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

    /// Before work beside the steps of training is stopped, what the training has come to is kept.
    ///
    /// # Errors
    /// Those of the work.
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

    /// Writes weights as one of the run's files, at once or when there is room.
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
            // Spectra of the moments before are in the records.
            self.spectra.forget_before(standing.epoch);
        }
    }

    /// Says once that something cannot be kept, and what that means; whether it was.
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

    /// The failure that ends the run, with what is kept of it.
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

    /// "epoch 45 of 50, step 3 of 60".
    fn name(&self, (epoch, step): (usize, usize)) -> String {
        let steps = self.steps;
        let step = if step == steps { String::new() } else { format!(", step {step} of {steps}") };
        format!("epoch {epoch} of {}{step}", self.prepared.plan.epochs())
    }
}

fn not_used(display: &Display, why: &str) {
    display.line(&format!("warning: {why}: it is not used"));
}
