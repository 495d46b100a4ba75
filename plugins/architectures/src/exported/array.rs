//! Constant tensors, which are computed while a graph is read.

mod calculation;

use std::sync::Arc;

use eigenscape_program::{Error, Result};

/// A strided view of numbers in shared memory.
///
/// Integers and booleans are stored as f64, which represents integers up to 2⁵³ exactly.
#[derive(Debug, Clone)]
pub(super) struct Array {
    shape: Vec<usize>,
    /// In elements; 0 along axes whose elements are all equal.
    strides: Vec<usize>,
    offset: usize,
    numbers: Arc<Vec<f64>>,
    /// The largest allowed number of elements in memory of what is computed from this array: a few
    /// bytes of a graph may request any number.
    limit: usize,
}

/// The limit of arrays that have been given no other.
pub(super) const USUAL: usize = 1 << 21;

fn too_large(shape: &[usize]) -> Error {
    let problem = format!(
        "a constant tensor of shape {shape:?} is too large for this file and these inputs; make it a buffer of the \
         module (register_buffer), which is stored in the file"
    );
    Error::shape("constant", problem)
}

/// Refuses a shape that no tensor of a program has, however it is stored.
pub(super) fn check_size(shape: &[usize]) -> Result<()> {
    eigenscape_program::check_size("constant", shape).map_err(|_| too_large(shape))
}

/// The number of elements, unless it exceeds the limit.
fn count(shape: &[usize], limit: usize) -> Result<usize> {
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    count.filter(|count| *count <= limit).ok_or_else(|| too_large(shape))
}

/// The strides of a row-major array.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

/// Calls `f` with every position of an array of this shape, in row-major order.
fn each_position(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut position = vec![0; shape.len()];
    loop {
        f(&position);
        let Some(axis) = (0..shape.len()).rev().find(|&axis| position[axis] + 1 < shape[axis]) else {
            return;
        };
        position[axis] += 1;
        position[axis + 1..].fill(0);
    }
}

impl Array {
    /// An array of these numbers in row-major order. An axis along which nothing changes gets the
    /// stride 0, so that arrays computed from this one store it once.
    pub fn new(shape: &[usize], numbers: Vec<f64>) -> Self {
        let strides = row_major(shape);
        let numbers = Arc::new(numbers);
        let mut array = Self { shape: shape.to_vec(), strides, offset: 0, numbers, limit: USUAL };
        for axis in 0..shape.len() {
            if array.repeats(axis) {
                array.strides[axis] = 0;
            }
        }
        array
    }

    /// Whether the elements along an axis of an array in row-major order are all the same.
    fn repeats(&self, axis: usize) -> bool {
        let (block, size) = (row_major(&self.shape)[axis], self.shape[axis]);
        let same = |group: &[f64]| {
            let (first, rest) = group.split_at(block);
            rest.chunks_exact(block)
                .all(|other| other.iter().zip(first).all(|(a, b)| a.to_bits() == b.to_bits()))
        };
        size > 1 && block > 0 && self.numbers.chunks_exact(block * size).all(same)
    }

    /// An array of one repeated number.
    pub fn filled(shape: &[usize], number: f64) -> Self {
        let strides = vec![0; shape.len()];
        Self { shape: shape.to_vec(), strides, offset: 0, numbers: Arc::new(vec![number]), limit: USUAL }
    }

    /// An array by a formula for the element at each position.
    ///
    /// # Errors
    /// When it has more elements than `limit`.
    pub fn by(limit: usize, shape: &[usize], mut element: impl FnMut(&[usize]) -> f64) -> Result<Self> {
        let mut numbers = Vec::with_capacity(count(shape, limit)?);
        each_position(shape, |position| numbers.push(element(position)));
        Ok(Self::new(shape, numbers).within(limit))
    }

