//! Images with one label each, checked against each other.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use eigenscape_core::{Error, Examples, Inputs, Result, RowSource, Targets};
use eigenscape_formats::idx::Idx;

use crate::{pixels::Preparation, subset::first_of_each_class};

/// N >= 1 images of unsigned bytes, grey \[N, H, W\] or of several channels \[N, C, H, W\], with N
/// labels, each below the number of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImages {
    images: Idx,
    labels: Vec<u32>,
    classes: usize,
}

impl LabelledImages {
    /// Combines the images of one file with the labels of another; the names are for errors.
    ///
    /// # Errors
    /// When there is no image or no pixel, the counts differ, or a label is not below `classes`.
    pub fn pair(
        (images_name, images): (&str, Idx),
        (labels_name, labels): (&str, Idx),
        classes: usize,
    ) -> Result<Self> {
        let labels = labels.bytes().iter().map(|label| u32::from(*label)).collect();
        Self::new((images_name, images), (labels_name, labels), classes)
    }

    /// As [`LabelledImages::pair`], for labels of any origin.
    ///
    /// # Errors
    /// When there is no image or no pixel, the counts differ, or a label is not below `classes`.
    pub fn new(
        (images_name, images): (&str, Idx),
        (labels_name, labels): (&str, Vec<u32>),
        classes: usize,
    ) -> Result<Self> {
        if images.bytes().is_empty() || images.shape().len() < 3 {
            let problem = format!("it holds no pixel: its shape is {:?}", images.shape());
            return Err(Error::input(images_name, problem, "use a file with at least one image"));
        }
        if images.len() != labels.len() {
            let problem =
                format!("it has {} labels for the {} images of {images_name}", labels.len(), images.len());
            return Err(Error::input(labels_name, problem, "use the two files of the same split"));
        }
        if let Some(index) = labels.iter().position(|label| *label as usize >= classes) {
            let label = labels[index];
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

    /// Always false: there is at least one image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images, \[N, H, W\] or \[N, C, H, W\].
    #[must_use]
    pub fn images(&self) -> &Idx {
        &self.images
    }

    /// The N labels.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// C, H and W; C is 1 for grey images.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        match *self.images.shape() {
            [_, channels, height, width] => [channels, height, width],
            [_, height, width] => [1, height, width],
            _ => [0; 3],
        }
    }

    /// The balanced subset of the first `per_class` examples of each class, in the order of the
    /// file.
    ///
    /// # Errors
    /// The first class with fewer examples, and how many it has.
    pub fn balanced(&self, per_class: usize) -> Result<Self, (usize, usize)> {
        let indices = first_of_each_class(&self.labels, self.classes, per_class)?;
        let labels = indices.iter().map(|index| self.labels[*index]).collect();
        Ok(Self { images: self.images.select(&indices), labels, classes: self.classes })
    }

    /// The examples: inputs \[N, C, H + 2 pad, W + 2 pad\] in `f32` (see [`Preparation`]), computed
    /// from the bytes on request, and class targets.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn examples(self: &Arc<Self>, preparation: &Preparation) -> Result<Examples> {
        let labels = Tensor::from_slice(&self.labels, self.len(), &Device::Cpu)?;
        let [channels, height, width] = preparation.prepared(self.size());
        let dims = [self.len(), channels, height, width];
        let rows = Prepared { images: Arc::clone(self), preparation: preparation.clone(), dims };
        let targets = Targets::Classes { labels, classes: self.classes };
        Ok(Examples { inputs: Inputs::Rows(Arc::new(rows)), targets })
    }
}

/// Images that are prepared on request.
#[derive(Debug)]
struct Prepared {
    images: Arc<LabelledImages>,
    preparation: Preparation,
    dims: [usize; 4],
}

impl RowSource for Prepared {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn bytes(&self) -> usize {
        self.images.images.bytes().len()
    }

    fn select(&self, indices: &[u32]) -> Result<Tensor> {
        let (size, bytes) = (self.images.size(), self.images.images.bytes());
        let length: usize = size.iter().product();
        let image = |index: &u32| {
            let start = *index as usize * length;
            bytes.get(start..start + length).ok_or_else(|| {
                let problem = format!("there is no sample {index} among {}", self.images.len());
                Error::input("the data set", problem, "report this")
            })
        };
        let images: Vec<&[u8]> = indices.iter().map(image).collect::<Result<_>>()?;
        self.preparation.apply(&images, size)
    }
}
