//! `[[expect]]`.

pub use eigenscape_analysis::expectation::{Counting, Is, Quantity, When};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is expected of the results: it is checked and reported, and is no failure of the
/// run.
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
    /// "last", "best" (of the lowest test loss or highest test accuracy) or, for distances, "all"
    /// (their sum); distances "all", everything else "last" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<When>,
    /// How outliers are counted: by the largest "gap" (the default) between the logarithms of
    /// eigenvalues, or by "clusters" of them.
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
