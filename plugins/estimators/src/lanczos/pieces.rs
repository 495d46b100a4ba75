//! The vectors of a Krylov space, laid out for passes over all of them.

use rayon::prelude::*;

use crate::float::Float;

/// Numbers in a piece: 8 KiB in f64.
pub(super) const PIECE: usize = 1024;
/// Pieces of one task.
pub(super) const PIECES: usize = 8;
/// Vectors that lie together, where there are so many.
const SLAB: usize = 8;

/// Vectors of one length, in slabs of a few vectors. A slab is cut into pieces: the first piece of
/// its vectors, then the second, and so on. A pass that uses all vectors piece by piece reads long
/// stretches of memory in order, which takes a quarter less time where there are more than caches
/// hold. Memory grows with the vectors by a slab at a time.
pub(super) struct Pieces<T> {
    slabs: Vec<Vec<T>>,
    /// Vectors of a slab.
    width: usize,
    length: usize,
    count: usize,
}

impl<T: Float> Pieces<T> {
    /// An empty basis of vectors of this length, for `most` of them.
    pub fn new(length: usize, most: usize) -> Self {
        Self { slabs: Vec::new(), width: width(most), length, count: 0 }
    }

    /// Numbers that so many vectors of this length take.
    pub fn numbers(length: usize, vectors: usize) -> usize {
        length.saturating_mul(vectors.div_ceil(width(vectors)).saturating_mul(width(vectors)))
    }

    /// Adds a vector.
    pub fn push(&mut self, vector: &[T]) {
        assert_eq!(vector.len(), self.length, "vectors of a basis have one length");
        let (slab, place) = (self.count / self.width, self.count % self.width);
        if place == 0 {
            // Zeros that the system hands out when they are first written to: by all threads,
            // below.
            self.slabs.push(vec![T::narrow(0.0); self.width * self.length]);
        }
        let pieces = self.slabs[slab].par_chunks_mut(self.width * PIECE).zip(vector.par_chunks(PIECE));
        pieces.with_min_len(PIECES).for_each(|(vectors, piece)| {
            vectors[place * piece.len()..][..piece.len()].copy_from_slice(piece);
        });
        self.count += 1;
    }

    /// A piece of a vector.
    #[inline(always)]
    pub fn piece(&self, vector: usize, index: usize) -> &[T] {
        let start = index * PIECE;
        let size = PIECE.min(self.length - start);
        &self.slabs[vector / self.width][start * self.width + vector % self.width * size..][..size]
    }
}

/// Vectors of a slab of a basis of so many.
fn width(vectors: usize) -> usize {
    vectors.clamp(1, SLAB)
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Pieces, SLAB};

    #[test]
    fn every_piece_of_every_slab_is_found_again() {
        for (length, count) in [(1, 1), (PIECE, 2 * SLAB + 3), (2 * PIECE + 7, 2 * SLAB + 3), (PIECE + 3, 5)]
        {
            let vectors: Vec<Vec<f64>> = (0..count)
                .map(|vector| (0..length).map(|i| (vector * length + i) as f64).collect())
                .collect();
            let mut basis = Pieces::new(length, count);
            vectors.iter().for_each(|vector| basis.push(vector));
            assert_eq!(basis.count, vectors.len());
            let numbers: usize = basis.slabs.iter().map(Vec::len).sum();
            assert_eq!(numbers, Pieces::<f64>::numbers(length, count));
            for (k, vector) in vectors.iter().enumerate() {
                for (index, piece) in vector.chunks(PIECE).enumerate() {
                    assert_eq!(basis.piece(k, index), piece);
                }
            }
        }
    }
}
