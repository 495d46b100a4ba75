//! Both sides of a factor Φ \[M, P\]: ΦΦᵀ without forming Φ, and ΦᵀΦ.

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Factor, Rows};
use eigenscape_core::{CurvatureOperator, Error, Result};
use faer::{Mat, MatRef};

use super::matrix::Symmetric;

/// How many numbers of Φ are held in f64 at a time (32 MiB).
const SLAB: usize = 1 << 22;

/// Whether the shapes of a factor are those of M rows and `dimension` columns.
pub(super) fn check_shapes(
    operator: &dyn CurvatureOperator,
    factor: &Factor,
    dimension: usize,
) -> Result<()> {
    let columns = factor.tensors.iter().map(|rows| columns(rows, factor.rows)).sum::<Option<usize>>();
    if columns == Some(dimension) && factor.rows > 0 {
        return Ok(());
    }
    Err(Error::input(
        operator.description(),
        format!("its factor does not consist of {} rows and {dimension} columns", factor.rows),
        "report this: an operator's factor has one column a parameter",
    ))
}

/// How many columns of Φ these are; `None` when there are not M rows of them.
fn columns(rows: &Rows, m: usize) -> Option<usize> {
    match rows {
        Rows::Explicit(rows) => rows.dims2().ok().filter(|(rows, _)| *rows == m).map(|(_, columns)| columns),
        Rows::Outer { left, right } => {
            let ((r, n, o), (examples, i)) = (left.dims3().ok()?, right.dims2().ok()?);
            (r * n == m && n == examples).then_some(o * i)
        }
    }
}

/// ΦΦᵀ = Σₜ Φₜ Φₜᵀ, M × M.
pub(super) fn gram_of_rows(factor: &Factor) -> Result<Mat<f64>> {
    let mut gram = Symmetric::zeros(factor.rows);
    for rows in &factor.tensors {
        match rows {
            Rows::Explicit(rows) => add_explicit(&mut gram, rows)?,
            Rows::Outer { left, right } => add_outer(&mut gram, left, right)?,
        }
    }
    Ok(gram.into_matrix())
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

/// ⟨l ⊗ r, l' ⊗ r'⟩ = ⟨l, l'⟩⟨r, r'⟩.
fn add_outer(gram: &mut Symmetric, left: &Tensor, right: &Tensor) -> Result<()> {
    let ((r, n, o), (_, i)) = (left.dims3()?, right.dims2()?);
    let (left, right) = (values(left)?, values(right)?);
    let mut inputs = Symmetric::zeros(n);
    inputs.add_product(MatRef::from_row_major_slice(&right, n, i));
    let inputs = inputs.into_matrix();
    // Row r·N + n belongs to example n.
    gram.add_hadamard(MatRef::from_row_major_slice(&left, r * n, o), |a, b| inputs[(a % n, b % n)]);
    Ok(())
}

/// ΦᵀΦ, P × P, for P < M.
pub(super) fn gram_of_columns(factor: &Factor) -> Result<Mat<f64>> {
    let tensors = factor.tensors.iter().map(explicit).collect::<Result<Vec<_>>>()?;
    let phi = Tensor::cat(&tensors, 1)?;
    let (m, p) = phi.dims2()?;
    let phi = values(&phi)?;
    let mut gram = Symmetric::zeros(p);
    gram.add_product(MatRef::from_row_major_slice(&phi, m, p).transpose());
    Ok(gram.into_matrix())
}

/// \[M, Pₜ\] in f64.
fn explicit(rows: &Rows) -> Result<Tensor> {
    match rows {
        Rows::Explicit(rows) => Ok(rows.to_dtype(DType::F64)?),
        Rows::Outer { left, right } => {
            let ((r, n, o), (_, i)) = (left.dims3()?, right.dims2()?);
            let left = left.to_dtype(DType::F64)?.reshape((r, n, o, 1))?;
            let right = right.to_dtype(DType::F64)?.reshape((1, n, 1, i))?;
            Ok(left.broadcast_mul(&right)?.reshape((r * n, o * i))?)
        }
    }
}

/// All values in f64, row-major.
fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}
