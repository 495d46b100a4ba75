//! `fashion-mnist`: a balanced subset inside the program, or the published files.

use std::path::PathBuf;

use eigenscape_core::{Error, Result, Split, registry::Environment};
use eigenscape_formats::idx::Idx;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    image_set::{ImageParameters, ImageSet},
    labelled::LabelledImages,
    sets::FASHION_MNIST,
};

/// Training images of each class in the embedded subset.
pub const EMBEDDED_TRAIN_PER_CLASS: usize = 600;
/// Test images of each class in the embedded subset.
pub const EMBEDDED_TEST_PER_CLASS: usize = 100;
/// 28 + 2·98 = 224: no network of the field's takes larger images.
const MAX_PAD: u16 = 98;

/// Which images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The balanced subset inside the program, the first 600 training and 100 test images of each
    /// class: the same on every machine.
    Embedded,
    /// All 60,000 + 10,000 images: from Debian's package `dataset-fashion-mnist`, or from where
    /// torchvision or Keras put them. `cargo xtask data fashion-mnist` says where it looks.
    Full,
}

/// Parameters of `fashion-mnist`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FashionMnistParameters {
    /// `"embedded"` or `"full"`. Without it: `"full"` when `path` is given, otherwise `"embedded"`.
    pub source: Option<Source>,
    /// A folder with the four published files, gzipped or not, or torchvision's root (with
    /// `FashionMNIST/raw`). Only this folder is looked in.
    pub path: Option<PathBuf>,
    /// Black pixels added on each side; 2 makes 28x28 images 32x32, as the paper's code does.
    #[serde(deserialize_with = "pad")]
    #[schemars(range(max = 98))]
    pub pad: u16,
    /// What is subtracted from pixels from 0 to 1: 0.5 without it, as in the paper's code.
    pub mean: Option<Vec<f32>>,
    /// What they are then divided by: 0.5 without it, as in the paper's code.
    pub std: Option<Vec<f32>>,
    /// Keep only this many training images of each class, the first of the file. Without it: all.
    #[schemars(range(min = 1))]
    pub train_per_class: Option<std::num::NonZeroUsize>,
}

impl Default for FashionMnistParameters {
    fn default() -> Self {
        Self { source: None, path: None, pad: 2, mean: None, std: None, train_per_class: None }
    }
}

fn pad<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let pad = u16::deserialize(deserializer)?;
    if pad > MAX_PAD {
        return Err(D::Error::custom(format!("{pad} pixels of padding are too many; at most {MAX_PAD}")));
    }
    Ok(pad)
}

/// Reads both splits. Parameters decide from where, never what happens to be on the machine.
///
/// # Errors
/// When `path` and `source = "embedded"` are both given, a file is missing or unusable, or a class
/// has fewer than `train_per_class` images.
pub fn load(parameters: &FashionMnistParameters, environment: &Environment) -> Result<ImageSet> {
    if parameters.path.is_some() && parameters.source == Some(Source::Embedded) {
        return Err(Error::input(
            "data.path",
            "a folder is given, but `source = \"embedded\"` takes the images inside the program",
            "remove one of the two keys",
        ));
    }
    let set = FASHION_MNIST;
    let FashionMnistParameters { source, path, pad, mean, std, train_per_class } = parameters.clone();
    if path.is_some() || source == Some(Source::Full) {
        let parameters = ImageParameters { path, pad: Some(pad), mean, std, train_per_class };
        return ImageSet::load(&set, &parameters, environment);
    }
    let preparation = set.preparation(Some(pad), mean.as_deref(), std.as_deref())?;
    let names = set.classes.iter().map(|name| (*name).to_owned()).collect();
    let [train, test] = [embedded(Split::Train)?, embedded(Split::Test)?];
    let origin = set.embedded.unwrap_or_default();
    ImageSet::new(set.heading(), train, Some(test), preparation, names, origin)?.limited(train_per_class)
}

/// A split of the embedded subset.
///
/// # Errors
/// Never, unless the program was built from damaged files.
pub fn embedded(split: Split) -> Result<LabelledImages> {
    macro_rules! file {
        ($name:literal) => {
            ($name, include_bytes!(concat!("../data/fashion-mnist/", $name)).as_slice())
        };
    }
    let (images, labels) = match split {
        Split::Train => (file!("train-images-idx3-ubyte.gz"), file!("train-labels-idx1-ubyte.gz")),
        Split::Test => (file!("t10k-images-idx3-ubyte.gz"), file!("t10k-labels-idx1-ubyte.gz")),
    };
    let decode = |(name, contents), rank| Ok::<_, Error>((name, Idx::decode(name, contents, rank)?));
    LabelledImages::pair(decode(images, 3)?, decode(labels, 1)?, FASHION_MNIST.classes.len())
}
