//! The vectors of a Krylov space, laid out for passes over all of them.

use rayon::prelude::*;

use crate::float::Float;

/// Numbers in a piece: 8 KiB in f64.
pub(super) const PIECE: usize = 1024;
/// Pieces of one task.
pub(super) const PIECES: usize = 8;

/// Vectors of one length, cut into pieces: the first piece of all vectors, then the second of all, and so on. A pass that uses all vectors
/// piece by piece reads memory in order, which takes a quarter less time where there are more than caches hold.
pub(super) struct Basis<T> {
    pieces: Vec<Vec<T>>,
    length: usize,
    count: usize,
}

impl<T: Float> Basis<T> {
    /// An empty basis of vectors of this length, with room for so many.
    pub fn with_capacity(length: usize, vectors: usize) -> Self {
        let widths = (0..length).step_by(PIECE).map(|start| PIECE.min(length - start));
        let pieces = widths.map(|width| Vec::with_capacity(vectors * width)).collect();
        Self { pieces, length, count: 0 }
    }

    /// The number of vectors.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a vector.
    pub fn push(&mut self, vector: &[T]) {
        assert_eq!(vector.len(), self.length, "vectors of a basis have one length");
        let pieces = self.pieces.par_iter_mut().zip(vector.par_chunks(PIECE));
        pieces.with_min_len(PIECES).for_each(|(piece, part)| piece.extend_from_slice(part));
        self.count += 1;
    }

    /// A piece of a vector.
    #[inline(always)]
    pub fn piece(&self, vector: usize, index: usize) -> &[T] {
        let width = PIECE.min(self.length - index * PIECE);
        &self.pieces[index][vector * width..(vector + 1) * width]
    }
}
