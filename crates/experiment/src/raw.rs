//! An experiment's file as it is written: serde types, nothing checked beyond shape and type.
//!
//! [`crate::check`] turns these into the [`crate::plan`] that everything else works with.

mod expect;
mod probe;
mod train;

use std::path::PathBuf;

use eigenscape_program::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    expect::{Counting, Expect, Is, Quantity, Than, When},
    probe::{Amount, At, Estimator, Float, Group, Groups, NamedGroup, Probe, SplitName, Take, Times},
    train::{Optimizer, Regularizer, Schedule, Train},
};
use crate::augment::Change;

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The experiment's name, also that of its results folder: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The seed of all random numbers: initial weights, the order of batches, samples and random
    /// vectors of probes.
    #[serde(default)]
    pub seed: u64,
    /// The device: "cpu", "cuda:0" (an NVIDIA GPU by its number), "cuda" (the first that nobody
    /// else uses), or "auto" (a GPU if there is one).
    #[serde(default = "cpu")]
    pub device: String,
    /// Whether matrix products in f32 on a GPU may round their factors to TF32, with 10 mantissa
    /// bits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tf32: bool,
    /// The parent folder of the results folder.
    #[serde(default = "runs")]
    pub out: PathBuf,
    /// The memory that measuring may take in addition to weights and data, as in "4GiB": products,
    /// factors, Krylov bases, dense matrices, records. By default all that the machine has left,
    /// with at most half of the machine's memory for products and factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// The loss; without it the targets decide: cross-entropy for classes, mean squared error for
    /// real targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The data set.
    pub data: Data,
    /// The network.
    pub model: Model,
    /// The training; without it the model is analysed as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Train>,
    /// What is measured: spectra, at some epochs of training, on some samples, of some groups of
    /// parameters (docs/probes.md).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe: Vec<Probe>,
    /// Distances between spectra to compute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distance: Vec<Distance>,
    /// Output in addition to the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// A grid: dotted keys with lists of values; every combination is a run. `case` is a list of
    /// tables with a `name` and several keys each.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")]
    pub sweep: toml::Table,
    /// The number of times every run is executed, with the seeds `seed`, `seed` + 1, ...
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1))]
    pub reruns: usize,
    /// Claims about the results (docs/claims.md).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expect>,
    /// A file, or a list of files, relative to this one. Their values apply where this file sets
    /// none.
    #[serde(default, skip_serializing)]
    pub extends: Option<Words>,
    /// Several experiments in one file, each with a `name` and the keys that differ from the rest
    /// of the file; `--only NAME` runs one of them.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Vec<std::collections::BTreeMap<String, serde_json::Value>>")]
    pub case: Vec<toml::Table>,
    /// Overrides: the keys of `small` apply with `--profile small` (the default), those of `full`
    /// with `--profile full`.
    #[serde(default, skip_serializing)]
    pub profile: Option<Profiles>,
}

/// Overrides for a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// Dotted keys and tables for a run that is short enough for a CPU.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub small: toml::Table,
    /// Dotted keys and tables for the run at full length.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub full: toml::Table,
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

/// The loss between the network's outputs and the targets: its name, or a table of its name and its
/// own keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a loss's name, or a table with `name` and the loss's keys")]
pub enum Loss {
    /// The name only: every key has its default.
    Name(String),
    /// The name with keys.
    Table(Plugin),
}

impl Loss {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Table(Plugin { name, .. }) => name,
        }
    }

    /// The loss's own keys.
    #[must_use]
    pub fn parameters(&self) -> toml::Table {
        match self {
            Self::Name(_) => toml::Table::new(),
            Self::Table(plugin) => plugin.parameters.clone(),
        }
    }
}

/// A plugin by name, with its own keys beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plugin {
    /// The plugin's name.
    pub name: String,
    /// The plugin's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// The data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// The data set's name.
    pub name: String,
    /// Random changes of the training images, applied in order: "flip", { rotate = 15 } (degrees),
    /// { crop = 4 } (pixels).
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
    /// The architecture's name.
    pub name: String,
    /// The initial weights under PyTorch's names: a .safetensors file, or a file written by
    /// `torch.save` (.pth, .pt, ...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// How BatchNorm normalises while curvature is measured; "train" also enables dropout.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// The architecture's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// A file of weights: its path, or a table with the path and other keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a path, or a table with `path` and, where they are needed, `key`, `strip_prefix`, `rename` and `transpose`"
)]
pub enum Checkpoint {
    /// The path only.
    Path(PathBuf),
    /// The path with other keys.
    Table(Box<CheckpointTable>),
}

/// A file of weights, with the state dict in it and the names of its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CheckpointTable {
    /// The file.
    pub path: PathBuf,
    /// The state dict's key in the object given to `torch.save`, as in "model" or "trainer.model";
    /// by default the file's only dictionary of tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A prefix to remove from names, as in "module.", or several, removed one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<Words>,
    /// Names in the file (without the removed prefixes) and the corresponding names in the network,
    /// as in { "fc1.*" = "0.*" }: one star on both sides, which stands for the same characters, or
    /// none. The most specific of several entries that match a name applies.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub rename: toml::Table,
    /// Matrices stored as \[in, out\], as in "*.c_attn.weight": names in the file or, if none
    /// matches, in the network; each star stands for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transpose: Option<Words>,
    /// Unknown keys, to be refused by name.
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

impl From<BatchNorm> for Mode {
    fn from(mode: BatchNorm) -> Self {
        match mode {
            BatchNorm::Eval => Self::Eval,
            BatchNorm::Train => Self::Train,
        }
    }
}

/// Output in addition to the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whether the training's scalars are also written as a TensorBoard event file.
    #[serde(default)]
    pub tensorboard: bool,
}

/// A distance between spectra.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distance {
    /// The distance's name.
    pub name: String,
    /// The pairs of spectra of the same epoch to compare.
    #[serde(default)]
    pub between: Between,
    /// The distance's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// Pairs of spectra of the same epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Every other group with the group "full", in each curvature.
    #[default]
    LayersAndFull,
    /// Every pair of groups, in each curvature.
    AllPairs,
    /// Every pair of curvatures of each group, such as its Hessian and its Gauss-Newton matrix.
    Curvatures,
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

/// Items with their paths: "" for a single one.
fn indexed<T>(items: &[T], single: bool) -> impl Iterator<Item = (String, &T)> {
    let path = move |index| if single { String::new() } else { format!("[{index}]") };
    items.iter().enumerate().map(move |(index, item)| (path(index), item))
}

impl Words {
    /// The words with their paths relative to the key: "" for one word, "\[0\]", "\[1\]", ... for a
    /// list.
    pub fn iter(&self) -> impl Iterator<Item = (String, &str)> {
        let (words, single) = match self {
            Self::One(word) => (std::slice::from_ref(word), true),
            Self::List(words) => (words.as_slice(), false),
        };
        indexed(words, single).map(|(path, word)| (path, word.as_str()))
    }
}
