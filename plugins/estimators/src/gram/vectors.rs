//! Eigenvectors of ΦᵀΦ from those of ΦΦᵀ: v = Φᵀu, up to its norm. All eigenvectors of a job
//! together take one more pass over the rows of its factor, which are computed on the host.

use std::ops::Range;

use eigenscape_core::{Interrupt, Result, account::size};
use eigenscape_curvature::Rows;
use rayon::prelude::*;

use super::{
    outer::Outer,
    schedule::Schedule,
    target::{Job, Target},
    values::{Reader, read},
};
use crate::{eigen::Pair, float::Float};

/// Columns of explicit rows that are one task.
const STRIP: usize = 1024;

/// Bytes of a target's eigenvectors and of the coefficients that they are computed from, until all
/// targets are finished.
pub(super) fn bytes(target: &Target, count: usize) -> usize {
    let numbers = target.side().saturating_add(target.dimension);
    size([count.min(target.n()), numbers], size_of::<f64>())
}

/// For each target the eigenpairs of its operators, from those of its matrix.
pub(super) fn of_operators(
    job: &Job,
    schedule: &Schedule,
    pairs: Vec<Vec<Pair>>,
    interrupt: &Interrupt,
) -> Result<Vec<Vec<Pair>>> {
    let sizes = job.source.columns(&schedule.variables)?.sizes();
    let sums = job.targets.iter().zip(&pairs).map(|(target, pairs)| {
        // Eigenvectors of ΦᵀΦ are those of the operator already.
        let by_rows = if target.by_columns() { &[] } else { pairs.as_slice() };
        Sums::new(target, by_rows, &schedule.variables, |i| sizes[i].columns)
    });
    let mut all: Vec<Sums> = sums.collect();
    if all.iter().any(|sums| !sums.coefficients.is_empty()) {
        add(job, schedule, &mut all, interrupt)?;
    }
    let vectors: Vec<Vec<Vec<f64>>> = all.into_iter().map(|sums| sums.vectors).collect();
    let finished = pairs.into_iter().zip(vectors).map(|(pairs, vectors)| match vectors.is_empty() {
        true => pairs,
        false => pairs.into_iter().zip(vectors).map(|((value, _), vector)| (value, vector)).collect(),
    });
    Ok(finished.collect())
}

/// The sums Φᵀu of one target.
struct Sums<'a> {
    /// The variables, ascending, each with its first column.
    variables: Vec<(usize, usize)>,
    /// Each u, in the order of the matrix: sample by sample.
    coefficients: Vec<&'a [f64]>,
    /// Each Φᵀu.
    vectors: Vec<Vec<f64>>,
}

/// The coefficients of some rows with the elements of one variable to which the rows are added.
type Part<'a> = (&'a [f64], &'a mut [f64]);

impl<'a> Sums<'a> {
    fn new(target: &Target, pairs: &'a [Pair], all: &[usize], columns: impl Fn(usize) -> usize) -> Self {
        let mut first = 0;
        let place = |variable: &usize| {
            let place = (*variable, first);
            first += all.binary_search(variable).map_or(0, &columns);
            place
        };
        Self {
            variables: target.variables.iter().map(place).collect(),
            coefficients: pairs.iter().map(|(_, u)| u.as_slice()).collect(),
            vectors: vec![vec![0.0; target.dimension]; pairs.len()],
        }
    }

    /// For each vector, the coefficients of the given rows and the elements of one variable of
    /// `columns` columns; none if the target does not have it.
    fn parts(&mut self, variable: usize, columns: usize, rows: &Range<usize>) -> Vec<Part<'_>> {
        let Ok(place) = self.variables.binary_search_by_key(&variable, |(variable, _)| *variable) else {
            return Vec::new();
        };
        let first = self.variables[place].1;
        let vectors = self.vectors.iter_mut().map(|vector| &mut vector[first..first + columns]);
        self.coefficients.iter().map(|u| &u[rows.clone()]).zip(vectors).collect()
    }
}

/// Adds all rows to the sums, in the parts and blocks of the schedule.
fn add(job: &Job, schedule: &Schedule, all: &mut [Sums], interrupt: &Interrupt) -> Result<()> {
    let rank = job.source.rank();
    let mut buffer = Vec::new();
    for part in &schedule.parts {
        let variables = &schedule.variables[part.variables.clone()];
        let columns = job.source.columns(variables)?;
        let sizes = columns.sizes();
        for samples in part.samples(job.source.samples()) {
            let factor = columns.rows(samples.clone(), part.evaluating)?;
            let rows = samples.start * rank..samples.end * rank;
            for ((variable, size), phi) in variables.iter().zip(&sizes).zip(&factor.tensors) {
                interrupt.check()?;
                let parts = all.iter_mut().flat_map(|sums| sums.parts(*variable, size.columns, &rows));
                let parts: Vec<Part> = parts.collect();
                match phi {
                    _ if parts.is_empty() => {}
                    Rows::Explicit(phi) => read(phi, Explicit { parts, samples: samples.len() })?,
                    Rows::Outer { left, right } => {
                        let phi = Outer::new(&mut buffer, left, right)?;
                        parts.into_iter().for_each(|(u, out)| phi.pull_back(u, out, schedule.slab));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Adds explicit rows, of which row r·n + i is the r-th of sample i. Each strip of columns is one
/// task, so that the bits do not depend on the number of threads.
struct Explicit<'a> {
    parts: Vec<Part<'a>>,
    samples: usize,
}

impl Reader for Explicit<'_> {
    fn read<T: Float>(self, values: &[T]) {
        let Self { parts, samples } = self;
        for (u, out) in parts {
            let (rank, columns) = (u.len() / samples.max(1), out.len());
            out.par_chunks_mut(STRIP).enumerate().for_each(|(strip, out)| {
                for (index, factor) in u.iter().enumerate() {
                    let row = index % rank * samples + index / rank;
                    let values = &values[row * columns + strip * STRIP..][..out.len()];
                    out.iter_mut().zip(values).for_each(|(out, value)| *out += factor * value.widen());
                }
            });
        }
    }
}
