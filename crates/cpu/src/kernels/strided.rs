//! An operand with arbitrary strides, read in the result's order.

/// A strided array.
#[derive(Debug)]
pub(crate) struct Strided<'a, T> {
    data: &'a [T],
    /// Axes as (size, stride), outermost first; neighbouring axes that one stride covers are
    /// merged. Never empty.
    axes: Vec<(usize, usize)>,
}

impl<'a, T: Copy> Strided<'a, T> {
    pub fn new(data: &'a [T], dims: &[usize], strides: &[usize]) -> Self {
        let mut axes: Vec<(usize, usize)> = Vec::new();
        for (&size, &stride) in dims.iter().zip(strides).filter(|(size, _)| **size != 1) {
            match axes.last_mut() {
                Some(last) if last.1 == stride * size => *last = (last.0 * size, stride),
                _ => axes.push((size, stride)),
            }
        }
        // An empty array has no rows, and no element of it is read.
        if axes.is_empty() || dims.contains(&0) {
            axes = vec![(1, 1)];
        }
        Self { data, axes }
    }

    /// The elements `start..start + len`, if they are contiguous in one row of the innermost axis.
    #[inline(always)]
    pub fn in_order(&self, start: usize, len: usize) -> Option<&'a [T]> {
        let (size, stride) = *self.axes.last()?;
        let (row, column) = (start / size, start % size);
        (stride == 1 && column + len <= size).then(|| &self.data[self.row(row) + column..][..len])
    }

    /// Copies the elements from `start` on to `out`.
    #[inline(always)]
    pub fn copy(&self, start: usize, out: &mut [T]) {
        let Some(&(size, stride)) = self.axes.last() else { return };
        let (mut row, mut column, mut rest) = (start / size, start % size, out);
        while !rest.is_empty() {
            let (out, more) = rest.split_at_mut(rest.len().min(size - column));
            let data = &self.data[self.row(row) + column * stride..];
            match stride {
                0 => out.fill(data[0]),
                1 => out.copy_from_slice(&data[..out.len()]),
                _ => {
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = data[i * stride];
                    }
                }
            }
            (row, column, rest) = (row + 1, 0, more);
        }
    }

    /// The offset of a row of the innermost axis.
    #[inline(always)]
    fn row(&self, mut row: usize) -> usize {
        let mut offset = 0;
        for &(size, stride) in self.axes.iter().rev().skip(1) {
            offset += row % size * stride;
            row /= size;
        }
        offset
    }
}
