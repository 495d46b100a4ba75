//! Rows of tables by index.

use candle_core::{Tensor, WithDType};
use rayon::prelude::*;

use super::{
    dispatch,
    recycle::{buffer, zeros},
    with_slice,
};
use crate::{Error, Result};

/// `out`\[b, i, :\] = `table`\[b, `index`\[b, i\], :\] for a table \[B, V, D\] and an index \[B,
/// I\], where either B may be 1 (repeated).
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

/// The transpose of [`take_rows`]: `out`\[b, v, :\] = Σ_{i: index\[b, i\] = v} `x`\[b, i, :\], with
/// V = `rows`. The sums are taken in f64 and rounded once: a row may be named by every pick.
pub(crate) fn put_rows(x: &Tensor, index: &Tensor, rows: usize) -> Result<Tensor> {
    let (sources, picks, width) = x.dims3()?;
    let indices = index.dims2()?.0;
    let batch = sources.max(indices);
    dispatch!(x, T => {
        let mut out = zeros::<T>(batch * rows * width);
        with_slice::<T, _>(x, |x| with_slice::<u32, _>(index, |index| {
            check(index, rows)?;
            let by_row: Vec<ByRow> = index.chunks(picks.max(1)).map(|index| ByRow::new(index, rows)).collect();
            out.par_chunks_mut(width.max(1)).enumerate().for_each_init(Vec::new, |sums, (i, out)| {
                let (b, row) = (i / rows, i % rows);
                let x = &x[b % sources * picks * width..][..picks * width];
                let Some(named) = by_row.get(b % indices).map(|by_row| by_row.picks(row)) else { return };
                if let [only] = *named {
                    return out.copy_from_slice(&x[only as usize * width..][..width]);
                }
                sums.clear();
                sums.resize(width, 0.0);
                for &pick in named {
                    let x = &x[pick as usize * width..][..width];
                    sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += WithDType::to_f64(*x));
                }
                out.iter_mut().zip(&*sums).for_each(|(out, sum)| *out = T::from_f64(*sum));
            });
            Ok(())
        }))?;
        Ok(Tensor::from_vec(out, (batch, rows, width), x.device())?)
    })
}

/// The picks of an index, in order of the rows that they name.
struct ByRow {
    /// Where each row's picks start, and the end.
    starts: Vec<usize>,
    picks: Vec<u32>,
}

impl ByRow {
    /// Those of an index into `rows` rows.
    fn new(index: &[u32], rows: usize) -> Self {
        let mut starts = vec![0; rows + 1];
        index.iter().for_each(|&row| starts[row as usize + 1] += 1);
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut picks = vec![0; index.len()];
        for (pick, &row) in (0_u32..).zip(index) {
            picks[next[row as usize]] = pick;
            next[row as usize] += 1;
        }
        Self { starts, picks }
    }

    fn picks(&self, row: usize) -> &[u32] {
        &self.picks[self.starts[row]..self.starts[row + 1]]
    }
}

fn check(index: &[u32], rows: usize) -> Result<()> {
    match index.iter().find(|&&i| i as usize >= rows) {
        None => Ok(()),
        Some(i) => Err(Error::shape("embedding", format!("index {i} for a table of {rows} rows"))),
    }
}
