//! Parts of vectors laid end to end.

use candle_core::Tensor;
use num_traits::Zero;
use rayon::prelude::*;

use super::{cpu_slice, dispatch};
use crate::error::Result;

/// \[K, Σ n\] from parts of K·n numbers, or of n numbers that all K rows have alike.
pub(crate) fn join(parts: &[Tensor], lens: &[usize], k: usize) -> Result<Tensor> {
    /// Numbers of a task.
    const CHUNK: usize = 1 << 16;
    let parts: Vec<Tensor> = parts.iter().map(Tensor::contiguous).collect::<candle_core::Result<_>>()?;
    let stored: Vec<_> = parts.iter().map(Tensor::storage_and_layout).collect();
    let total: usize = lens.iter().sum();
    let Some(first) = parts.first() else {
        return Err(crate::Error::shape("join", "needs at least one part"));
    };
    dispatch!(first, T => {
        let slices = stored.iter().map(|(storage, layout)| {
            Ok(&cpu_slice::<T>(storage)?[layout.start_offset()..][..layout.shape().elem_count()])
        });
        let slices: Vec<&[T]> = slices.collect::<Result<_>>()?;
        // Handed out, it does not come back: it is not taken from what programs recycle.
        let mut out = vec![T::zero(); k * total];
        let mut tasks = Vec::new();
        for (row, mut rest) in out.chunks_mut(total.max(1)).enumerate() {
            for (part, &len) in slices.iter().zip(lens) {
                let (to, more) = rest.split_at_mut(len);
                let from = if part.len() == len { part } else { &part[row * len..][..len] };
                tasks.extend(to.chunks_mut(CHUNK).zip(from.chunks(CHUNK)));
                rest = more;
            }
        }
        tasks.into_par_iter().for_each(|(to, from): (&mut [T], &[T])| to.copy_from_slice(from));
        Ok(Tensor::from_vec(out, (k, total), first.device())?)
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn parts_follow_each_other_in_every_row() -> Result<()> {
        let (a, b) =
            (Tensor::new(&[[1.0, 2.0], [3.0, 4.0]], &Device::Cpu)?, Tensor::new(&[5.0], &Device::Cpu)?);
        let rows = join(&[a.t()?, b], &[2, 1], 2)?.to_vec2::<f64>()?;
        assert_eq!(rows, [[1.0, 3.0, 5.0], [2.0, 4.0, 5.0]]);
        Ok(())
    }
}
