//! The vectors of a Krylov space, laid out for passes over all of them.

use rayon::prelude::*;

use crate::float::Float;

/// Numbers in a piece: 8 KiB in f64.
pub(super) const PIECE: usize = 1024;
/// Pieces of one task.
pub(super) const PIECES: usize = 8;
/// Vectors that lie together.
const SLAB: usize = 8;

/// Vectors of one length, in slabs of a few vectors. A slab is cut into pieces: the first piece of its vectors, then the second, and so on. A
/// pass that uses all vectors piece by piece reads long stretches of memory in order, which takes a quarter less time where there are more than
/// caches hold. Memory grows with the vectors by a slab at a time.
pub(super) struct Basis<T> {
    slabs: Vec<Vec<T>>,
    length: usize,
    count: usize,
}

impl<T: Float> Basis<T> {
    /// An empty basis of vectors of this length.
    pub fn new(length: usize) -> Self {
        Self { slabs: Vec::new(), length, count: 0 }
    }

    /// The number of vectors.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a vector.
    pub fn push(&mut self, vector: &[T]) {
        assert_eq!(vector.len(), self.length, "vectors of a basis have one length");
        let (slab, place) = (self.count / SLAB, self.count % SLAB);
        if place == 0 {
            // Zeros that the system hands out when they are first written to: by all threads, below.
            self.slabs.push(vec![T::narrow(0.0); SLAB * self.length]);
        }
        let pieces = self.slabs[slab].par_chunks_mut(SLAB * PIECE).zip(vector.par_chunks(PIECE));
        pieces.with_min_len(PIECES).for_each(|(vectors, piece)| {
            vectors[place * piece.len()..][..piece.len()].copy_from_slice(piece);
        });
        self.count += 1;
    }

    /// A piece of a vector.
    #[inline(always)]
    pub fn piece(&self, vector: usize, index: usize) -> &[T] {
        let start = index * PIECE;
        let width = PIECE.min(self.length - start);
        &self.slabs[vector / SLAB][start * SLAB + vector % SLAB * width..][..width]
    }
}

#[cfg(test)]
mod tests {
    use super::{Basis, PIECE, SLAB};

    #[test]
    fn every_piece_of_every_slab_is_found_again() {
        for length in [1, PIECE, 2 * PIECE + 7] {
            let vectors: Vec<Vec<f64>> = (0..2 * SLAB + 3)
                .map(|vector| (0..length).map(|i| (vector * length + i) as f64).collect())
                .collect();
            let mut basis = Basis::new(length);
            vectors.iter().for_each(|vector| basis.push(vector));
            assert_eq!(basis.count(), vectors.len());
            for (k, vector) in vectors.iter().enumerate() {
                for (index, piece) in vector.chunks(PIECE).enumerate() {
                    assert_eq!(basis.piece(k, index), piece);
                }
            }
        }
    }
}
