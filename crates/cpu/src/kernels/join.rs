//! Weighted sums of vectors that are given in parts.

use candle_core::{CpuStorage, DType, Storage, Tensor};
use num_traits::Zero;
use rayon::prelude::*;

use super::{
    Element, dispatch,
    scratch::{with_buffers, zeroed},
};
use crate::{Error, Result};

/// Numbers per task.
const CHUNK: usize = 1 << 16;

/// Σ factor · vectors over terms, as one array \[K, Σ n\]. The vectors of a term are given in parts
/// of K·n numbers, or of n numbers that all K rows share. The sum is taken in f64 and rounded once
/// to `dtype`.
pub(crate) fn join(terms: &[(f64, Vec<Tensor>)], lens: &[usize], k: usize, dtype: DType) -> Result<Tensor> {
    let Some(first) = terms.first().and_then(|(_, parts)| parts.first()) else {
        return Err(Error::shape("join", "needs at least one part"));
    };
    let in_order = terms.iter().flat_map(|(_, parts)| parts).map(Tensor::contiguous);
    let in_order: Vec<Tensor> = in_order.collect::<candle_core::Result<_>>()?;
    let stored: Vec<_> = in_order.iter().map(Tensor::storage_and_layout).collect();
    let slices = stored.iter().map(|(storage, layout)| {
        let range = layout.start_offset()..layout.start_offset() + layout.shape().elem_count();
        match &**storage {
            Storage::Cpu(CpuStorage::F32(part)) => Ok(Numbers::F32(&part[range])),
            Storage::Cpu(CpuStorage::F64(part)) => Ok(Numbers::F64(&part[range])),
            _ => Err(Error::unsupported("sums run on the CPU, in f32 or f64")),
        }
    });
    let slices: Vec<Numbers<'_>> = slices.collect::<Result<_>>()?;
    let factors: Vec<f64> = terms.iter().map(|(factor, _)| *factor).collect();
    // Part i of every term.
    let sources = |i: usize| -> Vec<(f64, Numbers<'_>)> {
        factors.iter().copied().zip(slices.iter().skip(i).step_by(lens.len()).copied()).collect()
    };
    let total: usize = lens.iter().sum();
    dispatch!(dtype, T => {
        // The caller keeps this memory, so it is not taken from the recycled buffers.
        let mut out = vec![T::zero(); k * total];
        let mut tasks = Vec::new();
        for (row, mut rest) in out.chunks_mut(total.max(1)).enumerate() {
            for (i, &len) in lens.iter().enumerate() {
                let (to, more) = rest.split_at_mut(len);
                let sources: Vec<_> =
                    sources(i).into_iter().map(|(factor, part)| (factor, part.row(row, len))).collect();
                let chunks = to.chunks_mut(CHUNK).enumerate();
                tasks.extend(chunks.map(|(chunk, to)| (sources.clone(), chunk * CHUNK, to)));
                rest = more;
            }
        }
        tasks.into_par_iter().for_each(|(sources, start, to)| add_up(&sources, start, to));
        Ok(Tensor::from_vec(out, (k, total), first.device())?)
    })
}

#[derive(Debug, Clone, Copy)]
enum Numbers<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Numbers<'_> {
    /// Row `row` of `len` numbers, or the only row.
    fn row(self, row: usize, len: usize) -> Self {
        let start = |all: usize| if all == len { 0 } else { row * len };
        match self {
            Self::F32(x) => Self::F32(&x[start(x.len())..][..len]),
            Self::F64(x) => Self::F64(&x[start(x.len())..][..len]),
        }
    }

    /// Calls `f` with each element of `out` and the matching number; the first number is at
    /// `start`.
    fn for_each<T>(self, start: usize, out: &mut [T], f: impl Fn(&mut T, f64)) {
        match self {
            Self::F32(x) => out.iter_mut().zip(&x[start..]).for_each(|(out, &x)| f(out, f64::from(x))),
            Self::F64(x) => out.iter_mut().zip(&x[start..]).for_each(|(out, &x)| f(out, x)),
        }
    }
}

fn add_up<T: Element>(terms: &[(f64, Numbers<'_>)], start: usize, out: &mut [T]) {
    if let [(1.0, only)] = terms {
        return only.for_each(start, out, |out, x| *out = T::from_f64(x));
    }
    with_buffers(|[sums]: &mut [Vec<f64>; 1]| {
        let sums = zeroed(sums, out.len());
        for (factor, term) in terms {
            term.for_each(start, sums, |sum, x| *sum += factor * x);
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::from_f64(*sum));
    });
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn parts_follow_each_other_in_every_row() -> Result<()> {
        let (a, b) =
            (Tensor::new(&[[1.0, 2.0], [3.0, 4.0]], &Device::Cpu)?, Tensor::new(&[5.0], &Device::Cpu)?);
        let parts = vec![a.t()?, b];
        let rows = join(&[(1.0, parts.clone())], &[2, 1], 2, DType::F64)?.to_vec2::<f64>()?;
        assert_eq!(rows, [[1.0, 3.0, 5.0], [2.0, 4.0, 5.0]]);
        let rows = join(&[(2.0, parts.clone()), (-0.5, parts)], &[2, 1], 2, DType::F32)?.to_vec2::<f32>()?;
        assert_eq!(rows, [[1.5, 4.5, 7.5], [3.0, 6.0, 7.5]]);
        Ok(())
    }

    #[test]
    fn sums_are_rounded_once() -> Result<()> {
        let term = |factor: f64, value: f64, dtype| -> Result<(f64, Vec<Tensor>)> {
            Ok((factor, vec![Tensor::full(value, (3, 70_000), &Device::Cpu)?.to_dtype(dtype)?]))
        };
        // In f32, adding the small term to 1 would lose it.
        let terms = [term(1.0, 1.0, DType::F32)?, term(0.5, 2e-9, DType::F64)?, term(-1.0, 1.0, DType::F64)?];
        let sum = join(&terms, &[70_000], 3, DType::F32)?;
        assert_eq!((sum.dtype(), sum.dims()), (DType::F32, &[3, 70_000][..]));
        for x in sum.flatten_all()?.to_vec1::<f32>()? {
            assert!((x - 1e-9).abs() < 1e-15, "{x}");
        }
        Ok(())
    }
}
