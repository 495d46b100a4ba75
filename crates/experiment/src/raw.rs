//! An experiment's file as it is written: serde types, nothing checked beyond shape and type.
//!
//! [`crate::check`] turns these into the [`crate::plan`] that everything else works with.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The experiment's name, also of its folder of results: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Everything random follows from it: initial weights, order of batches, probes.
    #[serde(default)]
    pub seed: u64,
    /// Where tensors live: "cpu".
    #[serde(default = "cpu")]
    pub device: String,
    /// The folder that takes the run's folder.
    #[serde(default = "runs")]
    pub out: PathBuf,
    /// The loss; without it cross-entropy for classes and mean squared error for real targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The data set.
    pub data: Plugin,
    /// The network.
    pub model: Model,
    /// How it is trained; without it the model is analysed as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Train>,
    /// Spectra to measure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe: Vec<Probe>,
    /// Distances between spectra to compute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distance: Vec<Distance>,
    /// A grid: dotted keys with lists of values; every combination is a run.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")]
    pub sweep: toml::Table,
}

fn cpu() -> String {
    "cpu".to_owned()
}

fn runs() -> PathBuf {
    PathBuf::from("runs")
}

/// The loss between the network's outputs and the targets, a mean over examples (and over outputs for the last two).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// −log softmax(outputs)\[class\].
    CrossEntropy,
    /// (output − target)².
    MeanSquaredError,
    /// Cross-entropy of sigmoid(output) against a target in \[0, 1\].
    BinaryCrossEntropy,
}

impl From<Loss> for eigenscape_autodiff::Loss {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => Self::CrossEntropy,
            Loss::MeanSquaredError => Self::MeanSquaredError,
            Loss::BinaryCrossEntropy => Self::BinaryCrossEntropy,
        }
    }
}

/// A plugin by name, with its own keys beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plugin {
    /// Which plugin.
    pub name: String,
    /// The plugin's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// Which architecture.
    pub name: String,
    /// Weights to start from, by PyTorch's names: a .safetensors file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
    /// How BatchNorm normalises while curvature is measured; with "train" dropout drops too.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// The architecture's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// How BatchNorm normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// By the running statistics.
    #[default]
    Eval,
    /// By the batch's own statistics.
    Train,
}

/// Training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training split.
    pub epochs: usize,
    /// Examples a step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// How a gradient moves the parameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes over epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Penalties on the loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub regularizer: Vec<Plugin>,
}

/// Stochastic gradient descent as `torch.optim.SGD` defines it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// "sgd".
    pub name: String,
    /// Learning rate.
    pub lr: f64,
    /// Share of the last step that is kept, from 0 up to but not including 1.
    #[serde(default)]
    pub momentum: f64,
    /// Added to the gradient, times the parameter.
    #[serde(default)]
    pub weight_decay: f64,
}

/// The learning rate is multiplied by `gamma` when each of the milestones is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// "multi-step".
    pub name: String,
    /// Numbers of completed epochs, increasing.
    pub milestones: Vec<usize>,
    /// The factor.
    pub gamma: f64,
}

/// Spectra to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When: "start", "end", "every-epoch", or a list of numbers of completed epochs.
    #[serde(default = "end")]
    pub at: Moments,
    /// How many training examples of each class the curvature is the mean over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_class: Option<Amount>,
    /// How many training examples the curvature is the mean over, or "all".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Amount>,
    /// Of which parameters: "full", "layers", "parameters", "modules", or globs over parameter names.
    #[serde(default = "full")]
    pub groups: Words,
    /// Which matrix: "hessian", "gauss-newton", "residual".
    #[serde(default = "hessian")]
    pub curvature: Words,
    /// How the spectrum is computed.
    pub estimator: Estimator,
    /// The floating-point type of the products.
    #[serde(default)]
    pub dtype: Float,
}

fn end() -> Moments {
    Moments::Word("end".to_owned())
}

fn full() -> Words {
    Words::One("full".to_owned())
}

fn hessian() -> Words {
    Words::One("hessian".to_owned())
}

/// A floating-point type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Float {
    /// 32 bits.
    #[default]
    F32,
    /// 64 bits.
    F64,
}

/// Distances to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distance {
    /// Which distance.
    pub name: String,
    /// Between which spectra of the same epoch and curvature.
    #[serde(default)]
    pub between: Between,
    /// The distance's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// Pairs of spectra of the same epoch and curvature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Every other group with the group "full".
    #[default]
    LayersAndFull,
    /// Every two groups.
    AllPairs,
}

/// One word, or a list of words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub enum Words {
    /// One.
    One(String),
    /// Several.
    List(Vec<String>),
}

/// When to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"start\", \"end\", \"every-epoch\" or a list of numbers of completed epochs"
)]
pub enum Moments {
    /// "start", "end" or "every-epoch".
    Word(String),
    /// Numbers of completed epochs.
    Epochs(Vec<usize>),
}

/// How many examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a whole number of examples or \"all\"")]
pub enum Amount {
    /// So many.
    Count(usize),
    /// "all".
    Word(String),
}

/// An estimator: its name, or a table of its name and its own keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected an estimator's name, or a table with `name` and the estimator's keys"
)]
pub enum Estimator {
    /// The name only: every key has its default.
    Name(String),
    /// The name with keys.
    Table(Plugin),
}

impl Words {
    /// The words with their paths relative to the key: "" for one word, "\[0\]", "\[1\]", ... for a list.
    pub fn iter(&self) -> impl Iterator<Item = (String, &str)> {
        let (list, single) = match self {
            Self::One(word) => (std::slice::from_ref(word), true),
            Self::List(words) => (words.as_slice(), false),
        };
        let path = move |index| if single { String::new() } else { format!("[{index}]") };
        list.iter().enumerate().map(move |(index, word)| (path(index), word.as_str()))
    }
}

impl Estimator {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Table(Plugin { name, .. }) => name,
        }
    }

    /// The estimator's own keys.
    #[must_use]
    pub fn parameters(&self) -> toml::Table {
        match self {
            Self::Name(_) => toml::Table::new(),
            Self::Table(plugin) => plugin.parameters.clone(),
        }
    }
}
