//! Eigenvectors of the estimators, compared with the matrix.

use std::num::NonZeroUsize;

use candle_core::DType;
use eigenscape_core::{Context, CurvatureOperator, Findings, ProbeEstimator, Silent};

use super::*;
use crate::{
    dense::{Dense, DenseParameters},
    gram::{Gram, GramParameters},
    hutchinson::Hutchinson,
    lanczos::{Lanczos, LanczosParameters},
    testing::{DenseOperator, assert_close, on_threads},
    trace::Trace,
};

fn count(count: usize) -> NonZeroUsize {
    count.try_into().unwrap()
}

fn found(
    estimator: impl ProbeEstimator + 'static,
    vectors: usize,
    operators: &[&DenseOperator],
) -> Vec<Findings> {
    let estimator = Box::new(estimator).with_eigenvectors(count(vectors)).unwrap();
    let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| *operator as _).collect();
    estimator.estimate_parts(&operators, &Context::silent(4)).unwrap()
}

fn lanczos(steps: usize, probes: usize) -> Lanczos {
    let parameters = LanczosParameters::default();
    Lanczos::new(LanczosParameters { steps: count(steps), probes: count(probes), ..parameters })
}

fn vector(pair: &Eigenpair) -> Vec<f64> {
    pair.vector.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

fn dot(v: &[f64], w: &[f64]) -> f64 {
    v.iter().zip(w).map(|(v, w)| v * w).sum()
}

/// Asserts that the pairs have these values, and orthonormal vectors of the operator's type with
/// the residuals that they say, which are at most `tolerance`.
#[track_caller]
fn assert_pairs(
    operator: &DenseOperator,
    Findings { estimate, eigenpairs, .. }: &Findings,
    expected: &[f64],
    tolerance: f64,
) {
    let values: Vec<f64> = eigenpairs.iter().map(|pair| pair.value).collect();
    assert_close(&values, expected, tolerance);
    let listed = &estimate.spectrum().unwrap().eigenvalues;
    for (k, pair) in eigenpairs.iter().enumerate() {
        assert!(listed.contains(&pair.value) && pair.vector.dtype() == operator.dtype());
        let v = vector(pair);
        let difference = |(w, v): (f64, &f64)| (w - pair.value * v).powi(2);
        let residual = operator.times(&v).into_iter().zip(&v).map(difference).sum::<f64>().sqrt();
        assert!(residual <= tolerance, "pair {k}: {residual:e}");
        assert!(
            (residual - pair.residual).abs() <= 0.5 * tolerance,
            "{residual:e} and not {:e}",
            pair.residual
        );
        let largest = v.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        assert!(v.iter().find(|x| x.abs() >= 0.999 * largest).is_some_and(|x| *x > 0.0));
        for (l, other) in eigenpairs[..=k].iter().enumerate() {
            let along = dot(&v, &vector(other));
            assert!((along - f64::from(u8::from(l == k))).abs() < tolerance, "{k} and {l}: {along:e}");
        }
    }
}

#[test]
fn the_largest_element_is_positive() -> Result<()> {
    let half = 0.5_f64.sqrt();
    let cases = [
        ([3.0, -4.0], [-0.6, 0.8]),
        ([4.0, -3.0], [0.8, -0.6]),
        ([-1.0, 1.0], [half, -half]),
        // Equally large but for rounding.
        ([-1.0, 1.0 + 1e-14], [half, -half]),
    ];
    for (vector, expected) in cases {
        let found = oriented_as(DType::F32, vector.to_vec())?.to_vec1::<f32>()?;
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 1e-7, "{vector:?}");
        }
    }
    Ok(())
}

#[test]
fn residuals_are_measured() -> Result<()> {
    let operator = DenseOperator::with_entries(2, |i, j| [[2.0, 1.0], [1.0, 2.0]][i][j]);
    let half = 0.5_f64.sqrt();
    let cases = [([half, half], 3.0, 0.0), ([half, half], 3.5, 0.5), ([1.0, 0.0], 2.0, 1.0)];
    for (vector, value, expected) in cases {
        let pairs = [(value, oriented(vector.to_vec())?)];
        let found = measured(&operator, &pairs, &Silent)?;
        assert!((found[0].residual - expected).abs() < 1e-15, "{vector:?}: {}", found[0].residual);
    }
    Ok(())
}

