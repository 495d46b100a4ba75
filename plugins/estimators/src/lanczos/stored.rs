//! How a basis stores numbers: as they are, or as integers with a common factor for each piece.

use crate::float::Float;

/// A stored number of a vector in type `T`.
pub(super) trait Stored<T>: Copy + Default + Send + Sync + Widened {
    /// Stores a piece of a vector, and returns the factor f: the numbers are f times the stored.
    fn store(piece: &[T], to: &mut [Self]) -> f64;
}

/// A number that is widened to f64.
pub(super) trait Widened: Copy {
    fn widened(self) -> f64;
}

impl<T: Float> Widened for T {
    #[inline(always)]
    fn widened(self) -> f64 {
        self.widen()
    }
}

impl<T: Float> Stored<T> for T {
    fn store(piece: &[T], to: &mut [T]) -> f64 {
        to.copy_from_slice(piece);
        1.0
    }
}

/// Integers of a few bits: the largest magnitude of a piece becomes the largest integer.
macro_rules! integers {
    ($t:ty) => {
        impl Widened for $t {
            #[inline(always)]
            fn widened(self) -> f64 {
                f64::from(self)
            }
        }

        impl<T: Float> Stored<T> for $t {
            fn store(piece: &[T], to: &mut [Self]) -> f64 {
                let largest = piece.iter().fold(0.0_f64, |largest, x| largest.max(x.widen().abs()));
                let factor = largest / f64::from(Self::MAX);
                let inverse = if factor > 0.0 { 1.0 / factor } else { 0.0 };
                for (to, x) in to.iter_mut().zip(piece) {
                    // At most MAX in magnitude, up to rounding; `as` saturates.
                    *to = (x.widen() * inverse).round() as Self;
                }
                factor
            }
        }
    };
}

integers!(i8);
integers!(i16);
