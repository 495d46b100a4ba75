//! `gram`: all non-zero eigenvalues from the smaller of ΦᵀΦ and ΦΦᵀ.

mod columns;
mod drop;
mod explicit;
mod outer;
mod placed;
mod rounding;
mod schedule;
pub(crate) mod sum;
mod target;
mod tiles;
mod values;
mod vectors;

use std::num::NonZeroUsize;

use candle_core::Tensor;
use eigenscape_core::{
    Account, Context, CurvatureOperator, Error, Estimate, FactorSource, Findings, Interrupt, ProbeEstimator,
    Registry, Result, Spectrum,
};
use eigenscape_runtime::Backend;
use faer::Mat;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::{
    rounding::Rounding,
    schedule::Schedule,
    target::{Job, Side, Target},
};
use crate::{
    eigen::{Pair, bytes_of_pairs, eigenvalues_for, largest_pairs},
    eigenpairs::{self, measured, oriented_as},
};

/// Parameters of `gram`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GramParameters {
    /// The largest accepted number of rows of the Gram matrix, min(M, P); 20000 by default. The
    /// matrix takes 8 bytes per entry out of the experiment's `memory`, and its eigenvalues take
    /// time proportional to the cube of its rows.
    pub max_rows: usize,
    /// The share ε of the trace that may be dropped: the rows and columns of the Gram matrix with
    /// the smallest diagonal entries, which sum to at most ε·trace, are removed before its
    /// eigenvalues are computed. No eigenvalue increases, and none decreases by more than ε·trace;
    /// the trace stays exact. On a trained network most rows are tiny, and eigenvalues take time
    /// proportional to the cube of the remaining rows. At least 0 and below 1; 0 by default.
    pub drop: f64,
}

impl Default for GramParameters {
    fn default() -> Self {
        Self { max_rows: 20_000, drop: 0.0 }
    }
}

/// All non-zero eigenvalues of an operator H = ΦᵀΦ with a known M × P factor Φ: those of the
/// smaller of ΦᵀΦ (P × P) and the Gram matrix ΦΦᵀ (M × M), which have the same non-zero eigenvalues
/// with the same multiplicities.
///
/// With the Gauss-Newton factor of N examples, whose number of rows per example R is the rank of
/// the loss' Hessian in the outputs (M = N·R), this is the exact spectrum of a layer of any width
/// from R backward passes (Papyan 2019; Dangel, Tatzel & Hennig 2022). For a linear layer Φ is
/// never formed: a row is the outer product of a cotangent and an input, and ΦΦᵀ is the Hadamard
/// product of two small Gram matrices.
///
/// Products and sums are computed in f64 for f32 operators, too, so that only the rounding of Φ
/// itself limits the accuracy: an error E of Φ moves its *singular values* by at most ‖E‖. An
/// eigenvalue of at most ‖E‖² cannot be distinguished from 0 and counts towards the mass at zero.
/// ‖E‖ is measured by recomputing the rows of a few samples in f64 (see `rounding.rs`), and the
/// spectrum's `rounding` is the resulting threshold. In f32 this resolves eigenvalues down to about
/// 1e-10 of the largest, a thousand times smaller than the f32 matrix itself would.
///
/// With `drop = ε`, the rows with the smallest norms are left out of the eigenproblem, and each
/// eigenvalue is guaranteed to be at most ε·trace below the operator's (see `drop.rs`). A spectrum
/// with dropped rows is not marked as exact.
///
/// Operators of one landscape share the backward passes, and products of columns that several
/// operators share are computed once. The computation streams over the samples, so that matrices,
/// rows and temporaries fit into the landscape's memory; how the samples are split changes results
/// only by rounding (see `schedule.rs`).
///
/// On a card, rows stay in its memory and are multiplied there in f64; only the products come to
/// the host (see `placed.rs`). Eigenvalues of large matrices are computed on the card where it can.
///
/// `products` of the spectrum is 0: the factor costs backward passes, but no operator-vector
/// product.
///
/// Eigenvectors are those of ΦᵀΦ, or Φᵀu/√λ for an eigenvector u of ΦΦᵀ, which takes one more pass
/// over the rows (see `vectors.rs`). Their residuals are measured with the operator, one product
/// each. With dropped rows they are the eigenvectors of the remaining matrix, and the residuals,
/// of the operator with all rows, show the difference.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gram {
    parameters: GramParameters,
    /// The number of eigenvectors.
    eigenvectors: usize,
}

