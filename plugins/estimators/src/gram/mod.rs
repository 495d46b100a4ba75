//! `gram`: all non-zero eigenvalues from the smaller of ΦᵀΦ and ΦΦᵀ.

mod columns;
mod drop;
mod explicit;
mod jobs;
mod low_rank;
mod outer;
mod placed;
mod product;
mod rounding;
mod row_blocks;
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
    jobs::{Needs, eigenvalues, memory, scheduled},
    rounding::Rounding,
    schedule::Schedule,
    target::{Job, Side, Target},
};
use self::{
    low_rank::{Limits, LowRank},
    row_blocks::RowBlocks,
};
use crate::{
    eigen::{Pair, bytes_of_pairs, eigenvalues_for, largest_pairs},
    eigenpairs::{self, measured, oriented_as},
};

/// Parameters of `gram`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GramParameters {
    /// The largest accepted number of rows of the matrix whose eigenvalues are computed: min(M, P),
    /// or with `drop` what remains of it; 20000 by default. The matrix takes 8 bytes per entry out
    /// of the experiment's `memory`, and its eigenvalues take time proportional to the cube of its
    /// rows.
    pub max_rows: usize,
    /// The share ε of the trace that may be dropped: only as many rows of the Gram matrix are
    /// computed as explain the rest. No eigenvalue increases, and none decreases by more than
    /// ε·trace; the trace stays exact. Time and memory are then those of the rows that matter,
    /// which are few on a trained network and with many classes. At least 0 and below 1; 0 by
    /// default.
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
/// With `drop = ε`, only the rows of ΦΦᵀ are computed that a factor of low rank needs, and each
/// eigenvalue is guaranteed to be at most ε·trace below the operator's (see `low_rank.rs`). Where
/// that takes more than half of the rows, or the matrix is ΦᵀΦ, the matrix is computed as a whole
/// and the rows with the smallest norms are left out of the eigenproblem, with the same guarantee
/// (see `drop.rs`). A spectrum that leaves something out is not marked as exact.
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
/// each. With `drop` they are the eigenvectors of the remaining matrix, and the residuals,
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
        let (count, GramParameters { max_rows, drop }) = (self.eigenvectors, self.parameters);
        let needs = |target: &Target, _: &dyn FactorSource| {
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
        };
        match drop {
            0.0 => scheduled(operators, Side::Smaller, max_rows, needs),
            _ => jobs::reduced(operators, max_rows, needs),
        }
    }

    fn findings(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Findings>> {
        let interrupt = &context.interrupt;
        let mut all: Vec<Option<Findings>> = vec![None; operators.len()];
        for (job, schedule) in self.scheduled(operators)? {
            let rounding = Rounding::measured(&job, &schedule, interrupt)?;
            let found = match job.targets.iter().any(|target| target.most.is_some()) {
                true => self.of_low_rank(&job, &schedule, interrupt)?,
                false => self.of_matrices(&job, &schedule, interrupt)?,
            };
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

    fn of_matrices(&self, job: &Job, schedule: &Schedule, interrupt: &Interrupt) -> Result<Vec<Found>> {
        let backend = job.targets.first().and_then(|target| target.operator.backend());
        sum::each(job, schedule, interrupt, |matrix| self.found(matrix, backend, interrupt))
    }

    /// From factors of low rank, or from whole matrices where these leave too much out.
    fn of_low_rank(&self, job: &Job, schedule: &Schedule, interrupt: &Interrupt) -> Result<Vec<Found>> {
        let GramParameters { max_rows, drop } = self.parameters;
        let rows = RowBlocks::new(job, schedule, interrupt)?;
        let sizes = (job.source.rank(), schedule.slab);
        let factored = job.targets.iter().map(|target| {
            let gives_up = jobs::instead(job, target, max_rows).is_ok();
            let limits = Limits { share: drop, most: target.n(), gives_up };
            let factor = low_rank::factor(target, limits, &rows, sizes, interrupt)?;
            let enough = factor.left_out <= drop * factor.trace;
            match enough {
                true => Ok(Ok(self.of_factor(target, &factor, interrupt)?)),
                false => Ok(Err(factor.left_out / factor.trace)),
            }
        });
        let factored: Vec<std::result::Result<Found, f64>> = factored.collect::<Result<_>>()?;
        // The rows are not held while a whole matrix is computed.
        std::mem::drop(rows);
        let finished = job.targets.iter().zip(factored).map(|(target, found)| match found {
            Ok(found) => Ok(found),
            Err(left) => match jobs::instead(job, target, max_rows) {
                Ok((job, schedule)) => Ok(self.of_matrices(&job, &schedule, interrupt)?.swap_remove(0)),
                Err(_) => Err(too_little(target, left, drop)),
            },
        });
        finished.collect()
    }

    fn of_factor(&self, target: &Target, factor: &LowRank, interrupt: &Interrupt) -> Result<Found> {
        let (backend, matrix) = (target.operator.backend(), factor.gram());
        let (eigenvalues, pairs) = match self.eigenvectors {
            0 => (eigenvalues_for(backend, matrix, interrupt)?, Vec::new()),
            count => largest_pairs(backend, matrix, count, interrupt)?,
        };
        let of_rows = |(value, vector): Pair| (value, factor.eigenvector(value, &vector));
        let pairs = pairs.into_iter().map(of_rows).collect();
        Ok(Found { eigenvalues, pairs, trace: (factor.left_out > 0.0).then_some(factor.trace) })
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
        memory(&self.scheduled(operators)?, self.parameters.max_rows)
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

/// The error for a factor of low rank that leaves more than `drop` out.
fn too_little(target: &Target, left: f64, drop: f64) -> Error {
    Error::input(
        target.description(),
        format!(
            "{} of the {} rows of its Gram matrix leave {left:.1e} of the trace out, and `drop` is {drop:e}",
            target.n(),
            target.side()
        ),
        "raise `drop`, `max_rows` or `memory`, or use the estimator \"lanczos\"",
    )
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
mod tests;
