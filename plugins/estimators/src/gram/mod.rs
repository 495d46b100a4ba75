//! `gram`: all non-zero eigenvalues from the smaller of ΦᵀΦ and ΦΦᵀ.

mod matrix;
mod outer;
mod side;

use eigenscape_core::{Context, CurvatureOperator, Error, ProbeEstimator, Registry, Result, Spectrum};
use faer::Mat;
use schemars::JsonSchema;
use serde::Deserialize;

use self::side::Side;

use crate::{
    eigen::symmetric_eigenvalues,
    float::epsilon,
    operator::{dimension, not_finite},
};

/// Parameters of `gram`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GramParameters {
    /// The largest Gram matrix that is accepted, as its number of rows min(M, P); 20000 by default. It takes 8 bytes an entry,
    /// twice while its eigenvalues are computed.
    pub max_rows: usize,
}

impl Default for GramParameters {
    fn default() -> Self {
        Self { max_rows: 20_000 }
    }
}

/// All non-zero eigenvalues of an operator H = ΦᵀΦ with a known M × P factor Φ: those of the smaller of ΦᵀΦ (P × P) and the Gram
/// matrix ΦΦᵀ (M × M), which have the same non-zero eigenvalues with the same multiplicities.
///
/// With the Gauss-Newton factor of N examples and C outputs, M = N·C, this is the exact spectrum of a layer of any width from C
/// backward passes (Papyan 2019; Dangel, Tatzel & Hennig 2022). For a linear layer Φ is never formed: a row is the outer
/// product of a cotangent and an input, and ΦΦᵀ is the Hadamard product of two small Gram matrices.
///
/// Products and sums are in f64 for both types of operators. What limits the accuracy is then the rounding of Φ itself: a relative ε
/// in its entries moves its *singular values* by at most about √max(M, P) · ε · σ_max, so an eigenvalue
/// λ ≤ (max(M, P) ε² + n ε₆₄) λ_max, with n = min(M, P) and ε₆₄ the machine epsilon of the f64 eigenproblem, counts to the mass at zero.
/// In f32 this resolves eigenvalues down to 1e-10 of the largest or so, a thousand times below what the f32 matrix itself would.
///
/// `products` of the spectrum is 0: there are backward passes behind the factor, but no operator-vector product is spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gram {
    parameters: GramParameters,
}

impl Gram {
    /// The estimator with these parameters.
    #[must_use]
    pub fn new(parameters: GramParameters) -> Self {
        Self { parameters }
    }
}

impl ProbeEstimator for Gram {
    fn estimate(&self, operator: &dyn CurvatureOperator, _context: &Context) -> Result<Spectrum> {
        let dimension = dimension(operator)?;
        let epsilon = epsilon(operator.dtype())?;
        let (rows, gram) = self.gram(operator, dimension)?;
        let n = gram.nrows();
        // A diagonal entry is a sum of squares: finite only if all that goes into it is.
        if (0..n).any(|i| !gram[(i, i)].is_finite()) {
            return Err(not_finite(operator));
        }
        let mut eigenvalues = symmetric_eigenvalues(gram.as_ref())?;
        let largest = eigenvalues.last().copied().unwrap_or(0.0);
        let longer = rows.max(dimension) as f64;
        let cut = (longer * epsilon * epsilon + n as f64 * f64::EPSILON) * largest;
        eigenvalues.retain(|value| *value > cut);
        Spectrum::exact(dimension, eigenvalues, 0)
    }

    fn needs_factor(&self) -> bool {
        true
    }

    fn products(&self, _dimension: usize) -> usize {
        0
    }

    fn description(&self) -> String {
        "all eigenvalues of the Gram matrix of per-sample gradients".to_owned()
    }
}

impl Gram {
    /// M, and ΦΦᵀ or ΦᵀΦ, whichever is smaller.
    fn gram(&self, operator: &dyn CurvatureOperator, dimension: usize) -> Result<(usize, Mat<f64>)> {
        let mut gram: Option<Side> = None;
        operator.factor(&mut |part| {
            let mut side = match gram.take() {
                Some(side) => side,
                None => {
                    self.check_size(operator, part.rows.min(dimension))?;
                    Side::new(part.rows, dimension)
                }
            };
            side.add(operator, &part)?;
            gram = Some(side);
            Ok(())
        })?;
        match gram {
            Some(side) => Ok((side.rows(), side.finish(operator, dimension)?)),
            None => Err(side::wrong_shape(operator, 0, dimension)),
        }
    }

    fn check_size(&self, operator: &dyn CurvatureOperator, n: usize) -> Result<()> {
        if n <= self.parameters.max_rows {
            return Ok(());
        }
        let gibibytes = 2.0 * 8.0 * (n as f64).powi(2) / f64::from(1 << 30);
        Err(Error::input(
            operator.description(),
            format!(
                "its Gram matrix has {n} rows and needs {gibibytes:.1} GiB of memory; `max_rows` is {}",
                self.parameters.max_rows
            ),
            "use fewer samples, raise `max_rows`, or use the estimator \"lanczos\"",
        ))
    }
}

