//! An experiment's file as it is written: serde types, nothing checked beyond shape and type.
//!
//! [`crate::check`] turns these into the [`crate::plan`] that everything else works with.

use std::path::PathBuf;

pub use eigenscape_analysis::expectation::{Counting, Is, Quantity, When};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::augment::Change;

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
    /// How much memory products and factors may take beside weights and data, as in "4GiB"; half of the machine's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// The loss; without it cross-entropy for classes and mean squared error for real targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The data set.
    pub data: Data,
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
    /// What is written beside the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// A grid: dotted keys with lists of values; every combination is a run. `case` is a list of tables with a `name` and several
    /// keys each.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")]
    pub sweep: toml::Table,
    /// How often everything is run: with the seeds `seed`, `seed` + 1, ...
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1))]
    pub reruns: usize,
    /// What is expected of the results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expect>,
    /// A file, or a list of files, whose values hold where this one says nothing; relative to this one.
    #[serde(default, skip_serializing)]
    pub extends: Option<Words>,
    /// Overrides: keys of `small` hold for `--profile small` (the default where there is no GPU), of `full` for `--profile full`.
    #[serde(default, skip_serializing)]
    pub profile: Option<Profiles>,
}

/// Overrides for a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// Dotted keys and tables, of what would take days.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub small: toml::Table,
    /// Dotted keys and tables.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub full: toml::Table,
}

/// Something that is expected of the results: it is checked and reported, and is no failure of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What is claimed, in words.
    pub claim: String,
    /// What the paper says or measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// Of what.
    pub quantity: Quantity,
    /// What is expected of it.
    pub is: Is,
    /// What it is compared with, where `is` compares: a variant of the sweep, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub than: Option<Than>,
    /// The other quantity, where `is` relates two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Quantity>,
    /// The runs that it is about: a variant of the sweep; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The group whose spectrum it is; "full" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The matrix; "hessian" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curvature: Option<String>,
    /// The distance's name; the experiment's first by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// "last", "best" (of the lowest test loss or highest test accuracy) or, for distances, "all" (their sum); distances "all", everything else
    /// "last" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<When>,
    /// How outliers are counted: by the largest "gap" (the default) between the logarithms of eigenvalues, or by "clusters" of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Counting>,
}

/// What a claim compares with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of a variant or a number")]
pub enum Than {
    /// A number.
    Number(f64),
    /// A variant of the sweep.
    Variant(String),
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

fn cpu() -> String {
    "cpu".to_owned()
}

fn runs() -> PathBuf {
    PathBuf::from("runs")
}

/// The loss between the network's outputs and the targets: its name, or a table of its name and its own keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a loss's name, or a table with `name` and, for \"cross-entropy\", `label_smoothing` and `ignore_index`"
)]
pub enum Loss {
    /// The name only.
    Name(#[schemars(with = "LossName")] String),
    /// The name with keys.
    Table(LossTable),
}

/// A loss with its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LossTable {
    /// Which loss.
    #[schemars(with = "LossName")]
    pub name: String,
    /// Of the cross-entropy: the share ε of a label that is spread over all classes, from 0 up to but not including 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_smoothing: Option<f64>,
    /// Of the cross-entropy: the label that belongs to no class and is left out of the mean; -100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_index: Option<i64>,
    /// Keys that it has not, to be refused by name.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: toml::Table,
}

/// The losses: means over examples (over tokens where each has its own label) and, for the last two, over outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// −log softmax(outputs)\[class\].
    CrossEntropy,
    /// (output − target)².
    MeanSquaredError,
    /// Cross-entropy of sigmoid(output) against a target in \[0, 1\].
    BinaryCrossEntropy,
}

impl From<LossName> for eigenscape_autodiff::Loss {
    fn from(loss: LossName) -> Self {
        match loss {
            LossName::CrossEntropy => Self::CrossEntropy,
            LossName::MeanSquaredError => Self::MeanSquaredError,
            LossName::BinaryCrossEntropy => Self::BinaryCrossEntropy,
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

/// The data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// Which data set.
    pub name: String,
    /// How training images are changed at random, one after the other: "flip", { rotate = 15 } (degrees), { crop = 4 } (pixels).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub augment: Vec<Change>,
    /// The data set's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// Which architecture.
    pub name: String,
    /// Weights to start from, by PyTorch's names: a .safetensors file, or one that `torch.save` wrote (.pth, .pt, ...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// How BatchNorm normalises while curvature is measured; with "train" dropout drops too.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// The architecture's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// A file of weights: its path, or a table of its path and which part of it under which names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a path, or a table with `path` and, where they are needed, `key` and `strip_prefix`"
)]
pub enum Checkpoint {
    /// The path only.
    Path(PathBuf),
    /// The path with more.
    Table(CheckpointTable),
}

/// Which weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CheckpointTable {
    /// The file.
    pub path: PathBuf,
    /// The state dict's key in what was given to `torch.save`, as in "model" or "trainer.model"; without it the file's only
    /// dictionary of tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What to take away from the beginning of names, as in "module."; of several, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<Words>,
    /// Keys that it has not, to be refused by name.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: toml::Table,
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
    pub regularizer: Vec<Regularizer>,
}

