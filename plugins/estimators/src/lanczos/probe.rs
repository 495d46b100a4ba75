//! Random unit vectors.

use std::fmt;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::Deserialize;

use super::kernels::{dots, scaled};
use crate::float::Float;

/// The distribution of random vectors, before they are scaled to unit norm. For both E\[v vᵀ\] = I/P.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Independent signs: the trace has the smallest variance (Hutchinson 1990), none at all for a diagonal matrix.
    #[default]
    Rademacher,
    /// Independent normal entries: uniform on the sphere, so that nothing depends on the choice of coordinates.
    Gaussian,
}

impl Probe {
    /// A vector of unit norm.
    pub(super) fn draw<T: Float>(self, dimension: usize, generator: &mut impl Rng) -> Vec<T> {
        let vector: Vec<T> = match self {
            Self::Rademacher => signs(dimension, generator),
            Self::Gaussian => (0..dimension).map(|_| T::narrow(generator.sample(StandardNormal))).collect(),
        };
        let norm = dots(&[&vector], &vector)[0].sqrt();
        scaled(&vector, 1.0 / norm)
    }
}

/// ±1, 64 of them from each random word.
fn signs<T: Float>(dimension: usize, generator: &mut impl Rng) -> Vec<T> {
    let mut signs = Vec::with_capacity(dimension);
    while signs.len() < dimension {
        let word = generator.next_u64();
        let count = 64.min(dimension - signs.len());
        signs.extend((0..count).map(|bit| T::narrow(if word >> bit & 1 == 1 { 1.0 } else { -1.0 })));
    }
    signs
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rademacher => "Rademacher",
            Self::Gaussian => "Gaussian",
        })
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Random;

    use super::Probe;

    #[test]
    fn probes_are_unit_vectors_with_isotropic_second_moments() {
        let (dimension, draws) = (70, 4000_u64);
        for kind in [Probe::Rademacher, Probe::Gaussian] {
            let (mut square, mut product) = (0.0, 0.0);
            for index in 0..draws {
                let v: Vec<f64> = kind.draw(dimension, &mut Random::new(1).stream("test", index));
                assert!((v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-14);
                // Coordinates of different words: 3 and 66.
                square += dimension as f64 * v[3] * v[3] / draws as f64;
                product += dimension as f64 * v[3] * v[66] / draws as f64;
            }
            // Standard errors are at most √2/√4000 = 0.022 and 1/√4000 = 0.016.
            assert!((square - 1.0).abs() < 4.0 * 0.0224, "{kind}: {square}");
            assert!(product.abs() < 4.0 * 0.0158, "{kind}: {product}");
        }
    }

    #[test]
    fn streams_give_different_vectors_and_equal_ones_again() {
        let draw =
            |index| -> Vec<f32> { Probe::Rademacher.draw(100, &mut Random::new(5).stream("lanczos", index)) };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
    }
}
