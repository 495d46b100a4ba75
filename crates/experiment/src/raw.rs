//! An experiment's file as it is written: serde types, nothing checked beyond shape and type.
//!
//! [`crate::check`] turns these into the [`crate::plan`] that everything else works with.

mod expect;
mod probe;
mod train;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    expect::{Counting, Expect, Is, Quantity, Than, When},
    probe::{Amount, At, Estimator, Float, Group, Groups, Moments, NamedGroup, Probe, SplitName, Take},
    train::{Optimizer, Regularizer, Schedule, Train},
};
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
    /// What computes: "cpu", "cuda:0" (an NVIDIA GPU by its number), "cuda" (the first one), or
    /// "auto" (a GPU where there is one).
    #[serde(default = "cpu")]
    pub device: String,
    /// Whether matrix products in f32 on a GPU may be rounded to TF32 first: 10 bits of each
    /// factor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tf32: bool,
    /// The folder that takes the run's folder.
    #[serde(default = "runs")]
    pub out: PathBuf,
    /// How much memory measuring may take beside weights and data, as in "4GiB": products, factors,
    /// Krylov bases, dense matrices, records. By default what the machine has left, of which
    /// products and factors take half of the machine's at most.
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
    /// A grid: dotted keys with lists of values; every combination is a run. `case` is a list of
    /// tables with a `name` and several keys each.
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
    /// A file, or a list of files, whose values hold where this one says nothing; relative to this
    /// one.
    #[serde(default, skip_serializing)]
    pub extends: Option<Words>,
    /// Several experiments in one file, each with a `name` and the keys in which it differs from
    /// what the file says; `--only NAME` runs one of them.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Vec<std::collections::BTreeMap<String, serde_json::Value>>")]
    pub case: Vec<toml::Table>,
    /// Overrides: keys of `small` hold for `--profile small` (the default where there is no GPU),
    /// of `full` for `--profile full`.
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
    /// How training images are changed at random, one after the other: "flip", { rotate = 15 }
    /// (degrees), { crop = 4 } (pixels).
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
    /// Weights to start from, by PyTorch's names: a .safetensors file, or one that `torch.save`
    /// wrote (.pth, .pt, ...).
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
    expecting = "expected a path, or a table with `path` and, where they are needed, `key`, `strip_prefix`, `rename` and `transpose`"
)]
pub enum Checkpoint {
    /// The path only.
    Path(PathBuf),
    /// The path with more.
    Table(Box<CheckpointTable>),
}

/// Which weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CheckpointTable {
    /// The file.
    pub path: PathBuf,
    /// The state dict's key in what was given to `torch.save`, as in "model" or "trainer.model";
    /// without it the file's only dictionary of tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What to take away from the beginning of names, as in "module."; of several, one after the
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<Words>,
    /// Names in the file (without the prefixes that are taken away) with what they are in the
    /// network, as in { "fc1.*" = "0.*" }: one star on both sides, which stands for the same
    /// characters, or none. Of several that fit a name the one that says most of it counts.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub rename: toml::Table,
    /// Matrices that are stored the other way round, \[in, out\], as in "*.c_attn.weight": names in
    /// the file or, where none fits, in the network; each star stands for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transpose: Option<Words>,
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

/// What is written beside the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whether training's scalars are also written as TensorBoard reads them.
    #[serde(default)]
    pub tensorboard: bool,
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
