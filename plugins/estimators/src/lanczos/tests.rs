use candle_core::DType;
use eigenscape_core::{Context, Probe, ProbeEstimator, Random, Spectrum};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Lanczos, LanczosParameters, Starts};
use crate::{
    float::Float,
    testing::{DenseOperator, assert_close, on_threads},
};

fn lanczos(steps: usize, probes: usize, probe: Probe) -> Lanczos {
    let (steps, probes) = (steps.try_into().unwrap(), probes.try_into().unwrap());
    Lanczos::new(LanczosParameters { steps, probes, probe, ..LanczosParameters::default() })
}

fn deflating(steps: usize, probes: usize, probe: Probe) -> Lanczos {
    let parameters = LanczosParameters { deflation: true, ..lanczos(steps, probes, probe).parameters };
    Lanczos::new(parameters)
}

fn averaging(estimator: Lanczos) -> Lanczos {
    Lanczos::new(LanczosParameters { averaged: true, ..estimator.parameters })
}

/// The start vector of the probe with this index.
fn start<T: Float>(probe: Probe, dimension: usize, probes: usize, seed: u64, index: usize) -> Vec<T> {
    let starts = Starts { probe, asked: probes.try_into().unwrap(), dimension, random: Random::new(seed) };
    starts.different(index)
}

fn estimate(estimator: &Lanczos, operator: &DenseOperator, seed: u64) -> Spectrum {
    estimator.spectrum(operator, &Context::silent(seed)).unwrap()
}

/// A spectrum like that of a network: a few large outliers, a bulk that decays towards zero, a
/// negative eigenvalue, and a null space.
fn network_like(dimension: usize) -> Vec<f64> {
    let mut spectrum = vec![0.0; dimension];
    spectrum[..6].copy_from_slice(&[40.0, 33.0, 20.0, 12.0, 7.0, -3.0]);
    for (i, value) in spectrum[6..dimension / 2].iter_mut().enumerate() {
        *value = 2.0 * 0.9_f64.powi(i as i32);
    }
    spectrum
}

#[test]
fn as_many_steps_as_dimensions_give_every_eigenvalue() {
    let spectrum: Vec<f64> = (0..40).map(|i| f64::from(i) - 12.0).collect();
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-4)] {
        let operator = DenseOperator::with_spectrum(&spectrum, 2, dtype);
        let found = estimate(&lanczos(40, 1, Probe::Gaussian), &operator, 0);
        let expected: Vec<f64> = spectrum.iter().rev().copied().collect();
        assert_close(&found.eigenvalues, &expected, tolerance);
        assert!(!found.exact && found.products == 40 && found.trace_stderr.is_none());
    }
}

/// The moments of the quadrature equal vᵀHᵏv for degrees below 2m, those of the averaged rules
/// below 2(m − 1); the moment of the next degree differs.
#[test]
fn the_quadrature_is_exact_to_degree_twice_the_steps_less_one() {
    let spectrum: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 4, DType::F64);
    for probe in [Probe::Rademacher, Probe::Gaussian] {
        for (steps, averaged) in
            [(1, false), (2, false), (5, false), (9, false), (2, true), (5, true), (9, true)]
        {
            let estimator = lanczos(steps, 1, probe);
            let estimator = if averaged { averaging(estimator) } else { estimator };
            let exact = 2 * (steps - usize::from(averaged));
            let found = estimate(&estimator, &operator, 3);
            let v: Vec<f64> = start(probe, 60, 1, 3, 0);
            let quadrature = |k: i32| -> f64 {
                found.eigenvalues.iter().zip(&found.weights).map(|(theta, w)| w * theta.powi(k)).sum()
            };
            let mut power = v.clone();
            for degree in 0..=exact {
                let moment: f64 = v.iter().zip(&power).map(|(a, b)| a * b).sum();
                let error = (quadrature(degree as i32) - moment).abs();
                if degree < exact {
                    assert!(error < 1e-14, "{probe}, {steps} steps, degree {degree}: {error:e}");
                } else if steps <= 5 {
                    assert!(error > 1e-6, "degree {degree} is beyond {steps} steps: {error:e}");
                }
                power = operator.times(&power);
            }
            assert!((found.trace - 60.0 * quadrature(1)).abs() < 1e-12);
        }
    }
}

