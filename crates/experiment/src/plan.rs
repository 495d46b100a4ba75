//! The checked plan: what will be run, with every name resolved and every value in its range.
//!
//! **Epochs** are counted as *completed* epochs everywhere: 0 is before training, E after the last
//! epoch. "start" is 0, "end" is E, "every-epoch" is 1, 2, ..., E (without training only 0), a list
//! is any of "start", "end" and 0..=E.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use candle_core::DType;
use eigenscape_analysis::Expectation;
use eigenscape_core::{
    Architecture, Curvature, Dataset, Distance, Error, GroupSelector, Loss, ProbeEstimator, Regularizer,
    Result, Split,
};
use eigenscape_curvature::Residuals;
use eigenscape_program::{Mode, Needs};
use eigenscape_runtime::Backend;

pub use crate::raw::Take;
use crate::{
    augment::Augmentation, checkpoint::Selection, diagnostic::Located, document::Node, optimizer::Optimizer,
    raw::Between, schedule::Schedule, shared::Shared,
};

/// A checked experiment.
pub struct ExperimentPlan {
    /// The experiment's name.
    pub name: String,
    /// The results folder: `OUT/NAME`.
    pub directory: PathBuf,
    /// One run per combination of the sweep; exactly one without a sweep.
    pub runs: Vec<RunPlan>,
    /// Warnings about settings that are valid but probably not intended, such as keys that only
    /// another plugin of the same kind has.
    pub warnings: Vec<String>,
    /// The experiment with its defaults filled in, as TOML.
    pub resolved: String,
    /// What is expected of the results.
    pub expectations: Vec<Expectation>,
    /// The node of `expect`, for errors that are found once groups are known.
    pub expect: Node,
    /// The profile, if it changed something.
    pub profile: Option<Shortened>,
    /// The changes made by `--set` flags, as text.
    pub set: Vec<String>,
}

/// The changes made by a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortened {
    /// The profile's name.
    pub profile: &'static str,
    /// The changes, as text: "train.epochs = 5 instead of 50".
    pub changes: Vec<String>,
}

/// One training, or the analysis of one given model.
pub struct RunPlan {
    /// The run's name: "model=lenet,seed=1"; empty without a sweep.
    pub name: String,
    /// The name without the seed: runs that share it are reruns of one another.
    pub variant: String,
    /// Every setting that the run's numbers depend on, the defaults included, as TOML.
    pub settings: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The limit on the memory for measuring, beside weights and data, in bytes; `None` if there is
    /// none.
    pub memory: Option<Located<usize>>,
    /// The number of runs of the plan.
    pub runs: usize,
    /// What the run shares with the other runs.
    pub shared: Arc<Shared>,
    /// Bytes of the other runs' data sets, which are held until all runs are done.
    pub other_data: usize,
    /// The data set's name with its location.
    pub data_name: Located<String>,
    /// The data set.
    pub data: Arc<dyn Dataset>,
    /// The augmentation of training images, if any.
    pub augment: Option<Augmentation>,
    /// The backend that runs programs, including the plugins' operations.
    pub backend: Arc<dyn Backend>,
    /// What to say about the device: a card's name, memory and precision, or why "auto" is the CPU.
    pub device: Option<String>,
    /// Whether there are external plugins, which Eigenscape's version does not cover.
    pub other_plugins: bool,
    /// The network.
    pub model: ModelPlan,
    /// The loss.
    pub loss: LossPlan,
    /// Training, unless the model is analysed as it is.
    pub train: Option<TrainPlan>,
    /// Spectra to measure.
    pub probes: Vec<ProbePlan>,
    /// Distances to compute.
    pub distances: Vec<DistancePlan>,
    /// Whether scalars are also written as a TensorBoard event file.
    pub tensorboard: bool,
}

impl RunPlan {
    /// E, the number of epochs that are trained.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.train.as_ref().map_or(0, |train| train.epochs.get())
    }
}

/// The loss of a run.
#[derive(Debug, Clone)]
pub struct LossPlan {
    /// The loss that the experiment names; without it the targets decide.
    pub named: Option<Located<Loss>>,
    /// The named loss's own keys.
    pub parameters: toml::Table,
    /// The losses among which the targets decide without a named loss.
    pub defaults: DefaultLosses,
}

/// The default losses for classes and for real targets. A registry need not have them.
#[derive(Debug, Clone)]
pub struct DefaultLosses {
    /// The loss for classes.
    pub classes: Option<Loss>,
    /// The loss for real targets.
    pub values: Option<Loss>,
    /// Where there are no targets.
    pub nothing: Option<Loss>,
}

impl LossPlan {
    /// The named loss, or else the default loss for classes or for real targets.
    ///
    /// # Errors
    /// When no loss is named, and the registry has no default.
    pub fn of(&self, classes: bool) -> Result<&Loss> {
        self.named.as_ref().map_or_else(|| self.defaults.of(classes), |loss| Ok(&loss.value))
    }

    /// The label that the loss ignores, if any. Without a named loss, that of the default loss for
    /// classes.
    #[must_use]
    pub fn ignored_label(&self) -> Option<i64> {
        let named = self.named.as_ref().map(|loss| &loss.value);
        named.or(self.defaults.classes.as_ref())?.coding().ignore_index
    }

