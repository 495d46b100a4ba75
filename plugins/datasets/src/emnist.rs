//! `emnist`: one of the six splits of EMNIST.

use std::{num::NonZeroUsize, path::PathBuf};

use eigenscape_core::{Result, registry::Environment};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    image_set::{ImageParameters, ImageSet},
    published::PublishedSet,
    sets,
};

/// Which characters the split contains, and their classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmnistSplit {
    /// 47 classes of equal size.
    #[default]
    Balanced,
    /// 62 classes: digits, upper-case and lower-case letters.
    ByClass,
    /// 47 classes: as `byclass`, with lower-case letters merged into upper-case letters that look
    /// alike.
    ByMerge,
    /// 10 classes: digits.
    Digits,
    /// 26 classes: letters, upper and lower case together.
    Letters,
    /// 10 classes: as many digits as MNIST has.
    Mnist,
}

impl EmnistSplit {
    /// The published set of the split.
    #[must_use]
    pub fn set(self) -> PublishedSet {
        match self {
            Self::Balanced => sets::EMNIST_BALANCED,
            Self::ByClass => sets::EMNIST_BYCLASS,
            Self::ByMerge => sets::EMNIST_BYMERGE,
            Self::Digits => sets::EMNIST_DIGITS,
            Self::Letters => sets::EMNIST_LETTERS,
            Self::Mnist => sets::EMNIST_MNIST,
        }
    }
}

/// Parameters of `emnist`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmnistParameters {
    /// Which characters the split contains, and their classes.
    pub split: EmnistSplit,
    /// A folder with the published files, gzipped or not, torchvision's root (with `EMNIST/raw`),
    /// or `gzip.zip`; no other place is searched. Without it, the default places are searched,
    /// which `cargo xtask data emnist-balanced` lists.
    pub path: Option<PathBuf>,
    /// Black pixels added on each side; 2 by default, which makes 28x28 images 32x32.
    #[schemars(range(max = 98))]
    pub pad: Option<u16>,
    /// The mean that is subtracted from pixels scaled to 0 to 1; 0.1736 by default.
    pub mean: Option<Vec<f32>>,
    /// The standard deviation by which pixels are then divided; 0.3317 by default.
    pub std: Option<Vec<f32>>,
    /// How many training images of each class to keep, the first in the file; all by default.
    #[schemars(range(min = 1))]
    pub train_per_class: Option<NonZeroUsize>,
}

/// Reads a split of EMNIST.
///
/// # Errors
/// As [`ImageSet::load`].
pub fn load(parameters: EmnistParameters, environment: &Environment) -> Result<ImageSet> {
    let EmnistParameters { split, path, pad, mean, std, train_per_class } = parameters;
    ImageSet::load(&split.set(), &ImageParameters { path, pad, mean, std, train_per_class }, environment)
}
