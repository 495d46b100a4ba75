//! Random unit vectors.

use eigenscape_core::Probe;
use rand::Rng;

use super::kernels::{scaled, square};
use crate::float::Float;

/// A random vector scaled to unit norm: E\[v vᵀ\] = I/P.
pub(crate) fn unit_vector<T: Float>(probe: Probe, dimension: usize, generator: &mut impl Rng) -> Vec<T> {
    let vector = probe.draw(dimension, generator, T::narrow);
    let norm = square(&vector).sqrt();
    scaled(&vector, 1.0 / norm)
}

#[cfg(test)]
mod tests {
    use eigenscape_core::{Probe, Random};

    use super::unit_vector;

    #[test]
    fn probes_are_unit_vectors_with_isotropic_second_moments() {
        let (dimension, draws) = (70, 4000_u64);
        for kind in [Probe::Rademacher, Probe::Gaussian] {
            let (mut square, mut product) = (0.0, 0.0);
            for index in 0..draws {
                let v: Vec<f64> = unit_vector(kind, dimension, &mut Random::new(1).stream("test", index));
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
        let draw = |index| -> Vec<f32> {
            unit_vector(Probe::Rademacher, 100, &mut Random::new(5).stream("lanczos", index))
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
    }
}
