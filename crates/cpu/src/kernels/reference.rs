//! Argmax of rows, and differences of rows from one of their elements.

use super::{
    Element,
    parallel::{for_each_chunk, for_each_pair},
};
use crate::{Error, Result};

/// For each row of `size` numbers of `x`, the position of its first element that is at most `slack`
/// below the largest.
pub(crate) fn argmax<T: Element>(x: &[T], size: usize, slack: f64, out: &mut [u32]) {
    for_each_pair((out, 1), (x, size.max(1)), &|out, row| out[0] = first_of_largest(row, slack));
}

fn first_of_largest<T: Element>(row: &[T], slack: f64) -> u32 {
    let largest = row.iter().copied().fold(T::neg_infinity(), num_traits::Float::max);
    let bound = largest - T::from_f64(slack);
    row.iter().position(|x| *x >= bound).unwrap_or(0) as u32
}

/// x − x\[m\] for each row x of `x` \[B, R, C\], with C = `size` and m from `index` \[B, R\];
/// either B may be 1 (repeated). Exactly 0 at m.
pub(crate) fn differences<T: Element>(x: &[T], size: usize, index: &[u32], out: &mut [T]) -> Result<()> {
    by_row(x, size, index, out, &Difference)
}

/// The transpose of [`differences`]: each row c with its m-th element replaced by −Σ of the others,
/// summed in f64.
pub(crate) fn differences_transpose<T: Element>(
    c: &[T],
    size: usize,
    index: &[u32],
    out: &mut [T],
) -> Result<()> {
    by_row(c, size, index, out, &Transpose)
}

/// A linear map of a row, given m.
trait RowMap: Sync {
    fn apply<T: Element>(&self, x: &[T], m: usize, out: &mut [T]);
}

struct Difference;

impl RowMap for Difference {
    fn apply<T: Element>(&self, x: &[T], m: usize, out: &mut [T]) {
        let reference = x[m];
        out.iter_mut().zip(x).for_each(|(out, x)| *out = *x - reference);
    }
}

struct Transpose;

impl RowMap for Transpose {
    fn apply<T: Element>(&self, x: &[T], m: usize, out: &mut [T]) {
        out.copy_from_slice(x);
        out[m] = T::zero();
        out[m] = T::from_f64(-sum(out));
    }
}

/// Σ x in f64, in independent lanes.
fn sum<T: Element>(x: &[T]) -> f64 {
    let widened = |x: &T| x.to_f64().unwrap_or(f64::NAN);
    let (chunks, rest) = x.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += widened(x));
    }
    lanes.iter().sum::<f64>() + rest.iter().map(widened).sum::<f64>()
}

fn by_row<T: Element>(x: &[T], size: usize, index: &[u32], out: &mut [T], map: &impl RowMap) -> Result<()> {
    const NUMBERS_A_TASK: usize = 1 << 14;
    if let Some(m) = index.iter().find(|&&m| m as usize >= size) {
        return Err(Error::shape("differences", format!("position {m} in rows of {size}")));
    }
    let together = (NUMBERS_A_TASK / size.max(1)).max(1);
    for_each_chunk(out, (size * together).max(1), &|task, out| {
        for (i, out) in out.chunks_mut(size).enumerate() {
            let row = task * together + i;
            let x = &x[row % (x.len() / size) * size..][..size];
            map.apply(x, index[row % index.len()] as usize, out);
        }
    });
    Ok(())
}