/// A penalty on the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Regularizer {
    /// Which regularizer.
    pub name: String,
    /// What the penalty is multiplied by.
    pub strength: f64,
    /// It is added in the first step of each epoch and then in every so many-th.
    #[serde(default = "one")]
    pub every: usize,
    /// It is added when at least so many epochs are completed.
    #[serde(default)]
    pub from_epoch: usize,
    /// The regularizer's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// How a gradient moves the parameters, as `torch.optim` defines it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// "sgd", "adam" or "adamw".
    pub name: String,
    /// Learning rate.
    pub lr: f64,
    /// Of SGD: share of the last step that is kept, from 0 up to but not including 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Of SGD: share of a gradient that the momentum leaves out, from 0 to 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dampening: Option<f64>,
    /// Of SGD: whether the step looks ahead along the momentum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// Of Adam: shares of the last moments that are kept; \[0.9, 0.999\] by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// Of Adam: what the denominator is kept away from zero by; 1e-8 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Added to the gradient, times the parameter; with "adamw" the weights decay by themselves. 0 by default, 0.01 for "adamw".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// "constant", "multi-step" or "cosine".
    pub name: String,
    /// Of "multi-step": numbers of completed epochs, increasing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<usize>>,
    /// Of "multi-step": what the rate is multiplied by at each milestone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Of "cosine": what the rate falls to, 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
    /// Steps over which the rate first rises, as a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<usize>,
    /// Epochs over which the rate first rises, as a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_epochs: Option<usize>,
}

/// What is written beside the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whether training's scalars are also written as TensorBoard reads them.
    #[serde(default)]
    pub tensorboard: bool,
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
    /// Of which variables: "full", "layers", "parameters", "modules", "stages", "middle", "outer", globs over parameter names,
    /// "activation:MODULE", or tables { name = ..., parameters = \[globs\] }.
    #[serde(default = "full")]
    pub groups: Groups,
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

fn full() -> Groups {
    Groups::One(Group::Word("full".to_owned()))
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

/// One entry, or a list of entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a word, a table such as { name = \"head\", parameters = [\"fc*\"] }, or a list of these"
)]
pub enum Groups {
    /// Several.
    List(Vec<Group>),
    /// One.
    One(Group),
}

/// What stands for a group of variables, or for several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Group {
    /// A word, a glob or an activation.
    Word(String),
    /// A list of globs under a name.
    #[serde(deserialize_with = "named_group")]
    Named(NamedGroup),
}

/// A table alone: serde would read a list of two words as the fields of one.
fn named_group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NamedGroup, D::Error> {
    let table = toml::Table::deserialize(deserializer)?;
    NamedGroup::deserialize(table).map_err(|error| D::Error::custom(error.message()))
}

/// One group of all parameters that match a glob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedGroup {
    /// What the group is called in results.
    pub name: String,
    /// Globs over parameter names.
    pub parameters: Words,
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

impl Groups {
    /// The entries with their paths relative to the key, as in [`Words::iter`].
    pub fn iter(&self) -> impl Iterator<Item = (String, &Group)> {
        match self {
            Self::One(group) => indexed(std::slice::from_ref(group), true),
            Self::List(groups) => indexed(groups, false),
        }
    }
}

/// Items with their paths: "" for a single one.
fn indexed<T>(items: &[T], single: bool) -> impl Iterator<Item = (String, &T)> {
    let path = move |index| if single { String::new() } else { format!("[{index}]") };
    items.iter().enumerate().map(move |(index, item)| (path(index), item))
}

impl Words {
    /// The words with their paths relative to the key: "" for one word, "\[0\]", "\[1\]", ... for a list.
    pub fn iter(&self) -> impl Iterator<Item = (String, &str)> {
        let (words, single) = match self {
            Self::One(word) => (std::slice::from_ref(word), true),
            Self::List(words) => (words.as_slice(), false),
        };
        indexed(words, single).map(|(path, word)| (path, word.as_str()))
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

impl Optimizer {
    /// Gives the keys that the optimizer has, and that are not given, their defaults.
    pub fn fill_defaults(&mut self) {
        if self.name == "sgd" {
            self.momentum.get_or_insert(0.0);
            self.dampening.get_or_insert(0.0);
            self.nesterov.get_or_insert(false);
            self.weight_decay.get_or_insert(0.0);
        } else {
            self.betas.get_or_insert([0.9, 0.999]);
            self.eps.get_or_insert(1e-8);
            self.weight_decay.get_or_insert(if self.name == "adamw" { 1e-2 } else { 0.0 });
        }
    }
}
