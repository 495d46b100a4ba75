//! Densities of spectra.

use eigenscape_core::density::gaussian_density;
use pyo3::prelude::*;

/// The density of the measure Σᵢ wᵢ δ(λᵢ), convolved with a Gaussian of standard deviation `sigma`,
/// at each point of `at`.
#[pyfunction]
pub fn density(
    py: Python<'_>,
    eigenvalues: Vec<f64>,
    weights: Vec<f64>,
    at: Vec<f64>,
    sigma: f64,
) -> Vec<f64> {
    py.detach(move || {
        let atoms: Vec<(f64, f64)> = eigenvalues.into_iter().zip(weights).collect();
        gaussian_density(&atoms, &at, sigma)
    })
}
