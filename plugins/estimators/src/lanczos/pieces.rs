//! The vectors of a Krylov space, laid out for passes over all of them.

use rayon::prelude::*;

use super::stored::Stored;

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
///
/// Each piece has a factor by which its stored numbers `S` are multiplied ([`Stored`]).
pub(super) struct Pieces<S> {
    slabs: Vec<Vec<S>>,
    /// The factors of each vector's pieces.
    factors: Vec<Vec<f64>>,
    /// Vectors per slab.
    width: usize,
    length: usize,
}

impl<S: Copy + Default + Send + Sync> Pieces<S> {
    /// An empty basis for up to `most` vectors of this length.
    pub fn new(length: usize, most: usize) -> Self {
        Self { slabs: Vec::new(), factors: Vec::new(), width: width(most), length }
    }

    /// Numbers stored for `vectors` vectors of this length.
    pub fn numbers(length: usize, vectors: usize) -> usize {
        length.saturating_mul(vectors.div_ceil(width(vectors)).saturating_mul(width(vectors)))
    }

    /// The number of vectors.
    pub fn count(&self) -> usize {
        self.factors.len()
    }

    /// Adds a vector.
    pub fn push<T: Sync>(&mut self, vector: &[T])
    where
        S: Stored<T>,
    {
        let count = self.count();
        if count.is_multiple_of(self.width) {
            // The system allocates zeroed pages on the first write, which all threads do together
            // in `replace`.
            self.slabs.push(vec![S::default(); self.width * self.length]);
        }
        self.factors.push(vec![0.0; self.length.div_ceil(PIECE)]);
        self.replace(count, vector);
    }

    /// Stores another vector in place of one.
    pub fn replace<T: Sync>(&mut self, index: usize, vector: &[T])
    where
        S: Stored<T>,
    {
        assert_eq!(vector.len(), self.length, "vectors of a basis have one length");
        let (slab, place) = (index / self.width, index % self.width);
        let pieces = self.slabs[slab].par_chunks_mut(self.width * PIECE).zip(vector.par_chunks(PIECE));
        let stored = pieces.zip(&mut self.factors[index]).with_min_len(PIECES);
        stored.for_each(|((vectors, piece), factor)| {
            *factor = S::store(piece, &mut vectors[place * piece.len()..][..piece.len()]);
        });
    }

    /// The piece `index` of a vector, as it is stored, and its factor.
    #[inline(always)]
    pub fn piece(&self, vector: usize, index: usize) -> (&[S], f64) {
        let start = index * PIECE;
        let size = PIECE.min(self.length - start);
        let slab = &self.slabs[vector / self.width];
        (&slab[start * self.width + vector % self.width * size..][..size], self.factors[vector][index])
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
            assert_eq!(basis.count(), vectors.len());
            let numbers: usize = basis.slabs.iter().map(Vec::len).sum();
            assert_eq!(numbers, Pieces::<f64>::numbers(length, count));
            for (k, vector) in vectors.iter().enumerate() {
                for (index, piece) in vector.chunks(PIECE).enumerate() {
                    assert_eq!(basis.piece(k, index), (piece, 1.0));
                }
            }
        }
    }
}