#[test]
fn converged_eigenvalues_have_no_ghosts() {
    // The outliers converge within 20 steps; without reorthogonalisation, the other 100 steps would
    // find each of them several times.
    let spectrum = network_like(400);
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 3e-6)] {
        let operator = DenseOperator::with_spectrum(&spectrum, 5, dtype);
        let found = estimate(&lanczos(120, 1, Probe::Rademacher), &operator, 0);
        assert_close(&found.eigenvalues[..5], &spectrum[..5], 40.0 * tolerance);
        assert!((found.eigenvalues.last().unwrap() + 3.0).abs() < 40.0 * tolerance);
        for value in &spectrum[..6] {
            let near = found.eigenvalues.iter().filter(|theta| (*theta - value).abs() < 0.1).count();
            assert_eq!(near, 1, "{value} in {dtype:?}");
        }
    }
}

#[test]
fn a_basis_stays_orthonormal_to_rounding() {
    use super::{krylov::Krylov, on_host::OnHost};
    let operator = DenseOperator::with_spectrum(&network_like(300), 6, DType::F32);
    let v: Vec<f32> = start(Probe::Rademacher, 300, 1, 0, 0);
    let vectors = OnHost::<f32>::new(&operator);
    let mut krylov = Krylov::start(&vectors, v, 100, f64::from(f32::EPSILON)).unwrap();
    let mut basis: Vec<Vec<f32>> = Vec::new();
    while krylov.runs() {
        basis.push(krylov.last().to_vec());
        let wide: Vec<f64> = krylov.last().iter().map(|x| f64::from(*x)).collect();
        krylov.extend(operator.times(&wide).iter().map(|x| *x as f32).collect()).unwrap().unwrap();
    }
    assert_eq!(basis.len(), 100);
    for (i, a) in basis.iter().enumerate() {
        for (j, b) in basis.iter().enumerate() {
            let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((product - f64::from(u8::from(i == j))).abs() < 1e-6, "{i} {j}: {product:e}");
        }
    }
}

#[test]
fn an_invariant_subspace_ends_its_probe() {
    // Three distinct eigenvalues: three steps, each eigenvalue once, weights near the
    // multiplicities.
    let mut spectrum = vec![0.0; 90];
    spectrum[..30].fill(1.0);
    spectrum[30..40].fill(-2.0);
    for dtype in [DType::F64, DType::F32] {
        let operator = DenseOperator::with_spectrum(&spectrum, 8, dtype);
        let found = estimate(&lanczos(50, 1, Probe::Rademacher), &operator, 1);
        assert_close(&found.eigenvalues, &[1.0, 0.0, -2.0], 1e-5);
        assert_eq!(found.products, 3);
        let many = estimate(&lanczos(50, 100, Probe::Rademacher), &operator, 1);
        let mass = |at: f64| -> f64 {
            let near =
                many.eigenvalues.iter().zip(&many.weights).filter(|(theta, _)| (*theta - at).abs() < 1e-3);
            near.map(|(_, weight)| weight).sum()
        };
        assert!((mass(1.0) - 1.0 / 3.0).abs() < 0.03 && (mass(-2.0) - 1.0 / 9.0).abs() < 0.03);
    }
}

#[test]
fn one_probe_ends_and_the_others_go_on() {
    // Of the vectors of signs in three dimensions, ±(1, 1, 1) is an eigenvector, and all others
    // have components in all three eigenspaces.
    let columns = [[1.0, 1.0, 1.0], [1.0, 2.0, -3.0], [5.0, -4.0, -1.0]];
    let operator = DenseOperator::with_eigenvectors(&columns, &[4.0, 1.0, -2.0], DType::F64);
    let steps_of = |seed, index| -> usize {
        let v: Vec<f64> = start(Probe::Rademacher, 3, 2, seed, index);
        if v.iter().all(|x| *x == v[0]) { 1 } else { 3 }
    };
    let steps = |seed| [0, 1].map(|index| steps_of(seed, index));
    let seed = (0..100).find(|seed| steps(*seed).contains(&1) && steps(*seed).contains(&3)).unwrap();
    let steps = steps(seed);
    let found = estimate(&lanczos(10, 2, Probe::Rademacher), &operator, seed);
    assert_eq!(found.products, steps.iter().sum::<usize>());
    assert_eq!((found.eigenvalues.len(), operator.calls()), (found.products, 3));
    for theta in &found.eigenvalues {
        assert!([4.0, 1.0, -2.0].iter().any(|value| (theta - value).abs() < 1e-13), "{theta}");
    }
}

