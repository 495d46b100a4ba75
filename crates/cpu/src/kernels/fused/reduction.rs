//! Sums over some axes of an array that is given block by block.

use crate::kernels::Element;

/// The kept and the summed axes of an array.
#[derive(Debug)]
pub(super) struct Reduction {
    /// Axes as (size, kept), outermost first; neighbouring axes of the same kind are merged. Never
    /// empty.
    axes: Vec<(usize, bool)>,
}

impl Reduction {
    /// The sum over `axes` of an array of shape `dims`.
    pub fn new(dims: &[usize], axes: &[usize]) -> Self {
        let mut merged: Vec<(usize, bool)> = Vec::new();
        for (axis, &size) in dims.iter().enumerate() {
            let kept = !axes.contains(&axis);
            match merged.last_mut() {
                Some(last) if last.1 == kept => last.0 *= size,
                _ => merged.push((size, kept)),
            }
        }
        if merged.is_empty() {
            merged.push((1, true));
        }
        Self { axes: merged }
    }

    /// Adds the elements of `block`, which starts at element `start`, to `sums`, which are those
    /// after the first `before` of all sums.
    #[inline(always)]
    pub fn add<T: Element>(&self, start: usize, mut block: &[T], before: usize, sums: &mut [f64]) {
        let Some(&(size, kept)) = self.axes.last() else { return };
        let (mut row, mut column) = (start / size, start % size);
        while !block.is_empty() {
            let (run, rest) = block.split_at(block.len().min(size - column));
            let first = self.row(row);
            if kept {
                let sums = &mut sums[first * size + column - before..][..run.len()];
                for (sum, x) in sums.iter_mut().zip(run) {
                    *sum += x.wide();
                }
            } else {
                sums[first - before] += lane_sum(run);
            }
            (row, column, block) = (row + 1, 0, rest);
        }
    }

    /// The index of a row of the innermost axis among the kept outer axes.
    #[inline(always)]
    fn row(&self, mut row: usize) -> usize {
        let (mut number, mut step) = (0, 1);
        for &(size, kept) in self.axes.iter().rev().skip(1) {
            if kept {
                number += row % size * step;
                step *= size;
            }
            row /= size;
        }
        number
    }
}

/// Σ x in interleaved partial sums, which vectorise and round less than one running sum.
#[inline(always)]
fn lane_sum<T: Element>(x: &[T]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [T::zero(); LANES];
    let chunks = x.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|x| x.wide()).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += *x;
        }
    }
    // In pairs: in one running sum, each addition would wait for the one before.
    let mut sums = [0.0; LANES];
    for (sum, lane) in sums.iter_mut().zip(lanes) {
        *sum = lane.wide();
    }
    let sums: [f64; 8] = pairs(&sums);
    let sums: [f64; 4] = pairs(&sums);
    let [a, b]: [f64; 2] = pairs(&sums);
    a + b + rest
}

/// The sums of each element of the first half and its counterpart in the second half.
#[inline(always)]
fn pairs<const N: usize>(x: &[f64]) -> [f64; N] {
    let mut sums = [0.0; N];
    let (left, right) = x.split_at(N);
    for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
        *sum = left + right;
    }
    sums
}
