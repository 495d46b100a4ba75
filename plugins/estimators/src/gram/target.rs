//! The matrices to compute: one for each set of columns.

use std::{ops::Range, sync::Arc};

use eigenscape_core::{CurvatureOperator, Error, ExactFactor, FactorSource, Result, factor::cheaper};

use super::low_rank::LowRank;
use crate::operator::dimension;

/// One matrix to compute: ΦᵀΦ (P × P) or ΦΦᵀ (M × M) for the columns Φ of some variables.
#[derive(Clone)]
pub(crate) struct Target<'a> {
    /// The indices of the operators that have this matrix.
    pub operators: Vec<usize>,
    /// The first of them.
    pub operator: &'a dyn CurvatureOperator,
    /// The variables, ascending.
    pub variables: Vec<usize>,
    /// P.
    pub dimension: usize,
    /// M.
    pub rows: usize,
    /// Bytes that processing the finished matrix takes in addition to it.
    pub beside: usize,
    /// Bytes that computing eigenvectors of the matrix takes.
    pub of_pairs: usize,
    /// Bytes of its eigenvectors, until all targets of its job are finished.
    pub vectors: usize,
    /// The most columns of a factor of low rank, if one is computed instead of ΦΦᵀ.
    pub most: Option<usize>,
    side: Side,
}

/// Which of the two matrices of a factor to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The smaller one.
    Smaller,
    /// ΦΦᵀ.
    Rows,
}

/// All targets that share one source of the factor.
pub(crate) struct Job<'a> {
    pub source: Arc<dyn FactorSource>,
    pub targets: Vec<Target<'a>>,
    /// Bytes of eigenvectors that are held until all targets are finished.
    pub vectors: usize,
}

impl Target<'_> {
    /// The description of the target's first operator, for messages.
    pub fn description(&self) -> String {
        self.operator.description()
    }

    /// The error for a source whose rows or columns are not as many as it declares.
    pub fn wrong_shape(&self) -> Error {
        Error::input(
            self.description(),
            format!("its factor does not consist of {} rows and {} columns", self.rows, self.dimension),
            "report this: an operator's factor has one column a parameter",
        )
    }

    /// Whether the matrix is ΦᵀΦ.
    pub fn by_columns(&self) -> bool {
        self.side == Side::Smaller && self.dimension < self.rows
    }

    /// The same target, with a factor of low rank of at most so many columns; `None`: with the
    /// matrix.
    pub fn with_most(mut self, most: Option<usize>) -> Self {
        self.most = most;
        self
    }

    /// The rows of ΦᵀΦ or ΦΦᵀ.
    pub fn side(&self) -> usize {
        if self.by_columns() { self.dimension } else { self.rows }
    }

    /// Rows of the matrix whose eigenvalues are computed; at most as many for a factor of low rank.
    pub fn n(&self) -> usize {
        self.most.unwrap_or(self.side())
    }

    /// Bytes of the matrix and of the vectors that computing its eigenvalues takes; with those of a
    /// factor of low rank.
    pub fn of_matrix(&self) -> usize {
        const VECTORS: usize = 8;
        let factor = self.most.map_or(0, |most| LowRank::bytes(self.rows, most));
        let matrix = size_of::<f64>().saturating_mul(self.n().saturating_mul(self.n() + VECTORS));
        matrix.saturating_add(factor)
    }

    /// Bytes of the matrix and of its processing.
    pub fn bytes(&self) -> usize {
        self.of_matrix().saturating_add(self.beside)
    }

    /// The positions in `union`, which contains all variables of the target, from its first to its
    /// last.
    pub fn span(&self, union: &[usize]) -> Range<usize> {
        let position = |variable: Option<&usize>| union.iter().position(|v| Some(v) == variable).unwrap_or(0);
        position(self.variables.first())..position(self.variables.last()) + 1
    }
}

impl<'a> Job<'a> {
    /// A job with some targets of the same source.
    pub fn with(&self, targets: Vec<Target<'a>>) -> Self {
        let vectors = targets.iter().map(|target| target.vectors).fold(0, usize::saturating_add);
        Self { source: self.source.clone(), targets, vectors }
    }

    /// The jobs for these operators: one per source, with each distinct matrix once.
    pub fn all(operators: &[&'a dyn CurvatureOperator], side: Side) -> Result<Vec<Self>> {
        let mut jobs: Vec<Self> = Vec::new();
        for (index, operator) in operators.iter().enumerate() {
            let (dimension, ExactFactor { source, mut variables }) =
                (dimension(*operator)?, operator.factor()?);
            variables.sort_unstable();
            let same = |job: &Self| std::ptr::addr_eq(Arc::as_ptr(&job.source), Arc::as_ptr(&source));
            let known = jobs.iter().position(same);
            let job = known.unwrap_or(jobs.len());
            if known.is_none() {
                jobs.push(Self { source, targets: Vec::new(), vectors: 0 });
            }
            jobs[job].add(index, *operator, variables, dimension, side);
        }
        jobs.into_iter().map(Self::by_the_cheaper_passes).collect()
    }

    /// The same matrices from the source that costs fewer operations. Forward passes, one per
    /// column, give a factor with the same ΦᵀΦ but another ΦΦᵀ, so they are considered only where
    /// every target is ΦᵀΦ. A job with a ΦΦᵀ mostly has more columns than rows, which favours
    /// backward passes anyway.
    fn by_the_cheaper_passes(mut self) -> Result<Self> {
        if self.targets.iter().all(Target::by_columns) {
            self.source = cheaper(self.source.clone(), &self.variables())?;
            let rows = self.source.samples() * self.source.rank();
            self.targets.iter_mut().for_each(|target| target.rows = rows);
        }
        Ok(self)
    }

    fn add(
        &mut self,
        index: usize,
        operator: &'a dyn CurvatureOperator,
        variables: Vec<usize>,
        dimension: usize,
        side: Side,
    ) {
        let same =
            |target: &&mut Target<'_>| (&target.variables, target.dimension) == (&variables, dimension);
        match self.targets.iter_mut().find(same) {
            Some(target) => target.operators.push(index),
            None => self.targets.push(Target {
                operators: vec![index],
                operator,
                variables,
                dimension,
                rows: self.source.samples() * self.source.rank(),
                beside: 0,
                of_pairs: 0,
                vectors: 0,
                most: None,
                side,
            }),
        }
    }

    /// All variables, ascending.
    pub fn variables(&self) -> Vec<usize> {
        let mut union: Vec<usize> =
            self.targets.iter().flat_map(|target| &target.variables).copied().collect();
        union.sort_unstable();
        union.dedup();
        union
    }
}
