//! Rows of tables by index.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{
    Element, dispatch,
    recycle::{buffer, zeros},
    with_slice,
};
use crate::error::{Error, Result};

/// `out`\[b, i, :\] = `table`\[b, `index`\[b, i\], :\] for a table \[B, V, D\] and an index \[B, I\], where either B may be 1
/// (repeated).
pub(crate) fn take_rows(table: &Tensor, index: &Tensor) -> Result<Tensor> {
    let (tables, rows, width) = table.dims3()?;
    let (indices, picks) = index.dims2()?;
    let batch = tables.max(indices);
    dispatch!(table, T => {
        let mut out = buffer::<T>(batch * picks * width);
        with_slice::<T, _>(table, |table| with_slice::<u32, _>(index, |index| {
            check(index, rows)?;
            out.par_chunks_mut((picks * width).max(1)).enumerate().for_each(|(b, out)| {
                let table = &table[b % tables * rows * width..][..rows * width];
                let index = &index[b % indices * picks..][..picks];
                for (out, &row) in out.chunks_mut(width).zip(index) {
                    out.copy_from_slice(&table[row as usize * width..][..width]);
                }
            });
            Ok(())
        }))?;
        Ok(Tensor::from_vec(out, (batch, picks, width), table.device())?)
    })
}

/// The transpose of [`take_rows`]: `out`\[b, v, :\] = Σ_{i: index\[b, i\] = v} `x`\[b, i, :\], with V = `rows`.
pub(crate) fn put_rows(x: &Tensor, index: &Tensor, rows: usize) -> Result<Tensor> {
    let (sources, picks, width) = x.dims3()?;
    let indices = index.dims2()?.0;
    let batch = sources.max(indices);
    dispatch!(x, T => {
        let mut out = zeros::<T>(batch * rows * width);
        with_slice::<T, _>(x, |x| with_slice::<u32, _>(index, |index| {
            check(index, rows)?;
            out.par_chunks_mut((rows * width).max(1)).enumerate().for_each(|(b, out)| {
                let x = &x[b % sources * picks * width..][..picks * width];
                let index = &index[b % indices * picks..][..picks];
                for (x, &row) in x.chunks(width).zip(index) {
                    add(&mut out[row as usize * width..][..width], x);
                }
            });
            Ok(())
        }))?;
        Ok(Tensor::from_vec(out, (batch, rows, width), x.device())?)
    })
}

fn add<T: Element>(out: &mut [T], x: &[T]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out += *x);
}

fn check(index: &[u32], rows: usize) -> Result<()> {
    match index.iter().find(|&&i| i as usize >= rows) {
        None => Ok(()),
        Some(i) => Err(Error::shape("embedding", format!("index {i} for a table of {rows} rows"))),
    }
}
