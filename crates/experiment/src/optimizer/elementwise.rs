//! Functions of the elements of several tensors, in one pass over memory and on all processors.

use candle_core::{DType, Device, Storage, Tensor, WithDType};
use eigenscape_core::Result;
use num_traits::Float;
use rayon::prelude::*;

/// A floating-point number of a tensor.
pub trait Number: WithDType + Float + Send + Sync {
    /// A constant, rounded. (Candle's own conversion is a call of a function for each element.)
    fn rounded(value: f64) -> Self;

    /// x·`factor`, rounded once, as Candle's `affine` does with the summand 0.
    #[inline]
    fn times(self, factor: f64) -> Self {
        self * Self::rounded(factor) + Self::zero()
    }
}

impl Number for f32 {
    #[inline]
    fn rounded(value: f64) -> Self {
        value as Self
    }
}

impl Number for f64 {
    #[inline]
    fn rounded(value: f64) -> Self {
        value
    }
}

/// A function of one element of each of N tensors.
pub trait Rule<const N: usize>: Sync {
    /// Its value.
    fn of<T: Number>(&self, elements: [T; N]) -> T;
}

/// Elements that are one task.
const CHUNK: usize = 1 << 15;

/// The rule at every element of contiguous tensors of one shape and type, on the CPU. The bits do
/// not depend on the number of threads.
///
/// # Errors
/// When shapes or types differ.
pub fn map<const N: usize>(tensors: [&Tensor; N], rule: &impl Rule<N>) -> Result<Tensor> {
    match tensors[0].dtype() {
        DType::F32 => map_as::<f32, N>(tensors, rule),
        _ => map_as::<f64, N>(tensors, rule),
    }
}

fn map_as<T: Number, const N: usize>(tensors: [&Tensor; N], rule: &impl Rule<N>) -> Result<Tensor> {
    let shape = tensors[0].shape();
    let contiguous: Vec<Tensor> =
        tensors.iter().map(|t| t.contiguous()).collect::<candle_core::Result<_>>()?;
    let storages: Vec<_> = contiguous.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[T]; N] = [&[]; N];
    for ((slice, (storage, layout)), tensor) in slices.iter_mut().zip(&storages).zip(&contiguous) {
        let Storage::Cpu(storage) = &**storage else {
            return Err(candle_core::Error::Msg("an optimizer's tensor is not on the CPU".to_owned()).into());
        };
        if tensor.shape() != shape {
            let (lhs, rhs, op) = (shape.clone(), tensor.shape().clone(), "optimizer");
            return Err(candle_core::Error::ShapeMismatchBinaryOp { lhs, rhs, op }.into());
        }
        *slice = &storage.as_slice::<T>()?[layout.start_offset()..][..shape.elem_count()];
    }
    let mut values = vec![T::zero(); shape.elem_count()];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        let slices = slices.map(|slice| &slice[chunk * CHUNK..][..values.len()]);
        for (i, value) in values.iter_mut().enumerate() {
            *value = rule.of(slices.map(|slice| slice[i]));
        }
    });
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Weighted;

    impl Rule<2> for Weighted {
        fn of<T: Number>(&self, [a, b]: [T; 2]) -> T {
            a.times(0.3) + b
        }
    }

    /// The same bits as Candle's own operations, for several chunks and for a transposed tensor.
    #[test]
    fn maps_as_candle_does() {
        let of = |shape: (usize, usize), dtype| {
            let x = Tensor::arange(0_f64, (shape.0 * shape.1) as f64, &Device::Cpu).unwrap();
            x.sin().unwrap().reshape(shape).unwrap().to_dtype(dtype).unwrap()
        };
        for dtype in [DType::F32, DType::F64] {
            let (a, b) = (of((311, 257), dtype), of((257, 311), dtype).t().unwrap());
            let found = map([&a, &b], &Weighted).unwrap();
            let expected = (a.affine(0.3, 0.0).unwrap() + &b).unwrap();
            let difference = (found - expected).unwrap().abs().unwrap().max_all().unwrap();
            assert_eq!(difference.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap(), 0.0);
            assert!(map([&a, &of((257, 311), dtype)], &Weighted).is_err());
        }
    }
}
