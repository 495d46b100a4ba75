//! Gather and scatter-add along the last axis.

use super::{Element, parallel::for_each_chunk};

/// The sizes of the last axes of a gather.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picks {
    /// I, of the indexed operand.
    pub size: usize,
    /// J, of the index.
    pub picks: usize,
}

/// `out`\[b, r, j\] = `x`\[b, r, `index`\[b, r, j\]\] for `x` \[B, R, I\] and `index` \[B, R, J\];
/// either B may be 1 (repeated).
pub(crate) fn gather<T: Element>(x: &[T], index: &[u32], Picks { size, picks }: Picks, out: &mut [T]) {
    for_rows(out, picks, |row, out| {
        let x = &x[row % (x.len() / size) * size..][..size];
        let index = &index[row % (index.len() / picks) * picks..][..picks];
        out.iter_mut().zip(index).for_each(|(out, &i)| *out = x[i as usize]);
    });
}

/// The transpose of [`gather`]: `out`\[b, r, i\] = Σ_{j: index\[b, r, j\] = i} `x`\[b, r, j\].
pub(crate) fn scatter_add<T: Element>(x: &[T], index: &[u32], Picks { size, picks }: Picks, out: &mut [T]) {
    for_rows(out, size, |row, out| {
        let x = &x[row % (x.len() / picks) * picks..][..picks];
        let index = &index[row % (index.len() / picks) * picks..][..picks];
        out.fill(T::zero());
        x.iter().zip(index).for_each(|(x, &i)| out[i as usize] += *x);
    });
}

fn for_rows<T: Element>(out: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    const ROWS_A_TASK: usize = 64;
    for_each_chunk(out, len * ROWS_A_TASK, &|task, out| {
        out.chunks_mut(len).enumerate().for_each(|(i, out)| f(task * ROWS_A_TASK + i, out));
    });
}
