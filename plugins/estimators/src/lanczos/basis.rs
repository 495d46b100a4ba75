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
    numbers: Vec<T>,
    length: usize,
    capacity: usize,
    count: usize,
}

impl<T: Float> Basis<T> {
    /// An empty basis of vectors of this length, with room for so many.
    pub fn with_capacity(length: usize, vectors: usize) -> Self {
        // Zeros that the system hands out when they are first written to: by all threads, in `push`.
        Self { numbers: vec![T::narrow(0.0); length * vectors], length, capacity: vectors, count: 0 }
    }

    /// The number of vectors.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a vector; there is room for it.
    pub fn push(&mut self, vector: &[T]) {
        assert!(vector.len() == self.length && self.count < self.capacity, "a basis is as large as was said");
        let vectors = self.numbers.par_chunks_mut(PIECE * self.capacity);
        vectors.zip(vector.par_chunks(PIECE)).with_min_len(PIECES).for_each(|(vectors, piece)| {
            vectors[self.count * piece.len()..][..piece.len()].copy_from_slice(piece);
        });
        self.count += 1;
    }

    /// A piece of a vector.
    #[inline(always)]
    pub fn piece(&self, vector: usize, index: usize) -> &[T] {
        let start = index * PIECE;
        let width = PIECE.min(self.length - start);
        &self.numbers[start * self.capacity + vector * width..][..width]
    }
}
