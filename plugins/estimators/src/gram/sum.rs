//! Sums the matrices of a job, part by part, and passes each finished matrix on.

use std::ops::Range;

use eigenscape_core::{Error, FactorColumns, Interrupt, Result};
use eigenscape_curvature::{PlacedRows, Rows};
use faer::{Mat, MatMut};
use rayon::prelude::*;

use super::{
    columns, placed, product,
    schedule::{Part, Schedule},
    target::{Job, Target},
    tiles::{Destination, Rectangle},
};
use crate::operator::not_finite;

/// Applies `make` to the lower half of each target's matrix; the upper half is not filled. The
/// results are in the order of the targets.
pub(crate) fn each<T: Send>(
    job: &Job,
    schedule: &Schedule,
    interrupt: &Interrupt,
    make: impl Fn(Mat<f64>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let mut sums: Vec<Sum> = job.targets.iter().map(|target| Sum { target, matrix: None }).collect();
    let mut made: Vec<Option<T>> = sums.iter().map(|_| None).collect();
    for part in &schedule.parts {
        let variables = &schedule.variables[part.variables.clone()];
        sums.iter_mut().for_each(|sum| sum.begin(variables));
        Adding { job, part, variables, slab: schedule.slab, interrupt }.add(&mut sums)?;
        let finished = sums.iter_mut().enumerate().filter_map(|(i, sum)| Some((i, sum.finish(variables)?)));
        let finished: Vec<(usize, Mat<f64>)> =
            finished.map(|(i, matrix)| Ok((i, matrix?))).collect::<Result<_>>()?;
        // In parallel over matrices; each result is bitwise the same on any number of threads.
        let found = finished.into_par_iter().map(|(i, matrix)| Ok((i, make(matrix)?)));
        for (i, result) in found.collect::<Result<Vec<_>>>()? {
            made[i] = Some(result);
        }
    }
    Ok(made.into_iter().flatten().collect())
}

/// A target with its matrix, which is allocated from the part of its first variable to that of its
/// last.
struct Sum<'a> {
    target: &'a Target<'a>,
    matrix: Option<Mat<f64>>,
}

impl Sum<'_> {
    fn begin(&mut self, variables: &[usize]) {
        if self.target.variables.first().is_some_and(|first| variables.contains(first)) {
            self.matrix = Some(Mat::zeros(self.target.n(), self.target.n()));
        }
    }

    /// The matrix, once its last variable has been added.
    fn finish(&mut self, variables: &[usize]) -> Option<Result<Mat<f64>>> {
        let last = self.target.variables.last().is_some_and(|last| variables.contains(last));
        let matrix = self.matrix.take_if(|_| last)?;
        // A diagonal entry is a sum of squares, which is finite only if all its terms are.
        let finite = (0..matrix.nrows()).all(|i| matrix[(i, i)].is_finite());
        Some(if finite { Ok(matrix) } else { Err(not_finite(self.target.operator)) })
    }

    /// The target with its matrix, if that is allocated and is ΦᵀΦ (with `by_columns`) or ΦΦᵀ
    /// (without).
    fn living(&mut self, by_columns: bool) -> Option<(&Target<'_>, MatMut<'_, f64>)> {
        let matrix = self.matrix.as_mut().filter(|_| self.target.by_columns() == by_columns)?;
        Some((self.target, matrix.as_mut()))
    }
}

/// Adds the contributions of the variables of one part to the matrices.
struct Adding<'a> {
    job: &'a Job<'a>,
    part: &'a Part,
    variables: &'a [usize],
    slab: usize,
    interrupt: &'a Interrupt,
}

/// The rows of some samples.
struct Block {
    samples: Range<usize>,
    held: Held,
}

/// Where rows are held.
enum Held {
    /// On the host, with one entry per variable of the part.
    OnHost(Vec<Rows>),
    /// In a backend's memory.
    Placed(PlacedRows),
}