impl Gram {
    /// The estimator with these parameters.
    ///
    /// # Errors
    /// When `drop` is negative, at least 1 or NaN.
    pub fn new(parameters: GramParameters) -> Result<Self> {
        let GramParameters { drop, .. } = parameters;
        if !(0.0..1.0).contains(&drop) {
            return Err(Error::input("drop", format!("is {drop}"), "it must be at least 0 and below 1"));
        }
        Ok(Self { parameters, eigenvectors: 0 })
    }

    fn scheduled<'a>(&self, operators: &[&'a dyn CurvatureOperator]) -> Result<Vec<(Job<'a>, Schedule)>> {
        let count = self.eigenvectors;
        scheduled(operators, Side::Smaller, self.parameters.max_rows, |target, _| {
            let (each, number) = (count.min(target.n()), target.operator.dtype().size_in_bytes());
            if each == 0 {
                // Eigenvalues alone are computed in the memory of the matrix.
                return Needs::default();
            }
            let of_pairs = eigenpairs::bytes(target.dimension, each, number);
            Needs {
                of_pairs: bytes_of_pairs(target.n(), each),
                vectors: vectors::bytes(target, count).saturating_add(of_pairs),
                ..Needs::default()
            }
        })
    }

    fn findings(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Findings>> {
        let interrupt = &context.interrupt;
        let mut all: Vec<Option<Findings>> = vec![None; operators.len()];
        for (job, schedule) in self.scheduled(operators)? {
            let rounding = Rounding::measured(&job, &schedule, interrupt)?;
            let backend = job.targets.first().and_then(|target| target.operator.backend());
            let found =
                sum::each(&job, &schedule, interrupt, |matrix| self.found(matrix, backend, interrupt))?;
            let found =
                job.targets.iter().zip(found).map(|(target, found)| found.spectrum(target, &rounding));
            let (spectra, pairs): (Vec<Spectrum>, Vec<Vec<Pair>>) =
                found.collect::<Result<Vec<_>>>()?.into_iter().unzip();
            let pairs = vectors::of_operators(&job, &schedule, pairs, interrupt)?;
            for ((target, spectrum), pairs) in job.targets.iter().zip(spectra).zip(pairs) {
                let dtype = target.operator.dtype();
                let oriented = |(value, vector)| Ok((value, oriented_as(dtype, vector)?));
                let pairs: Vec<(f64, Tensor)> = pairs.into_iter().map(oriented).collect::<Result<_>>()?;
                for &index in &target.operators {
                    let eigenpairs = measured(operators[index], &pairs, context.progress)?;
                    let spectrum = Spectrum { products: eigenpairs.len(), ..spectrum.clone() };
                    all[index] = Some(Findings { eigenpairs, ..Estimate::from(spectrum).into() });
                }
            }
        }
        Ok(all.into_iter().flatten().collect())
    }

    /// From the lower half of the matrix, after dropping rows of at most the share `drop` of the
    /// trace; `backend` is that of the operator.
    fn found(&self, lower: Mat<f64>, backend: Option<&dyn Backend>, interrupt: &Interrupt) -> Result<Found> {
        let (n, trace) = (lower.nrows(), lower.diagonal().column_vector().iter().sum());
        let (lower, kept, dropped) = drop::smallest(lower, self.parameters.drop);
        let (eigenvalues, mut pairs) = match self.eigenvectors {
            0 => (eigenvalues_for(backend, lower, interrupt)?, Vec::new()),
            count => largest_pairs(backend, lower, count, interrupt)?,
        };
        if kept.len() < n {
            pairs.iter_mut().for_each(|(_, vector)| {
                let mut whole = vec![0.0; n];
                kept.iter().zip(&*vector).for_each(|(row, x)| whole[*row] = *x);
                *vector = whole;
            });
        }
        Ok(Found { eigenvalues, pairs, trace: (dropped > 0.0).then_some(trace) })
    }
}

