//! How the files of a split become images with labels.

use eigenscape_core::{Error, Result};
use eigenscape_formats::{idx::Idx, mat};

use crate::{
    cifar,
    labelled::LabelledImages,
    pixels::transpose,
    source::{Contents, Source},
    tiny_imagenet,
};

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Two IDX files, images and labels.
    Idx,
    /// The same as EMNIST has it: images column by column, classes counted from `first`.
    Emnist {
        /// The number of the first class.
        first: u8,
    },
    /// CIFAR's records, with so many labels each.
    CifarRecords(usize),
    /// CIFAR's pickles, with the labels under this key.
    CifarPickles(&'static str),
    /// SVHN's MAT-file: `X` \[32, 32, 3, N\], first axis fastest, and `y`, where 10 is the digit 0.
    Svhn,
    /// STL-10: images column by column, and labels from 1 on.
    Stl,
    /// Tiny ImageNet's folders.
    TinyImageNet,
}

impl Format {
    /// Folders of a release that hold files beside those that it lists.
    #[must_use]
    pub fn folders(self) -> &'static [&'static str] {
        if self == Self::TinyImageNet { tiny_imagenet::FOLDERS } else { &[] }
    }

    /// Images of a split from its files, all that the format has of them; what they name is in
    /// `source`.
    ///
    /// # Errors
    /// When a file is damaged or the files do not fit together.
    pub fn read(
        self,
        files: &mut [Contents<'_>],
        source: &Source,
        shape: [usize; 3],
        classes: usize,
    ) -> Result<LabelledImages> {
        match (self, files) {
            (Self::Idx, [images, labels]) => {
                let [images, labels] = [(images, 3), (labels, 1)].map(|(file, rank)| idx(file, rank));
                LabelledImages::pair(images?, labels?, classes)
            }
            (Self::Emnist { first }, [images, labels]) => {
                emnist(idx(images, 3)?, idx(labels, 1)?, first, classes)
            }
            (Self::CifarRecords(labels), files @ [_, ..]) => {
                let mut found = Default::default();
                for file in &*files {
                    cifar::records(&file.subject, &file.bytes, labels, &mut found)?;
                }
                together(&files[0], found, shape, classes)
            }
            (Self::CifarPickles(key), files @ [_, ..]) => {
                let mut found = Default::default();
                for file in &*files {
                    cifar::pickled(&file.subject, &file.bytes, key, &mut found)?;
                }
                together(&files[0], found, shape, classes)
            }
            (Self::Svhn, [file]) => svhn(file, shape, classes),
            (Self::Stl, [images, labels]) => stl(images, labels, shape, classes),
            (Self::TinyImageNet, [file]) => tiny_imagenet::read(source, file, shape),
            _ => Err(Error::input(source.subject(), "the set has another number of files", "report this")),
        }
    }
}

fn idx<'a>(file: &'a Contents<'_>, rank: usize) -> Result<(&'a str, Idx)> {
    Ok((&file.subject, Idx::decode(&file.subject, &file.bytes, rank)?))
}

/// Images with labels from the same files.
fn together(
    file: &Contents<'_>,
    (bytes, labels): cifar::Examples,
    shape: [usize; 3],
    classes: usize,
) -> Result<LabelledImages> {
    let images = stack(&file.subject, bytes, labels.len(), shape)?;
    LabelledImages::new((&file.subject, images), (&file.subject, labels), classes)
}

fn stack(subject: &str, bytes: Vec<u8>, count: usize, [channels, height, width]: [usize; 3]) -> Result<Idx> {
    let size = bytes.len();
    Idx::new(vec![count, channels, height, width], bytes).ok_or_else(|| {
        let problem =
            format!("its {size} bytes of pixels are not those of {count} images {channels}x{height}x{width}");
        Error::input(subject, problem, "fetch the file again")
    })
}

fn emnist(
    (images_name, images): (&str, Idx),
    (labels_name, labels): (&str, Idx),
    first: u8,
    classes: usize,
) -> Result<LabelledImages> {
    let [count, height, width] = *images.shape() else {
        return Err(Error::input(images_name, "it holds no images", "fetch the file again"));
    };
    if height != width {
        let problem = format!("its images are {height}x{width}, not square");
        return Err(Error::input(images_name, problem, "use EMNIST's own files"));
    }
    let mut bytes = images.into_bytes();
    transpose(&mut bytes, height);
    let images = Idx::new(vec![count, height, width], bytes)
        .ok_or_else(|| Error::input(images_name, "it holds no images", "fetch the file again"))?;
    let labels = from(labels_name, labels.bytes().iter().map(|label| u32::from(*label)), first.into())?;
    LabelledImages::new((images_name, images), (labels_name, labels), classes)
}

/// Labels that are counted from `first`, counted from 0.
fn from(subject: &str, labels: impl Iterator<Item = u32>, first: u32) -> Result<Vec<u32>> {
    let labels: Option<Vec<u32>> = labels.map(|label| label.checked_sub(first)).collect();
    labels.ok_or_else(|| {
        let problem = format!("a label is 0, but its classes are numbered from {first}");
        Error::input(subject, problem, "use the labels that were published with the images")
    })
}

fn svhn(file: &Contents<'_>, shape: [usize; 3], classes: usize) -> Result<LabelledImages> {
    let subject = file.subject.as_str();
    let refuse = |problem: String| {
        Error::input(subject, problem, "use the published file, train_32x32.mat or test_32x32.mat")
    };
    let [images, labels] = mat::read(subject, &file.bytes, ["X", "y"])?;
    let [channels, height, width] = shape;
    let (mat::Numbers::Bytes(mut bytes), &[h, w, c, count]) = (images.numbers, images.shape.as_slice())
    else {
        return Err(refuse(format!(
            "`X` is no array of bytes [32, 32, 3, N], its shape is {:?}",
            images.shape
        )));
    };
    if [c, h, w] != [channels, height, width] || h != w {
        return Err(refuse(format!(
            "`X` has images {h}x{w} of {c} channels, not {height}x{width} of {channels}"
        )));
    }
    // With its first axis fastest the array has the planes one after the other, each column by
    // column.
    transpose(&mut bytes, h);
    let labels = labels.numbers.whole().ok_or_else(|| refuse("`y` are no classes".to_owned()))?;
    let ten = classes as u32;
    if labels.contains(&0) {
        return Err(refuse(format!(
            "a label of `y` is 0, but its classes are numbered from 1, and {ten} is the digit 0"
        )));
    }
    let labels = labels.into_iter().map(|label| if label == ten { 0 } else { label }).collect();
    LabelledImages::new((subject, stack(subject, bytes, count, shape)?), (subject, labels), classes)
}

fn stl(
    images: &mut Contents<'_>,
    labels: &Contents<'_>,
    shape: [usize; 3],
    classes: usize,
) -> Result<LabelledImages> {
    let size: usize = shape.iter().product();
    if !images.bytes.len().is_multiple_of(size) {
        let problem =
            format!("its {} bytes are no whole number of images of {size} bytes", images.bytes.len());
        return Err(Error::input(&images.subject, problem, "unpack the archive again"));
    }
    let mut bytes = std::mem::take(&mut images.bytes).into_owned();
    transpose(&mut bytes, shape[1]);
    let count = bytes.len() / size;
    let found = stack(&images.subject, bytes, count, shape)?;
    let labels_name = labels.subject.as_str();
    let labels = from(labels_name, labels.bytes.iter().map(|label| u32::from(*label)), 1)?;
    LabelledImages::new((&images.subject, found), (labels_name, labels), classes)
}
