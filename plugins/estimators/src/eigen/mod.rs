//! Dense symmetric and tridiagonal eigenproblems in f64.

mod band;
mod bulges;
mod inverse;
mod reflection;
mod ritz;

use std::{
    panic::resume_unwind,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use eigenscape_core::{Error, Interrupt, Result, account::size};
use eigenscape_runtime::Backend;
use faer::{
    Mat, Par, Spec,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::evd::{
        EvdError, SelfAdjointEvdParams,
        tridiag::{tridiag_in_place, tridiag_in_place_scratch},
        tridiagonal_self_adjoint_evd,
    },
};
use rayon::prelude::*;

pub use self::ritz::gauss_quadrature;
pub(crate) use self::ritz::{Ritz, bytes_of_ritz_values, ritz_projections, ritz_values, ritz_vectors};

/// The number of rows from which a matrix exceeds the caches.
const LARGE: usize = 1024;

/// All eigenvalues, ascending, of the symmetric matrix with this lower half, computed in its
/// memory. The upper half is not read; entries must be finite. The bits do not depend on the number
/// of threads.
///
/// A small matrix is reduced to tridiagonal form by faer on one thread; a large one via a band
/// matrix on all threads.
pub(crate) fn symmetric_eigenvalues(lower: Mat<f64>, interrupt: &Interrupt) -> Result<Vec<f64>> {
    let n = lower.nrows();
    if n < LARGE {
        let (diagonal, below) = tridiagonal(lower);
        return tridiagonal_eigenvalues(&diagonal, &below);
    }
    let band = band::banded(lower, interrupt)?;
    let (diagonal, below) = bulges::tridiagonal(band, n, interrupt)?;
    until(interrupt, move || tridiagonal_eigenvalues(&diagonal, &below))
}

/// The result of `work`, on a thread of its own: faer's iteration cannot be interrupted. After an
/// interrupt the thread, which has few vectors, is left to itself.
fn until<T: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    const MOMENT: Duration = Duration::from_millis(20);
    let (send, receive) = mpsc::sync_channel(1);
    let worker = thread::spawn(move || drop(send.send(work())));
    loop {
        match receive.recv_timeout(MOMENT) {
            Ok(found) => return found,
            Err(RecvTimeoutError::Timeout) => interrupt.check()?,
            // It panicked.
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => return Err(Error::Interrupted),
            },
        }
    }
}

/// As [`symmetric_eigenvalues`], by the operator's backend where it is faster than the host.
pub(crate) fn eigenvalues_for(
    backend: Option<&dyn Backend>,
    lower: Mat<f64>,
    interrupt: &Interrupt,
) -> Result<Vec<f64>> {
    match by_backend(backend, &lower)? {
        Some(values) => Ok(values),
        None => symmetric_eigenvalues(lower, interrupt),
    }
}

/// The eigenvalues by the backend; `None` where it leaves them to the host.
fn by_backend(backend: Option<&dyn Backend>, lower: &Mat<f64>) -> Result<Option<Vec<f64>>> {
    let columns = (0..lower.ncols()).map(|j| lower.col(j).try_as_col_major().map(|column| column.as_slice()));
    match (backend, columns.collect::<Option<Vec<&[f64]>>>()) {
        (Some(backend), Some(columns)) => Ok(backend.eigenvalues(&columns)?),
        _ => Ok(None),
    }
}

/// An eigenvalue with its unit eigenvector.
pub(crate) type Pair = (f64, Vec<f64>);

/// The eigenvalues of [`eigenvalues_for`], with the same bits, and orthonormal eigenvectors of the
/// `count` largest in magnitude, from the largest; fewer where fewer are not zero.
///
/// Only `count` eigenvectors are computed: by inverse iteration with the band matrix, whose
/// factorisation takes time proportional to n (`inverse.rs`), and the reflections that lead back
/// from it. An iteration with the matrix itself would need fewer operations where eigenvalues are
/// well separated, but may not converge where they are not.
pub(crate) fn largest_pairs(
    backend: Option<&dyn Backend>,
    lower: Mat<f64>,
    count: usize,
    interrupt: &Interrupt,
) -> Result<(Vec<f64>, Vec<Pair>)> {
    let n = lower.nrows();
    let known = match by_backend(backend, &lower)? {
        None if n < LARGE => Some(symmetric_eigenvalues(lower.clone(), interrupt)?),
        known => known,
    };
    let reduced = band::reduced(lower, interrupt)?;
    let values = match known {
        Some(values) => values,
        None => {
            let (diagonal, below) = bulges::tridiagonal(reduced.band.clone(), n, interrupt)?;
            until(interrupt, move || tridiagonal_eigenvalues(&diagonal, &below))?
        }
    };
    let mut largest: Vec<f64> = values.iter().copied().filter(|value| *value != 0.0).collect();
    largest.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    largest.truncate(count);
    let mut vectors = inverse::eigenvectors(&reduced.band, n, &largest, interrupt)?;
    vectors.par_iter_mut().try_for_each(|vector| {
        reduced.transform_back(vector);
        interrupt.check()
    })?;
    Ok((values, largest.into_iter().zip(vectors).collect()))
}

