//! `dense`: all eigenvalues of the explicitly formed matrix.

use std::num::NonZeroUsize;

use candle_core::{DType, Tensor};
use eigenscape_core::{
    Account, Context, CurvatureOperator, Error, Estimate, Findings, ProbeEstimator, Registry, Result,
    Spectrum, account::size,
};
use faer::Mat;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    eigen::{bytes_of_pairs, largest_pairs, symmetric_eigenvalues},
    eigenpairs::{self, oriented_as},
    float::{Float, epsilon},
    operator::{dimension, not_finite, products},
    rounding::{self, SAFETY},
};

/// Parameters of `dense`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DenseParameters {
    /// The number of columns of the identity in one call of the operator, 32 by default.
    pub block: NonZeroUsize,
    /// The largest accepted P, 4096 by default: the matrix takes 8 P² bytes, and its eigenvalues
    /// take time proportional to P³.
    pub max_dimension: usize,
}

impl Default for DenseParameters {
    fn default() -> Self {
        Self { block: const { NonZeroUsize::new(32).unwrap() }, max_dimension: 4096 }
    }
}

/// All eigenvalues of the P × P matrix, formed by products with the columns of the identity, in
/// blocks, and symmetrised in f64.
///
/// Exact up to rounding, which is measured: a few columns are recomputed in f64, the matrix is
/// compared with its transpose, and negative eigenvalues of a matrix that is proved positive
/// semidefinite are rounding. An eigenvalue that these errors do not distinguish from 0 counts
/// towards the mass at zero, and the spectrum's `rounding` is the threshold on |λ|. (For products
/// in f64 there is no more accurate reference; there, independent relative errors ε of the entries
/// are assumed, which move eigenvalues by about √P · ε · max|λ|.) A matrix whose asymmetry exceeds
/// √ε times its largest entry is an error.
///
/// Eigenvectors are those of the matrix in f64. Their residuals are measured with the operator, so
/// that they show the rounding of its products, too.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dense {
    parameters: DenseParameters,
    /// The number of eigenvectors.
    eigenvectors: usize,
}

impl Dense {
    /// The estimator with these parameters.
    #[must_use]
    pub fn new(parameters: DenseParameters) -> Self {
        Self { parameters, eigenvectors: 0 }
    }

    /// The spectrum, and the eigenpairs of the `count` largest eigenvalues.
    fn findings(
        &self,
        operator: &dyn CurvatureOperator,
        context: &Context,
        count: usize,
    ) -> Result<Findings> {
        let n = self.dimension(operator)?;
        let epsilon = epsilon(operator.dtype())?;
        let columns = match operator.dtype() {
            DType::F32 => self.columns::<f32>(operator, context, n)?,
            _ => self.columns::<f64>(operator, context, n)?,
        };
        let measured = rounding::of_products(operator, &columns, &context.random)?;
        let (matrix, asymmetry) = symmetrised(operator, columns, epsilon)?;
        let interrupt = &context.interrupt;
        let (eigenvalues, mut pairs) = match count {
            0 => (symmetric_eigenvalues(matrix, interrupt)?, Vec::new()),
            count => largest_pairs(None, matrix, count, interrupt)?,
        };
        let largest = eigenvalues.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let of_entries = match measured {
            Some(error) => SAFETY * error,
            None => (n as f64).sqrt() * epsilon * largest,
        };
        let below_zero = match eigenvalues.first() {
            Some(smallest) if operator.is_semidefinite() => -smallest,
            _ => 0.0,
        };
        let of_eigenvalues = n as f64 * f64::EPSILON * largest;
        let cut = of_entries.max(asymmetry).max(below_zero) + of_eigenvalues;
        pairs.retain(|(value, _)| value.abs() > cut);
        let spectrum = Spectrum::exact_above(n, cut, eigenvalues, n + pairs.len())?;
        let vectors = pairs.into_iter().map(|(value, v)| Ok((value, oriented_as(operator.dtype(), v)?)));
        let vectors: Vec<(f64, Tensor)> = vectors.collect::<Result<_>>()?;
        let eigenpairs = eigenpairs::measured(operator, &vectors, context.progress)?;
        Ok(Findings { eigenpairs, ..Estimate::from(spectrum).into() })
    }
}

