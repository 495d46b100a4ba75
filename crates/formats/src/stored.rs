//! Tensors as views of a file's bytes, copied only on demand.

use std::borrow::Cow;

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;

/// A tensor in the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    /// The strides in elements; `None` for contiguous elements, the last axis fastest.
    strides: Option<&'a [usize]>,
    /// The bytes from the first element on.
    bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// A tensor whose elements are all of `bytes` in row-major order; `None` if their number does
    /// not match the shape.
    #[must_use]
    pub fn contiguous(dtype: Dtype, shape: &'a [usize], bytes: &'a [u8]) -> Option<Self> {
        let stored = Self { dtype, shape, strides: None, bytes };
        let bits = stored.count()?.checked_mul(dtype.bitsize())?;
        (Some(bits) == bytes.len().checked_mul(8)).then_some(stored)
    }

    /// A tensor whose element at index (i, j, ...) is the (i·s₀ + j·s₁ + ...)-th of `bytes`, where
    /// s are the strides; `None` if an element lies outside.
    #[must_use]
    pub fn strided(dtype: Dtype, shape: &'a [usize], strides: &'a [usize], bytes: &'a [u8]) -> Option<Self> {
        let stored = Self { dtype, shape, strides: Some(strides), bytes };
        let extent = stored.extent(strides)?;
        (shape.len() == strides.len() && extent <= bytes.len()).then_some(stored)
    }

    /// The number of elements; `None` on overflow.
    fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |count, axis| count.checked_mul(*axis))
    }

    /// The bytes from the first element to the end of the last; `None` on overflow.
    fn extent(&self, strides: &[usize]) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        // With a stride of 0, elements repeat without more bytes, so that their total size is
        // checked as well.
        self.count()?.checked_mul(self.size())?;
        let last = self
            .shape
            .iter()
            .zip(strides)
            .try_fold(0_usize, |last, (axis, stride)| last.checked_add(stride.checked_mul(axis - 1)?))?;
        last.checked_add(1)?.checked_mul(self.size())
    }

    /// The bytes of an element.
    fn size(&self) -> usize {
        self.dtype.bitsize().div_ceil(8)
    }

    /// The strides in elements; `None` for contiguous elements, the last axis fastest.
    #[must_use]
    pub fn strides(&self) -> Option<&'a [usize]> {
        self.strides
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The elements, little-endian, in row-major order. They are copied only if they are stored in
    /// another order.
    #[must_use]
    pub fn elements(&self) -> Cow<'a, [u8]> {
        let count: usize = self.shape.iter().product();
        if self.disordered().is_none() {
            return Cow::Borrowed(&self.bytes[..(count * self.dtype.bitsize()).div_ceil(8)]);
        }
        let mut elements = Vec::with_capacity(count * self.size());
        self.each(|element| elements.extend_from_slice(element));
        Cow::Owned(elements)
    }

    /// The strides, unless the elements lie in row-major order.
    fn disordered(&self) -> Option<&'a [usize]> {
        let empty = self.shape.contains(&0);
        self.strides.filter(|strides| !empty && !is_contiguous(self.shape, strides))
    }

    /// Calls `f` with the bytes of each element, in row-major order, without a copy of them all.
    /// The type must have whole bytes.
    pub fn each(&self, mut f: impl FnMut(&[u8])) {
        let (count, size): (usize, _) = (self.shape.iter().product(), self.size());
        let Some(strides) = self.disordered() else {
            return self.bytes.chunks_exact(size).take(count).for_each(f);
        };
        let mut index = vec![0; self.shape.len()];
        for _ in 0..count {
            let place: usize = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
            f(&self.bytes[place * size..][..size]);
            advance(&mut index, self.shape);
        }
    }

    /// The element type of Candle tensors for these elements; `None` if there is none.
    #[must_use]
    pub fn candle_dtype(&self) -> Option<DType> {
        Some(match self.dtype {
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::U8 => DType::U8,
            Dtype::U32 => DType::U32,
            Dtype::I16 => DType::I16,
            Dtype::I32 => DType::I32,
            Dtype::I64 => DType::I64,
            _ => return None,
        })
    }

    /// Whether there are more elements than the file has, because a stride of 0 repeats them.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.count()
            .and_then(|count| count.checked_mul(self.size()))
            .is_none_or(|size| size > self.bytes.len())
    }

    /// A copy of elements of type `stored` as a tensor of type `dtype`.
    ///
    /// # Errors
    /// When a conversion fails.
    pub fn to_tensor(self, stored: DType, dtype: DType) -> candle_core::Result<Tensor> {
        Tensor::from_raw_buffer(&self.elements(), stored, self.shape, &Device::Cpu)?.to_dtype(dtype)
    }
}

/// Advances to the next index, the last axis fastest.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (i, axis) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < *axis {
            return;
        }
        *i = 0;
    }
}

/// Whether these strides are those of contiguous elements, the last axis fastest.
fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&axis, &stride)| {
        let fits = axis == 1 || stride == expected;
        expected *= axis;
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 6] = [0, 1, 2, 3, 4, 5];

    fn strided<'a>(shape: &'a [usize], strides: &'a [usize]) -> Option<Stored<'a>> {
        Stored::strided(Dtype::U8, shape, strides, &BYTES)
    }

    #[test]
    fn elements_come_in_the_order_of_the_shape() {
        let of = |shape, strides| strided(shape, strides).unwrap().elements().into_owned();
        assert_eq!(of(&[2, 3], &[3, 1]), BYTES);
        assert_eq!(of(&[3, 2], &[1, 3]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(of(&[2, 2], &[0, 4]), [0, 4, 0, 4]);
        assert_eq!(of(&[], &[]), [0]);
        assert!(of(&[0, 9], &[7, 7]).is_empty());
        let two = Stored::strided(Dtype::U16, &[2], &[2], &BYTES).unwrap();
        assert_eq!(&*two.elements(), [0, 1, 4, 5]);
        let whole = Stored::contiguous(Dtype::U16, &[3, 1], &BYTES).unwrap();
        assert_eq!(&*whole.elements(), BYTES);
    }

    #[test]
    fn what_lies_outside_is_refused() {
        assert!(strided(&[2, 3], &[3, 1]).is_some());
        assert_eq!(strided(&[2, 3], &[4, 1]), None);
        assert_eq!(strided(&[7], &[1]), None);
        assert_eq!(strided(&[2], &[1, 1]), None);
        assert_eq!(strided(&[2, 2], &[usize::MAX, 1]), None);
        assert_eq!(strided(&[usize::MAX, 3], &[0, 0]), None, "more elements than can be counted");
        assert_eq!(Stored::strided(Dtype::F32, &[2], &[1], &BYTES), None);
        assert_eq!(Stored::contiguous(Dtype::U8, &[5], &BYTES), None);
    }

    #[test]
    fn only_what_is_out_of_order_is_copied() {
        assert!(is_contiguous(&[2, 1, 3], &[3, 99, 1]));
        assert!(!is_contiguous(&[3, 2], &[1, 3]));
        assert!(matches!(strided(&[2, 2], &[2, 1]).unwrap().elements(), Cow::Borrowed([0, 1, 2, 3])));
    }
}