/// Bytes that [`largest_pairs`] takes in addition to what its eigenvalues alone take.
pub(crate) fn bytes_of_pairs(n: usize, count: usize) -> usize {
    // A small matrix is copied for its eigenvalues. The factorisation follows, beside the band.
    let copy = if n < LARGE { size([n, n], size_of::<f64>()) } else { 0 };
    let band = if n < LARGE { band::bytes(n) } else { 0 };
    let vectors = size([n, count], size_of::<f64>());
    copy.max(band.saturating_add(inverse::bytes(n))).saturating_add(vectors)
}

/// Bytes that [`symmetric_eigenvalues`] takes in addition to a matrix of n rows and a few vectors.
pub(crate) fn bytes_of_band(n: usize) -> usize {
    if n < LARGE { 0 } else { band::bytes(n) }
}

/// The diagonal and the subdiagonal of a tridiagonal matrix with the same eigenvalues.
///
/// Sequential, since the order of summation in faer's parallel version depends on its number of
/// threads.
fn tridiagonal(mut lower: Mat<f64>) -> (Vec<f64>, Vec<f64>) {
    let n = lower.nrows();
    let mut reflections = Mat::zeros(1, n.saturating_sub(1));
    let mut buffer = MemBuffer::new(tridiag_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
    let stack = MemStack::new(&mut buffer);
    tridiag_in_place(lower.as_mut(), reflections.as_mut(), Par::Seq, stack, Spec::default());
    ((0..n).map(|i| lower[(i, i)]).collect(), (1..n).map(|i| lower[(i, i - 1)]).collect())
}

/// The eigenvalues, ascending, of a tridiagonal matrix.
fn tridiagonal_eigenvalues(diagonal: &[f64], below: &[f64]) -> Result<Vec<f64>> {
    let n = diagonal.len();
    let mut values = Diag::<f64>::zeros(n);
    let (t, e) = (diag(n, diagonal), diag(n, below));
    // More than the two vectors that the iteration takes.
    let mut buffer = MemBuffer::new(tridiag_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
    let stack = MemStack::new(&mut buffer);
    tridiagonal_self_adjoint_evd(
        t.as_ref(),
        e.as_ref(),
        values.as_mut(),
        None,
        Par::Seq,
        stack,
        parameters(),
    )
    .map_err(no_convergence)?;
    Ok(values.column_vector().iter().copied().collect())
}

fn parameters() -> Spec<SelfAdjointEvdParams, f64> {
    Spec::default()
}

/// n entries: the given ones, then zeros.
fn diag(n: usize, entries: &[f64]) -> Diag<f64> {
    let mut diag = Diag::zeros(n);
    diag.column_vector_mut().iter_mut().zip(entries).for_each(|(to, from)| *to = *from);
    diag
}

fn no_convergence(error: EvdError) -> Error {
    Error::input(
        "eigenvalue problem",
        format!("the iteration did not converge ({error:?})"),
        "report this with the experiment's file; another estimator may work",
    )
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;
    use crate::testing::{assert_close, on_threads};

    /// The second-difference matrix has eigenvalues 2 − 2 cos(kπ/(n+1)).
    pub(super) fn second_difference(n: usize) -> Vec<f64> {
        let angle = std::f64::consts::PI / (n + 1) as f64;
        (1..=n).map(|k| 2.0 - 2.0 * (k as f64 * angle).cos()).collect()
    }

    /// The lower half of a matrix; garbage in the upper half must not matter.
    fn lower(n: usize, entry: impl Fn(usize, usize) -> f64) -> Mat<f64> {
        Mat::from_fn(n, n, |i, j| if i < j { f64::NAN } else { entry(i, j) })
    }

    fn eigenvalues(lower: Mat<f64>) -> Vec<f64> {
        symmetric_eigenvalues(lower, &Interrupt::default()).unwrap()
    }

    fn pairs(lower: Mat<f64>, count: usize) -> (Vec<f64>, Vec<Pair>) {
        largest_pairs(None, lower, count, &Interrupt::default()).unwrap()
    }

    fn by_way_of_a_band(lower: Mat<f64>) -> Vec<f64> {
        let n = lower.nrows();
        let never = Interrupt::default();
        let (diagonal, below) = bulges::tridiagonal(band::banded(lower, &never).unwrap(), n, &never).unwrap();
        tridiagonal_eigenvalues(&diagonal, &below).unwrap()
    }

    #[test]
    fn an_interrupt_ends_every_stage() {
        let is_interrupted = |error: Error| matches!(error, Error::Interrupted);
        let (requested, never) = (Interrupt::default(), Interrupt::default());
        requested.request();
        let matrix = || lower(LARGE, |i, j| if i == j { 2.0 } else { 1.0 / (1 + i - j) as f64 });
        assert!(symmetric_eigenvalues(matrix(), &requested).is_err_and(is_interrupted));
        let band = band::banded(matrix(), &never).unwrap();
        assert!(inverse::eigenvectors(&band, LARGE, &[1.0], &requested).is_err_and(is_interrupted));
        assert!(bulges::tridiagonal(band, LARGE, &requested).is_err_and(is_interrupted));
        let start = std::time::Instant::now();
        let endless = || -> Result<()> {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        };
        assert!(until(&requested, endless).is_err_and(is_interrupted));
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(until(&never, || Ok(3)).unwrap(), 3);
    }

    /// Pseudo-random numbers between −1 and 1.
    fn noise(i: usize, j: usize) -> f64 {
        ((i * 7919 + j * 104_729 + 13) as f64 * 0.618_033).sin()
    }

    #[test]
    fn eigenvalues_of_the_second_difference() {
        for n in [1, 2, 3, 10, 300, LARGE + 1] {
            let matrix = lower(n, |i, j| match i - j {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            });
            assert_close(&eigenvalues(matrix), &second_difference(n), 1e-13);
        }
    }

    #[test]
    fn eigenvalues_of_a_matrix_without_zeros() {
        // min(i, j), counted from 1, is the inverse of a second-difference matrix, whose last entry
        // is 1.
        let inverse = |n: usize, k: usize| {
            let angle = (2 * k - 1) as f64 * std::f64::consts::PI / (2 * n + 1) as f64;
            4.0 * (0.5 * angle).sin().powi(2)
        };
        let sizes = (1..8).chain([31, 32, 33, 34, 40, 41, 63, 64, 65, 66, 97, 129, 161, 300, LARGE + 1]);
        for n in sizes {
            let expected: Vec<f64> = (1..=n).rev().map(|k| 1.0 / inverse(n, k)).collect();
            let matrix = lower(n, |_, j| (j + 1) as f64);
            let tolerance = 1e-14 * expected[n - 1];
            assert_close(&by_way_of_a_band(matrix.clone()), &expected, tolerance);
            assert_close(&eigenvalues(matrix), &expected, tolerance);
        }
    }

    #[test]
    fn a_band_has_the_same_eigenvalues() {
        let n = 150;
        let one = |i: usize, j: usize| noise(i, 0) * noise(j, 0);
        let matrices: [(&str, Mat<f64>); 7] = [
            ("zero", lower(n, |_, _| 0.0)),
            ("of rank one", lower(n, one)),
            ("of rank two", lower(n, |i, j| one(i, j) - 1e-3 * noise(i, 1) * noise(j, 1))),
            ("indefinite", lower(n, noise)),
            ("graded", lower(n, |i, j| noise(i, j) * (-0.2 * (i + j) as f64).exp())),
            ("huge", lower(n, |i, j| 1e200 * noise(i, j))),
            ("tiny", lower(n, |i, j| 1e-200 * noise(i, j))),
        ];
        for (name, matrix) in matrices {
            let (diagonal, below) = tridiagonal(matrix.clone());
            let expected = tridiagonal_eigenvalues(&diagonal, &below).unwrap();
            let largest = expected[n - 1].max(-expected[0]);
            println!("{name}");
            assert_close(&by_way_of_a_band(matrix), &expected, 1e-14 * largest);
        }
    }

    /// Asserts that the pairs are those of the largest eigenvalues in magnitude: residuals and
    /// orthonormality up to rounding.
    #[track_caller]
    fn assert_pairs(name: &str, matrix: &Mat<f64>, (values, pairs): &(Vec<f64>, Vec<Pair>), count: usize) {
        let n = matrix.nrows();
        let entry = |i: usize, j: usize| matrix[(i.max(j), i.min(j))];
        assert_eq!(*values, eigenvalues(matrix.clone()), "{name}");
        let mut largest: Vec<f64> = values.clone();
        largest.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
        let tolerance = 1e-14 * (n as f64).sqrt();
        let norm = largest[0].abs();
        assert_eq!(pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), largest[..count], "{name}");
        for (k, (value, v)) in pairs.iter().enumerate() {
            let row = |i: usize| (0..n).map(|j| entry(i, j) / norm * v[j]).sum::<f64>();
            let residual = (0..n).map(|i| (row(i) - value / norm * v[i]).powi(2)).sum::<f64>().sqrt();
            assert!(residual < 10.0 * tolerance, "{name}: residual {residual:e} of pair {k}");
            for (l, (_, w)) in pairs[..=k].iter().enumerate() {
                let dot: f64 = v.iter().zip(w).map(|(v, w)| v * w).sum();
                let expected = f64::from(u8::from(k == l));
                assert!((dot - expected).abs() < tolerance, "{name}: {k} and {l} have {dot}");
            }
        }
    }

    #[test]
    fn eigenvectors_of_any_matrix_are_orthonormal() {
        let one = |i: usize, j: usize| noise(i, 0) * noise(j, 0);
        let block = |i: usize, j: usize| if i / 3 == j / 3 { 1.0 + f64::from(u8::from(i == j)) } else { 0.0 };
        let n = 150;
        let near = |i: usize, j: usize| block(i, j) + 1e-12 * noise(i, j);
        let cases: [(&str, Mat<f64>, usize); 11] = [
            ("zero", lower(n, |_, _| 0.0), 0),
            ("of rank one", lower(n, one), 1),
            ("indefinite", lower(n, noise), 12),
            ("all vectors", lower(70, noise), 70),
            ("graded", lower(n, |i, j| noise(i, j) * (-0.2 * (i + j) as f64).exp()), 5),
            ("huge", lower(n, |i, j| 1e200 * noise(i, j)), 3),
            ("tiny", lower(n, |i, j| 1e-200 * noise(i, j)), 3),
            ("identity", lower(n, |i, j| f64::from(u8::from(i == j))), 20),
            ("eigenvalues of multiplicity 50 and 100", lower(n, block), 60),
            ("clusters of eigenvalues", lower(n, near), 60),
            ("opposite pairs", lower(n, |i, j| if i + j == n - 1 { 1.0 } else { 0.0 }), 7),
        ];
        for (name, matrix, count) in cases {
            let found = pairs(matrix.clone(), count.max(1));
            assert_pairs(name, &matrix, &found, count);
        }
        for n in [1, 2, 3, 31, 32, 33, 34, 64, 65, 97, 129, LARGE + 1] {
            let matrix = lower(n, |_, j| (j + 1) as f64);
            let found = pairs(matrix.clone(), 4);
            assert_pairs(&format!("{n} rows"), &matrix, &found, n.min(4));
        }
    }

    #[test]
    fn eigenvectors_are_the_same_on_any_number_of_threads() {
        for n in [400, LARGE + 100] {
            let run = |threads| on_threads(threads, || pairs(lower(n, noise), 5));
            let found = run(1);
            assert!([2, 3, 4].into_iter().all(|threads| run(threads) == found), "{n}");
        }
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        let all = |solve: fn(Mat<f64>) -> Vec<f64>, n: usize, threads: &[usize]| {
            let run = |threads: &usize| on_threads(*threads, || solve(lower(n, noise)));
            let found: Vec<Vec<f64>> = threads.iter().map(run).collect();
            assert!(found.iter().all(|values| *values == found[0]), "{n}");
        };
        for n in [300, 517] {
            all(by_way_of_a_band, n, &[1, 2, 3, 4, 7]);
        }
        for n in [400, LARGE + 100] {
            all(eigenvalues, n, &[1, 2, 3, 5]);
        }
    }
}