impl ProbeEstimator for Dense {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        Ok(self.findings(operator, context, 0)?.estimate)
    }

    fn estimate_parts(
        &self,
        operators: &[&dyn CurvatureOperator],
        context: &Context,
    ) -> Result<Vec<Findings>> {
        operators.iter().map(|operator| self.findings(*operator, context, self.eigenvectors)).collect()
    }

    fn with_eigenvectors(self: Box<Self>, count: NonZeroUsize) -> Option<Box<dyn ProbeEstimator>> {
        Some(Box::new(Self { eigenvectors: count.get(), ..*self }))
    }

    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        operators.iter().try_for_each(|operator| self.dimension(*operator).map(|_| ()))
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        let of = |operator: &&dyn CurvatureOperator| {
            let (n, number) = (operator.dimension(), operator.dtype().size_in_bytes());
            let block = self.block(n, number, allowed);
            self.matrix(n, number).with(
                format!("{block} columns of the identity and their products"),
                of_block(n, number, block),
            )
        };
        Ok(operators.iter().map(of).max_by_key(Account::total).unwrap_or_default())
    }

    fn vectors(&self, operator: &dyn CurvatureOperator, allowed: usize) -> usize {
        self.block(operator.dimension(), operator.dtype().size_in_bytes(), allowed)
    }

    fn products(&self, dimension: usize) -> usize {
        dimension.saturating_add(self.eigenvectors.min(dimension))
    }

    fn description(&self) -> String {
        "all eigenvalues of the dense matrix".to_owned()
    }
}

/// Bytes of `columns` columns of the identity, of their products and of a copy of the products;
/// `number` is the size of a number in bytes.
fn of_block(n: usize, number: usize, columns: usize) -> usize {
    const COPIES: usize = 3;
    size([n, columns, COPIES], number)
}

impl Dense {
    /// The memory held throughout: the matrix, which is symmetrised in place, and the vectors for
    /// its eigenvalues, for the columns in f64 and for eigenvectors.
    fn matrix(&self, n: usize, number: usize) -> Account {
        const VECTORS: usize = 112;
        let account = Account::of("the dense matrix", size([n, n.saturating_add(VECTORS)], size_of::<f64>()));
        match self.eigenvectors.min(n) {
            0 => account,
            count => account.with(
                format!("{count} eigenvectors"),
                bytes_of_pairs(n, count).saturating_add(eigenpairs::bytes(n, count, number)),
            ),
        }
    }

    /// P; an error where it is 0 or exceeds `max_dimension`.
    fn dimension(&self, operator: &dyn CurvatureOperator) -> Result<usize> {
        let (n, most) = (dimension(operator)?, self.parameters.max_dimension);
        if n <= most {
            return Ok(n);
        }
        Err(Error::input(
            operator.description(),
            format!("estimator \"dense\" takes at most {most} parameters, not {n}"),
            "use the estimator \"gram\" or \"lanczos\", or raise `max_dimension`",
        ))
    }

    /// The number of columns in one call of the operator: the parameter `block`, or fewer where
    /// only these fit into `allowed` bytes beside the matrix; at least one.
    fn block(&self, n: usize, number: usize, allowed: usize) -> usize {
        let left = allowed.saturating_sub(self.matrix(n, number).total());
        let fit = left / of_block(n, number, 1).max(1);
        self.parameters.block.get().min(n).min(fit).max(1)
    }

    /// The columns of the matrix, in f64.
    fn columns<T: Float>(
        &self,
        operator: &dyn CurvatureOperator,
        context: &Context,
        n: usize,
    ) -> Result<Mat<f64>> {
        let mut matrix = Mat::<f64>::zeros(n, n);
        let block = self.block(n, size_of::<T>(), context.memory);
        for first in (0..n).step_by(block) {
            let count = block.min(n - first);
            let mut identity = vec![T::narrow(0.0); count * n];
            for row in 0..count {
                identity[row * n + first + row] = T::narrow(1.0);
            }
            for (offset, column) in products(operator, identity, n)?.into_iter().enumerate() {
                for (i, value) in column.into_iter().enumerate() {
                    matrix[(i, first + offset)] = value.widen();
                }
            }
            context.progress.advance(count);
        }
        Ok(matrix)
    }
}