#[test]
fn multiples_of_the_identity_have_an_exact_trace() {
    for value in [0.0, 1.0] {
        let operator = DenseOperator::with_spectrum(&[value; 20], 1, DType::F64);
        let found = estimate(&lanczos(10, 3, Probe::Rademacher), &operator, 0);
        assert_eq!(found.products, 3);
        assert_close(&found.eigenvalues, &[value; 3], 1e-14);
        assert!((found.trace - 20.0 * value).abs() < 1e-12);
        assert!(found.trace_stderr.unwrap() < 1e-12);
    }
}

#[test]
fn one_dimension_takes_one_step() {
    let operator = DenseOperator::with_spectrum(&[-3.0], 1, DType::F32);
    let found = estimate(&Lanczos::default(), &operator, 0);
    assert_eq!(
        (found.eigenvalues.as_slice(), found.weights.as_slice(), found.products),
        ([-3.0].as_slice(), [1.0].as_slice(), 1)
    );
    assert_eq!((found.trace, Lanczos::default().products(1)), (-3.0, 1));
}

/// Over many seeds, the bias of the trace is at most four standard errors, and the stated standard
/// error agrees with the observed one.
fn assert_honest_trace(estimator: impl Fn(usize, Probe) -> Lanczos) {
    let spectrum = network_like(100);
    let truth: f64 = spectrum.iter().sum();
    let operator = DenseOperator::with_spectrum(&spectrum, 9, DType::F64);
    let (runs, probes) = (400_u32, 8);
    for probe in [Probe::Rademacher, Probe::Gaussian] {
        let estimator = estimator(probes, probe);
        let found: Vec<Spectrum> =
            (0..runs).map(|seed| estimate(&estimator, &operator, u64::from(seed))).collect();
        let n = f64::from(runs);
        let mean = found.iter().map(|s| s.trace).sum::<f64>() / n;
        let deviation = (found.iter().map(|s| (s.trace - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        assert!((mean - truth).abs() < 4.0 * deviation / n.sqrt(), "{probe}: {mean} against {truth}");
        // The squares are compared: a sample variance is unbiased, a sample deviation is not.
        let stated = found.iter().map(|s| s.trace_stderr.unwrap().powi(2)).sum::<f64>() / n;
        let ratio = stated / (deviation * deviation);
        assert!((0.75..1.33).contains(&ratio), "{probe}: {ratio}");
    }
}

#[test]
fn the_trace_is_unbiased_and_its_standard_error_honest() {
    assert_honest_trace(|probes, probe| lanczos(2, probes, probe));
    assert_honest_trace(|probes, probe| averaging(lanczos(20, probes, probe)));
}

#[test]
fn the_trace_with_deflation_is_unbiased_and_its_standard_error_honest() {
    assert_honest_trace(|probes, probe| deflating(20, probes, probe));
    assert_honest_trace(|probes, probe| averaging(deflating(20, probes, probe)));
}

/// Asserts that Student's 95 % interval covers the trace for about 95 % of 400 seeds, with 2, 4 and
/// 8 probes, with deflation and without.
fn assert_covered(operator: &DenseOperator, truth: f64, probe: Probe) {
    for deflation in [false, true] {
        for probes in [2, 4, 8] {
            let estimator = lanczos(10, probes, probe);
            let estimator = if deflation { deflating(10, probes, probe) } else { estimator };
            let covers = |seed: &u64| {
                let found = estimate(&estimator, operator, *seed);
                assert_eq!(found.probes, Some(probes));
                let freedom = found.trace_freedom.unwrap();
                let quantile = StudentsT::new(0.0, 1.0, freedom).unwrap().inverse_cdf(0.975);
                (found.trace - truth).abs() <= quantile * found.trace_stderr.unwrap()
            };
            let coverage = (0..400_u64).filter(covers).count() as f64 / 400.0;
            assert!((0.92..=0.98).contains(&coverage), "{probes} {probe}, {deflation}: {coverage}");
        }
    }
}

fn assert_coverage(spectrum: &[f64]) {
    let operator = DenseOperator::with_spectrum(spectrum, 11, DType::F64);
    for probe in [Probe::Gaussian, Probe::Rademacher] {
        assert_covered(&operator, spectrum.iter().sum(), probe);
    }
}

/// An eigenvector with few non-zero elements, to which many vectors of random signs are orthogonal,
/// plus a multiple of the identity.
#[test]
fn intervals_cover_the_trace_of_an_eigenvector_of_few_elements() {
    let size = 120;
    for elements in [1, 2, 3] {
        let operator = DenseOperator::with_entries(size, |i, j| {
            let outlier = if i < elements && j < elements { 10.0 / elements as f64 } else { 0.0 };
            outlier + if i == j { 0.01 } else { 0.0 }
        });
        assert_covered(&operator, 10.0 + 0.01 * size as f64, LanczosParameters::default().probe);
    }
}

#[test]
fn intervals_cover_the_trace_of_a_spectrum_that_decays() {
    assert_coverage(&(0..90).map(|i| 10.0 * 0.93_f64.powi(i)).collect::<Vec<_>>());
}

/// As in the last layer under the mean squared error with ten outputs, each eigenvalue has the
/// multiplicity ten.
#[test]
fn intervals_cover_the_trace_of_multiple_eigenvalues() {
    assert_coverage(&(0..100).map(|i| 10.0 * 0.6_f64.powi(i / 10)).collect::<Vec<_>>());
}

#[test]
fn intervals_cover_the_trace_of_low_rank_and_a_bulk() {
    assert_coverage(
        &(0..100).map(|i| if i < 10 { 40.0 - f64::from(i) } else { 0.02 * f64::from(i) }).collect::<Vec<_>>(),
    );
}

#[test]
fn intervals_cover_the_trace_of_an_indefinite_matrix_with_outliers() {
    let bulk = |i: i32| (f64::from(i) * 0.7).sin();
    let outliers = [12.0, 9.0, 7.0, -6.0, -5.0];
    assert_coverage(&outliers.into_iter().chain((0..85).map(bulk)).collect::<Vec<_>>());
}

/// The samples are skewed: with the degrees of freedom of normal samples the interval covers 91 %.
#[test]
fn intervals_cover_the_trace_of_a_few_eigenvalues_over_a_flat_bulk() {
    let outliers = [50.0, 40.0, 30.0, 20.0, 10.0];
    assert_coverage(&outliers.into_iter().chain((0..95).map(|_| 0.1)).collect::<Vec<_>>());
}

/// Converged eigenvalues contribute exactly, so that the trace has a smaller error; with one probe
/// this costs one additional product.
#[test]
fn deflation_takes_chance_out_of_the_trace() {
    let spectrum = network_like(200);
    let truth: f64 = spectrum.iter().sum();
    let operator = DenseOperator::with_spectrum(&spectrum, 5, DType::F64);
    let root_mean_square = |estimator: &Lanczos| {
        let errors = (0..40).map(|seed| estimate(estimator, &operator, seed).trace - truth);
        (errors.map(|error| error * error).sum::<f64>() / 40.0).sqrt()
    };
    let (plain, known) = (lanczos(40, 1, Probe::Rademacher), deflating(40, 1, Probe::Rademacher));
    assert!(root_mean_square(&known) < 0.1 * root_mean_square(&plain));
    let found = estimate(&known, &operator, 0);
    assert_eq!((found.products, known.products(200), found.trace_stderr), (41, 41, None));
    // With as many steps as dimensions, the trace is exact.
    let found = estimate(&deflating(200, 2, Probe::Rademacher), &operator, 0);
    assert!((found.trace - truth).abs() < 1e-10 && found.trace_stderr.unwrap() < 1e-10, "{found:?}");
}

/// A multiple eigenvalue keeps its weight in the spectrum.
#[test]
fn deflation_knows_multiple_eigenvalues_by_their_weights() {
    let mut spectrum = vec![0.0; 400];
    for (i, value) in spectrum[..100].iter_mut().enumerate() {
        *value = if i < 50 { 40.0 - 7.0 * (i / 10) as f64 } else { 2.0 * 0.9_f64.powi(i as i32 - 50) };
    }
    let operator = DenseOperator::with_spectrum(&spectrum, 5, DType::F64);
    for probes in [1, 2, 4] {
        let share = |seed| {
            let found = estimate(&deflating(40, probes, Probe::Rademacher), &operator, seed);
            let outliers = found.eigenvalues.iter().zip(&found.weights).filter(|(value, _)| **value > 5.0);
            outliers.map(|(_, weight)| weight).sum::<f64>()
        };
        let mean = (0..20).map(share).sum::<f64>() / 20.0;
        // Counted once each, the five would have the weight 5/400. The standard error is at most
        // 0.125 √(2/50/20).
        assert!((mean - 0.125).abs() < 0.02, "{probes} probes: {mean}");
    }
    // One multiple eigenvalue among simple ones.
    let mut spectrum = network_like(400);
    spectrum[100..130].fill(60.0);
    let operator = DenseOperator::with_spectrum(&spectrum, 5, DType::F64);
    let found = estimate(&deflating(40, 1, Probe::Rademacher), &operator, 0);
    let near = |value: f64| -> f64 {
        let near =
            found.eigenvalues.iter().zip(&found.weights).filter(|(other, _)| (*other - value).abs() < 1.0);
        near.map(|(_, weight)| weight).sum()
    };
    assert!(near(60.0) > 15.0 / 400.0, "{}", near(60.0));
    assert_close(&[40.0, 33.0, 20.0, 12.0].map(near), &[1.0 / 400.0; 4], 1e-12);
}

/// ∫ |F − F̂| over the line, in units of the largest eigenvalue.
fn far(found: &Spectrum, truth: &[f64]) -> f64 {
    let one = 1.0 / truth.len() as f64;
    let mut steps: Vec<(f64, f64)> = truth.iter().map(|value| (*value, one)).collect();
    steps.extend(found.atoms().iter().map(|(value, weight)| (*value, -weight)));
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut difference = 0.0;
    let areas = steps.windows(2).map(|pair| {
        difference += pair[0].1;
        f64::abs(difference) * (pair[1].0 - pair[0].0)
    });
    areas.sum::<f64>() / truth[0]
}

#[test]
fn deflation_takes_chance_out_of_the_outliers() {
    let spectrum = network_like(400);
    for dtype in [DType::F64, DType::F32] {
        let operator = DenseOperator::with_spectrum(&spectrum, 5, dtype);
        let (mut with, mut without) = (0.0, 0.0);
        for seed in 0..20 {
            let found = estimate(&deflating(40, 1, Probe::Rademacher), &operator, seed);
            assert_close(&found.eigenvalues[..5], &spectrum[..5], 1e-4);
            assert_close(&found.weights[..5], &[1.0 / 400.0; 5], 1e-12);
            with += far(&found, &spectrum);
            without += far(&estimate(&lanczos(40, 1, Probe::Rademacher), &operator, seed), &spectrum);
        }
        assert!(with < 0.25 * without, "{dtype:?}: {with} against {without}");
    }
}

#[test]
fn deflation_counts_every_eigenvalue_of_a_whole_space_and_no_null_space_as_one() {
    let spectrum: Vec<f64> = (0..40).map(|i| f64::from(i) - 12.0).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 2, DType::F64);
    let found = estimate(&deflating(40, 1, Probe::Gaussian), &operator, 0);
    assert_close(&found.weights, &[1.0 / 40.0; 40], 1e-12);
    let mut spectrum = vec![0.0; 200];
    spectrum[..3].copy_from_slice(&[5.0, 3.0, -2.0]);
    let operator = DenseOperator::with_spectrum(&spectrum, 2, DType::F64);
    let found = estimate(&deflating(50, 1, Probe::Rademacher), &operator, 0);
    assert_close(&found.eigenvalues, &[5.0, 3.0, 0.0, -2.0], 1e-12);
    assert_close(&found.weights, &[1.0 / 200.0, 1.0 / 200.0, 197.0 / 200.0, 1.0 / 200.0], 1e-12);
    // Two eigenvalues of multiplicity 10 and no others: the weights stay random.
    let spectrum: Vec<f64> = (0..20).map(|i| f64::from(i % 2)).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 2, DType::F64);
    let found = estimate(&deflating(20, 1, Probe::Rademacher), &operator, 0);
    let plain = estimate(&lanczos(20, 1, Probe::Rademacher), &operator, 0);
    assert_eq!((found.eigenvalues, found.weights), (plain.eigenvalues, plain.weights));
}

#[test]
fn averaged_rules_are_closer_and_list_a_converged_eigenvalue_once() {
    // Most of the weight lies near zero, between eigenvalues of both signs: a rule with an even
    // number of nodes has two nodes beside it, a rule with an odd number has one node in it. In
    // general it is not known which number of steps gives which case.
    let spectrum: Vec<f64> = (0..600).map(|i| (f64::from(i) / 299.5 - 1.0).powi(9)).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 5, DType::F64);
    let truth: Vec<f64> = spectrum.iter().rev().copied().collect();
    for steps in [[10, 11], [20, 21]] {
        let (mut one, mut two) = (0.0, 0.0);
        for (steps, seed) in steps.into_iter().flat_map(|steps| (0..10).map(move |seed| (steps, seed))) {
            let gauss = lanczos(steps, 1, Probe::Rademacher);
            one += far(&estimate(&gauss, &operator, seed), &truth);
            two += far(&estimate(&averaging(gauss), &operator, seed), &truth);
        }
        assert!(two < 0.9 * one, "{steps:?} steps: {two} against {one}");
    }
    let operator = DenseOperator::with_spectrum(&network_like(400), 5, DType::F32);
    let found = estimate(&averaging(deflating(40, 1, Probe::Rademacher)), &operator, 0);
    assert_close(&found.eigenvalues[..5], &network_like(400)[..5], 1e-4);
    assert_close(&found.weights[..5], &[1.0 / 400.0; 5], 1e-12);
}