/// Adds `gram` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<GramParameters>(
        "gram",
        "every eigenvalue, exactly, from per-sample gradients: Gauss-Newton, and Hessians proved equal to it",
        |parameters, _| Ok(Box::new(Gram::new(parameters))),
    );
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use eigenscape_core::{Context, ProbeEstimator, Spectrum};

    use super::{Gram, GramParameters};
    use crate::{
        dense::Dense,
        testing::{DenseOperator, assert_close, on_threads},
    };

    fn gram(operator: &DenseOperator) -> Spectrum {
        Gram::default().estimate(operator, &Context::silent(0)).unwrap()
    }

    #[test]
    fn agrees_with_the_dense_matrix_on_either_side() {
        // R·N rows against o·i + explicit columns: M < P, M > P and M = P; an outer factor, an explicit one and both.
        let cases = [
            (3, 5, Some((1, 6, 7)), None),
            (3, 20, Some((1, 4, 5)), None),
            (2, 6, None, Some(31)),
            (2, 16, None, Some(9)),
            (2, 6, Some((1, 5, 4)), Some(11)),
            (4, 30, Some((1, 5, 4)), Some(11)),
            (2, 10, Some((1, 4, 5)), None),
            (3, 5, Some((3, 6, 7)), Some(2)),
            (3, 20, Some((2, 4, 5)), None),
        ];
        for (seed, (r, n, outer, explicit)) in cases.into_iter().enumerate() {
            for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-6)] {
                let operator = DenseOperator::with_factor(r, n, outer, explicit, seed as u64, dtype);
                let (found, expected) = (gram(&operator), operator.eigenvalues());
                let rank = found.eigenvalues.len();
                let largest = expected[0];
                assert!(found.exact && found.products == 0);
                assert_close(&found.eigenvalues, &expected[..rank], tolerance * largest);
                assert!(
                    expected[rank..].iter().all(|value| value.abs() < 10.0 * tolerance * largest),
                    "{seed}"
                );
                assert!((found.trace - operator.trace()).abs() < tolerance * operator.trace());
                let dense = Dense::default().estimate(&operator, &Context::silent(0)).unwrap();
                let common = rank.min(dense.eigenvalues.len());
                assert_close(&found.eigenvalues[..common], &dense.eigenvalues[..common], tolerance * largest);
            }
        }
    }

    #[test]
    fn tells_the_rank_of_a_deficient_factor() {
        // Each of 8 rows twice, to rounding: rank 8 of 16 rows.
        for dtype in [DType::F64, DType::F32] {
            let operator = DenseOperator::with_repeated_rows(8, 40, 5, dtype);
            let found = gram(&operator);
            assert_eq!(found.eigenvalues.len(), 8, "{dtype:?}");
            assert!((found.mass_at_zero() - 32.0 / 40.0).abs() < 1e-14);
        }
    }

    #[test]
    fn resolves_small_eigenvalues_of_an_f32_factor() {
        // Orthogonal rows of norms 1, 1e-2, 1e-4: eigenvalues 1, 1e-4 and 1e-8, the last far below f32's ε.
        let operator = DenseOperator::with_row_norms(&[1.0, 1e-2, 1e-4], 10, DType::F32);
        let found = gram(&operator);
        assert_eq!(found.eigenvalues.len(), 3);
        for (value, expected) in found.eigenvalues.iter().zip([1.0, 1e-4, 1e-8]) {
            assert!((value / expected - 1.0).abs() < 1e-5, "{value} against {expected}");
        }
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        let operator = DenseOperator::with_factor(3, 100, Some((4, 20, 30)), Some(200), 7, DType::F32);
        let one = on_threads(1, || gram(&operator));
        let three = on_threads(3, || gram(&operator));
        assert_eq!(one, three);
    }

    #[test]
    fn refuses_what_has_no_finite_factor_of_a_size_that_fits() {
        let message = |estimator: Gram, operator: &DenseOperator| {
            estimator.estimate(operator, &Context::silent(0)).unwrap_err().to_string()
        };
        let small = Gram::new(GramParameters { max_rows: 9 });
        let operator = DenseOperator::with_factor(2, 5, None, Some(20), 1, DType::F64);
        let error = message(small, &operator);
        assert!(
            error.contains("10 rows") && error.contains("GiB") && error.contains("fewer samples"),
            "{error}"
        );
        let unfactored = DenseOperator::with_spectrum(&[1.0, 2.0], 1, DType::F64);
        assert!(message(Gram::default(), &unfactored).contains("no factor"));
        let broken = operator.with_nan_in_factor();
        assert!(message(Gram::default(), &broken).contains("NaN"));
    }
}
