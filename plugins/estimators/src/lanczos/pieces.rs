//! The vectors of a Krylov space, laid out for passes over all of them.

use rayon::prelude::*;

use crate::float::Float;

/// Numbers in a piece: 8 KiB in f64.
pub(super) const PIECE: usize = 1024;
/// Pieces per parallel task.
pub(super) const PIECES: usize = 8;
/// Vectors per slab, unless a basis has fewer.
const SLAB: usize = 8;

/// Vectors of one length, stored in slabs of a few vectors. A slab holds the first piece of each of
/// its vectors, then the second piece of each, and so on. A pass over all vectors, piece by piece,
/// reads long contiguous stretches of memory, which takes a quarter less time where the vectors
/// exceed the caches. Memory grows by one slab at a time.
pub(super) struct Pieces<T> {
    slabs: Vec<Vec<T>>,
    /// Vectors per slab.
    width: usize,
    length: usize,
    count: usize,
}

impl<T: Float> Pieces<T> {
    /// An empty basis for up to `most` vectors of this length.
    pub fn new(length: usize, most: usize) -> Self {
        Self { slabs: Vec::new(), width: width(most), length, count: 0 }
    }

    /// Numbers stored for `vectors` vectors of this length.
    pub fn numbers(length: usize, vectors: usize) -> usize {
        length.saturating_mul(vectors.div_ceil(width(vectors)).saturating_mul(width(vectors)))
    }

    /// Adds a vector.
    pub fn push(&mut self, vector: &[T]) {
        assert_eq!(vector.len(), self.length, "vectors of a basis have one length");
        let (slab, place) = (self.count / self.width, self.count % self.width);
        if place == 0 {
            // The system allocates zeroed pages on the first write, which all threads do together
            // below.
            self.slabs.push(vec![T::narrow(0.0); self.width * self.length]);
        }
        let pieces = self.slabs[slab].par_chunks_mut(self.width * PIECE).zip(vector.par_chunks(PIECE));
        pieces.with_min_len(PIECES).for_each(|(vectors, piece)| {
            vectors[place * piece.len()..][..piece.len()].copy_from_slice(piece);
        });
        self.count += 1;
    }

    /// The piece `index` of a vector.
    #[inline(always)]
    pub fn piece(&self, vector: usize, index: usize) -> &[T] {
        let start = index * PIECE;
        let size = PIECE.min(self.length - start);
        &self.slabs[vector / self.width][start * self.width + vector % self.width * size..][..size]
    }
}

/// Vectors per slab in a basis of `vectors` vectors.
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
