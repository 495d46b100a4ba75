//! Sizes: positive numbers, and sizes that may differ along height and width.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::Deserialize;

/// A size that must not be 0.
pub(super) type Size = NonZeroUsize;

/// One number for both axes, or \[height, width\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, or [height, width]")]
pub enum Sides<T> {
    /// The same along both axes.
    Both(T),
    /// \[height, width\]
    Each([T; 2]),
}

impl<T: Copy> Sides<T> {
    pub(super) fn pair(self) -> [T; 2] {
        match self {
            Self::Both(side) => [side; 2],
            Self::Each(sides) => sides,
        }
    }
}

impl Sides<usize> {
    pub(super) fn zero() -> Self {
        Self::Both(0)
    }
}
