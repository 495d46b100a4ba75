//! Grey images with one label each, checked against each other.

use std::path::Path;

use candle_core::{Device, Tensor};
use eigenscape_core::{Error, Examples, Result, Targets};

use crate::{idx::Idx, pixels::normalised_and_padded, subset::first_of_each_class};

/// N >= 1 images \[N, H, W\] of unsigned bytes with N labels, each below the number of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImages {
    images: Idx,
    labels: Idx,
    classes: usize,
}

impl LabelledImages {
    /// Reads a file of images and one of labels.
    ///
    /// # Errors
    /// When a file is not usable (see [`Idx::read`]) or the two do not fit together (see [`LabelledImages::pair`]).
    pub fn read(images: &Path, labels: &Path, classes: usize) -> Result<Self> {
        let names = [images, labels].map(|path| path.display().to_string());
        Self::pair((&names[0], Idx::read(images, 3)?), (&names[1], Idx::read(labels, 1)?), classes)
    }

    /// Joins images with their labels; the names are for the errors.
    ///
    /// # Errors
    /// When there is no image or no pixel, the counts differ, or a label is not below `classes`.
    pub fn pair(
        (images_name, images): (&str, Idx),
        (labels_name, labels): (&str, Idx),
        classes: usize,
    ) -> Result<Self> {
        if images.bytes().is_empty() {
            let problem = format!("it holds no pixel: its shape is {:?}", images.shape());
            return Err(Error::input(images_name, problem, "use a file with at least one image"));
        }
        if images.len() != labels.len() {
            let problem =
                format!("it has {} labels for the {} images of {images_name}", labels.len(), images.len());
            return Err(Error::input(labels_name, problem, "use the two files of the same split"));
        }
        if let Some(index) = labels.bytes().iter().position(|label| usize::from(*label) >= classes) {
            let label = labels.bytes()[index];
            let problem = format!("label {index} is {label}, but there are only {classes} classes, from 0");
            return Err(Error::input(
                labels_name,
                problem,
                "use the labels that were published with the images",
            ));
        }
        Ok(Self { images, labels, classes })
    }

    /// N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: there is at least one image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images, \[N, H, W\].
    #[must_use]
    pub fn images(&self) -> &Idx {
        &self.images
    }

    /// The labels, \[N\].
    #[must_use]
    pub fn labels(&self) -> &Idx {
        &self.labels
    }

    /// H and W.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        [self.images.shape()[1], self.images.shape()[2]]
    }

    /// The balanced subset of the first `per_class` examples of each class, in the order of the file.
    ///
    /// # Errors
    /// The class that has fewer examples, with how many it has.
    pub fn balanced(&self, per_class: usize) -> Result<Self, (usize, usize)> {
        let indices = first_of_each_class(self.labels.bytes(), self.classes, per_class)?;
        let (images, labels) = (self.images.select(&indices), self.labels.select(&indices));
        Ok(Self { images, labels, classes: self.classes })
    }

    /// The examples as a network sees them: inputs \[N, 1, H + 2 pad, W + 2 pad\] in `f32` (see
    /// [`normalised_and_padded`]), and class targets.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn examples(&self, pad: usize) -> Result<Examples> {
        let labels: Vec<u32> = self.labels.bytes().iter().map(|label| u32::from(*label)).collect();
        let labels = Tensor::from_vec(labels, self.len(), &Device::Cpu)?;
        let inputs = normalised_and_padded(self.images.bytes(), self.len(), self.size(), pad)?;
        Ok(Examples { inputs, targets: Targets::Classes { labels, classes: self.classes } })
    }
}
