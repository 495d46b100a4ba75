//! Exact factors: where an operator is known as ΦᵀΦ, the rows of Φ, by variables and samples.

use std::{fmt, ops::Range, sync::Arc};

use candle_core::DType;
use eigenscape_autodiff::{Factor, MeanLoss, Predictions, RowSize, StreamedFactor, Variables};

use crate::{
    Interrupt,
    error::{Error, Result},
};

/// Where the rows of a factor Φ come from. It has R rows for each of N samples, M = R·N in all, and some columns for each variable; a
/// group's matrix is ΦᵀΦ for the columns of the group's variables.
///
/// Operators of the same source can be treated together: columns that several of them share are computed once.
pub trait FactorSource {
    /// N.
    fn samples(&self) -> usize;

    /// R.
    fn rank(&self) -> usize;

    /// The floating-point type of the rows.
    fn dtype(&self) -> DType;

    /// Bytes that the rows, and whatever is made of them, may take.
    fn memory(&self) -> usize;

    /// The labels and predictions that the rows belong to, R being one less than there are classes.
    ///
    /// # Errors
    /// When samples have no classes.
    fn predictions(&self) -> Result<Predictions> {
        Err(Error::input(
            "class structure",
            "the samples have no classes",
            "use it with the cross-entropy of one label an example",
        ))
    }

    /// The columns of these variables. Nothing is evaluated yet.
    ///
    /// # Errors
    /// When the program that computes them cannot be built.
    fn columns(&self, variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>>;
}

/// The columns of Φ that belong to some variables, known row by row.
pub trait FactorColumns {
    /// What the rows of each variable are like.
    fn sizes(&self) -> Vec<RowSize>;

    /// Bytes held at most while so many samples are evaluated at once, beside the rows.
    fn evaluating(&self, samples: usize) -> usize;

    /// The rows of some samples, computed in at most `memory` bytes beside them.
    ///
    /// # Errors
    /// When this is too little for one sample, or an operation fails.
    fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor>;
}

/// The exact factor of one operator.
#[derive(Clone)]
pub struct ExactFactor {
    /// Where it comes from.
    pub source: Arc<dyn FactorSource>,
    /// The source's variables to which the operator's columns belong, ascending.
    pub variables: Vec<usize>,
}

impl fmt::Debug for ExactFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactFactor").field("variables", &self.variables).finish_non_exhaustive()
    }
}

/// The Gauss-Newton factor of all parameters of a network (variable i is parameter i), or of one activation (variable 0).
pub(crate) struct LossFactor {
    loss: MeanLoss,
    rank: usize,
    activation: Option<Variables>,
    interrupt: Interrupt,
}

impl LossFactor {
    /// For the parameters, or for the activation that `group` is.
    pub fn new(loss: &MeanLoss, group: &Variables, interrupt: Interrupt) -> Result<Self> {
        let activation = matches!(group, Variables::Activation(_)).then(|| group.clone());
        Ok(Self { loss: loss.clone(), rank: loss.rank()?, activation, interrupt })
    }
}

impl FactorSource for LossFactor {
    fn samples(&self) -> usize {
        self.loss.point().samples()
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn dtype(&self) -> DType {
        self.loss.point().targets.dtype()
    }

    fn memory(&self) -> usize {
        self.loss.memory()
    }

    fn predictions(&self) -> Result<Predictions> {
        Ok(self.loss.predictions()?)
    }

    fn columns(&self, variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        let group = self.activation.clone().unwrap_or_else(|| variables.into());
        Ok(Box::new(Columns { factor: self.loss.factor(group)?, interrupt: &self.interrupt }))
    }
}

/// The columns of a [`LossFactor`].
struct Columns<'a> {
    factor: StreamedFactor,
    interrupt: &'a Interrupt,
}

impl FactorColumns for Columns<'_> {
    fn sizes(&self) -> Vec<RowSize> {
        self.factor.sizes()
    }

    fn evaluating(&self, samples: usize) -> usize {
        self.factor.evaluating(samples)
    }

    fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor> {
        self.interrupt.check()?;
        Ok(self.factor.rows(samples, memory)?)
    }
}
