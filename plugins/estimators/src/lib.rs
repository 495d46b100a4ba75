//! Estimators of curvature spectra.
//!
//! | name | cost | gives | take it when |
//! | --- | --- | --- | --- |
//! | [`gram`] | one factor Φ, one eigenproblem of size min(M, P) | every eigenvalue, exactly | the operator is ΦᵀΦ: Gauss-Newton, or a Hessian where the network is piecewise affine |
//! | [`dense`] | P products, one eigenproblem of size P | every eigenvalue, exactly | P is at most a few thousand |
//! | [`trace`] | one factor Φ | the trace, exactly, and nothing else | as `gram`, where its eigenproblem is too large |
//! | [`class_structure`] | as `gram` on the side of the samples | every eigenvalue of G and of its parts by class | where do the outliers come from? |
//! | [`hutchinson`] | one product a probe | the trace with its standard error | the trace of anything else |
//! | [`lanczos`] | `steps` products a probe | the extreme eigenvalues, and the density by quadrature | anything else |
//!
//! All are deterministic: bitwise the same spectrum for the same seed on any number of threads.
//! Matrices are decomposed in f64 whatever the type of the operator.

pub mod class_structure;
pub mod dense;
mod eigen;
mod float;
pub mod gram;
pub mod hutchinson;
pub mod lanczos;
mod operator;
mod rounding;
mod tiles;
pub mod trace;

#[cfg(test)]
mod testing;

pub use eigen::gauss_quadrature;
use eigenscape_core::Registry;

/// Adds every estimator to the registry.
pub fn register(registry: &mut Registry) {
    class_structure::register(registry);
    dense::register(registry);
    gram::register(registry);
    hutchinson::register(registry);
    lanczos::register(registry);
    trace::register(registry);
}