    /// Whether the experiment names a loss that uses no targets.
    #[must_use]
    pub fn is_without_targets(&self) -> bool {
        self.named.as_ref().is_some_and(|loss| loss.value.needs() == Needs::Nothing)
    }
}

impl DefaultLosses {
    /// The default loss for classes, or for real targets.
    ///
    /// # Errors
    /// When the registry has none.
    pub fn of(&self, classes: bool) -> Result<&Loss> {
        let (loss, what) = if classes { (&self.classes, "classes") } else { (&self.values, "real targets") };
        loss.as_ref().ok_or_else(|| {
            let problem = format!("no loss is known for {what} where an experiment names none");
            Error::input("loss", problem, "name one (`cargo xtask list loss`)")
        })
    }
}

/// The network.
pub struct ModelPlan {
    /// The architecture's name with its location.
    pub name: Located<String>,
    /// The architecture.
    pub architecture: Arc<dyn Architecture>,
    /// The architecture's own keys.
    pub parameters: toml::Table,
    /// The checkpoint of the initial weights, if any.
    pub checkpoint: Option<Located<Selection>>,
    /// The mode of the network while curvature is measured.
    pub batch_norm: Mode,
}

/// Training.
pub struct TrainPlan {
    /// E: passes over the training split.
    pub epochs: NonZeroUsize,
    /// Examples per step.
    pub batch_size: NonZeroUsize,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The schedule of the learning rate.
    pub schedule: Schedule,
    /// Penalties on the loss.
    pub regularizers: Vec<RegularizerPlan>,
    /// The maximum seconds of work that are lost when the process is killed, unless saving the
    /// state takes more than a tenth of that.
    pub keep_every: f64,
}

/// A penalty on the loss.
pub struct RegularizerPlan {
    /// The regularizer's name.
    pub name: String,
    /// Its table in the file, for errors that are found once the network is known.
    pub node: Node,
    /// The regularizer.
    pub regularizer: Box<dyn Regularizer>,
    /// The factor of the penalty, not negative.
    pub strength: f64,
    /// The interval in steps: the penalty is added in the first step of each epoch, and every
    /// `every` steps after it.
    pub every: NonZeroUsize,
    /// The number of completed epochs from which the penalty is added; 0 means from the first step.
    pub from_epoch: usize,
}

impl RegularizerPlan {
    /// Whether the penalty is added in `step`, counted from 0 in its epoch, after `completed`
    /// epochs.
    #[must_use]
    pub fn is_due(&self, completed: usize, step: usize) -> bool {
        completed >= self.from_epoch && step.is_multiple_of(self.every.get())
    }
}

/// Spectra to measure.
pub struct ProbePlan {
    /// The numbers of completed epochs to measure after, ascending.
    pub epochs: Vec<usize>,
    /// How many examples the curvature is averaged over.
    pub samples: Located<Samples>,
    /// Which examples are taken.
    pub take: Take,
    /// The split that the examples are from.
    pub split: Split,
    /// The number of disjoint samples, each with its own spectrum; `None` for a single sample.
    pub batches: Option<NonZeroUsize>,
    /// Whether the examples are augmented as in training.
    pub augment: bool,
    /// λ of the weight-decay term λ/2 ‖θ‖² in the loss; 0 without it.
    pub weight_decay: f64,
    /// The groups to measure, which are resolved once the network is known.
    pub groups: Vec<Located<GroupSelector>>,
    /// The curvatures to measure.
    pub curvatures: Vec<Curvature>,
    /// The estimator's name with its location.
    pub estimator_name: Located<String>,
    /// The estimator.
    pub estimator: Box<dyn ProbeEstimator>,
    /// The number of eigenvectors that the estimator was asked for; `None` for none.
    pub eigenvectors: Option<NonZeroUsize>,
    /// The floating-point type of the products.
    pub dtype: DType,
    /// The type in which their residuals are evaluated.
    pub residuals: Residuals,
}

impl ProbePlan {
    /// "f32", and what else there is to say of types.
    #[must_use]
    pub fn types(&self) -> String {
        let of_residuals = match self.residuals {
            Residuals::F64 => "",
            Residuals::OfPoint => " (residuals, too)",
        };
        format!("{}{of_residuals}", self.dtype.as_str())
    }
}

/// How many examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// This number of each class.
    PerClass(NonZeroUsize),
    /// This number in total.
    Count(NonZeroUsize),
    /// The whole split.
    All,
}

/// Distances to compute.
pub struct DistancePlan {
    /// The distance's name.
    pub name: String,
    /// The distance.
    pub distance: Box<dyn Distance>,
    /// The pairs of spectra to compare.
    pub between: Between,
}

impl DistancePlan {
    /// The distance and the pairs that it compares, in words.
    #[must_use]
    pub fn description(&self) -> String {
        let between = match self.between {
            Between::LayersAndFull => "of each group to full",
            Between::AllPairs => "between all pairs of groups",
            Between::Curvatures => "between the curvatures of each group",
        };
        format!("{}, {between}", self.distance.description())
    }
}
