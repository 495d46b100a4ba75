//! The rows of a job's factor on the host, block by block, in as many passes as are needed.

use std::ops::Range;

use candle_core::{Device, Tensor};
use eigenscape_core::{Error, FactorColumns, Interrupt, Result};
use eigenscape_curvature::Rows;

use super::{
    low_rank::together,
    schedule::{Part, Schedule},
    target::{Job, Target},
};

/// The rows: held if one block has all of them, otherwise computed anew in each pass.
pub(super) struct RowBlocks<'a> {
    job: &'a Job<'a>,
    schedule: &'a Schedule,
    interrupt: &'a Interrupt,
    held: Option<Vec<Rows>>,
}

impl<'a> RowBlocks<'a> {
    /// The rows in the blocks of a schedule.
    ///
    /// # Errors
    /// When they cannot be computed, or an interrupt is requested.
    pub fn new(job: &'a Job<'a>, schedule: &'a Schedule, interrupt: &'a Interrupt) -> Result<Self> {
        let mut rows = Self { job, schedule, interrupt, held: None };
        if schedule.is_one_block() {
            let part = &schedule.parts[0];
            let columns = job.source.columns(rows.variables(part))?;
            rows.held = Some(rows.computed(part, &*columns, &(0..job.source.samples()))?);
        }
        Ok(rows)
    }

    /// The most rows to pick at a time, for a factor of at most `most` columns: they take the
    /// memory of as many samples.
    pub fn most_picked(&self, most: usize) -> usize {
        let samples = self.job.source.samples();
        let of_part = |part: &Part| if part.blocks == 1 { together(most) } else { samples / part.blocks };
        self.schedule.parts.iter().map(of_part).min().unwrap_or(1).clamp(1, together(most))
    }

    fn variables(&self, part: &Part) -> &'a [usize] {
        &self.schedule.variables[part.variables.clone()]
    }

    /// The places of a target's variables among the part's.
    fn places(&self, part: &Part, target: &Target) -> Vec<usize> {
        let variables = self.variables(part);
        (0..variables.len()).filter(|&i| target.variables.binary_search(&variables[i]).is_ok()).collect()
    }

    fn computed(
        &self,
        part: &Part,
        columns: &dyn FactorColumns,
        samples: &Range<usize>,
    ) -> Result<Vec<Rows>> {
        self.interrupt.check()?;
        let largest = self.job.targets.iter().max_by_key(|target| target.bytes());
        let named = |error: Error| match largest {
            Some(target) => error.of(&target.description()),
            None => error,
        };
        let factor = columns.rows(samples.clone(), part.evaluating).map_err(named)?;
        let expected = (samples.len() * self.job.source.rank(), self.variables(part).len());
        match largest {
            Some(target) if (factor.rows, factor.tensors.len()) != expected => Err(target.wrong_shape()),
            _ => Ok(factor.tensors),
        }
    }

    /// Visits all rows of a target, one of its variables and some samples at a time: the variable's
    /// place among the target's, the samples, and the rows.
    ///
    /// # Errors
    /// Those of `visit`; when rows cannot be computed, or an interrupt is requested.
    pub fn each(
        &self,
        target: &Target,
        mut visit: impl FnMut(usize, &Range<usize>, &Rows) -> Result<()>,
    ) -> Result<()> {
        for part in &self.schedule.parts {
            let columns = self.job.source.columns(self.variables(part))?;
            let places = self.places(part, target);
            for samples in part.samples(self.job.source.samples()) {
                let computed = match self.held {
                    None => self.computed(part, &*columns, &samples)?,
                    Some(_) => Vec::new(),
                };
                let rows = self.held.as_ref().unwrap_or(&computed);
                for &place in &places {
                    self.interrupt.check()?;
                    let variable = self.variables(part)[place];
                    let of_target = target.variables.binary_search(&variable).unwrap_or_default();
                    visit(of_target, &samples, &rows[place])?;
                }
            }
        }
        Ok(())
    }

    /// Some rows of a target, ascending, as samples with one row each: for each of the target's
    /// variables. Row n·R + r is the r-th of sample n.
    ///
    /// # Errors
    /// When rows cannot be computed, or an interrupt is requested.
    pub fn picked(&self, target: &Target, rows: &[usize]) -> Result<Vec<Rows>> {
        let (rank, all) = (self.job.source.rank(), self.job.source.samples());
        let mut picked = Vec::new();
        for part in &self.schedule.parts {
            let places = self.places(part, target);
            if let Some(held) = &self.held {
                let which: Vec<(usize, usize)> = rows.iter().map(|row| (row / rank, row % rank)).collect();
                for place in places {
                    picked.push(pick(&held[place], all, &which)?);
                }
                continue;
            }
            let columns = self.job.source.columns(self.variables(part))?;
            let mut pieces: Vec<Vec<Rows>> = places.iter().map(|_| Vec::new()).collect();
            for of_sample in rows.chunk_by(|a, b| a / rank == b / rank) {
                let sample = of_sample[0] / rank;
                let computed = self.computed(part, &*columns, &(sample..sample + 1))?;
                let which: Vec<(usize, usize)> = of_sample.iter().map(|row| (0, row % rank)).collect();
                for (pieces, place) in pieces.iter_mut().zip(&places) {
                    pieces.push(pick(&computed[*place], 1, &which)?);
                }
            }
            for pieces in pieces {
                picked.push(joined(&pieces)?);
            }
        }
        Ok(picked)
    }
}

/// Rows (n, r) of `samples` samples, as samples with one row each.
fn pick(rows: &Rows, samples: usize, which: &[(usize, usize)]) -> Result<Rows> {
    let index = |of: &dyn Fn(&(usize, usize)) -> usize| {
        let indices: Vec<u32> = which.iter().map(|place| of(place) as u32).collect();
        Tensor::from_vec(indices, which.len(), &Device::Cpu)
    };
    let row = index(&|(n, r)| r * samples + n)?;
    Ok(match rows {
        Rows::Explicit(rows) => {
            Rows::Explicit(rows.to_device(&Device::Cpu)?.contiguous()?.index_select(&row, 0)?)
        }
        Rows::Outer { left, right } => {
            let left = left.to_device(&Device::Cpu)?.contiguous()?.flatten(0, 1)?;
            let right = right.to_device(&Device::Cpu)?.contiguous()?;
            Rows::Outer {
                left: left.index_select(&row, 0)?.unsqueeze(0)?,
                right: right.index_select(&index(&|(n, _)| *n)?, 0)?,
            }
        }
    })
}

/// Rows of one variable one after another, each a sample with one row.
fn joined(pieces: &[Rows]) -> Result<Rows> {
    let (mut explicit, mut lefts, mut rights) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Rows::Explicit(rows) => explicit.push(rows),
            Rows::Outer { left, right } => {
                lefts.push(left);
                rights.push(right);
            }
        }
    }
    Ok(match lefts.is_empty() {
        true => Rows::Explicit(Tensor::cat(&explicit, 0)?),
        false => Rows::Outer { left: Tensor::cat(&lefts, 1)?, right: Tensor::cat(&rights, 0)? },
    })
}
