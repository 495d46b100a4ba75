//! Loops over parts of arrays on all threads.
//!
//! Each loop is compiled once for each element type, and calls `work` through a pointer: Rayon's
//! generic code, compiled again for each kernel, would be a quarter of the crate. A call is made
//! for thousands of elements.

use rayon::prelude::*;

/// Calls `work` with the index and the elements of each chunk of `len` elements; the last chunk may
/// be shorter.
pub(crate) fn for_each_chunk<T: Send>(out: &mut [T], len: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    out.par_chunks_mut(len).enumerate().for_each(|(i, chunk)| work(i, chunk));
}

/// Calls `work` with each chunk of `len` elements of `out` and the chunk of `from_len` elements of
/// `from` at the same index.
pub(crate) fn for_each_pair<T: Send, U: Sync>(
    (out, len): (&mut [T], usize),
    (from, from_len): (&[U], usize),
    work: &(dyn Fn(&mut [T], &[U]) + Sync),
) {
    out.par_chunks_mut(len).zip(from.par_chunks(from_len)).for_each(|(chunk, from)| work(chunk, from));
}
