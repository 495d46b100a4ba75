//! A distance: between the largest eigenvalues.

use eigenscape::{Distance, Registry, Result, Spectrum, architectures::NoSettings};

/// |max λ − max μ|. Not a metric: spectra that only differ elsewhere have the distance 0.
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

/// Adds the distance to the registry.
pub fn register(registry: &mut Registry) {
    registry.distances.add("largest", "of largest eigenvalues", |NoSettings {}, _| Ok(Box::new(Largest)));
}
