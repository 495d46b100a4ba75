//! Data sets for Eigenscape.
//!
//! | name | what | where from |
//! | --- | --- | --- |
//! | `fashion-mnist` | 28x28 grey images of clothes, 10 classes | a balanced subset inside the program, or the published IDX files |
//! | `tensors` | any inputs and targets | a safetensors file |
//!
//! Every file is checked in full before a number of it is used: a data set either loads or says in one error which file
//! is wrong, how, and what to do.

pub mod fashion_mnist;
pub mod idx;
pub mod labelled;
pub mod locate;
pub mod pixels;
pub mod published;
pub mod subset;
mod tensor_file;
pub mod tensors;

pub use fashion_mnist::{FashionMnist, FashionMnistParameters};
pub use locate::{Report, locate};
pub use tensors::{Tensors, TensorsParameters};

use eigenscape_core::Registry;

/// Offers every data set of this crate.
///
/// ```
/// let mut registry = eigenscape_core::Registry::default();
/// eigenscape_datasets::register(&mut registry);
/// let names: Vec<_> = registry.datasets.iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["fashion-mnist", "tensors"]);
/// ```
pub fn register(registry: &mut Registry) {
    registry.datasets.add(
        "fashion-mnist",
        "Fashion-MNIST: 28x28 grey images of clothes in 10 classes (a balanced subset is built in)",
        |parameters: FashionMnistParameters, environment| {
            Ok(Box::new(FashionMnist::load(&parameters, environment)?))
        },
    );
    registry.datasets.add(
        "tensors",
        "Inputs `x` and targets `y` from a safetensors file, used as they are",
        |parameters: TensorsParameters, environment| Ok(Box::new(Tensors::load(&parameters, environment)?)),
    );
}
