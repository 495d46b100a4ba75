//! Symmetric matrices that are sums of products X Xᵀ, by tiles of the lower half.

use std::ops::Range;

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

/// Rows and columns of a tile: small enough to share the work out, large enough for full speed.
const TILE: usize = 128;

/// An n × n symmetric matrix under construction. Each tile is the work of one task, with a sequential product inside, so that
/// the sums do not depend on the number of threads.
pub(super) struct Symmetric {
    n: usize,
    tiles: Vec<Tile>,
}

struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
    values: Mat<f64>,
}

impl Symmetric {
    pub fn zeros(n: usize) -> Self {
        let range = |first: usize| first..n.min(first + TILE);
        let tile = |i: usize, j: usize| Tile {
            rows: range(i),
            columns: range(j),
            values: Mat::zeros(range(i).len(), range(j).len()),
        };
        let firsts = || (0..n).step_by(TILE);
        let tiles =
            firsts().flat_map(|i| firsts().filter(move |j| *j <= i).map(move |j| tile(i, j))).collect();
        Self { n, tiles }
    }

    /// Adds X Xᵀ, for X of n rows.
    pub fn add_product(&mut self, x: MatRef<f64>) {
        self.tiles.par_iter_mut().for_each(|tile| tile.add_product(x));
    }

    /// Adds (X Xᵀ) ∘ E, for X of n rows and the n × n matrix E of these entries.
    pub fn add_hadamard(&mut self, x: MatRef<f64>, entry: impl Fn(usize, usize) -> f64 + Sync) {
        self.tiles.par_iter_mut().for_each(|tile| {
            let empty = Mat::zeros(tile.values.nrows(), tile.values.ncols());
            let sum = std::mem::replace(&mut tile.values, empty);
            tile.add_product(x);
            for (j, column) in tile.columns.clone().enumerate() {
                for (i, row) in tile.rows.clone().enumerate() {
                    tile.values[(i, j)] = sum[(i, j)] + tile.values[(i, j)] * entry(row, column);
                }
            }
        });
    }

    /// Adds the symmetric matrix of these entries.
    pub fn add_entries(&mut self, entry: impl Fn(usize, usize) -> f64 + Sync) {
        self.tiles.par_iter_mut().for_each(|tile| {
            for (j, column) in tile.columns.clone().enumerate() {
                for (i, row) in tile.rows.clone().enumerate() {
                    tile.values[(i, j)] += entry(row, column);
                }
            }
        });
    }

    /// The whole matrix, both halves.
    pub fn into_matrix(self) -> Mat<f64> {
        let mut matrix = Mat::zeros(self.n, self.n);
        for Tile { rows, columns, values } in self.tiles {
            for (j, column) in columns.enumerate() {
                for (i, row) in rows.clone().enumerate() {
                    matrix[(row, column)] = values[(i, j)];
                    matrix[(column, row)] = values[(i, j)];
                }
            }
        }
        matrix
    }
}

impl Tile {
    fn add_product(&mut self, x: MatRef<f64>) {
        let left = x.subrows(self.rows.start, self.rows.len());
        let right = x.subrows(self.columns.start, self.columns.len());
        matmul(self.values.as_mut(), Accum::Add, left, right.transpose(), 1.0, Par::Seq);
    }
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::{Symmetric, TILE};

    #[test]
    fn sums_of_products_across_tiles() {
        let n = 2 * TILE + 3;
        let x = Mat::from_fn(n, 2, |i, j| (i as f64 + 1.0) / (j as f64 + 2.0));
        let mut symmetric = Symmetric::zeros(n);
        symmetric.add_product(x.as_ref());
        symmetric.add_hadamard(x.as_ref(), |i, j| if i == j { 3.0 } else { 1.0 });
        let matrix = symmetric.into_matrix();
        for i in 0..n {
            for j in 0..n {
                let product = (i as f64 + 1.0) * (j as f64 + 1.0) * (0.25 + 1.0 / 9.0);
                let expected = product * if i == j { 4.0 } else { 2.0 };
                assert!((matrix[(i, j)] - expected).abs() < 1e-12 * expected, "{i} {j}");
            }
        }
    }
}
