//! Tests of `gram`.

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
            assert!(expected[rank..].iter().all(|value| value.abs() < 10.0 * tolerance * largest), "{seed}");
            assert!((found.trace - operator.trace()).abs() < tolerance * operator.trace());
            let dense = Dense::default().spectrum(&operator, &Context::silent(0)).unwrap();
            let common = rank.min(dense.eigenvalues.len());
            assert_close(&found.eigenvalues[..common], &dense.eigenvalues[..common], tolerance * largest);
        }
    }
}

#[test]
fn an_interrupt_ends_products_of_rows() {
    for (n, outer, explicit) in [(20, Some((1, 4, 5)), None), (5, Some((3, 6, 7)), None), (6, None, Some(31))]
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
            let estimator = Gram::new(GramParameters { drop: share, ..GramParameters::default() }).unwrap();
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
    assert!(error.contains("10 rows") && error.contains("GiB") && error.contains("fewer samples"), "{error}");
    let unfactored = DenseOperator::with_spectrum(&[1.0, 2.0], 1, DType::F64);
    assert!(message(Gram::default(), &unfactored).contains("no factor"));
    let broken = operator.with_nan_in_factor();
    assert!(message(Gram::default(), &broken).contains("NaN"));
}

/// 240 rows whose norms decay by six orders of magnitude, with outer and explicit variables.
fn decaying(memory: usize, dtype: DType) -> DenseOperator {
    let scale = |row: usize| 10_f64.powf(-6.0 * (row * 7 % 240) as f64 / 240.0);
    let outer = [(1, 20, 15), (3, 12, 9)];
    DenseOperator::with_scaled_factor(4, 60, outer, [110], 11, dtype, scale).with_memory(memory)
}

fn dropping(drop: f64) -> Gram {
    Gram::new(GramParameters { drop, ..GramParameters::default() }).unwrap()
}

/// Asserts that no eigenvalue is too large, and none too small by more than `drop` of the trace.
fn assert_within(found: &Spectrum, expected: &[f64], trace: f64, drop: f64, rounding: f64) {
    assert!((found.trace - trace).abs() <= rounding * trace, "{} {trace}", found.trace);
    for (i, expected) in expected.iter().enumerate() {
        let lost = expected - found.eigenvalues.get(i).copied().unwrap_or(0.0);
        assert!((-rounding * trace..=(drop + rounding) * trace).contains(&lost), "{drop}: {i} by {lost}");
    }
    let [_, largest] = found.extreme_bounds.unwrap_or([0.0, found.eigenvalues[0]]);
    assert!(largest * (1.0 + 1e-12) >= expected[0] * (1.0 - rounding), "{largest} {}", expected[0]);
}

#[test]
fn few_rows_explain_a_decaying_factor() {
    for (dtype, rounding) in [(DType::F64, 1e-12), (DType::F32, 1e-6)] {
        let operator = decaying(usize::MAX, dtype);
        let (expected, trace) = (operator.eigenvalues(), operator.trace());
        for (drop, fewest, most) in [(1e-2, 5, 60), (1e-4, 20, 100), (1e-5, 40, 110)] {
            let found = dropping(drop).spectrum(&operator, &Context::silent(0)).unwrap();
            let count = found.eigenvalues.len();
            assert!((fewest..=most).contains(&count) && !found.exact, "{drop}: {count}");
            assert_within(&found, &expected, trace, drop, rounding);
            assert!(found.residuals.iter().all(|residual| *residual <= drop * trace * (1.0 + 1e-9)));
        }
    }
}

/// Rows that others explain are not among the pivots, however large they are.
#[test]
fn repeated_rows_are_found_once() {
    let operator = DenseOperator::with_repeated_rows(30, 200, 5, DType::F64);
    let found = dropping(1e-9).spectrum(&operator, &Context::silent(0)).unwrap();
    assert_eq!(found.eigenvalues.len(), 30);
    assert_within(&found, &operator.eigenvalues(), operator.trace(), 1e-9, 1e-12);
}

#[test]
fn a_factor_of_low_rank_does_not_depend_on_memory_nor_on_threads() {
    let (expected, trace) = (decaying(usize::MAX, DType::F64).eigenvalues(), decaying(0, DType::F64).trace());
    let mut blocks = BTreeSet::new();
    for memory in (0..60).map(|i| 100_000 + 50_000 * i) {
        let operator = decaying(memory, DType::F64);
        let Ok(planned) = dropping(1e-4).scheduled(&[&operator]) else { continue };
        let found = match dropping(1e-4).spectrum(&operator, &Context::silent(0)) {
            Ok(found) => found,
            // Too few columns fit into memory.
            Err(error) => {
                assert!(
                    memory < 600_000 && error.to_string().contains("of the 240 rows"),
                    "{memory}: {error}"
                );
                continue;
            }
        };
        assert_within(&found, &expected, trace, 1e-4, 1e-12);
        if planned[0].0.targets[0].most.is_some() {
            blocks.insert(planned[0].1.parts.iter().map(|part| part.blocks).collect::<Vec<_>>());
        }
    }
    assert!(blocks.contains(&vec![1]) && blocks.len() > 3, "{blocks:?}");
    let operators: Vec<DenseOperator> = [&[0, 1, 2][..], &[0], &[1], &[2], &[0, 2]]
        .map(|variables| decaying(usize::MAX, DType::F32).block(variables))
        .into();
    let run = |threads| {
        let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        on_threads(threads, || dropping(1e-4).spectra(&operators, &Context::silent(0)).unwrap())
    };
    assert_eq!(run(1), run(3));
    for (found, operator) in run(1).iter().zip(&operators) {
        assert_within(found, &operator.eigenvalues(), operator.trace(), 1e-4, 1e-6);
    }
}

#[test]
fn what_is_left_of_many_rows_has_to_fit() {
    let few = |max_rows, drop| Gram::new(GramParameters { max_rows, drop }).unwrap();
    let operator = decaying(usize::MAX, DType::F64);
    let context = Context::silent(0);
    assert!(few(80, 0.0).spectrum(&operator, &context).unwrap_err().to_string().contains("240 rows"));
    let found = few(80, 1e-3).spectrum(&operator, &context).unwrap();
    assert_within(&found, &operator.eigenvalues(), operator.trace(), 1e-3, 1e-12);
    let error = few(20, 1e-3).spectrum(&operator, &context).unwrap_err().to_string();
    for words in ["20 of the 240 rows", "`drop` is 1e-3", "`max_rows`", "lanczos"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn eigenvectors_of_a_factor_of_low_rank_are_those_of_the_operator() {
    let operator = decaying(usize::MAX, DType::F64);
    let estimator = Box::new(dropping(1e-6)).with_eigenvectors(3.try_into().unwrap()).unwrap();
    let found = estimator.estimate_parts(&[&operator], &Context::silent(0)).unwrap().swap_remove(0);
    assert_eq!(found.eigenpairs.len(), 3);
    for (pair, expected) in found.eigenpairs.iter().zip(operator.eigenvalues()) {
        assert!((pair.value / expected - 1.0).abs() < 1e-4, "{} {expected}", pair.value);
        assert!(pair.residual < 1e-2 * expected, "{}", pair.residual);
    }
}
