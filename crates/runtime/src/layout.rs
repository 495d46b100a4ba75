//! Layouts: where the elements of a value lie in its memory.

use std::ops::Range;

/// The size and stride of each axis, and the position of the first element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The position of the first element, in numbers from the beginning of the memory.
    pub start: usize,
    /// The size of each axis.
    pub dims: Vec<usize>,
    /// The stride of each axis, in numbers.
    pub strides: Vec<usize>,
}

impl Layout {
    /// Row-major order from the beginning of the memory.
    #[must_use]
    pub fn in_order(dims: &[usize]) -> Self {
        let mut strides = vec![1; dims.len()];
        for axis in (1..dims.len()).rev() {
            strides[axis - 1] = strides[axis] * dims[axis];
        }
        Self { start: 0, dims: dims.to_vec(), strides }
    }

    /// Whether the elements lie in row-major order without gaps.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.dims.iter().zip(&self.strides).rev() {
            if size > 1 && stride != expected {
                return false;
            }
            expected *= size;
        }
        true
    }

    /// The same elements in other dimensions; they must lie in row-major order.
    #[must_use]
    pub fn reshape(&self, dims: &[usize]) -> Self {
        Self { start: self.start, ..Self::in_order(dims) }
    }

    /// The axes in another order: axis i is axis `axes[i]` of this layout.
    #[must_use]
    pub fn permute(&self, axes: &[usize]) -> Self {
        let pick = |of: &[usize]| axes.iter().map(|&axis| of[axis]).collect();
        Self { start: self.start, dims: pick(&self.dims), strides: pick(&self.strides) }
    }

    /// Axes of size 1 repeated up to `dims`.
    #[must_use]
    pub fn broadcast(&self, dims: &[usize]) -> Self {
        let axes = self.dims.iter().zip(&self.strides).zip(dims);
        let strides = axes.map(|((&from, &stride), &to)| if from == to { stride } else { 0 }).collect();
        Self { start: self.start, dims: dims.to_vec(), strides }
    }

    /// One number repeated up to `dims`.
    #[must_use]
    pub fn repeated(dims: &[usize]) -> Self {
        Self { start: 0, dims: dims.to_vec(), strides: vec![0; dims.len()] }
    }

    /// `len` elements along an axis, from the `start`-th on.
    #[must_use]
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Self {
        let mut narrowed = self.clone();
        narrowed.start += start * self.strides[axis];
        narrowed.dims[axis] = len;
        narrowed
    }

    /// The elements at one index of an axis, which is removed.
    #[must_use]
    pub fn at(&self, axis: usize, index: usize) -> Self {
        let mut at = self.narrow(axis, index, 1);
        at.dims.remove(axis);
        at.strides.remove(axis);
        at
    }

    /// The same elements for each index of a new first axis.
    #[must_use]
    pub fn behind(&self, size: usize) -> Self {
        let mut behind = self.clone();
        behind.dims.insert(0, size);
        behind.strides.insert(0, 0);
        behind
    }

    /// The axes of a range as one axis: its size and stride, if one stride walks them in order.
    #[must_use]
    pub fn merged(&self, axes: Range<usize>) -> Option<(usize, usize)> {
        let axes = self.dims[axes.clone()].iter().zip(&self.strides[axes]);
        let mut merged = None;
        for (&size, &stride) in axes.filter(|(size, _)| **size != 1) {
            merged = Some(match merged {
                None => (size, stride),
                Some((outer, step)) if step == stride * size => (outer * size, stride),
                Some(_) => return None,
            });
        }
        Some(merged.unwrap_or((1, 1)))
    }

    /// The range of positions in memory from the first to the last element.
    #[must_use]
    pub fn reach(&self) -> Range<usize> {
        if self.dims.contains(&0) {
            return self.start..self.start;
        }
        let steps = self.dims.iter().zip(&self.strides).map(|(size, stride)| (size - 1) * stride);
        self.start..self.start + steps.sum::<usize>() + 1
    }

    /// How many elements there are.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;

    /// Layouts of views equal those of Candle's tensors.
    #[test]
    fn is_candles() -> candle_core::Result<()> {
        let tensor = Tensor::zeros((2, 3, 1, 4), DType::F32, &Device::Cpu)?;
        let layout = Layout::in_order(tensor.dims());
        let cases = [
            (tensor.clone(), layout.clone()),
            (tensor.permute((2, 0, 3, 1))?, layout.permute(&[2, 0, 3, 1])),
            (tensor.permute((2, 0, 1, 3))?, layout.permute(&[2, 0, 1, 3])),
            (tensor.broadcast_as((2, 3, 5, 4))?, layout.broadcast(&[2, 3, 5, 4])),
            (tensor.narrow(0, 1, 1)?, layout.narrow(0, 1, 1)),
            (tensor.narrow(1, 1, 2)?, layout.narrow(1, 1, 2)),
            (tensor.narrow(3, 1, 1)?, layout.narrow(3, 1, 1)),
            (tensor.get_on_dim(1, 2)?, layout.at(1, 2)),
            (tensor.unsqueeze(0)?.broadcast_as((5, 2, 3, 1, 4))?, layout.behind(5)),
            (tensor.narrow(0, 1, 1)?.reshape((3, 4))?, layout.narrow(0, 1, 1).reshape(&[3, 4])),
            (
                tensor.narrow(1, 1, 2)?.permute((3, 0, 1, 2))?.narrow(0, 2, 2)?,
                layout.narrow(1, 1, 2).permute(&[3, 0, 1, 2]).narrow(0, 2, 2),
            ),
            (
                tensor.narrow(3, 3, 1)?.broadcast_as((2, 3, 1, 5))?,
                layout.narrow(3, 3, 1).broadcast(&[2, 3, 1, 5]),
            ),
        ];
        for (view, layout) in cases {
            assert_eq!(view.dims(), layout.dims);
            assert_eq!(view.stride(), layout.strides);
            assert_eq!(view.layout().start_offset(), layout.start);
            assert_eq!(view.is_contiguous(), layout.is_in_order(), "{layout:?}");
        }
        Ok(())
    }
}
