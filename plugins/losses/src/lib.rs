//! Losses: programs from outputs z and targets t to one number, a mean over samples. No derivative
//! is written here.
//!
//! | module | of an element or a row | targets | root of its Hessian |
//! | --- | --- | --- | --- |
//! | [`mod@cross_entropy`] | −Σ t log softmax(z) | classes, soft targets | of rank C − 1 |
//! | [`focal`] | −Σ t (1 − p)^γ log p, p = softmax(z) | classes, soft targets | none: not convex |
//! | [`mod@binary_cross_entropy`] | log(1 + e^z) − t z | numbers in \[0, 1\], labels | diagonal |
//! | [`mod@mean_squared_error`] | (z − t)² | numbers | diagonal |
//! | [`huber`] | ½ (z − t)² near the target, a line beyond | numbers | diagonal |
//! | [`gaussian_nll`] | ½ (log v + (m − t)²/v) | numbers, half as many | none: not convex |
//! | [`output`] | z | unused | zero |
//!
//! `docs/experiments.md` documents their keys. The file of a loss has everything that is known of
//! it: its program, the square root of its Hessian in the outputs if it is convex in them, how it
//! reads targets, and its name.

pub mod binary_cross_entropy;
mod classes;
pub mod cross_entropy;
pub mod focal;
pub mod gaussian_nll;
pub mod huber;
pub mod mean_squared_error;
pub mod output;
mod rows;

use std::sync::Arc;

use eigenscape_core::Registry;
use eigenscape_program::Loss;

use self::{
    binary_cross_entropy::BinaryCrossEntropy, cross_entropy::CrossEntropy,
    mean_squared_error::MeanSquaredError,
};

/// The cross-entropy with its default keys.
#[must_use]
pub fn cross_entropy() -> Loss {
    Arc::new(CrossEntropy::default())
}

/// The mean squared error.
#[must_use]
pub fn mean_squared_error() -> Loss {
    Arc::new(MeanSquaredError)
}

/// The binary cross-entropy on logits.
#[must_use]
pub fn binary_cross_entropy() -> Loss {
    Arc::new(BinaryCrossEntropy)
}

/// Adds all losses to the registry, and sets the default losses for classes and for real targets.
pub fn register(registry: &mut Registry) {
    binary_cross_entropy::register(registry);
    cross_entropy::register(registry);
    focal::register(registry);
    gaussian_nll::register(registry);
    huber::register(registry);
    mean_squared_error::register(registry);
    output::register(registry);
    registry.default_losses.classes = Some(cross_entropy::NAME);
    registry.default_losses.values = Some(mean_squared_error::NAME);
    registry.default_losses.nothing = Some(output::NAME);
}
