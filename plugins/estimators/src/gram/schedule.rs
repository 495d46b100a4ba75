//! In which order columns and samples are gone through, so that everything fits into memory.
//!
//! The variables are cut into *parts* of neighbours. A matrix lives from the part of its first
//! variable to that of its last; the columns of a matrix ΦᵀΦ are in one part. In a part the samples
//! are cut into *blocks*: ΦᵀΦ is a sum over blocks, and of ΦΦᵀ each block of rows is kept while the
//! blocks before it are computed once more, one by one.

use std::ops::Range;

use eigenscape_core::{
    Account, Error, FactorColumns, Result,
    account::{bytes, size},
};
use eigenscape_curvature::RowSize;

use super::target::{Job, Target};
use crate::eigen::bytes_of_band;

/// So many samples are evaluated at once, if memory allows: fewer cost speed.
const MICRO_BATCH: usize = 32;

/// The most numbers of Φ that are held in f64 at a time, for each of two blocks.
const SLAB: usize = 1 << 20;

/// What is done, in this order.
pub(crate) struct Schedule {
    /// All variables of the job, ascending.
    pub variables: Vec<usize>,
    pub parts: Vec<Part>,
    /// Numbers of Φ that are held in f64 at a time.
    pub slab: usize,
}

/// Some of the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Positions in the schedule's variables.
    pub variables: Range<usize>,
    /// In how many blocks the samples come.
    pub blocks: usize,
    /// Bytes that the evaluation of a block may take beside what is stored.
    pub evaluating: usize,
}

impl Part {
    /// The samples of each block.
    pub fn samples(&self, samples: usize) -> Vec<Range<usize>> {
        let cut = |block: usize| block * samples / self.blocks;
        (0..self.blocks).map(|block| cut(block)..cut(block + 1)).collect()
    }
}

impl Schedule {
    /// The schedule with the fewest passes over the network.
    ///
    /// # Errors
    /// When the rows of one sample and the matrices that they go into do not fit into memory; names
    /// the largest of these.
    pub fn new(job: &Job) -> Result<Self> {
        let variables = job.variables();
        let columns = job.source.columns(&variables)?;
        let need = Need::new(job, &variables, columns.sizes())?;
        let evaluating = need.micro_batch(&*columns);
        let parts = match need.cheapest(evaluating) {
            Some(parts) => parts,
            // Each by itself takes less than all together.
            None => need.one_by_one(job, &variables)?,
        };
        Ok(Self { parts, slab: need.slab, variables })
    }

    /// What is held in the part that takes the most.
    ///
    /// # Errors
    /// When the program that computes the rows cannot be built.
    pub fn memory(&self, job: &Job) -> Result<Account> {
        let columns = job.source.columns(&self.variables)?;
        let need = Need::new(job, &self.variables, columns.sizes())?;
        let accounts = self.parts.iter().map(|part| {
            let columns = job.source.columns(&self.variables[part.variables.clone()])?;
            let samples = need.samples.div_ceil(part.blocks);
            Ok(Account::of("Gram matrices", need.fixed(&part.variables))
                .with("rows of the factor", need.stored(part, samples))
                .with("the passes that compute them", part.evaluating.min(columns.evaluating(samples))))
        });
        let accounts = accounts.collect::<Result<Vec<_>>>()?;
        Ok(accounts.into_iter().max_by_key(Account::total).unwrap_or_default())
    }
}

/// What takes how much memory.
struct Need<'a> {
    targets: &'a [Target<'a>],
    /// Where each target's variables are.
    spans: Vec<Range<usize>>,
    sizes: Vec<RowSize>,
    /// Bytes of a number.
    number: usize,
    samples: usize,
    rank: usize,
    allowed: usize,
    slab: usize,
}

impl<'a> Need<'a> {
    fn new(job: &'a Job, variables: &[usize], sizes: Vec<RowSize>) -> Result<Self> {
        let allowed = job.source.memory();
        for target in &job.targets {
            let size = |variable: &usize| variables.binary_search(variable).ok().map(|i| sizes[i].columns);
            if target.variables.iter().filter_map(size).sum::<usize>() != target.dimension {
                return Err(target.wrong_shape());
            }
        }
        Ok(Self {
            targets: &job.targets,
            spans: job.targets.iter().map(|target| target.span(variables)).collect(),
            sizes,
            number: job.source.dtype().size_in_bytes(),
            samples: job.source.samples(),
            rank: job.source.rank(),
            allowed,
            // In f64, of two blocks: a sixteenth of the memory.
            slab: (allowed / 256).clamp(1, SLAB),
        })
    }

    /// The targets that have variables in a part, or before and after it.
    fn living(&self, part: &Range<usize>) -> impl Iterator<Item = &'a Target<'a>> {
        let overlaps = |span: &Range<usize>| span.start < part.end && part.start < span.end;
        self.targets.iter().zip(&self.spans).filter(move |(_, span)| overlaps(span)).map(|(target, _)| target)
    }

    /// Whether rows of different samples meet.
    fn pairs(&self, part: &Range<usize>) -> bool {
        self.living(part).any(|target| !target.by_columns())
    }

    /// Bytes that do not depend on the number of samples: the matrices, and what is held in f64 for
    /// a moment.
    fn fixed(&self, part: &Range<usize>) -> usize {
        let matrices = self.living(part).fold(0, |sum: usize, target| sum.saturating_add(target.bytes()));
        let slabs = self.living(part).map(|target| match target.by_columns() {
            true => 3 * self.slab.max(self.rank * target.dimension),
            false => 2 * self.slab,
        });
        // The bands that eigenvalues take come when the slabs have gone.
        let bands =
            self.living(part).fold(0, |sum: usize, target| sum.saturating_add(bytes_of_band(target.n())));
        matrices.saturating_add(bands.max(size_of::<f64>() * slabs.max().unwrap_or(0)))
    }

