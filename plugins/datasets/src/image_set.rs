//! The images of both splits with their preparation: the common type of all image sets.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use eigenscape_core::{
    Dataset, Error, Examples, Result, Split, dataset::no_test_split, registry::Environment,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{labelled::LabelledImages, location::Roots, pixels::Preparation, published::PublishedSet};

/// Parameters of a published set of images.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageParameters {
    /// A folder with the published files, the root that torchvision downloads into, or the
    /// downloaded archive; no other place is searched. Without it, the default places are searched,
    /// which `cargo xtask data NAME` lists.
    pub path: Option<PathBuf>,
    /// Black pixels added on each side. By default 2 for images of 28x28, which become 32x32 as in
    /// the paper's code, otherwise 0.
    #[schemars(range(max = 98))]
    pub pad: Option<u16>,
    /// The mean that is subtracted from pixels scaled to 0 to 1: one number, or one per channel. By
    /// default that of the set, see docs/data.md.
    pub mean: Option<Vec<f32>>,
    /// The standard deviation by which pixels are then divided: one number, or one per channel. By
    /// default that of the set, see docs/data.md.
    pub std: Option<Vec<f32>>,
    /// How many training images of each class to keep, the first in the file; all by default.
    #[schemars(range(min = 1))]
    pub train_per_class: Option<NonZeroUsize>,
}

/// A set of images, read and checked.
#[derive(Debug, Clone)]
pub struct ImageSet {
    title: String,
    train: Arc<LabelledImages>,
    /// `None` without a test split.
    test: Option<Arc<LabelledImages>>,
    preparation: Preparation,
    class_names: Vec<String>,
    origin: String,
    warnings: Vec<String>,
}

impl ImageSet {
    /// Combines the splits.
    ///
    /// # Errors
    /// When the test images have another size than the training images.
    pub fn new(
        title: impl Into<String>,
        train: LabelledImages,
        test: Option<LabelledImages>,
        preparation: Preparation,
        class_names: Vec<String>,
        origin: &str,
    ) -> Result<Self> {
        let title = title.into();
        if let Some(test) = test.as_ref().filter(|test| test.size() != train.size()) {
            let problem = format!(
                "its test images have the size {:?}, its training images {:?}",
                test.size(),
                train.size()
            );
            return Err(Error::input(title, problem, "use images of one size"));
        }
        let (train, test) = (Arc::new(train), test.map(Arc::new));
        let origin = origin.to_owned();
        Ok(Self { title, train, test, preparation, class_names, origin, warnings: Vec::new() })
    }

    /// The same images, with warnings about their files.
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// Reads a published set.
    ///
    /// # Errors
    /// When it is not found, a file is damaged, or the parameters do not fit it.
    pub fn load(set: &PublishedSet, parameters: &ImageParameters, environment: &Environment) -> Result<Self> {
        let preparation =
            set.preparation(parameters.pad, parameters.mean.as_deref(), parameters.std.as_deref())?;
        let places = match &parameters.path {
            Some(path) => set.places_in(&environment.resolve(path)),
            None => set.customary_places(&Roots::new(environment)),
        };
        let place = set.choose(&places)?;
        let opened = place.open()?;
        let [train, test] = [Split::Train, Split::Test].map(|split| set.read(&opened, split));
        let names = set.class_names(&opened)?;
        Self::new(set.heading(), train?, Some(test?), preparation, names, &place.to_string())?
            .limited(parameters.train_per_class)
    }

    /// Keeps only the first `train_per_class` training images of each class, if that is given.
    ///
    /// # Errors
    /// When a class has fewer.
    pub fn limited(mut self, train_per_class: Option<NonZeroUsize>) -> Result<Self> {
        if let Some(per_class) = train_per_class {
            let limited = self.train.balanced(per_class.get()).map_err(|(class, found)| {
                let problem = format!(
                    "class {class} ({}) has only {found} training images",
                    self.class_names.get(class).map_or("", String::as_str)
                );
                Error::input("data.train_per_class", problem, format!("ask for at most {found}"))
            })?;
            self.train = Arc::new(limited);
        }
        Ok(self)
    }
}

impl Dataset for ImageSet {
    fn examples(&self, split: Split) -> Result<Examples> {
        let images = match split {
            Split::Train => &self.train,
            Split::Test => self.test.as_ref().ok_or_else(|| no_test_split(&self.title))?,
        };
        images.examples(&self.preparation)
    }

    fn has_test_split(&self) -> bool {
        self.test.is_some()
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn description(&self) -> String {
        let [channels, height, width] = self.train.size();
        let [_, tall, wide] = self.preparation.prepared(self.train.size());
        let test = match &self.test {
            Some(test) => format!("{} test images", test.len()),
            None => "no test split".to_owned(),
        };
        format!(
            "{}: {} training and {test} from {}; {}, {channels} x {height}x{width} padded to {tall}x{wide}",
            self.title,
            self.train.len(),
            self.origin,
            self.preparation.description(),
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn background(&self) -> Option<Vec<f32>> {
        Some(self.preparation.black())
    }
}
