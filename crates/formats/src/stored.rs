//! Tensors where they lie in a file: nothing is copied until somebody asks for it.

use std::borrow::Cow;

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;

/// A tensor in the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    /// Steps in elements along each axis; `None` where the elements lie one after the other, the
    /// last axis fastest.
    strides: Option<&'a [usize]>,
    /// From the first element on.
    bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// A tensor whose elements are all of `bytes` in their order; `None` where their number is
    /// another.
    #[must_use]
    pub fn contiguous(dtype: Dtype, shape: &'a [usize], bytes: &'a [u8]) -> Option<Self> {
        let stored = Self { dtype, shape, strides: None, bytes };
        let bits = stored.count()?.checked_mul(dtype.bitsize())?;
        (Some(bits) == bytes.len().checked_mul(8)).then_some(stored)
    }

    /// A tensor whose element at index (i, j, ...) is the (i·s₀ + j·s₁ + ...)-th of `bytes`, s
    /// being the strides; `None` where an element lies outside.
    #[must_use]
    pub fn strided(dtype: Dtype, shape: &'a [usize], strides: &'a [usize], bytes: &'a [u8]) -> Option<Self> {
        let stored = Self { dtype, shape, strides: Some(strides), bytes };
        let extent = stored.extent(strides)?;
        (shape.len() == strides.len() && extent <= bytes.len()).then_some(stored)
    }

    /// The number of elements; `None` beyond the machine's range.
    fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |count, axis| count.checked_mul(*axis))
    }

    /// The bytes from the first element to the end of the last; `None` beyond the machine's range.
    fn extent(&self, strides: &[usize]) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        // A stride of 0 repeats an element without needing more bytes: count them, too.
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

    /// The elements, little-endian, the last axis fastest. They are copied only where they do not
    /// lie so already.
    #[must_use]
    pub fn elements(&self) -> Cow<'a, [u8]> {
        let count: usize = self.shape.iter().product();
        let strides = match self.strides {
            Some(strides) if count > 0 && !is_contiguous(self.shape, strides) => strides,
            _ => return Cow::Borrowed(&self.bytes[..(count * self.dtype.bitsize()).div_ceil(8)]),
        };
        let mut elements = Vec::with_capacity(count * self.size());
        let mut index = vec![0; self.shape.len()];
        for _ in 0..count {
            let place: usize = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
            elements.extend_from_slice(&self.bytes[place * self.size()..][..self.size()]);
            advance(&mut index, self.shape);
        }
        Cow::Owned(elements)
    }

    /// The type of tensors that holds these elements; `None` where there is none.
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

/// The next index, the last axis fastest.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (i, axis) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < *axis {
            return;
        }
        *i = 0;
    }
}

/// Whether these strides put the elements one after the other, the last axis fastest.
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