#[test]
fn an_invariant_subspace_is_not_averaged() {
    let spectrum: Vec<f64> = (0..40).map(|i| f64::from(i % 3)).collect();
    let operator = DenseOperator::with_spectrum(&spectrum, 2, DType::F64);
    let gauss = lanczos(10, 2, Probe::Gaussian);
    assert_eq!(estimate(&gauss, &operator, 0), estimate(&averaging(gauss), &operator, 0));
}

#[test]
fn probes_in_one_product_are_the_probes_alone() {
    let operator = DenseOperator::with_spectrum(&network_like(80), 10, DType::F64);
    let together = estimate(&lanczos(10, 3, Probe::Rademacher), &operator, 4);
    assert_eq!((together.eigenvalues.len(), together.products, operator.calls()), (30, 30, 10));
    let alone = estimate(&lanczos(10, 1, Probe::Rademacher), &operator, 4);
    for value in &alone.eigenvalues {
        assert!(together.eigenvalues.iter().any(|other| (other - value).abs() < 1e-9), "{value}");
    }
}

#[test]
fn is_the_same_on_any_number_of_threads() {
    for dtype in [DType::F64, DType::F32] {
        let operator = DenseOperator::diagonal(20_000, dtype);
        let run = || estimate(&lanczos(20, 2, Probe::Gaussian), &operator, 0);
        let one = on_threads(1, run);
        assert_eq!(one, on_threads(2, run));
        assert_eq!(one, on_threads(5, run));
    }
}

