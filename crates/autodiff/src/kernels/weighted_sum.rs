//! Sums of a few large tensors.

use candle_core::{CpuStorage, DType, Storage, Tensor};
use num_traits::Zero;
use rayon::prelude::*;

use super::{
    Element, dispatch,
    scratch::{with_buffers, zeroed},
};
use crate::error::{Error, Result};

/// Elements of a task.
const CHUNK: usize = 1 << 14;

/// Σ factor · term for terms of one shape, in f64 and rounded once to `dtype`.
pub(crate) fn weighted_sum(terms: &[(f64, Tensor)], dtype: DType) -> Result<Tensor> {
    let Some((_, first)) = terms.first() else { return Err(Error::shape("sum", "needs at least one term")) };
    let in_order: Vec<(f64, Tensor)> =
        terms.iter().map(|(factor, term)| Ok((*factor, term.contiguous()?))).collect::<Result<_>>()?;
    let stored: Vec<_> = in_order.iter().map(|(factor, term)| (*factor, term.storage_and_layout())).collect();
    let terms = stored.iter().map(|(factor, (storage, layout))| {
        let start = layout.start_offset();
        match &**storage {
            Storage::Cpu(CpuStorage::F32(term)) => Ok((*factor, Numbers::F32(&term[start..]))),
            Storage::Cpu(CpuStorage::F64(term)) => Ok((*factor, Numbers::F64(&term[start..]))),
            _ => Err(Error::Unsupported("sums run on the CPU, in f32 or f64".to_owned())),
        }
    });
    let terms: Vec<(f64, Numbers<'_>)> = terms.collect::<Result<_>>()?;
    let zero = Tensor::zeros((), dtype, first.device())?;
    dispatch!(zero, T => {
        // As in `join`.
        let mut out = vec![T::zero(); first.elem_count()];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, out)| add_up(&terms, i * CHUNK, out));
        Ok(Tensor::from_vec(out, first.dims(), first.device())?)
    })
}

enum Numbers<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

fn add_up<T: Element>(terms: &[(f64, Numbers<'_>)], start: usize, out: &mut [T]) {
    with_buffers(|[sums]: &mut [Vec<f64>; 1]| {
        let sums = zeroed(sums, out.len());
        for (factor, term) in terms {
            match term {
                Numbers::F32(term) => {
                    let term = &term[start..];
                    sums.iter_mut().zip(term).for_each(|(sum, &x)| *sum += factor * f64::from(x));
                }
                Numbers::F64(term) => {
                    let term = &term[start..];
                    sums.iter_mut().zip(term).for_each(|(sum, &x)| *sum += factor * x);
                }
            }
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::from_f64(*sum));
    });
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn is_rounded_once() -> Result<()> {
        let term = |value: f64, dtype| Tensor::full(value, (3, 7000), &Device::Cpu)?.to_dtype(dtype);
        // In f32 the small term would be lost beside 1.
        let terms =
            [(1.0, term(1.0, DType::F32)?), (0.5, term(2e-9, DType::F64)?), (-1.0, term(1.0, DType::F64)?)];
        let sum = weighted_sum(&terms, DType::F32)?;
        assert_eq!((sum.dtype(), sum.dims()), (DType::F32, &[3, 7000][..]));
        for x in sum.flatten_all()?.to_vec1::<f32>()? {
            assert!((x - 1e-9).abs() < 1e-15, "{x}");
        }
        Ok(())
    }
}
