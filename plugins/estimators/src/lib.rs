//! Estimators of curvature spectra.
//!
//! | name | cost | result | for |
//! | --- | --- | --- | --- |
//! | [`gram`] | Φ, eigenproblem of size min(M, P) | every eigenvalue, exactly | operators ΦᵀΦ |
//! | [`dense`] | P products, eigenproblem of size P | every eigenvalue, exactly | P up to 4096 |
//! | [`trace`] | Φ | the trace, exactly | operators ΦᵀΦ |
//! | [`class_structure`] | Φ, eigenproblems of size M | G and its parts, exactly | classifiers |
//! | [`hutchinson`] | a product per probe | the trace with its standard error | any operator |
//! | [`lanczos`] | `steps` products per probe | extreme eigenvalues, density | any operator |
//!
//! Operators ΦᵀΦ with a known M × P factor Φ are the Gauss-Newton matrix, and the Hessian where the
//! network is piecewise affine. `trace` is for those whose eigenproblem is too large for `gram`;
//! `class_structure` shows which classes the outliers of the Gauss-Newton matrix G come from.
//!
//! `gram`, `dense` and `lanczos` also find eigenvectors, where they are asked for.
//!
//! All are deterministic: bitwise the same spectrum for the same seed on any number of threads.
//! Matrices are decomposed in f64 whatever the type of the operator.

pub mod class_structure;
pub mod dense;
mod eigen;
mod eigenpairs;
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