impl ProbeEstimator for Gram {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        Ok(self.estimate_all(&[operator], context)?.swap_remove(0))
    }

    fn estimate_all(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Estimate>> {
        let found = Self { eigenvectors: 0, ..*self }.findings(operators, context)?;
        Ok(found.into_iter().map(|findings| findings.estimate).collect())
    }

    fn estimate_parts(
        &self,
        operators: &[&dyn CurvatureOperator],
        context: &Context,
    ) -> Result<Vec<Findings>> {
        self.findings(operators, context)
    }

    fn with_eigenvectors(self: Box<Self>, count: NonZeroUsize) -> Option<Box<dyn ProbeEstimator>> {
        Some(Box::new(Self { eigenvectors: count.get(), ..*self }))
    }

    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        self.scheduled(operators).map(|_| ())
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], _allowed: usize) -> Result<Account> {
        memory(&self.scheduled(operators)?)
    }

    fn eigenvalues(&self, operator: &dyn CurvatureOperator) -> usize {
        eigenvalues(operator)
    }

    fn needs_factor(&self) -> bool {
        true
    }

    fn products(&self, dimension: usize) -> usize {
        self.eigenvectors.min(dimension)
    }

    fn description(&self) -> String {
        let of = "all eigenvalues of the Gram matrix of per-sample gradients";
        match self.parameters.drop {
            0.0 => of.to_owned(),
            share => format!("{of}, each at most {share:e} of the trace too small"),
        }
    }
}

/// Bytes that a target needs in addition to its matrix.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// For processing the finished matrix.
    pub beside: usize,
    /// For computing eigenvectors of the matrix, once no rows are multiplied any more.
    pub of_pairs: usize,
    /// For eigenvectors, until all targets are finished.
    pub vectors: usize,
}

/// The jobs for these operators, each with its schedule. `needs(target, source)` are those of a
/// target of a job with this source.
pub(crate) fn scheduled<'a>(
    operators: &[&'a dyn CurvatureOperator],
    side: Side,
    max_rows: usize,
    needs: impl Fn(&Target, &dyn FactorSource) -> Needs,
) -> Result<Vec<(Job<'a>, Schedule)>> {
    let jobs = Job::all(operators, side)?.into_iter().map(|mut job| {
        for target in &mut job.targets {
            let of_target = needs(target, &*job.source);
            (target.beside, target.of_pairs) = (of_target.beside, of_target.of_pairs);
            job.vectors = job.vectors.saturating_add(of_target.vectors);
        }
        job.targets.iter().try_for_each(|target| check_rows(target, max_rows))?;
        let schedule = Schedule::new(&job)?;
        Ok((job, schedule))
    });
    jobs.collect()
}

/// The memory of the job that needs the most; jobs run one after another.
pub(crate) fn memory(jobs: &[(Job, Schedule)]) -> Result<Account> {
    let accounts = jobs.iter().map(|(job, schedule)| schedule.memory(job)).collect::<Result<Vec<_>>>()?;
    Ok(accounts.into_iter().max_by_key(Account::total).unwrap_or_default())
}

/// The largest possible number of non-zero eigenvalues of ΦᵀΦ, min(M, P).
pub(crate) fn eigenvalues(operator: &dyn CurvatureOperator) -> usize {
    let rows = operator.factor().map(|factor| factor.source.samples().saturating_mul(factor.source.rank()));
    rows.unwrap_or(usize::MAX).min(operator.dimension())
}

fn check_rows(target: &Target, max_rows: usize) -> Result<()> {
    if target.n() <= max_rows {
        return Ok(());
    }
    let gibibytes = target.of_matrix() as f64 / f64::from(1 << 30);
    Err(Error::input(
        target.description(),
        format!(
            "its Gram matrix has {} rows and takes {gibibytes:.1} GiB of memory; `max_rows` is {max_rows}",
            target.n(),
        ),
        "use fewer samples, raise `max_rows`, or use the estimator \"lanczos\"",
    ))
}

/// The result for one target.
struct Found {
    /// Ascending.
    eigenvalues: Vec<f64>,
    /// The largest, with eigenvectors of the matrix.
    pairs: Vec<Pair>,
    /// The full trace, where rows were dropped.
    trace: Option<f64>,
}

impl Found {
    /// The operator's spectrum, and the pairs of the eigenvalues that it lists.
    fn spectrum(mut self, target: &Target, rounding: &Rounding) -> Result<(Spectrum, Vec<Pair>)> {
        let cut = rounding.of_eigenvalues(target, &self.eigenvalues);
        self.pairs.retain(|(value, _)| *value > cut);
        let exact = Spectrum::exact_above(target.dimension, cut, self.eigenvalues, 0)?;
        let spectrum = match self.trace {
            // No eigenvalue decreases by more than the dropped part of the trace.
            Some(trace) => {
                let dropped = (trace - exact.trace).max(0.0);
                let residuals = vec![dropped; exact.eigenvalues.len()];
                let extreme_bounds = Some([exact.lambda_min(), exact.lambda_max() + dropped]);
                Spectrum { exact: false, trace, residuals, extreme_bounds, ..exact }
            }
            None => exact,
        };
        Ok((spectrum, self.pairs))
    }
}