    /// The same array, with a limit for what is computed from it.
    pub fn within(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn at(&self, position: &[usize]) -> f64 {
        let steps = position.iter().zip(&self.strides).map(|(place, stride)| place * stride);
        self.numbers[self.offset + steps.sum::<usize>()]
    }

    /// The number of an array with one element.
    pub fn single(&self) -> Option<f64> {
        (self.shape.iter().product::<usize>() == 1).then(|| self.at(&vec![0; self.shape.len()]))
    }

    /// The number that all elements are equal to, if the strides show it.
    pub fn constant(&self) -> Option<f64> {
        let one = self.shape.iter().zip(&self.strides).all(|(size, stride)| *size == 1 || *stride == 0);
        (one && !self.shape.contains(&0)).then(|| self.numbers[self.offset])
    }

    /// All elements in row-major order.
    pub fn elements(&self) -> Result<Vec<f64>> {
        let mut elements = Vec::with_capacity(count(&self.shape, self.limit)?);
        each_position(&self.shape, |position| elements.push(self.at(position)));
        Ok(elements)
    }

    /// The number of elements in the memory that it shares or owns.
    pub fn kept(&self) -> usize {
        self.numbers.len()
    }

    /// The array with size 1 along axes of stride 0.
    pub fn compact(&self) -> Self {
        let own = self.shape.iter().zip(&self.strides);
        let shape = own.map(|(&size, &stride)| if stride == 0 { size.min(1) } else { size }).collect();
        Self { shape, ..self.clone() }
    }

    /// The array broadcast to `shape`, along axes of size 1 and new leading axes.
    pub fn broadcast(&self, shape: &[usize]) -> Result<Self> {
        check_size(shape)?;
        let new = shape.len().checked_sub(self.shape.len());
        let new = new.ok_or_else(|| misfit(&self.shape, shape))?;
        let mut strides = vec![0; new];
        for (axis, &size) in self.shape.iter().enumerate() {
            match (size, shape[new + axis]) {
                (from, to) if from == to => strides.push(self.strides[axis]),
                (1, _) => strides.push(0),
                _ => return Err(misfit(&self.shape, shape)),
            }
        }
        Ok(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }

    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        let elements =
            |shape: &[usize]| shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if elements(shape) != elements(&self.shape) {
            return Err(misfit(&self.shape, shape));
        }
        // Axes of size 1 may come and go without anything being copied.
        let long = |array: &Self| -> Vec<(usize, usize)> {
            let axes = array.shape.iter().copied().zip(array.strides.iter().copied());
            axes.filter(|(size, _)| *size != 1).collect()
        };
        let own = long(self);
        if own.iter().map(|(size, _)| *size).eq(shape.iter().copied().filter(|size| *size != 1)) {
            let mut steps = own.iter().map(|(_, stride)| *stride);
            let strides = shape.iter().map(|size| if *size == 1 { 0 } else { steps.next().unwrap_or(0) });
            return Ok(Self { shape: shape.to_vec(), strides: strides.collect(), ..self.clone() });
        }
        Ok(Self::new(shape, self.elements()?).within(self.limit))
    }

    pub fn permute(&self, axes: &[usize]) -> Self {
        let pick = |of: &[usize]| axes.iter().map(|&axis| of[axis]).collect();
        Self { shape: pick(&self.shape), strides: pick(&self.strides), ..self.clone() }
    }

    /// The elements `start`, `start + step`, ... along an axis, `len` of them, which there must be.
    pub fn slice(&self, axis: usize, start: usize, step: usize, len: usize) -> Self {
        let mut array = self.clone();
        array.offset += if len > 0 { start * self.strides[axis] } else { 0 };
        array.shape[axis] = len;
        array.strides[axis] *= step;
        array
    }
}

/// The shape of an element-wise operation on operands of two shapes: axes of size 1, and missing
/// ones before the others, are repeated.
pub(super) fn common_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    let common = |axis: usize| match (size(a, axis), size(b, axis)) {
        (x, y) if x == y => Ok(x),
        (1, y) => Ok(y),
        (x, 1) => Ok(x),
        _ => Err(misfit(a, b)),
    };
    (0..rank).map(common).collect()
}

fn misfit(a: &[usize], b: &[usize]) -> Error {
    Error::shape("shapes", format!("{a:?} does not fit {b:?}"))
}

#[cfg(test)]
mod tests;
