//! Ritz values and Gauss quadrature rules of Jacobi matrices.

use eigenscape_core::{Result, account::size};
use faer::{
    Mat, Par,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack, StackReq},
    linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd},
};

use super::{diag, no_convergence, parameters};

/// An eigenvalue θ of a Jacobi matrix with the first and the last component of its unit
/// eigenvector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ritz {
    pub value: f64,
    pub first: f64,
    pub last: f64,
}

impl Ritz {
    /// The node and the weight of the Ritz value in the Gauss quadrature rule.
    pub fn node(&self) -> (f64, f64) {
        (self.value, self.first * self.first)
    }
}

/// The eigenvalues, ascending, of the Jacobi matrix with this diagonal and off-diagonal, both
/// finite.
pub(crate) fn ritz_values(diagonal: &[f64], off_diagonal: &[f64]) -> Result<Vec<Ritz>> {
    Ok(ritz_projections(diagonal, off_diagonal, &[])?.into_iter().map(|(ritz, _)| ritz).collect())
}

/// As [`ritz_values`], each with the inner product of its unit eigenvector and `vector`.
pub(crate) fn ritz_projections(
    diagonal: &[f64],
    off_diagonal: &[f64],
    vector: &[f64],
) -> Result<Vec<(Ritz, f64)>> {
    let (n, (values, vectors)) = (diagonal.len(), decomposed(diagonal, off_diagonal)?);
    let values = values.column_vector();
    let along = |k| vector.iter().enumerate().map(|(i, x)| x * vectors[(i, k)]).sum();
    let ritz = |k| Ritz { value: values[k], first: vectors[(0, k)], last: vectors[(n - 1, k)] };
    Ok((0..n).map(|k| (ritz(k), along(k))).collect())
}

/// The unit eigenvectors of the eigenvalues at these indices of [`ritz_values`].
pub(crate) fn ritz_vectors(
    diagonal: &[f64],
    off_diagonal: &[f64],
    indices: &[usize],
) -> Result<Vec<Vec<f64>>> {
    let (_, vectors) = decomposed(diagonal, off_diagonal)?;
    Ok(indices.iter().map(|&k| vectors.col(k).iter().copied().collect()).collect())
}

/// The eigenvalues, ascending, and the eigenvectors of a Jacobi matrix.
fn decomposed(diagonal: &[f64], off_diagonal: &[f64]) -> Result<(Diag<f64>, Mat<f64>)> {
    let n = diagonal.len();
    let (t, e) = (diag(n, diagonal), diag(n, off_diagonal));
    let mut values = Diag::<f64>::zeros(n);
    let mut vectors = Mat::<f64>::zeros(n, n);
    let mut buffer = MemBuffer::new(scratch_of_ritz_values(n));
    let stack = MemStack::new(&mut buffer);
    let out = Some(vectors.as_mut());
    tridiagonal_self_adjoint_evd(t.as_ref(), e.as_ref(), values.as_mut(), out, Par::Seq, stack, parameters())
        .map_err(no_convergence)?;
    Ok((values, vectors))
}

/// Bytes that [`ritz_values`] takes for a matrix of order `n`: its eigenvectors, scratch space and
/// a few vectors.
pub(crate) fn bytes_of_ritz_values(n: usize) -> usize {
    const VECTORS: usize = 12;
    /// A matrix of this order exceeds any memory.
    const TOO_LARGE: usize = 1 << 26;
    if n > TOO_LARGE {
        return usize::MAX;
    }
    size([n, n + VECTORS], size_of::<f64>()).saturating_add(scratch_of_ritz_values(n).size_bytes())
}

fn scratch_of_ritz_values(n: usize) -> StackReq {
    self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, parameters())
}

/// The Gauss quadrature rule of the Jacobi matrix T with this diagonal and off-diagonal, both
/// finite: the eigenvalues θ of T, ascending, each with the squared first component of its unit
/// eigenvector (Golub & Welsch 1969). The weights sum to 1.
///
/// # Errors
/// When the iteration does not converge.
pub fn gauss_quadrature(diagonal: &[f64], off_diagonal: &[f64]) -> Result<Vec<(f64, f64)>> {
    Ok(ritz_values(diagonal, off_diagonal)?.iter().map(Ritz::node).collect())
}

#[cfg(test)]
mod tests {
    use super::gauss_quadrature;
    use crate::eigen::tests::second_difference;

    #[test]
    fn quadrature_of_the_second_difference() {
        // The eigenvectors are sines: squared first components 2/(n+1) sin²(kπ/(n+1)).
        for n in [1, 2, 3, 10, 127, 128, 300] {
            let rule = gauss_quadrature(&vec![2.0; n], &vec![-1.0; n - 1]).unwrap();
            assert_eq!(rule.len(), n);
            let angle = std::f64::consts::PI / (n + 1) as f64;
            for (k, ((node, weight), expected)) in rule.iter().zip(second_difference(n)).enumerate() {
                let sine = ((k + 1) as f64 * angle).sin();
                assert!((node - expected).abs() < 1e-13, "n = {n}");
                assert!((weight - 2.0 / (n + 1) as f64 * sine * sine).abs() < 1e-13, "n = {n}");
            }
        }
    }
}
