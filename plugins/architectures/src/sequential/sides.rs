//! Sizes that may differ along height and width.

use schemars::JsonSchema;
use serde::Deserialize;

/// One number for both axes, or \[height, width\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, or [height, width]")]
pub enum Sides {
    /// The same along both axes.
    Both(usize),
    /// \[height, width\]
    Each([usize; 2]),
}

impl Sides {
    pub(super) fn pair(self) -> [usize; 2] {
        match self {
            Self::Both(side) => [side; 2],
            Self::Each(sides) => sides,
        }
    }

    pub(super) fn zero() -> Self {
        Self::Both(0)
    }
}
