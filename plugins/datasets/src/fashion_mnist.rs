//! `fashion-mnist`: a balanced subset inside the program, or the published files.

use std::path::PathBuf;

use eigenscape_core::{Dataset, Error, Examples, Result, Split, registry::Environment};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    idx::Idx,
    labelled::LabelledImages,
    published::{FASHION_MNIST, Place, Roots},
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
    /// The balanced subset inside the program, the first 600 training and 100 test images of each class: the same on
    /// every machine.
    Embedded,
    /// All 60,000 + 10,000 images: from Debian's package `dataset-fashion-mnist`, or from where torchvision or Keras put
    /// them. `cargo xtask data fashion-mnist` says where it looks.
    Full,
}

/// Parameters of `fashion-mnist`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FashionMnistParameters {
    /// `"embedded"` or `"full"`. Without it: `"full"` when `path` is given, otherwise `"embedded"`.
    pub source: Option<Source>,
    /// A folder with the four published files, gzipped or not, or torchvision's root (with `FashionMNIST/raw`). Only this
    /// folder is looked in.
    pub path: Option<PathBuf>,
    /// Pixels of value −1 added on each side after normalisation; 2 makes 28x28 images 32x32, as the paper's code does.
    #[serde(deserialize_with = "pad")]
    #[schemars(range(max = 98))]
    pub pad: u16,
    /// Keep only this many training images of each class, the first of the file. Without it: all.
    #[schemars(range(min = 1))]
    pub train_per_class: Option<std::num::NonZeroUsize>,
}

impl Default for FashionMnistParameters {
    fn default() -> Self {
        Self { source: None, path: None, pad: 2, train_per_class: None }
    }
}

fn pad<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let pad = u16::deserialize(deserializer)?;
    if pad > MAX_PAD {
        return Err(D::Error::custom(format!("{pad} pixels of padding are too many; at most {MAX_PAD}")));
    }
    Ok(pad)
}

/// Fashion-MNIST, read and checked.
#[derive(Debug, Clone)]
pub struct FashionMnist {
    train: LabelledImages,
    test: LabelledImages,
    pad: usize,
    class_names: Vec<String>,
    origin: String,
}

impl FashionMnist {
    /// Reads both splits.
    ///
    /// # Errors
    /// When `path` and `source = "embedded"` are both given, a file is missing or unusable, or a class has fewer than
    /// `train_per_class` images.
    pub fn load(parameters: &FashionMnistParameters, environment: &Environment) -> Result<Self> {
        let set = FASHION_MNIST;
        let place = place(parameters, environment)?;
        let read = |split| match &place {
            Some(place) => set.read(place, split),
            None => embedded(split),
        };
        let mut train = read(Split::Train)?;
        if let Some(per_class) = parameters.train_per_class {
            train = train.balanced(per_class.get()).map_err(|(class, found)| {
                let problem =
                    format!("class {class} ({}) has only {found} training images", set.classes[class]);
                Error::input("data.train_per_class", problem, format!("ask for at most {found}"))
            })?;
        }
        let origin = match &place {
            Some(place) => format!("the files in {}", place.folder.display()),
            None => set.embedded.unwrap_or_default().to_owned(),
        };
        Ok(Self {
            train,
            test: read(Split::Test)?,
            pad: usize::from(parameters.pad),
            class_names: set.classes.iter().map(|name| (*name).to_owned()).collect(),
            origin,
        })
    }
}

/// Where the files lie; `None` for the embedded subset. Parameters decide, never what happens to be on the machine.
fn place(parameters: &FashionMnistParameters, environment: &Environment) -> Result<Option<Place>> {
    match (&parameters.path, parameters.source) {
        (Some(_), Some(Source::Embedded)) => Err(Error::input(
            "data.path",
            "a folder is given, but `source = \"embedded\"` takes the images inside the program",
            "remove one of the two keys",
        )),
        (Some(path), _) => {
            let folder = environment.resolve(path);
            FASHION_MNIST.choose(&FASHION_MNIST.places_in(&folder)).map(Some)
        }
        (None, Some(Source::Full)) => {
            FASHION_MNIST.choose(&FASHION_MNIST.customary_places(&Roots::new(environment))).map(Some)
        }
        (None, Some(Source::Embedded) | None) => Ok(None),
    }
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

impl Dataset for FashionMnist {
    fn examples(&self, split: Split) -> Result<Examples> {
        let images = match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        };
        images.examples(self.pad)
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn description(&self) -> String {
        let [height, width] = self.train.size();
        let (tall, wide) = (height + 2 * self.pad, width + 2 * self.pad);
        format!(
            "{} ({}; licence {}): {} training and {} test images from {}; pixels scaled to [-1, 1], \
             {height}x{width} padded to {tall}x{wide}",
            FASHION_MNIST.title,
            FASHION_MNIST.publisher,
            FASHION_MNIST.licence,
            self.train.len(),
            self.test.len(),
            self.origin
        )
    }
}
