//! Claims and their verdicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A claim, and what was measured to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimRecord {
    /// What is claimed, in words.
    pub claim: String,
    /// What the paper says or measured.
    pub paper: Option<String>,
    /// How it was checked.
    pub check: String,
    /// What was measured, or why nothing could be measured.
    pub measured: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    DoesNotHold,
    /// The confidence interval of the measurement allows both answers.
    Undecided,
    /// It was not measured, or not often enough.
    NotMeasured,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::Undecided => "undecided",
            Self::NotMeasured => "not measured",
        })
    }
}