    /// Bytes that the rows of a sample take: of one variable at a time, outer products are copied
    /// in f64.
    fn a_sample(&self, part: &Range<usize>) -> usize {
        let sizes = &self.sizes[part.clone()];
        let outer = sizes.iter().filter(|size| size.outer).map(|size| size.numbers).max();
        let stored = sizes.iter().map(|size| size.numbers).sum::<usize>();
        self.number * stored + size_of::<f64>() * outer.unwrap_or(0)
    }

    /// Bytes that are left for rows.
    fn left(&self, part: &Range<usize>, evaluating: usize) -> Option<usize> {
        self.allowed.checked_sub(self.fixed(part).saturating_add(evaluating))
    }

    /// A part with the largest blocks that fit.
    fn part(&self, variables: Range<usize>, evaluating: usize) -> Option<Part> {
        let a_sample = self.a_sample(&variables).max(1);
        let left = self.left(&variables, evaluating)?;
        let (most, kept) = match left / a_sample {
            most if most >= self.samples || !self.pairs(&variables) => (most, 1),
            both => (both / 2, 2),
        };
        (most > 0).then(|| {
            let blocks = self.samples.div_ceil(most);
            let stored = kept * self.samples.div_ceil(blocks) * a_sample;
            Part { variables, blocks, evaluating: evaluating + left - stored }
        })
    }

    /// Bytes of the rows that are held while a block of so many samples is treated: its own, and
    /// those of one before it.
    fn stored(&self, part: &Part, samples: usize) -> usize {
        let kept = if part.blocks > 1 && self.pairs(&part.variables) { 2 } else { 1 };
        size([kept, samples], self.a_sample(&part.variables))
    }

    /// Passes over all samples, times two.
    fn passes(&self, part: &Part) -> usize {
        if self.pairs(&part.variables) { part.blocks + 1 } else { 2 }
    }

    /// Where variables may be cut: not within ΦᵀΦ.
    fn cuts(&self) -> Vec<usize> {
        let within = |cut: usize| {
            let inside = |span: &Range<usize>| span.start < cut && cut < span.end;
            self.targets.iter().zip(&self.spans).any(|(target, span)| target.by_columns() && inside(span))
        };
        (0..=self.sizes.len()).filter(|&cut| !within(cut)).collect()
    }

    /// The parts with the fewest passes, if there are any that fit; `evaluating` bytes are for the
    /// evaluation.
    fn cheapest(&self, evaluating: usize) -> Option<Vec<Part>> {
        if let Some(whole) = self.part(0..self.sizes.len(), evaluating).filter(|part| part.blocks == 1) {
            return Some(vec![whole]);
        }
        // For each cut, the fewest passes up to it and the last part.
        let cuts = self.cuts();
        let mut best: Vec<Option<(usize, usize, Part)>> = vec![None; cuts.len()];
        for end in 1..cuts.len() {
            for start in (0..end).rev() {
                let before =
                    if start == 0 { Some(0) } else { best[start].as_ref().map(|(passes, ..)| *passes) };
                let part = self.part(cuts[start]..cuts[end], evaluating);
                let (Some(before), Some(part)) = (before, part) else { continue };
                let passes = before + self.passes(&part);
                if best[end].as_ref().is_none_or(|(fewest, ..)| passes < *fewest) {
                    best[end] = Some((passes, start, part));
                }
            }
        }
        let (mut parts, mut end) = (Vec::new(), cuts.len() - 1);
        while end > 0 {
            let (_, start, part) = best[end].take()?;
            parts.push(part);
            end = start;
        }
        parts.reverse();
        Some(parts)
    }

    /// The smallest parts.
    fn one_by_one(&self, job: &Job, variables: &[usize]) -> Result<Vec<Part>> {
        let cuts = self.cuts();
        let part = |cut: &[usize]| {
            let range = cut[0]..cut[1];
            let evaluating = job.source.columns(&variables[range.clone()])?.evaluating(1);
            self.part(range.clone(), evaluating).ok_or_else(|| self.too_large(&range, evaluating))
        };
        cuts.windows(2).map(part).collect()
    }

    fn too_large(&self, part: &Range<usize>, evaluating: usize) -> Error {
        let blocks = if self.samples > 1 && self.pairs(part) { 2 } else { 1 };
        let need = self.fixed(part).saturating_add(evaluating + blocks * self.a_sample(part));
        let largest = self.living(part).max_by_key(|target| target.bytes());
        let (subject, n) = largest.map_or_else(Default::default, |target| (target.description(), target.n()));
        let others = match self.living(part).count() {
            0 | 1 => String::new(),
            count => format!(" (with the matrices of {} more groups)", count - 1),
        };
        Error::input(
            subject,
            format!(
                "its Gram matrix of {n} rows and what it is made of would take {} of memory{others}, and {} are allowed",
                bytes(need),
                bytes(self.allowed)
            ),
            "raise `memory` (the experiment's key), use fewer samples, or use the estimator \"lanczos\"",
        )
    }

    /// Bytes for the evaluation of as many samples at once as are worth it.
    fn micro_batch(&self, columns: &dyn FactorColumns) -> usize {
        let mut samples = MICRO_BATCH.min(self.samples);
        while samples > 1 && columns.evaluating(samples) > self.allowed / 4 {
            samples /= 2;
        }
        columns.evaluating(samples)
    }
}
