//! Gather and scatter-add along the last axis.

use candle_core::Tensor;
use num_traits::Zero;
use rayon::prelude::*;

use super::{Element, dispatch, recycle::buffer, with_slice};
use crate::Result;

/// `out`\[b, r, j\] = `x`\[b, r, `index`\[b, r, j\]\] for `x` \[B, R, I\] and `index` \[B, R, J\],
/// where either B may be 1 (repeated).
pub(crate) fn gather(x: &Tensor, index: &Tensor) -> Result<Tensor> {
    let (batch, rows, size, picks) = sizes(x, index)?;
    dispatch!(x, T => {
        let mut out = buffer::<T>(batch * rows * picks);
        with_slice::<T, _>(x, |x| with_slice::<u32, _>(index, |index| {
            for_rows(&mut out, picks, |row, out| {
                let x = &x[row % (x.len() / size) * size..][..size];
                let index = &index[row % (index.len() / picks) * picks..][..picks];
                out.iter_mut().zip(index).for_each(|(out, &i)| *out = x[i as usize]);
            });
            Ok(())
        }))?;
        Ok(Tensor::from_vec(out, (batch, rows, picks), x.device())?)
    })
}

/// The transpose of [`gather`]: `out`\[b, r, i\] = Σ_{j: index\[b, r, j\] = i} `x`\[b, r, j\], with
/// I = `size`.
pub(crate) fn scatter_add(x: &Tensor, index: &Tensor, size: usize) -> Result<Tensor> {
    let (batch, rows, _, picks) = sizes(x, index)?;
    dispatch!(x, T => {
        let mut out = buffer::<T>(batch * rows * size);
        with_slice::<T, _>(x, |x| with_slice::<u32, _>(index, |index| {
            for_rows(&mut out, size, |row, out| {
                let x = &x[row % (x.len() / picks) * picks..][..picks];
                let index = &index[row % (index.len() / picks) * picks..][..picks];
                out.fill(T::zero());
                x.iter().zip(index).for_each(|(x, &i)| out[i as usize] += *x);
            });
            Ok(())
        }))?;
        Ok(Tensor::from_vec(out, (batch, rows, size), x.device())?)
    })
}

fn sizes(x: &Tensor, index: &Tensor) -> Result<(usize, usize, usize, usize)> {
    let (x_batch, rows, size) = x.dims3()?;
    let (index_batch, _, picks) = index.dims3()?;
    Ok((x_batch.max(index_batch), rows, size, picks))
}

fn for_rows<T: Element>(out: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    const ROWS_A_TASK: usize = 64;
    out.par_chunks_mut(len * ROWS_A_TASK).enumerate().for_each(|(task, out)| {
        out.chunks_mut(len).enumerate().for_each(|(i, out)| f(task * ROWS_A_TASK + i, out));
    });
}
