//! Data sets for Eigenscape.
//!
//! | name | what | where from |
//! | --- | --- | --- |
//! | `mnist` | 28x28 grey images of digits, 10 classes | IDX files |
//! | `fashion-mnist` | 28x28 grey images of clothes, 10 classes | embedded subset, or IDX files |
//! | `emnist` | 28x28 grey images of characters, 10 to 62 classes | IDX files, or `gzip.zip` |
//! | `cifar-10`, `cifar-100` | 32x32 colour images, 10 or 100 classes | Python or binary version |
//! | `svhn` | 32x32 colour images of house numbers, 10 classes | MAT-files |
//! | `stl-10` | 96x96 colour images, 10 classes | binary version |
//! | `tiny-imagenet` | 64x64 colour images, 200 classes | JPEG files |
//! | `images` | any images, a folder for each class | PNG and JPEG files |
//! | `tensors` | any inputs and targets | a safetensors file |
//! | `iris`, `wine-quality`, `diabetes` | small tables, classes or real targets | embedded |
//!
//! Published sets are read from their unpacked files, or from the downloaded archive where there is
//! one. `docs/data.md` lists the places that are searched.
//!
//! Every file is checked completely before any of its numbers is used. A data set either loads, or
//! fails with one error that names the file, the problem and the remedy.

pub mod archive;
pub mod checksum;
pub mod cifar;
pub mod emnist;
pub mod fashion_mnist;
pub mod folder;
pub mod format;
pub mod image_set;
pub mod input_names;
pub mod labelled;
pub mod locate;
pub mod location;
pub mod pixels;
pub mod published;
pub mod sets;
pub mod source;
pub mod subset;
pub mod tabular;
mod tensor_file;
pub mod tensors;
pub mod tiny_imagenet;

pub use fashion_mnist::FashionMnistParameters;
pub use image_set::{ImageParameters, ImageSet};
pub use locate::{Report, locate};
pub use published::PublishedSet;
pub use tensors::{Tensors, TensorsParameters};

use eigenscape_core::Registry;

/// Adds every data set of this crate to the registry.
///
/// ```
/// let mut registry = eigenscape_core::Registry::default();
/// eigenscape_datasets::register(&mut registry);
/// let names: Vec<_> = registry.datasets.iter().map(|(name, _)| name).collect();
/// assert!(names.contains(&"fashion-mnist") && names.contains(&"tensors"));
/// ```
pub fn register(registry: &mut Registry) {
    published(registry, sets::MNIST, "MNIST: 28x28 grey images of digits");
    registry.datasets.add(
        "fashion-mnist",
        "Fashion-MNIST: 28x28 grey images of clothes in 10 classes (a balanced subset is built in)",
        |parameters: FashionMnistParameters, environment| {
            Ok(Box::new(fashion_mnist::load(&parameters, environment)?))
        },
    );
    registry.datasets.add(
        "emnist",
        "EMNIST: 28x28 grey images of digits and letters, in one of six splits",
        |parameters, environment| Ok(Box::new(emnist::load(parameters, environment)?)),
    );
    published(registry, sets::CIFAR_10, "CIFAR-10: 32x32 colour images in 10 classes");
    published(registry, sets::CIFAR_100, "CIFAR-100: 32x32 colour images in 100 classes");
    published(registry, sets::SVHN, "SVHN: 32x32 colour images of house numbers' digits");
    published(registry, sets::STL_10, "STL-10: 96x96 colour images in 10 classes");
    published(registry, sets::TINY_IMAGENET, "Tiny ImageNet: 64x64 colour images in 200 classes");
    registry.datasets.add(
        "images",
        "PNG and JPEG files, a folder for each class",
        |parameters: folder::FolderParameters, environment| {
            Ok(Box::new(folder::load(&parameters, environment)?))
        },
    );
    registry.datasets.add("iris", "Fisher's irises: 4 lengths, 3 species", |parameters, _| {
        Ok(Box::new(tabular::iris(&parameters)?))
    });
    registry.datasets.add(
        "wine-quality",
        "Red wines: 11 measurements, and a quality in 6 classes or as a real target",
        |parameters, _| Ok(Box::new(tabular::wine_quality(&parameters)?)),
    );
    registry.datasets.add(
        "diabetes",
        "Diabetes patients: 10 measurements, a real target",
        |parameters, _| Ok(Box::new(tabular::diabetes(&parameters)?)),
    );
    registry.datasets.add(
        "tensors",
        "Inputs `x` and targets `y` from a safetensors file, used as they are",
        |parameters: TensorsParameters, environment| Ok(Box::new(Tensors::load(&parameters, environment)?)),
    );
}

/// Adds a published set, with the parameters that all published sets share.
fn published(registry: &mut Registry, set: PublishedSet, summary: &'static str) {
    registry.datasets.add(set.name, summary, move |parameters: ImageParameters, environment| {
        Ok(Box::new(ImageSet::load(&set, &parameters, environment)?))
    });
}