/// ½(A + Aᵀ), lower half, in the memory of A, and ½‖A − Aᵀ‖_F. For independent rounding errors, the
/// discarded antisymmetric part of the error is about as large as the symmetric part that remains.
fn symmetrised(operator: &dyn CurvatureOperator, mut a: Mat<f64>, epsilon: f64) -> Result<(Mat<f64>, f64)> {
    let n = a.nrows();
    let (mut largest, mut asymmetry, mut squares, mut finite) = (0.0_f64, 0.0_f64, 0.0, true);
    for j in 0..n {
        for i in j..n {
            let (one, other) = (a[(i, j)], a[(j, i)]);
            finite &= one.is_finite() && other.is_finite();
            largest = largest.max(one.abs()).max(other.abs());
            asymmetry = asymmetry.max((one - other).abs());
            squares += 0.5 * (one - other).powi(2);
            a[(i, j)] = 0.5 * (one + other);
        }
    }
    if !finite {
        return Err(not_finite(operator));
    }
    if asymmetry > epsilon.sqrt() * largest {
        return Err(Error::input(
            operator.description(),
            format!(
                "is not symmetric: entries of up to {largest:e} differ from their mirror image by up to {asymmetry:e}"
            ),
            match operator.dtype() {
                DType::F32 => {
                    "use dtype = \"f64\", or remove tf32: rounding errors exceed what remains of a matrix whose terms cancel"
                }
                _ => "report this: a curvature matrix is symmetric",
            },
        ));
    }
    Ok((a, squares.sqrt()))
}

/// Adds `dense` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<DenseParameters>(
        "dense",
        "every eigenvalue, exactly, from the whole matrix: for groups of a few thousand parameters",
        |parameters, _| Ok(Box::new(Dense::new(parameters))),
    );
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use eigenscape_core::{Context, ProbeEstimator};

    use super::{Dense, DenseParameters};
    use crate::testing::{DenseOperator, assert_close};

    fn dense(block: usize) -> Dense {
        Dense::new(DenseParameters { block: block.try_into().unwrap(), ..Default::default() })
    }

    #[test]
    fn finds_the_prescribed_spectrum_whatever_the_block() {
        let spectrum: Vec<f64> = (0..50).map(|i| 40.0 * 0.7_f64.powi(i) - 0.01).collect();
        for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-6)] {
            let operator = DenseOperator::with_spectrum(&spectrum, 3, dtype);
            for block in [1, 7, 50, 64] {
                let found = dense(block).spectrum(&operator, &Context::silent(0)).unwrap();
                let mut expected = spectrum.clone();
                expected.sort_by(|a, b| b.total_cmp(a));
                assert_close(&found.eigenvalues, &expected, tolerance * 40.0);
                assert!(found.exact && found.trace_stderr == Some(0.0) && found.products == 50);
            }
        }
    }

    #[test]
    fn rounding_noise_counts_to_the_mass_at_zero() {
        let mut spectrum = vec![0.0; 60];
        spectrum[..4].copy_from_slice(&[5.0, -1.0, 1e-3, -1e-3]);
        for dtype in [DType::F64, DType::F32] {
            let operator = DenseOperator::with_spectrum(&spectrum, 1, dtype);
            let found = Dense::default().spectrum(&operator, &Context::silent(0)).unwrap();
            assert_close(&found.eigenvalues, &[5.0, 1e-3, -1e-3, -1.0], 3e-6);
            assert!((found.mass_at_zero() - 56.0 / 60.0).abs() < 1e-14);
        }
    }

    #[test]
    fn the_zero_matrix_has_all_its_mass_at_zero() {
        let operator = DenseOperator::with_spectrum(&[0.0; 5], 1, DType::F32);
        let found = Dense::default().spectrum(&operator, &Context::silent(0)).unwrap();
        assert_eq!((found.eigenvalues.len(), found.mass_at_zero(), found.lambda_max()), (0, 1.0, 0.0));
    }

    #[test]
    fn refuses_large_asymmetric_and_non_finite_operators() {
        let message = |estimator: &Dense, operator: &DenseOperator| {
            estimator.spectrum(operator, &Context::silent(0)).unwrap_err().to_string()
        };
        let operator = DenseOperator::with_spectrum(&[1.0; 9], 1, DType::F64);
        let small = Dense::new(DenseParameters { max_dimension: 8, ..Default::default() });
        assert!(message(&small, &operator).contains("\"lanczos\""));
        let asymmetric = operator.clone().perturbed(0, 5, 1e-3);
        assert!(message(&Dense::default(), &asymmetric).contains("not symmetric"));
        let broken = operator.perturbed(4, 4, f64::NAN);
        assert!(message(&Dense::default(), &broken).contains("NaN"));
    }
}
