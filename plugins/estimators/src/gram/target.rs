//! What is to be computed: one matrix for each set of columns.

use std::{ops::Range, sync::Arc};

use eigenscape_core::{CurvatureOperator, Error, ExactFactor, FactorSource, Result, factor::cheaper};

use crate::operator::dimension;

/// One of ΦᵀΦ (P × P) and ΦΦᵀ (M × M), by default the smaller, for the columns Φ of some variables.
pub(crate) struct Target<'a> {
    /// The operators whose matrix this is, by index.
    pub operators: Vec<usize>,
    /// The first of them.
    pub operator: &'a dyn CurvatureOperator,
    /// The variables, ascending.
    pub variables: Vec<usize>,
    /// P.
    pub dimension: usize,
    /// M.
    pub rows: usize,
    /// Bytes that are taken beside the matrix when it is done.
    pub beside: usize,
    side: Side,
}

/// Which matrix of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The smaller one.
    Smaller,
    /// ΦΦᵀ.
    Rows,
}

/// All targets of one source.
pub(crate) struct Job<'a> {
    pub source: Arc<dyn FactorSource>,
    pub targets: Vec<Target<'a>>,
}

impl Target<'_> {
    /// What it is, for messages.
    pub fn description(&self) -> String {
        self.operator.description()
    }

    /// The error for a source that hands out other rows or columns than it says.
    pub fn wrong_shape(&self) -> Error {
        Error::input(
            self.description(),
            format!("its factor does not consist of {} rows and {} columns", self.rows, self.dimension),
            "report this: an operator's factor has one column a parameter",
        )
    }

    /// Whether it is ΦᵀΦ.
    pub fn by_columns(&self) -> bool {
        self.side == Side::Smaller && self.dimension < self.rows
    }

    /// Rows of the matrix.
    pub fn n(&self) -> usize {
        if self.by_columns() { self.dimension } else { self.rows }
    }

    /// Bytes of the matrix and of the vectors that its eigenvalues take.
    pub fn of_matrix(&self) -> usize {
        const VECTORS: usize = 8;
        size_of::<f64>().saturating_mul(self.n().saturating_mul(self.n() + VECTORS))
    }

    /// Bytes of the matrix and of what is taken beside it.
    pub fn bytes(&self) -> usize {
        self.of_matrix().saturating_add(self.beside)
    }

    /// From its first variable to its last, as positions in `union`, which has them all.
    pub fn span(&self, union: &[usize]) -> Range<usize> {
        let position = |variable: Option<&usize>| union.iter().position(|v| Some(v) == variable).unwrap_or(0);
        position(self.variables.first())..position(self.variables.last()) + 1
    }
}

impl<'a> Job<'a> {
    /// The matrices of these operators, those of one source together and each once.
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
                jobs.push(Self { source, targets: Vec::new() });
            }
            jobs[job].add(index, *operator, variables, dimension, side);
        }
        jobs.into_iter().map(Self::by_the_cheaper_passes).collect()
    }

    /// The same matrices from the source that is less work. Passes forward, one a column, give no
    /// ΦΦᵀ, and where one is wanted there are more columns than rows anyhow.
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