impl Adding<'_> {
    fn add(&self, sums: &mut [Sum]) -> Result<()> {
        let columns = self.job.source.columns(self.variables)?;
        let blocks = self.part.samples(self.job.source.samples());
        let pairs = sums.iter_mut().any(|sum| sum.living(false).is_some());
        for (index, samples) in blocks.iter().enumerate() {
            let block = self.block(&*columns, samples, sums)?;
            self.add_columns(sums, &block)?;
            if pairs {
                self.add_rows(sums, &block, None)?;
                for before in &blocks[..index] {
                    let before = self.block(&*columns, before, sums)?;
                    self.add_rows(sums, &block, Some(&before))?;
                }
            }
        }
        Ok(())
    }

    fn block(&self, columns: &dyn FactorColumns, samples: &Range<usize>, sums: &[Sum]) -> Result<Block> {
        let living = sums.iter().filter(|sum| sum.matrix.is_some()).map(|sum| sum.target);
        let largest = living.max_by_key(|target| target.bytes());
        let named = |error: Error| match largest {
            Some(target) => error.of(&target.description()),
            None => error,
        };
        let (range, evaluating) = (samples.clone(), self.part.evaluating);
        if let Some(factor) = columns.placed() {
            let rows = factor.place(range, evaluating, self.slab).map_err(|error| named(error.into()))?;
            return Ok(Block { samples: samples.clone(), held: Held::Placed(rows) });
        }
        let factor = columns.rows(range, evaluating).map_err(named)?;
        let rows = samples.len() * self.job.source.rank();
        match largest {
            Some(target) if (factor.rows, factor.tensors.len()) != (rows, self.variables.len()) => {
                Err(target.wrong_shape())
            }
            _ => Ok(Block { samples: samples.clone(), held: Held::OnHost(factor.tensors) }),
        }
    }

    fn add_columns(&self, sums: &mut [Sum], block: &Block) -> Result<()> {
        let interrupt = self.interrupt;
        for (target, matrix) in sums.iter_mut().filter_map(|sum| sum.living(true)) {
            let has = |place: &usize| target.variables.binary_search(&self.variables[*place]).is_ok();
            let places = (0..self.variables.len()).filter(has);
            let tensors = match &block.held {
                Held::OnHost(tensors) => tensors,
                Held::Placed(rows) => {
                    placed::add_columns(matrix, rows, &places.collect::<Vec<usize>>(), interrupt)?;
                    continue;
                }
            };
            let phi: Vec<&Rows> = places.map(|place| &tensors[place]).collect();
            let all = 0..target.dimension;
            let rectangle = Rectangle { rows: all.clone(), columns: all };
            let mut place =
                Destination { matrices: vec![matrix], rectangle, symmetric: true, rank: 1, interrupt };
            columns::add(&mut place, &phi, self.job.source.rank(), block.samples.len(), self.slab)?;
        }
        Ok(())
    }

    /// Adds the products of the rows of `block` with those of an earlier block, or with themselves
    /// (`None`).
    fn add_rows(&self, sums: &mut [Sum], block: &Block, before: Option<&Block>) -> Result<()> {
        let rank = self.job.source.rank();
        let range = |block: &Block| block.samples.start * rank..block.samples.end * rank;
        let rectangle = Rectangle { rows: range(block), columns: range(before.unwrap_or(block)) };
        // Reused for the f64 copies of one variable after another.
        let mut buffers = [Vec::new(), Vec::new()];
        for (index, variable) in self.variables.iter().enumerate() {
            let living = sums.iter_mut().filter_map(|sum| sum.living(false));
            let having = living.filter(|(target, _)| target.variables.binary_search(variable).is_ok());
            let matrices: Vec<MatMut<f64>> = having.map(|(_, matrix)| matrix).collect();
            if matrices.is_empty() {
                continue;
            }
            let (rectangle, interrupt) = (rectangle.clone(), self.interrupt);
            let mut place = Destination { matrices, rectangle, symmetric: true, rank, interrupt };
            match (&block.held, before.map(|before| &before.held)) {
                (Held::OnHost(phi), None) => {
                    product::add(&mut place, &phi[index], None, self.slab, &mut buffers)?;
                }
                (Held::OnHost(phi), Some(Held::OnHost(psi))) => {
                    let psi = Some((&psi[index], rank));
                    product::add(&mut place, &phi[index], psi, self.slab, &mut buffers)?;
                }
                (Held::Placed(phi), None) => placed::add_rows(&mut place, phi, None, index)?,
                (Held::Placed(phi), Some(Held::Placed(psi))) => {
                    placed::add_rows(&mut place, phi, Some(psi), index)?;
                }
                _ => return Err(product::two_forms()),
            }
        }
        Ok(())
    }
}
