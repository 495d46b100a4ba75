//! A distance: of the largest eigenvalues.

use eigenscape::{Distance, Registry, Result, Spectrum, architectures::NoSettings};

/// |max λ − max μ|. Spectra that differ elsewhere are not told apart: it is no metric.
pub struct Largest;

impl Distance for Largest {
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
        Ok((left.lambda_max() - right.lambda_max()).abs())
    }

    fn is_metric(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        "distance of the largest eigenvalues".to_owned()
    }
}

/// Adds it to the registry.
pub fn register(registry: &mut Registry) {
    registry.distances.add("largest", "of largest eigenvalues", |NoSettings {}, _| Ok(Box::new(Largest)));
}