#[test]
fn products_give_the_eigenvectors_of_both_ends() {
    let spectrum: Vec<f64> =
        (0..60).map(|i| if i % 3 == 2 { -1.0 } else { 1.0 } * 9.0 * 0.75_f64.powi(i)).collect();
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let operator = DenseOperator::with_spectrum(&spectrum, 3, dtype);
        let of_dense = found(Dense::default(), 6, &[&operator]).remove(0);
        assert_pairs(&operator, &of_dense, &spectrum[..6], tolerance);
        assert_eq!(of_dense.estimate.spectrum().unwrap().products, 66);
        for probes in [1, 3] {
            let of_lanczos = found(lanczos(60, probes), 6, &[&operator]).remove(0);
            assert_pairs(&operator, &of_lanczos, &spectrum[..6], tolerance);
        }
    }
}

#[test]
fn spectra_are_those_without_eigenvectors() {
    let spectrum: Vec<f64> = (0..60).map(|i| 9.0 * 0.75_f64.powi(i)).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 3, DType::F32);
    let factored = DenseOperator::with_factor(3, 20, Some((1, 4, 5)), None, 1, DType::F32);
    let compare = |estimator: &dyn ProbeEstimator, with: Findings, operator: &DenseOperator| {
        let mut without = estimator.spectrum(operator, &Context::silent(4)).unwrap();
        without.products += 2;
        assert_eq!(*with.estimate.spectrum().unwrap(), without);
    };
    compare(&Dense::default(), found(Dense::default(), 2, &[&operator]).remove(0), &operator);
    compare(&lanczos(20, 3), found(lanczos(20, 3), 2, &[&operator]).remove(0), &operator);
    compare(&Gram::default(), found(Gram::default(), 2, &[&factored]).remove(0), &factored);
}

#[test]
fn factors_give_eigenvectors_from_either_side_in_any_memory() {
    let cases = [
        (3, 5, vec![(1, 6, 7)], vec![]),
        (3, 20, vec![(1, 4, 5)], vec![]),
        (2, 6, vec![], vec![31]),
        (2, 16, vec![], vec![9]),
        (2, 6, vec![(1, 5, 4)], vec![11]),
        (2, 9, vec![(3, 6, 7), (2, 150, 3)], vec![2, 1500]),
    ];
    for (seed, (r, n, outer, explicit)) in cases.into_iter().enumerate() {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 3e-6)] {
            let (outer, explicit) = (outer.clone(), explicit.clone());
            let operator = DenseOperator::with_factor(r, n, outer, explicit, seed as u64, dtype);
            let expected = &operator.eigenvalues()[..4];
            for memory in [usize::MAX, 100_000, 50_000] {
                let operator = operator.clone().with_memory(memory);
                let estimator = Box::new(Gram::default()).with_eigenvectors(count(4)).unwrap();
                if estimator.check(&[&operator]).is_err() {
                    assert!(memory < usize::MAX);
                    continue;
                }
                let of_gram = found(Gram::default(), 4, &[&operator]).remove(0);
                assert_pairs(&operator, &of_gram, expected, tolerance * expected[0]);
            }
        }
    }
}

/// Groups of several variables that share a factor, each with its own eigenvectors.
#[test]
fn groups_are_estimated_together() {
    let whole = DenseOperator::with_factor(3, 20, [(1, 8, 9), (4, 5, 3)], [70, 4], 5, DType::F64);
    let groups: [&[usize]; 5] = [&[0, 1, 2, 3], &[0], &[2], &[3], &[1, 3]];
    let blocks = groups.map(|variables| whole.block(variables));
    let together = found(Gram::default(), 3, &blocks.each_ref());
    for (block, findings) in blocks.iter().zip(&together) {
        let expected = &block.eigenvalues()[..3];
        assert_pairs(block, findings, expected, 1e-12 * expected[0]);
    }
}

#[test]
fn a_multiple_eigenvalue_has_a_basis_of_its_eigenspace() {
    let mut spectrum = vec![0.0; 40];
    spectrum[..7].copy_from_slice(&[3.0, 3.0, 3.0, -2.0, -2.0, 1.0, 1.0]);
    let operator = DenseOperator::with_spectrum(&spectrum, 2, DType::F64);
    for vectors in [2, 5, 7] {
        let of_dense = found(Dense::default(), vectors, &[&operator]).remove(0);
        assert_pairs(&operator, &of_dense, &spectrum[..vectors], 1e-12);
    }
    let rows = DenseOperator::with_row_norms(&[2.0, 2.0, 2.0, 1.0, 1.0], 12, DType::F64);
    let of_gram = found(Gram::default(), 4, &[&rows]).remove(0);
    assert_pairs(&rows, &of_gram, &[4.0, 4.0, 4.0, 1.0], 1e-12);
    // A Krylov space has one vector of each eigenspace.
    let of_lanczos = found(lanczos(40, 2), 5, &[&operator]).remove(0);
    assert_pairs(&operator, &of_lanczos, &[3.0, -2.0, 1.0], 1e-10);
}

