//! The order in which columns and samples are processed, so that everything fits into memory.
//!
//! The variables are split into *parts*, which are contiguous ranges. A matrix is allocated from
//! the part of its first variable to the part of its last; all columns of a matrix ΦᵀΦ lie in one
//! part. Within a part the samples are split into *blocks*. ΦᵀΦ is a sum over blocks. For ΦΦᵀ each
//! block of rows is held while all earlier blocks are recomputed one by one.

use std::ops::Range;

use eigenscape_core::{
    Account, Error, FactorColumns, Result,
    account::{bytes, size},
};
use eigenscape_curvature::RowSize;

use super::{
    low_rank::together,
    target::{Job, Target},
};
use crate::eigen::bytes_of_band;

/// Samples that are evaluated at once where memory allows; fewer are slower.
const MICRO_BATCH: usize = 32;

/// Upper limit on the numbers of Φ that are held in f64 at a time, for each of two blocks.
const SLAB: usize = 1 << 20;

/// As [`SLAB`], for rows in a backend's memory, whose products are fast only if they are large.
const PLACED_SLAB: usize = 1 << 24;

/// The slabs that products of rows in a backend's memory take: two operands, a copy of each,
/// products and their sums, and a product on the host.
const PLACED_SLABS: usize = 8;

/// The parts to process, in order.
pub(crate) struct Schedule {
    /// All variables of the job, ascending.
    pub variables: Vec<usize>,
    pub parts: Vec<Part>,
    /// Numbers of Φ that are held in f64 at a time.
    pub slab: usize,
}

/// A contiguous range of variables, and how the samples are processed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Positions in the schedule's variables.
    pub variables: Range<usize>,
    /// The number of blocks that the samples are split into.
    pub blocks: usize,
    /// Bytes that evaluating a block may take in addition to the stored rows.
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
    /// When the rows of one sample and the matrices that they contribute to do not fit into memory;
    /// names the target with the largest of these matrices.
    pub fn new(job: &Job) -> Result<Self> {
        let variables = job.variables();
        let columns = job.source.columns(&variables)?;
        let need = Need::new(job, &variables, &*columns)?;
        let evaluating = need.micro_batch(&*columns);
        let parts = match need.cheapest(evaluating) {
            Some(parts) => parts,
            // The smallest parts, evaluated one sample at a time, take the least memory.
            None => need.one_by_one(job, &variables)?,
        };
        Ok(Self { parts, slab: need.slab, variables })
    }

    /// Whether one block holds the rows of all samples and variables.
    pub fn is_one_block(&self) -> bool {
        matches!(&self.parts[..], [part] if part.blocks == 1)
    }

    /// The memory of the part that needs the most.
    ///
    /// # Errors
    /// When the program that computes the rows cannot be built.
    pub fn memory(&self, job: &Job) -> Result<Account> {
        let columns = job.source.columns(&self.variables)?;
        let need = Need::new(job, &self.variables, &*columns)?;
        let accounts = self.parts.iter().map(|part| {
            let columns = job.source.columns(&self.variables[part.variables.clone()])?;
            let samples = need.samples.div_ceil(part.blocks);
            Ok(Account::of("Gram matrices", need.fixed(&part.variables))
                .with("rows of the factor", need.stored(part, samples))
                .with("the passes that compute them", part.evaluating.min(columns.evaluating(samples)))
                .with("eigenvectors", job.vectors))
        });
        let accounts = accounts.collect::<Result<Vec<_>>>()?;
        Ok(accounts.into_iter().max_by_key(Account::total).unwrap_or_default())
    }
}

/// The memory requirements of a job.
struct Need<'a> {
    targets: &'a [Target<'a>],
    /// For each target, the positions from its first variable to its last.
    spans: Vec<Range<usize>>,
    sizes: Vec<RowSize>,
    /// Bytes of a number.
    number: usize,
    samples: usize,
    rank: usize,
    allowed: usize,
    slab: usize,
    /// Whether rows stay in a backend's memory.
    placed: bool,
}

