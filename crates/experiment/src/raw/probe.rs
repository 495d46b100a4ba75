//! `[[probe]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{Plugin, Words, indexed};

/// Spectra to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When to measure: "start" (before training), "end", "every-epoch" (after each epoch, and not
    /// before training), or a list of "start", "end" and numbers of completed epochs.
    #[serde(default = "end")]
    pub at: Moments,
    /// How many examples of each class the curvature is averaged over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_class: Option<Amount>,
    /// How many examples the curvature is averaged over, or "all".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Amount>,
    /// Which examples: "random", drawn by the seed, or "first".
    #[serde(default)]
    pub take: Take,
    /// The split of the examples: "train" or "test".
    #[serde(default)]
    pub split: SplitName,
    /// The number of disjoint samples: each has its own spectrum, and their spread is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batches: Option<usize>,
    /// Whether the examples are augmented as in training: each once, the same way at all moments.
    #[serde(default)]
    pub augment: bool,
    /// Whether the loss includes the optimizer's weight decay λ/2 ‖θ‖², which adds λ to every
    /// eigenvalue.
    #[serde(default)]
    pub weight_decay: bool,
    /// The groups of variables: "full", "layers", "parameters", "modules", "stages", "middle",
    /// "outer", globs over parameter names, "activation:MODULE", or tables
    /// { name = ..., parameters = \[globs\] }.
    #[serde(default = "full")]
    pub groups: Groups,
    /// The curvature: "hessian", "gauss-newton", "residual".
    #[serde(default = "hessian")]
    pub curvature: Words,
    /// The estimator of the spectrum.
    pub estimator: Estimator,
    /// The number of eigenvectors: those of the eigenvalues of largest magnitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eigenvectors: Option<usize>,
    /// The floating-point type of the products.
    #[serde(default)]
    pub dtype: Float,
    /// The type in which what products are made of is evaluated, once for all of them: "f64", or
    /// "f32" for less memory and time, and larger errors.
    #[serde(default = "double")]
    pub residuals: Float,
}

fn double() -> Float {
    Float::F64
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

/// Which examples are taken.
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
    /// The examples that training sees.
    #[default]
    Train,
    /// The examples held out.
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

/// A selector of one or several groups of variables.
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
pub enum Moments {
    /// "start", "end" or "every-epoch".
    Word(String),
    /// Several moments.
    List(Vec<At>),
}

/// One moment of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum At {
    /// After this number of completed epochs.
    Epoch(usize),
    /// "start" or "end".
    Word(String),
}

/// How many examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a whole number of examples or \"all\"")]
pub enum Amount {
    /// A number of examples.
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
