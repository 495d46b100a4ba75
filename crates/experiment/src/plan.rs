//! The checked plan: what will be run, with every name resolved and every value in its range.
//!
//! **Epochs** are counted as *completed* epochs everywhere: 0 is before training, E after the last
//! epoch. "start" is 0, "end" is E, "every-epoch" is 1, 2, ..., E (0 where nothing is trained, the
//! only moment there is), a list is any of "start", "end" and 0..=E.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use candle_core::DType;
use eigenscape_analysis::Expectation;
use eigenscape_core::{
    Architecture, Curvature, Dataset, Distance, Error, GroupSelector, Loss, ProbeEstimator, Regularizer,
    Result, Split,
};
use eigenscape_program::Mode;
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
    /// The folder in which everything is put: `OUT/NAME`.
    pub directory: PathBuf,
    /// One run a combination of the sweep; exactly one without a sweep.
    pub runs: Vec<RunPlan>,
    /// What is allowed but probably not meant: keys that only another plugin of the same kind
    /// knows.
    pub warnings: Vec<String>,
    /// The experiment with its defaults filled in, as TOML.
    pub resolved: String,
    /// What is expected of the results.
    pub expectations: Vec<Expectation>,
    /// The list `expect`, or what is there instead, for messages that can only be written when
    /// groups are known.
    pub expect: Node,
    /// The profile, where the experiment has one of its name.
    pub profile: Option<Shortened>,
    /// What `--set` flags changed, in words.
    pub set: Vec<String>,
}

/// What a profile changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortened {
    /// The profile's name.
    pub profile: &'static str,
    /// "train.epochs = 5 instead of 50".
    pub changes: Vec<String>,
}

/// One training, or the analysis of one given model.
pub struct RunPlan {
    /// "model.name=lenet,seed=1"; empty without a sweep.
    pub name: String,
    /// The name without the seed: runs that share it are reruns of one another.
    pub variant: String,
    /// Every setting that the run's numbers depend on, the defaults included, as TOML.
    pub settings: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Bytes that measuring may take beside the weights and the data, where the experiment says so.
    pub memory: Option<Located<usize>>,
    /// How many runs the plan has.
    pub runs: usize,
    /// What it shares with the other runs.
    pub shared: Arc<Shared>,
    /// Bytes of the data sets of other runs, which are held until all have run.
    pub other_data: usize,
    /// The data set's name with the place where it stands.
    pub data_name: Located<String>,
    /// The data set.
    pub data: Arc<dyn Dataset>,
    /// How training images are changed at random.
    pub augment: Option<Augmentation>,
    /// What programs run on: it knows the operations of plugins.
    pub backend: Arc<dyn Backend>,
    /// Whether there are plugins of which the version of Eigenscape knows nothing.
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
    /// Whether scalars are also written as TensorBoard reads them.
    pub tensorboard: bool,
}

impl RunPlan {
    /// E, the number of epochs that are trained.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.train.as_ref().map_or(0, |train| train.epochs.get())
    }
}

/// Which loss.
#[derive(Debug, Clone)]
pub struct LossPlan {
    /// The one that the experiment names; otherwise the targets decide.
    pub named: Option<Located<Loss>>,
    /// Its own keys.
    pub parameters: toml::Table,
    /// What they decide.
    pub defaults: DefaultLosses,
}

/// The losses of targets where an experiment names none. A registry need not have them.
#[derive(Debug, Clone)]
pub struct DefaultLosses {
    /// Of classes.
    pub classes: Option<Loss>,
    /// Of real targets.
    pub values: Option<Loss>,
    /// Where there are no targets.
    pub nothing: Option<Loss>,
}

impl LossPlan {
    /// The loss that is named; otherwise that of classes, or of real targets.
    ///
    /// # Errors
    /// When none is named and the registry names none.
    pub fn of(&self, classes: bool) -> Result<&Loss> {
        self.named.as_ref().map_or_else(|| self.defaults.of(classes), |loss| Ok(&loss.value))
    }

    /// The label that belongs to no class, where the loss leaves one out: of a loss that the
    /// targets decide, that of classes.
    #[must_use]
    pub fn ignored_label(&self) -> Option<i64> {
        let named = self.named.as_ref().map(|loss| &loss.value);
        named.or(self.defaults.classes.as_ref())?.coding().ignore_index
    }
}

impl DefaultLosses {
    /// The loss of classes, or of real targets.
    ///
    /// # Errors
    /// When the registry names none.
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
    /// The architecture's name with the place where it stands.
    pub name: Located<String>,
    /// The architecture.
    pub architecture: Arc<dyn Architecture>,
    /// The architecture's own keys.
    pub parameters: toml::Table,
    /// The weights to start from.
    pub checkpoint: Option<Located<Selection>>,
    /// The mode in which curvature is measured.
    pub batch_norm: Mode,
}

/// Training.
pub struct TrainPlan {
    /// E: passes over the training split.
    pub epochs: NonZeroUsize,
    /// Examples a step.
    pub batch_size: NonZeroUsize,
    /// How a gradient moves the parameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Penalties on the loss.
    pub regularizers: Vec<RegularizerPlan>,
    /// Seconds of work that are lost at most when the process is killed, unless keeping the state
    /// takes a tenth of that.
    pub keep_every: f64,
}

/// A penalty on the loss.
pub struct RegularizerPlan {
    /// The regularizer's name.
    pub name: String,
    /// Its table in the file, for messages that can only be written when the network is known.
    pub node: Node,
    /// The regularizer.
    pub regularizer: Box<dyn Regularizer>,
    /// What the penalty is multiplied by, not negative.
    pub strength: f64,
    /// It is added in the first step of each epoch and then in every so many-th.
    pub every: NonZeroUsize,
    /// It is added when at least so many epochs are completed: 0 is from the first step on.
    pub from_epoch: usize,
}

impl RegularizerPlan {
    /// Whether it is added in the step with this number, counted from 0 in its epoch, after so many
    /// completed epochs.
    #[must_use]
    pub fn is_due(&self, completed: usize, step: usize) -> bool {
        completed >= self.from_epoch && step.is_multiple_of(self.every.get())
    }
}

/// Spectra to measure.
pub struct ProbePlan {
    /// At which numbers of completed epochs, ascending.
    pub epochs: Vec<usize>,
    /// The examples over which the curvature is a mean.
    pub samples: Located<Samples>,
    /// Which ones.
    pub take: Take,
    /// From where.
    pub split: Split,
    /// So many disjoint samples, with a spectrum of each.
    pub batches: Option<NonZeroUsize>,
    /// Whether they are changed as in training.
    pub augment: bool,
    /// λ of the term λ/2 ‖θ‖² that the loss has beside its mean over examples; 0 without one.
    pub weight_decay: f64,
    /// Of which parameters; which groups these are is known when the network is.
    pub groups: Vec<Located<GroupSelector>>,
    /// Which matrices.
    pub curvatures: Vec<Curvature>,
    /// The estimator's name with the place where it stands.
    pub estimator_name: Located<String>,
    /// The estimator.
    pub estimator: Box<dyn ProbeEstimator>,
    /// The floating-point type of the products.
    pub dtype: DType,
}

/// How many examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// So many of each class.
    PerClass(NonZeroUsize),
    /// So many.
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
    /// Between which spectra.
    pub between: Between,
}
