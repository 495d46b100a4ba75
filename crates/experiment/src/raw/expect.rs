//! `[[expect]]`.

pub use eigenscape_analysis::expectation::{Counting, Is, Quantity, When};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A claim about the results. It is checked and reported, and does not fail the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What is claimed, in words.
    pub claim: String,
    /// What the paper says or measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// The quantity of the claim.
    pub quantity: Quantity,
    /// The expected relation.
    pub is: Is,
    /// What the quantity is compared with, if `is` compares: a variant of the sweep, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub than: Option<Than>,
    /// The other quantity, if `is` relates two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Quantity>,
    /// The variant of the sweep that the claim is about; by default the claim is about every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The group of the spectrum; "full" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The curvature; "hessian" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curvature: Option<String>,
    /// The distance's name; the experiment's first by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The epoch: "last", "best" (of the lowest test loss or highest test accuracy) or, for
    /// distances, "all" (their sum). The default is "all" for distances, and "last" for everything
    /// else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<When>,
    /// How outliers are counted: by the largest "gap" between the logarithms of eigenvalues (the
    /// default), or by "clusters" of them.
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