#[test]
fn there_are_no_more_than_non_zero_eigenvalues_and_converged_ones() {
    let mut spectrum = vec![0.0; 30];
    spectrum[..3].copy_from_slice(&[5.0, -1.0, 1e-3]);
    for dtype in [DType::F64, DType::F32] {
        let operator = DenseOperator::with_spectrum(&spectrum, 1, dtype);
        let of_dense = found(Dense::default(), 9, &[&operator]).remove(0);
        assert_pairs(&operator, &of_dense, &spectrum[..3], 3e-6);
    }
    let zero = DenseOperator::with_spectrum(&[0.0; 5], 1, DType::F32);
    assert!(found(Dense::default(), 2, &[&zero])[0].eigenpairs.is_empty());
    assert!(found(lanczos(5, 1), 2, &[&zero])[0].eigenpairs.is_empty());
    let factored = DenseOperator::with_repeated_rows(3, 40, 5, DType::F32);
    assert_eq!(found(Gram::default(), 9, &[&factored])[0].eigenpairs.len(), 3);
    // A few outliers above a bulk: in few steps only the outliers converge.
    let mut spectrum: Vec<f64> = (0..300).map(|i| f64::from(i) / 300.0).collect();
    spectrum[..2].copy_from_slice(&[40.0, -20.0]);
    let operator = DenseOperator::with_spectrum(&spectrum, 6, DType::F64);
    let of_lanczos = found(lanczos(12, 1), 5, &[&operator]).remove(0);
    assert_pairs(&operator, &of_lanczos, &[40.0, -20.0], 1e-5);
}

/// Eigenvectors without the dropped rows are those of the remaining matrix; the residuals are those
/// of the whole.
#[test]
fn residuals_show_what_was_dropped() {
    let operator = DenseOperator::with_factor(2, 40, Some((2, 5, 4)), Some(11), 2, DType::F64);
    let trace = operator.trace();
    for share in [1e-3, 0.1] {
        let estimator = Gram::new(GramParameters { drop: share, ..GramParameters::default() }).unwrap();
        let findings = found(estimator, 3, &[&operator]).remove(0);
        for pair in &findings.eigenpairs {
            let v = vector(pair);
            let product = operator.times(&v);
            let residual =
                product.iter().zip(&v).map(|(w, v)| (w - pair.value * v).powi(2)).sum::<f64>().sqrt();
            assert!((residual - pair.residual).abs() < 1e-10 * trace && residual < 2.0 * share * trace);
            assert!(share < 0.01 || residual > 1e-6 * trace, "{residual:e}");
        }
        assert_eq!(findings.eigenpairs.len(), 3);
    }
}

#[test]
fn vectors_are_the_same_on_any_number_of_threads() {
    let bits = |findings: Vec<Findings>| -> Vec<(u64, u64, Vec<u64>)> {
        let pairs = findings.into_iter().flat_map(|findings| findings.eigenpairs);
        let of = |pair: Eigenpair| {
            let vector = vector(&pair).into_iter().map(f64::to_bits).collect();
            (pair.value.to_bits(), pair.residual.to_bits(), vector)
        };
        pairs.map(of).collect()
    };
    let spectrum: Vec<f64> = (0..300).map(|i| 9.0 * 0.9_f64.powi(i)).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 3, DType::F32);
    let factored = DenseOperator::with_factor(3, 60, Some((4, 20, 30)), Some(2500), 7, DType::F32);
    let all = || {
        let dense = Dense::new(DenseParameters::default());
        let found = [
            found(dense, 5, &[&operator]),
            found(lanczos(50, 2), 5, &[&operator]),
            found(Gram::default(), 5, &[&factored]),
        ];
        found.map(bits)
    };
    let one = on_threads(1, all);
    assert!(one.iter().all(|pairs| pairs.len() == 5));
    assert!([2, 4].into_iter().all(|threads| on_threads(threads, all) == one));
}

#[test]
fn estimators_of_one_number_find_none() {
    assert!(Box::new(Trace).with_eigenvectors(count(1)).is_none());
    assert!(Box::new(Hutchinson::default()).with_eigenvectors(count(1)).is_none());
}