/// Adds `gram` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<GramParameters>(
        "gram",
        "every eigenvalue, exactly, from per-sample gradients: of a Gauss-Newton matrix, or of a Hessian proved to be equal to it",
        |parameters, _| Ok(Box::new(Gram::new(parameters)?)),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use candle_core::DType;
    use eigenscape_core::{Context, CurvatureOperator, ProbeEstimator, Result, Spectrum};

    use super::{Gram, GramParameters};
    use crate::{
        dense::Dense,
        testing::{DenseOperator, assert_close, on_threads},
    };

    fn gram(operator: &DenseOperator) -> Spectrum {
        Gram::default().spectrum(operator, &Context::silent(0)).unwrap()
    }

    #[test]
    fn agrees_with_the_dense_matrix_on_either_side() {
        // R·N rows against o·i + explicit columns: M < P, M > P and M = P; an outer factor, an
        // explicit one and both.
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
                let dense = Dense::default().spectrum(&operator, &Context::silent(0)).unwrap();
                let common = rank.min(dense.eigenvalues.len());
                assert_close(&found.eigenvalues[..common], &dense.eigenvalues[..common], tolerance * largest);
            }
        }
    }

    #[test]
    fn an_interrupt_ends_products_of_rows() {
        for (n, outer, explicit) in
            [(20, Some((1, 4, 5)), None), (5, Some((3, 6, 7)), None), (6, None, Some(31))]
        {
            let operator = DenseOperator::with_factor(2, n, outer, explicit, 1, DType::F64);
            let context = Context::silent(0);
            assert!(Gram::default().spectrum(&operator, &context).is_ok());
            context.interrupt.request();
            let stopped = Gram::default().spectrum(&operator, &context);
            assert!(matches!(stopped, Err(eigenscape_core::Error::Interrupted)));
        }
    }

    #[test]
    fn what_is_dropped_lowers_no_eigenvalue_by_more_than_its_share() {
        for (seed, (r, n, outer, explicit)) in
            [(3, 20, Some((1, 7, 9)), None), (2, 30, None, Some(25)), (2, 40, Some((2, 5, 4)), Some(11))]
                .into_iter()
                .enumerate()
        {
            let operator = DenseOperator::with_factor(r, n, outer, explicit, seed as u64, DType::F64);
            let (expected, trace) = (operator.eigenvalues(), operator.trace());
            for share in [0.0, 1e-3, 0.05, 0.3] {
                let estimator =
                    Gram::new(GramParameters { drop: share, ..GramParameters::default() }).unwrap();
                let found = estimator.spectrum(&operator, &Context::silent(0)).unwrap();
                assert!((found.trace - trace).abs() < 1e-12 * trace && found.trace_stderr == Some(0.0));
                let count = found.eigenvalues.len();
                assert_eq!(
                    (found.exact, count < gram(&operator).eigenvalues.len()),
                    (share < 0.02, share > 0.02)
                );
                for (i, expected) in expected.iter().enumerate() {
                    let lost = expected - found.eigenvalues.get(i).copied().unwrap_or(0.0);
                    assert!(
                        (-1e-12 * trace..=(share + 1e-12) * trace).contains(&lost),
                        "{share}: {lost} of {trace}"
                    );
                }
            }
        }
        // Zero rows (dead units) contribute nothing, whether they are dropped or not.
        let dead = DenseOperator::with_row_norms(&[1.0, 0.0, 0.5, 0.0], 10, DType::F64);
        for share in [0.0, 1e-3] {
            let estimator = Gram::new(GramParameters { drop: share, ..GramParameters::default() }).unwrap();
            let found = estimator.spectrum(&dead, &Context::silent(0)).unwrap();
            assert!(found.exact && found.eigenvalues.len() == 2, "{share}: {found:?}");
        }
        for share in [-0.1, 1.0, f64::NAN] {
            let error = Gram::new(GramParameters { drop: share, ..GramParameters::default() }).unwrap_err();
            assert!(error.to_string().contains("at least 0 and below 1"), "{error}");
        }
    }

    #[test]
    fn tells_the_rank_of_a_deficient_factor() {
        // Each of 8 rows appears twice, equal up to rounding: 16 rows of rank 8.
        for dtype in [DType::F64, DType::F32] {
            let operator = DenseOperator::with_repeated_rows(8, 40, 5, dtype);
            let found = gram(&operator);
            assert_eq!(found.eigenvalues.len(), 8, "{dtype:?}");
            assert!((found.mass_at_zero() - 32.0 / 40.0).abs() < 1e-14);
        }
    }

    #[test]
    fn resolves_small_eigenvalues_of_an_f32_factor() {
        // Orthogonal rows of norms 1, 1e-2, 1e-4: eigenvalues 1, 1e-4 and 1e-8, the last far below
        // f32's ε.
        let operator = DenseOperator::with_row_norms(&[1.0, 1e-2, 1e-4], 10, DType::F32);
        let found = gram(&operator);
        assert_eq!(found.eigenvalues.len(), 3);
        for (value, expected) in found.eigenvalues.iter().zip([1.0, 1e-4, 1e-8]) {
            assert!((value / expected - 1.0).abs() < 1e-5, "{value} against {expected}");
        }
    }

    /// Groups of one and of several variables out of two outer and two explicit ones, 60 rows: some
    /// use ΦΦᵀ, others ΦᵀΦ.
    fn blocks(memory: usize, dtype: DType) -> Vec<DenseOperator> {
        let outer = [(1, 8, 9), (4, 5, 3)];
        let whole = DenseOperator::with_factor(3, 20, outer, [70, 4], 5, dtype).with_memory(memory);
        let groups: [&[usize]; 7] = [&[0, 1, 2, 3], &[0], &[1], &[2], &[3], &[1, 3], &[0, 2]];
        groups.map(|variables| whole.block(variables)).into()
    }

    fn spectra(operators: &[DenseOperator]) -> Result<Vec<Spectrum>> {
        let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        Gram::default().spectra(&operators, &Context::silent(0))
    }

    #[test]
    fn does_not_depend_on_how_the_work_is_split() {
        let whole = blocks(usize::MAX, DType::F64);
        let expected = spectra(&whole).unwrap();
        for (found, operator) in expected.iter().zip(&whole) {
            let theirs = operator.eigenvalues();
            assert_close(&found.eigenvalues, &theirs[..found.eigenvalues.len()], 1e-12 * theirs[0]);
            assert_eq!(found, &gram(operator), "alone or together");
        }
        let mut splits = BTreeSet::new();
        for memory in (0..400).map(|i| 20_000 + 1_000 * i) {
            let operators = blocks(memory, DType::F64);
            // Skip sizes that are too small for every schedule.
            let Ok(found) = spectra(&operators) else { continue };
            for (found, expected) in found.iter().zip(&expected) {
                let tolerance = 1e-12 * expected.eigenvalues[0];
                assert_close(&found.eigenvalues, &expected.eigenvalues, tolerance);
            }
            let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|o| o as _).collect();
            let schedule = &Gram::default().scheduled(&operators).unwrap()[0].1;
            splits.insert(schedule.parts.iter().map(|part| part.blocks).collect::<Vec<_>>());
        }
        assert!(splits.contains(&vec![1]), "all at once");
        assert!(splits.iter().any(|parts| parts.len() > 1), "several parts: {splits:?}");
        assert!(splits.iter().any(|parts| parts.iter().any(|blocks| *blocks > 5)), "many blocks: {splits:?}");
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_computed() {
        let operators = blocks(20_000, DType::F64);
        let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        let error = Gram::default().check(&operators).unwrap_err().to_string();
        for words in ["test operator", "Gram matrix of 60 rows", "`memory`", "fewer samples", "lanczos"] {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        for memory in [usize::MAX, 200_000] {
            let run = |threads| on_threads(threads, || spectra(&blocks(memory, DType::F32)).unwrap());
            assert_eq!(run(1), run(3));
        }
        let operator = DenseOperator::with_factor(3, 100, Some((4, 20, 30)), Some(200), 7, DType::F32);
        let one = on_threads(1, || gram(&operator));
        let three = on_threads(3, || gram(&operator));
        assert_eq!(one, three);
    }

    #[test]
    fn refuses_what_has_no_finite_factor_of_a_size_that_fits() {
        let message = |estimator: Gram, operator: &DenseOperator| {
            estimator.spectrum(operator, &Context::silent(0)).unwrap_err().to_string()
        };
        let small = Gram::new(GramParameters { max_rows: 9, ..GramParameters::default() }).unwrap();
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