impl<'a> Need<'a> {
    fn new(job: &'a Job, variables: &[usize], columns: &dyn FactorColumns) -> Result<Self> {
        let allowed = job.source.memory().saturating_sub(job.vectors);
        let (sizes, placed) = (columns.sizes(), columns.placed().is_some());
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
            // The slabs, in f64, take a sixteenth of the memory.
            slab: match placed {
                true => (allowed / (16 * PLACED_SLABS * size_of::<f64>())).clamp(1, PLACED_SLAB),
                false => (allowed / 256).clamp(1, SLAB),
            },
            placed,
        })
    }

    /// The targets whose matrix is allocated during a part.
    fn living(&self, part: &Range<usize>) -> impl Iterator<Item = &'a Target<'a>> {
        let overlaps = |span: &Range<usize>| span.start < part.end && part.start < span.end;
        self.targets.iter().zip(&self.spans).filter(move |(_, span)| overlaps(span)).map(|(target, _)| target)
    }

    /// Whether the part needs products of rows of different samples: it contributes to a ΦΦᵀ.
    fn pairs(&self, part: &Range<usize>) -> bool {
        self.living(part).any(|target| !target.by_columns())
    }

    /// Bytes that do not depend on the number of samples: matrices and temporaries in f64.
    fn fixed(&self, part: &Range<usize>) -> usize {
        let sum = |bytes: fn(&Target) -> usize| self.living(part).map(bytes).fold(0, usize::saturating_add);
        let matrices = sum(|target| target.bytes());
        let slabs = self.living(part).map(|target| match (self.placed, target.by_columns()) {
            (true, true) => PLACED_SLABS * self.slab.max(target.dimension),
            (true, false) => PLACED_SLABS * self.slab.max(self.rank * self.rank),
            (false, true) => 3 * self.slab.max(self.rank * target.dimension),
            (false, false) => 2 * self.slab,
        });
        // Eigenproblems are solved after the slabs are freed.
        let eigenproblems = sum(|target| bytes_of_band(target.n()).saturating_add(target.of_pairs));
        matrices.saturating_add(eigenproblems.max(size_of::<f64>() * slabs.max().unwrap_or(0)))
    }

    /// Bytes per sample: its stored rows, and the f64 copy of its outer products for one variable
    /// at a time (in a backend's memory, one more copy while that is made).
    fn a_sample(&self, part: &Range<usize>) -> usize {
        let sizes = &self.sizes[part.clone()];
        let outer = sizes.iter().filter(|size| size.outer).map(|size| size.numbers).max();
        let stored = sizes.iter().map(|size| size.numbers).sum::<usize>();
        let copies = if self.placed { 2 } else { 1 };
        self.number * stored + copies * size_of::<f64>() * outer.unwrap_or(0)
    }

    /// Bytes that are left for rows; `None` where matrices and evaluation alone exceed the memory.
    fn left(&self, part: &Range<usize>, evaluating: usize) -> Option<usize> {
        self.allowed.checked_sub(self.fixed(part).saturating_add(evaluating))
    }

    /// The part with the largest blocks that fit; `None` where not even single samples do.
    fn part(&self, variables: Range<usize>, evaluating: usize) -> Option<Part> {
        let a_sample = self.a_sample(&variables).max(1);
        let left = self.left(&variables, evaluating)?;
        let (most, kept) = match left / a_sample {
            most if !self.pairs(&variables) => (most, 1),
            most if most >= self.samples + self.beside(&variables) => (most, 1),
            both => (both / 2, 2),
        };
        (most > 0).then(|| {
            let blocks = if kept == 1 && most >= self.samples { 1 } else { self.samples.div_ceil(most) };
            let part = Part { variables, blocks, evaluating };
            let stored = self.stored(&part, self.samples.div_ceil(blocks));
            Part { evaluating: evaluating + left.saturating_sub(stored), ..part }
        })
    }

    /// Bytes of the rows that are held while a block of `samples` samples is processed: its own
    /// and, for ΦΦᵀ, those of one earlier block, or of pivots.
    fn stored(&self, part: &Part, samples: usize) -> usize {
        let held = match part.blocks {
            1 => samples + self.beside(&part.variables),
            _ if self.pairs(&part.variables) => 2 * samples,
            _ => samples,
        };
        size([held], self.a_sample(&part.variables))
    }

    /// Samples' worth of rows that are held beside a block of all samples: those of pivots.
    fn beside(&self, part: &Range<usize>) -> usize {
        let reduced = self.living(part).filter_map(|target| target.most);
        reduced.map(together).max().unwrap_or(0)
    }

    /// Twice the number of passes over all samples, an integer.
    fn passes(&self, part: &Part) -> usize {
        if self.pairs(&part.variables) { part.blocks + 1 } else { 2 }
    }

    /// The positions at which the variables may be split: not within the columns of a ΦᵀΦ.
    fn cuts(&self) -> Vec<usize> {
        let within = |cut: usize| {
            let inside = |span: &Range<usize>| span.start < cut && cut < span.end;
            self.targets.iter().zip(&self.spans).any(|(target, span)| target.by_columns() && inside(span))
        };
        (0..=self.sizes.len()).filter(|&cut| !within(cut)).collect()
    }

    /// The parts with the fewest passes that fit beside `evaluating` bytes for the evaluation;
    /// `None` where there are none.
    fn cheapest(&self, evaluating: usize) -> Option<Vec<Part>> {
        if let Some(whole) = self.part(0..self.sizes.len(), evaluating).filter(|part| part.blocks == 1) {
            return Some(vec![whole]);
        }
        // For each cut: the fewest passes up to it, and the start of the last part with that part.
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

    /// The smallest possible parts, evaluated one sample at a time.
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
                "its Gram matrix of {n} rows and the data it is computed from would take {} of memory{others}, and {} are allowed",
                bytes(need),
                bytes(self.allowed)
            ),
            "raise `memory` (the experiment's key), use fewer samples, or use the estimator \"lanczos\"",
        )
    }

    /// Bytes for evaluating [`MICRO_BATCH`] samples at once, or fewer where that would exceed a
    /// quarter of the memory.
    fn micro_batch(&self, columns: &dyn FactorColumns) -> usize {
        let mut samples = MICRO_BATCH.min(self.samples);
        while samples > 1 && columns.evaluating(samples) > self.allowed / 4 {
            samples /= 2;
        }
        columns.evaluating(samples)
    }
}
