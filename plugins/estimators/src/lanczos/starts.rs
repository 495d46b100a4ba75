//! The random vectors of estimates of a trace or a spectrum.
//!
//! There are 2^(P − 1) different vectors of ±1 in P coordinates, up to the sign of the whole
//! vector, which changes nothing. In few dimensions independent draws often coincide, and their
//! spread would then show no uncertainty; so each vector is redrawn until it differs from all
//! before it. Each vector is still uniformly distributed, so that estimates stay unbiased; drawn
//! without replacement, they have a smaller variance than their spread suggests. With as many
//! vectors as dimensions, the coordinate unit vectors are used instead, which make the estimate
//! exact.

use std::num::NonZeroUsize;

use eigenscape_core::{Probe, Random};

use super::kernels::{scaled, square};
use crate::float::Float;

/// In more dimensions two vectors of random signs practically never coincide.
const FEW: usize = 64;

/// Unit vectors v with E\[v vᵀ\] = I/P, or all coordinate unit vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starts {
    pub probe: Probe,
    /// The number of vectors that was requested.
    pub asked: NonZeroUsize,
    /// P.
    pub dimension: usize,
    pub random: Random,
}

/// Whether coordinate unit vectors are used instead of random ones.
pub(crate) fn are_coordinates(asked: NonZeroUsize, dimension: usize) -> bool {
    asked.get() >= dimension
}

/// The number of vectors that are used when `asked` are requested.
pub(crate) fn count(asked: NonZeroUsize, dimension: usize) -> usize {
    if are_coordinates(asked, dimension) { dimension } else { asked.get() }
}

impl Starts {
    /// Whether the vectors are the coordinate unit vectors, so that nothing is random.
    pub fn are_coordinates(&self) -> bool {
        are_coordinates(self.asked, self.dimension)
    }

    /// The number of vectors.
    pub fn count(&self) -> usize {
        count(self.asked, self.dimension)
    }

    /// The vector of an index, different from all vectors before it.
    pub fn different<T: Float>(&self, index: usize) -> Vec<T> {
        if self.are_coordinates() {
            let mut vector = vec![T::narrow(0.0); self.dimension];
            vector[index] = T::narrow(1.0);
            return vector;
        }
        if self.probe == Probe::Gaussian || self.dimension > FEW {
            return self.independent(index);
        }
        let mut drawn: Vec<Vec<f64>> = Vec::new();
        for index in 0..=index {
            let mut generator = self.random.stream("lanczos", index as u64);
            let next = loop {
                let signs = self.probe.draw(self.dimension, &mut generator, |sign| sign);
                if !drawn.iter().any(|before| is_same(before, &signs)) {
                    break signs;
                }
            };
            drawn.push(next);
        }
        let signs: Vec<T> = drawn.swap_remove(index).into_iter().map(T::narrow).collect();
        unit(&signs)
    }

    /// The vector of an index, drawn independently of all others.
    pub fn independent<T: Float>(&self, index: usize) -> Vec<T> {
        let mut generator = self.random.stream("lanczos", index as u64);
        unit(&self.probe.draw(self.dimension, &mut generator, T::narrow))
    }

    /// Whether the first `count` of the [independent](Self::independent) vectors all differ, up to
    /// their sign.
    pub fn independent_ones_differ(&self, count: usize) -> bool {
        if self.probe == Probe::Gaussian || self.dimension > FEW {
            return true;
        }
        let all: Vec<Vec<f64>> = (0..count).map(|index| self.independent(index)).collect();
        all.iter().enumerate().all(|(index, one)| !all[..index].iter().any(|before| is_same(before, one)))
    }
}

/// Whether two vectors of signs are the same up to their sign.
fn is_same(a: &[f64], b: &[f64]) -> bool {
    let turned = a[0] * b[0] < 0.0;
    a.iter().zip(b).all(|(a, b)| (a * b < 0.0) == turned)
}

fn unit<T: Float>(vector: &[T]) -> Vec<T> {
    let norm = square(vector).sqrt();
    scaled(vector, 1.0 / norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(probe: Probe, asked: usize, dimension: usize, seed: u64) -> Starts {
        Starts { probe, asked: asked.try_into().unwrap(), dimension, random: Random::new(seed) }
    }

    #[test]
    fn vectors_are_unit_vectors_with_isotropic_second_moments() {
        let (dimension, draws) = (70, 4000);
        for kind in [Probe::Rademacher, Probe::Gaussian] {
            let starts = starts(kind, 1, dimension, 1);
            let (mut square, mut product) = (0.0, 0.0);
            for index in 0..draws {
                let v: Vec<f64> = starts.different(index);
                assert!((v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-14);
                // Coordinates 3 and 66 take their signs from different 64-bit words.
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
        let draw = |index| -> Vec<f32> { starts(Probe::Rademacher, 3, 100, 5).different(index) };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
        assert_eq!(draw(1), starts(Probe::Rademacher, 3, 100, 5).independent::<f32>(1));
    }

    /// In P dimensions up to P − 1 vectors of signs all differ, up to their sign, and each occurs
    /// equally often.
    #[test]
    fn in_few_dimensions_signs_differ_and_none_is_preferred() {
        for dimension in 2..=5 {
            for asked in 1..dimension {
                let (last, seeds) = (asked - 1, 4000);
                let mut found = vec![0_usize; 1 << dimension];
                for seed in 0..seeds {
                    let starts = starts(Probe::Rademacher, asked, dimension, seed);
                    let all: Vec<Vec<f64>> = (0..asked).map(|index| starts.different(index)).collect();
                    for (index, one) in all.iter().enumerate() {
                        assert!(!all[..index].iter().any(|before| is_same(before, one)), "seed {seed}");
                    }
                    let signs = all[last].iter().map(|x| usize::from(*x > 0.0));
                    found[signs.fold(0, |number, sign| 2 * number + sign)] += 1;
                }
                let mean = seeds as f64 / found.len() as f64;
                for count in found {
                    assert!((count as f64 - mean).abs() < 4.5 * mean.sqrt(), "{dimension}, {asked}: {count}");
                }
            }
        }
    }

    #[test]
    fn as_many_as_dimensions_are_the_coordinates() {
        for asked in [3, 4, 1000] {
            let starts = starts(Probe::Rademacher, asked, 3, 0);
            assert!(starts.are_coordinates() && starts.count() == 3);
            let all: Vec<Vec<f32>> = (0..3).map(|index| starts.different(index)).collect();
            assert_eq!(all, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        }
        assert!(!starts(Probe::Rademacher, 2, 3, 0).are_coordinates());
        assert_eq!(starts(Probe::Gaussian, 4, 3, 0).count(), 3);
    }
}
