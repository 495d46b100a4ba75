//! `[[probe]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{Plugin, Words, indexed};

/// A probe: spectra to measure at some epochs of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When to measure: "start" (before training), "end", "every-epoch" (after each epoch, and not
    /// before training), or a list of "start", "end" and numbers of completed epochs.
    #[serde(default = "end")]
    pub at: Times,
    /// The number of samples of each class over which the loss is averaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_class: Option<Amount>,
    /// The number of samples over which the loss is averaged, or "all".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Amount>,
    /// Which samples: "random", drawn by the seed, or "first".
    #[serde(default)]
    pub take: Take,
    /// The split of the samples: "train" or "test".
    #[serde(default)]
    pub split: SplitName,
    /// The number of disjoint sample sets: each has its own spectrum, and their spread is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batches: Option<usize>,
    /// Whether the samples are augmented as in training: each once, the same way at all epochs.
    #[serde(default)]
    pub augment: bool,
    /// Whether the loss includes the optimizer's weight decay λ/2 ‖θ‖², which adds λ to every
    /// eigenvalue.
    #[serde(default)]
    pub weight_decay: bool,
    /// The groups of parameters: "full", "layers", "parameters", "modules", "stages", "middle",
    /// "outer", globs over parameter names, rows or columns of a tensor ("NAME\[0:64\]",
    /// "NAME\[:, 0:64\]"), "activation:MODULE", or tables { name = ..., parameters = \[globs\] }.
    #[serde(default = "full")]
    pub groups: Groups,
    /// The matrix: "hessian", "gauss-newton", or "residual", their difference; or a list of these.
    #[serde(default = "hessian")]
    pub curvature: Words,
    /// The estimator of the spectrum: its name, or a table of its name and its keys.
    pub estimator: Estimator,
    /// The number of eigenvectors: those of the eigenvalues of largest magnitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eigenvectors: Option<usize>,
    /// The floating-point type of the products.
    #[serde(default)]
    pub dtype: Float,
    /// The floating-point type of the intermediate results that all products use: "f64", or "f32"
    /// for less memory and time, and larger errors.
    #[serde(default = "double")]
    pub residuals: Float,
}

fn double() -> Float {
    Float::F64
}

fn end() -> Times {
    Times::Word("end".to_owned())
}

fn full() -> Groups {
    Groups::One(Group::Word("full".to_owned()))
}

fn hessian() -> Words {
    Words::One("hessian".to_owned())
}

/// Which samples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// A random sample without replacement, drawn by the seed.
    #[default]
    Random,
    /// The first ones.
    First,
}

/// A split of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// The samples that training uses.
    #[default]
    Train,
    /// The samples held out.
    Test,
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

/// A selector of one or several groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Group {
    /// A word, a glob or an activation.
    Word(String),
    /// A list of globs under a name.
    #[serde(deserialize_with = "named_group")]
    Named(NamedGroup),
}

/// Accepts only a table: serde would read a list of two strings as the fields of one.
fn named_group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NamedGroup, D::Error> {
    let table = toml::Table::deserialize(deserializer)?;
    NamedGroup::deserialize(table).map_err(|error| D::Error::custom(error.message()))
}

/// A named group of all parameters that match one of the globs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedGroup {
    /// The group's name in results.
    pub name: String,
    /// Globs over parameter names.
    pub parameters: Words,
}

/// When to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"start\", \"end\", \"every-epoch\" or a list of \"start\", \"end\" and numbers of completed epochs"
)]
pub enum Times {
    /// "start", "end" or "every-epoch".
    Word(String),
    /// Several times.
    List(Vec<At>),
}

/// One time of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum At {
    /// After this number of completed epochs.
    Epoch(usize),
    /// "start" or "end".
    Word(String),
}

/// How many samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a whole number of samples or \"all\"")]
pub enum Amount {
    /// A number of samples.
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
