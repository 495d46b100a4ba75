//! Adds products to rectangles of matrices, tile by tile.

use std::ops::Range;

use eigenscape_core::{Interrupt, Result};
use faer::{Mat, MatMut};
use rayon::prelude::*;

use crate::tiles::{places, ranges, split};

/// A rectangle of a matrix: its rows and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

/// The same rectangle of several matrices, to which products are added.
pub(super) struct Destination<'a> {
    pub matrices: Vec<MatMut<'a, f64>>,
    pub rectangle: Rectangle,
    /// Whether the matrices are symmetric: tiles above the diagonal are then left out, and entries
    /// above the diagonal are unspecified.
    pub symmetric: bool,
    /// Rows per sample: a tile consists of whole samples where they fit into one.
    pub rank: usize,
    /// Once it is requested, tiles are left out.
    pub interrupt: &'a Interrupt,
}

/// The ranges of a tile's rows and columns within the rectangle, and the buffer for its product.
pub(super) struct Tile<'a> {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    pub product: MatMut<'a, f64>,
}

impl Destination<'_> {
    /// Adds a product to all matrices; `compute` writes each of its tiles.
    ///
    /// # Errors
    /// When an interrupt is requested.
    pub fn add(&mut self, compute: impl Fn(Tile) + Sync) -> Result<()> {
        let Rectangle { rows, columns } = &self.rectangle;
        let (down, across) = (ranges(rows.len(), self.rank), ranges(columns.len(), self.rank));
        let keep = |r: &Range<usize>, c: &Range<usize>| {
            !self.symmetric || rows.start + r.end > columns.start + c.start
        };
        let places = places(&down, &across, keep);
        let mut tiles: Vec<Vec<MatMut<f64>>> = places.iter().map(|_| Vec::new()).collect();
        for matrix in &mut self.matrices {
            let matrix = matrix.as_mut();
            let matrix = matrix.submatrix_mut(rows.start, columns.start, rows.len(), columns.len());
            let split = split(matrix, &down, &across, keep);
            tiles.iter_mut().zip(split).for_each(|(tile, matrix)| tile.push(matrix));
        }
        places.into_par_iter().zip(tiles).for_each(|((r, c), sums)| {
            if self.interrupt.is_requested() {
                return;
            }
            let mut product = Mat::zeros(r.len(), c.len());
            compute(Tile { rows: r.clone(), columns: c.clone(), product: product.as_mut() });
            for mut sum in sums {
                sum += &product;
            }
        });
        Ok(self.interrupt.check()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_leaves_tiles_out() {
        let (mut matrix, interrupt) = (Mat::<f64>::zeros(300, 300), Interrupt::default());
        let rectangle = Rectangle { rows: 0..300, columns: 0..300 };
        let matrices = vec![matrix.as_mut()];
        let mut place = Destination { matrices, rectangle, symmetric: true, rank: 1, interrupt: &interrupt };
        let added = place.add(|mut tile| {
            interrupt.request();
            tile.product.fill(1.0);
        });
        assert!(added.is_err());
        // At most one tile by each thread.
        let sum: f64 = (0..300).flat_map(|j| (0..300).map(move |i| (i, j))).map(|place| matrix[place]).sum();
        assert!(sum <= (128 * 128 * rayon::current_num_threads()) as f64);
    }

    #[test]
    fn every_entry_of_the_lower_half_is_added_to_once() {
        let n = 300;
        let mut matrices = [Mat::<f64>::zeros(n, n), Mat::zeros(n, n)];
        let cuts = [0, 9, 210, 300];
        let ranges: Vec<Range<usize>> = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect();
        for (i, rows) in ranges.iter().enumerate() {
            for columns in &ranges[..=i] {
                let rectangle = Rectangle { rows: rows.clone(), columns: columns.clone() };
                let both = matrices.iter_mut().map(Mat::as_mut).collect();
                let interrupt = &Interrupt::default();
                let mut place =
                    Destination { matrices: both, rectangle, symmetric: true, rank: 3, interrupt };
                let added = place.add(|tile| {
                    let Tile { rows: r, columns: c, mut product } = tile;
                    for (j, column) in c.enumerate() {
                        for (i, row) in r.clone().enumerate() {
                            product[(i, j)] = ((rows.start + row) * n + columns.start + column) as f64;
                        }
                    }
                });
                assert!(added.is_ok());
            }
        }
        for matrix in matrices {
            for j in 0..n {
                assert!((j..n).all(|i| matrix[(i, j)] == (i * n + j) as f64), "column {j}");
            }
        }
    }
}