#[test]
fn nan_is_an_error_and_not_a_hang() {
    for value in [f64::NAN, f64::INFINITY] {
        for dtype in [DType::F64, DType::F32] {
            let operator = DenseOperator::with_spectrum(&network_like(50), 1, dtype).perturbed(7, 7, value);
            let error = Lanczos::default().estimate(&operator, &Context::silent(0)).unwrap_err().to_string();
            assert!(error.contains("test operator") && error.contains("NaN"), "{error}");
        }
    }
}

#[test]
fn describes_itself() {
    assert_eq!(
        Lanczos::default().description(),
        "Lanczos, 128 steps, full reorthogonalisation, 1 Gaussian random vector"
    );
    let four = lanczos(64, 4, Probe::Gaussian);
    assert_eq!(four.description(), "Lanczos, 64 steps, full reorthogonalisation, 4 Gaussian random vectors");
    let both = averaging(deflating(64, 1, Probe::Gaussian)).description();
    assert!(
        both.ends_with("1 Gaussian random vector, converged eigenvalues counted, two rules averaged"),
        "{both}"
    );
}

/// With as many vectors of signs as dimensions nothing is random, with deflation or without; with
/// fewer, all vectors differ.
#[test]
fn in_few_dimensions_the_trace_is_exact_or_its_error_is_not_by_chance_zero() {
    for dimension in 1..=4 {
        let spectrum: Vec<f64> = (0..dimension).map(|i| 3.0 * 0.4_f64.powi(i as i32) - 0.2).collect();
        let operator = DenseOperator::with_spectrum(&spectrum, 7, DType::F64);
        let trace: f64 = spectrum.iter().sum();
        for (probes, deflation, averaged) in
            (1..=5).flat_map(|probes| [(probes, false, false), (probes, true, false), (probes, false, true)])
        {
            let parameters =
                LanczosParameters { deflation, averaged, ..lanczos(2, probes, Probe::Rademacher).parameters };
            let estimator = Lanczos::new(parameters);
            for seed in 0..20 {
                let found = estimate(&estimator, &operator, seed);
                if probes >= dimension {
                    assert!((found.trace - trace).abs() < 1e-12, "{dimension}: {}", found.trace);
                    assert_eq!((found.trace_stderr, found.probes), (Some(0.0), Some(dimension)));
                    assert!(found.origins.is_empty() && found.products <= estimator.products(dimension));
                } else if !deflation {
                    assert!(found.trace_stderr.is_none_or(|error| error > 1e-9), "{dimension}, {probes}");
                }
            }
        }
    }
}

