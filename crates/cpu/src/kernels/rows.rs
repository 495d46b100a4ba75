//! Rows of tables by index: embeddings and their transpose.

use candle_core::WithDType;
use rayon::prelude::*;

use super::{Element, parallel::for_each_chunk};
use crate::{Error, Result};

/// The sizes of a table \[B, V, D\] and of the picks of its rows \[B, I\]; either B may be 1
/// (repeated).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// V.
    pub rows: usize,
    /// D.
    pub width: usize,
    /// I.
    pub picks: usize,
}

impl Table {
    /// The `size` numbers of an operand for element b of the batch; an operand of `size` numbers is
    /// shared by the batch.
    fn part<T>(operand: &[T], b: usize, size: usize) -> &[T] {
        let start = if operand.len() == size { 0 } else { b * size };
        &operand[start..][..size]
    }

    fn check(&self, index: &[u32]) -> Result<()> {
        let rows = self.rows;
        match index.iter().find(|&&i| i as usize >= rows) {
            None => Ok(()),
            Some(i) => Err(Error::shape("embedding", format!("index {i} for a table of {rows} rows"))),
        }
    }
}

/// `out`\[b, i, :\] = `x`\[b, `index`\[b, i\], :\] for a table x.
pub(crate) fn take_rows<T: Element>(table: Table, x: &[T], index: &[u32], out: &mut [T]) -> Result<()> {
    let Table { rows, width, picks, .. } = table;
    table.check(index)?;
    for_each_chunk(out, (picks * width).max(1), &|b, out| {
        let (x, index) = (Table::part(x, b, rows * width), Table::part(index, b, picks));
        for (out, &row) in out.chunks_mut(width).zip(index) {
            out.copy_from_slice(&x[row as usize * width..][..width]);
        }
    });
    Ok(())
}

/// The transpose of [`take_rows`]: `out`\[b, v, :\] = Σ_{i: index\[b, i\] = v} `x`\[b, i, :\]. The
/// sums are taken in f64 and rounded once, because many picks may name the same row.
pub(crate) fn put_rows<T: Element>(table: Table, x: &[T], index: &[u32], out: &mut [T]) -> Result<()> {
    let Table { rows, width, picks, .. } = table;
    table.check(index)?;
    let by_row: Vec<ByRow> = index.chunks(picks.max(1)).map(|index| ByRow::new(index, rows)).collect();
    out.par_chunks_mut(width.max(1)).enumerate().for_each_init(Vec::new, |sums, (i, out)| {
        let (b, row) = (i / rows, i % rows);
        let x = Table::part(x, b, picks * width);
        let named = by_row.get(if by_row.len() == 1 { 0 } else { b }).map(|by_row| by_row.picks(row));
        match named {
            None | Some([]) => out.fill(T::zero()),
            Some(&[only]) => out.copy_from_slice(&x[only as usize * width..][..width]),
            Some(named) => {
                sums.clear();
                sums.resize(width, 0.0);
                for &pick in named {
                    let x = &x[pick as usize * width..][..width];
                    sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += WithDType::to_f64(*x));
                }
                out.iter_mut().zip(&*sums).for_each(|(out, sum)| *out = T::from_f64(*sum));
            }
        }
    });
    Ok(())
}

/// The picks of an index, sorted by the row that they name.
struct ByRow {
    /// The start of each row's picks, then the end of the last.
    starts: Vec<usize>,
    picks: Vec<u32>,
}

impl ByRow {
    /// Sorts the picks of an index into `rows` rows.
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
