//! Kernel operands: strided views of numbers.

use std::ops::Deref;

use super::{
    parallel::for_each_chunk,
    strided::Strided,
    workspace::{Taken, Workspace},
};

/// Numbers per copy task.
const CHUNK: usize = 1 << 15;

/// A strided view; `data` starts at the first element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a, T> {
    pub data: &'a [T],
    /// The size of each axis.
    pub dims: &'a [usize],
    /// The stride of each axis, in numbers.
    pub strides: &'a [usize],
}

/// Elements in row-major order.
pub(crate) enum InOrder<'w, T> {
    /// Read in place.
    Stored(&'w [T]),
    /// Copied to the workspace.
    Copied(Taken<'w, T>),
}

impl<T> Deref for InOrder<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Stored(stored) => stored,
            Self::Copied(copied) => copied,
        }
    }
}

impl<'a, T: pulp::bytemuck::Pod + Send + Sync> View<'a, T> {
    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// The elements, if they are stored in row-major order without gaps.
    fn stored(&self) -> Option<&'a [T]> {
        let mut expected = 1;
        for (&size, &stride) in self.dims.iter().zip(self.strides).rev() {
            if size > 1 && stride != expected {
                return None;
            }
            expected *= size;
        }
        self.data.get(..expected)
    }

    /// The elements in row-major order, copied if they are stored otherwise.
    pub fn in_order<'w>(&self, work: &mut Workspace<'w>) -> InOrder<'w, T>
    where
        'a: 'w,
    {
        if let Some(stored) = self.stored() {
            return InOrder::Stored(stored);
        }
        let mut copy = work.take(self.elements());
        self.copy_to(&mut copy);
        InOrder::Copied(copy)
    }

    /// Writes the elements in row-major order.
    pub fn copy_to(&self, out: &mut [T]) {
        let from = Strided::new(self.data, self.dims, self.strides);
        for_each_chunk(out, CHUNK, &|i, out| from.copy(i * CHUNK, out));
    }

    /// The strides after broadcasting to shape `dims`: 0 along repeated axes, and along the leading
    /// axis if this view lacks it.
    pub fn strides_onto(&self, dims: &[usize]) -> Vec<usize> {
        let missing = dims.len().saturating_sub(self.dims.len());
        let own = self.dims.iter().zip(self.strides).zip(&dims[missing..]);
        let own = own.map(|((&from, &stride), &to)| if from == to { stride } else { 0 });
        std::iter::repeat_n(0, missing).chain(own).collect()
    }

    /// This view, broadcast to shape `dims`: see [`Self::strides_onto`].
    pub fn onto(&self, dims: &[usize]) -> Strided<'a, T> {
        Strided::new(self.data, dims, &self.strides_onto(dims))
    }
}