/// An eigenvalue lies within the residual of every Ritz value, and no Ritz value exceeds the
/// largest eigenvalue.
#[test]
fn every_ritz_value_has_an_eigenvalue_within_its_residual() {
    let spectrum = network_like(200);
    // The slack is for the rounding of the products.
    for (dtype, slack) in [(DType::F64, 1e-12), (DType::F32, 2e-5)] {
        let operator = DenseOperator::with_spectrum(&spectrum, 5, dtype);
        for (steps, probes) in [(1, 1), (3, 1), (12, 1), (40, 1), (3, 4), (20, 4)] {
            let plain = lanczos(steps, probes, Probe::Rademacher);
            for estimator in [plain, averaging(plain), deflating(steps, probes, Probe::Rademacher)] {
                let found = estimate(&estimator, &operator, 1);
                assert_eq!(found.residuals.len(), found.eigenvalues.len());
                assert_eq!(found.origins.len(), found.eigenvalues.len());
                for (value, residual) in found.eigenvalues.iter().zip(&found.residuals) {
                    let nearest =
                        spectrum.iter().map(|other| (other - value).abs()).fold(f64::INFINITY, f64::min);
                    assert!(nearest <= residual + slack, "{value} ± {residual}: {nearest}");
                }
                assert!(found.lambda_max() <= spectrum[0] + slack + 1e-12);
            }
        }
        // An outlier converges long before the bulk.
        let found = estimate(&lanczos(20, 1, Probe::Rademacher), &operator, 1);
        assert!(found.residuals[0] < 1e-4 && found.residuals.iter().any(|residual| *residual > 1e-3));
    }
}

