//! Both sides of a factor Φ \[M, P\]: ΦΦᵀ without forming Φ, and ΦᵀΦ.

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Factor, Rows};
use eigenscape_core::{CurvatureOperator, Error, Result};
use faer::{Mat, MatRef};

use super::{matrix::Symmetric, outer};

/// How many numbers of Φ are held in f64 at a time (32 MiB).
const SLAB: usize = 1 << 22;

/// How many rows of Φ are held in f64 at a time where it has more rows than columns.
const SLAB_ROWS: usize = 1 << 10;

/// ΦΦᵀ or ΦᵀΦ under construction, whichever is smaller.
pub(super) enum Side {
    /// ΦΦᵀ = Σₜ Φₜ Φₜᵀ, M × M, and the columns that went into it.
    Rows { rows: usize, columns: usize, gram: Symmetric },
    /// Φ itself, of fewer columns than its M rows.
    Columns { rows: usize, tensors: Vec<Rows> },
}

impl Side {
    /// For a factor of `rows` rows and `dimension` columns.
    pub fn new(rows: usize, dimension: usize) -> Self {
        if dimension < rows {
            Self::Columns { rows, tensors: Vec::new() }
        } else {
            Self::Rows { rows, columns: 0, gram: Symmetric::zeros(rows) }
        }
    }

    /// M.
    pub fn rows(&self) -> usize {
        let (Self::Rows { rows, .. } | Self::Columns { rows, .. }) = self;
        *rows
    }

    /// Adds some columns.
    pub fn add(&mut self, operator: &dyn CurvatureOperator, part: &Factor) -> Result<()> {
        let m = self.rows();
        for rows in &part.tensors {
            let Some(columns) = columns(rows, m).filter(|_| part.rows == m) else {
                return Err(wrong_shape(operator, m, 0));
            };
            match (&mut *self, rows) {
                (Self::Columns { tensors, .. }, _) => tensors.push(rows.clone()),
                (Self::Rows { columns: sum, gram, .. }, Rows::Explicit(rows)) => {
                    *sum += columns;
                    add_explicit(gram, rows)?;
                }
                (Self::Rows { columns: sum, gram, .. }, Rows::Outer { left, right }) => {
                    *sum += columns;
                    outer::add(gram, left, right)?;
                }
            }
        }
        Ok(())
    }

    /// The matrix, when all `dimension` columns have been added.
    pub fn finish(self, operator: &dyn CurvatureOperator, dimension: usize) -> Result<Mat<f64>> {
        match self {
            Self::Rows { columns, gram, .. } if columns == dimension => Ok(gram.into_matrix()),
            Self::Columns { rows, tensors } => {
                let mut gram = Symmetric::zeros(dimension);
                for slab in slabs(&tensors, rows)? {
                    let parts =
                        slab.iter().map(|rows| rows.explicit(DType::F64)).collect::<Result<Vec<_>, _>>()?;
                    let phi = Tensor::cat(&parts, 1)?;
                    let (m, p) = phi.dims2()?;
                    if p != dimension {
                        return Err(wrong_shape(operator, rows, dimension));
                    }
                    gram.add_product(MatRef::from_row_major_slice(&values(&phi)?, m, p).transpose());
                }
                Ok(gram.into_matrix())
            }
            Self::Rows { rows, .. } => Err(wrong_shape(operator, rows, dimension)),
        }
    }
}

/// The rows in as many slabs as there are for each sample, so that only one at a time is held in f64: all of r = 0, of r = 1, ...
fn slabs(tensors: &[Rows], m: usize) -> Result<Vec<Vec<Rows>>> {
    let samples = tensors.iter().find_map(|rows| match rows {
        Rows::Outer { right, .. } => right.dims().first().copied(),
        Rows::Explicit(_) => None,
    });
    // Without outer products any number of rows will do.
    let height = samples.unwrap_or(SLAB_ROWS).min(m);
    let slab = |start: usize| -> Result<Vec<Rows>> {
        let count = height.min(m - start);
        let part = |rows: &Rows| {
            Ok(match rows {
                Rows::Explicit(rows) => Rows::Explicit(rows.narrow(0, start, count)?),
                Rows::Outer { left, right } => {
                    Rows::Outer { left: left.narrow(0, start / height, 1)?, right: right.clone() }
                }
            })
        };
        tensors.iter().map(part).collect()
    };
    (0..m).step_by(height).map(slab).collect()
}

pub(super) fn wrong_shape(operator: &dyn CurvatureOperator, rows: usize, dimension: usize) -> Error {
    Error::input(
        operator.description(),
        format!("its factor does not consist of {rows} rows and {dimension} columns"),
        "report this: an operator's factor has one column a parameter",
    )
}

/// How many columns of Φ these are; `None` when there are not M rows of them.
fn columns(rows: &Rows, m: usize) -> Option<usize> {
    match rows {
        Rows::Explicit(rows) => rows.dims2().ok().filter(|(rows, _)| *rows == m).map(|(_, columns)| columns),
        Rows::Outer { left, right } => {
            let ((r, n, p, o), (samples, positions, i)) = (left.dims4().ok()?, right.dims3().ok()?);
            (r * n == m && (n, p) == (samples, positions)).then_some(o * i)
        }
    }
}

fn add_explicit(gram: &mut Symmetric, rows: &Tensor) -> Result<()> {
    let (m, columns) = rows.dims2()?;
    let width = (SLAB / m).max(1);
    for first in (0..columns).step_by(width) {
        let count = width.min(columns - first);
        let slab = values(&rows.narrow(1, first, count)?)?;
        gram.add_product(MatRef::from_row_major_slice(&slab, m, count));
    }
    Ok(())
}

/// All values in f64, row-major.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}