/// The bounds hold in at least 95 % of all cases, from one step to convergence, and are narrow
/// after convergence.
#[test]
fn extreme_eigenvalues_lie_within_their_bounds() {
    let near: Vec<f64> =
        [40.0, 39.0, 38.0].into_iter().chain((0..97).map(|i| f64::from(i) / 50.0 - 1.0)).collect();
    let flat: Vec<f64> = (0..100).map(|i| 1.0 - f64::from(i) / 50.0).collect();
    for spectrum in [network_like(100), near, flat] {
        let [smallest, largest] =
            [f64::min, f64::max].map(|pick| spectrum.iter().copied().reduce(pick).unwrap());
        let operator = DenseOperator::with_spectrum(&spectrum, 5, DType::F64);
        for (steps, probes) in [1, 2, 3, 5, 12, 40].into_iter().flat_map(|steps| [(steps, 1), (steps, 4)]) {
            const SEEDS: u64 = 200;
            let (mut above, mut below, mut width) = (0, 0, 0.0);
            for seed in 0..SEEDS {
                let found = estimate(&lanczos(steps, probes, Probe::Rademacher), &operator, seed);
                let [low, high] = found.extreme_bounds.unwrap();
                assert!(low <= found.lambda_min() && high >= found.lambda_max());
                above += u64::from(largest <= high);
                below += u64::from(smallest >= low);
                width += (high - found.lambda_max()) / SEEDS as f64;
            }
            // 200 times 95 %, less three standard errors.
            assert!(above.min(below) >= 181, "{steps} steps, {probes} probes: {above}, {below}");
            assert!(steps < 40 || width < 0.01 * largest, "{steps} steps, {probes} probes: {width}");
        }
    }
    // With as many probes as dimensions nothing is random, and the bounds always hold.
    let operator = DenseOperator::with_spectrum(&[3.0, 1.0, 0.5, -2.0], 5, DType::F64);
    for steps in 1..=4 {
        let [low, high] =
            estimate(&lanczos(steps, 4, Probe::Rademacher), &operator, 0).extreme_bounds.unwrap();
        assert!(low <= -2.0 + 1e-12 && high >= 3.0 - 1e-12, "{steps}: {low} {high}");
    }
}
