//! Exact factors: where an operator is known as ΦᵀΦ, the rows of Φ, by variables and samples.

use std::{fmt, ops::Range, sync::Arc};

use candle_core::DType;
use eigenscape_curvature::{Factor, MeanLoss, RowSize, StreamedColumns, StreamedFactor};
use eigenscape_program::{Predictions, Variables};

use crate::error::{Error, Result};

/// Where the rows of a factor Φ come from. It has R rows for each of N samples, M = R·N in all, and
/// some columns for each variable; a group's matrix is ΦᵀΦ for the columns of the group's
/// variables.
///
/// Operators of the same source can be treated together: columns that several of them share are
/// computed once.
pub trait FactorSource: Send + Sync {
    /// N.
    fn samples(&self) -> usize;

    /// R.
    fn rank(&self) -> usize;

    /// The floating-point type of the rows.
    fn dtype(&self) -> DType;

    /// Bytes that the rows, and whatever is made of them, may take.
    fn memory(&self) -> usize;

    /// Whether there are [predictions](Self::predictions): known before anything is evaluated.
    ///
    /// # Errors
    /// When samples have no classes.
    fn check_classes(&self) -> Result<()> {
        self.predictions().map(|_| ())
    }

    /// The labels and predictions that the rows belong to, R being one less than there are classes.
    ///
    /// # Errors
    /// When samples have no classes.
    fn predictions(&self) -> Result<Box<dyn Predictions>> {
        Err(Error::input(
            "class structure",
            "the samples have no classes",
            "use it with a loss of classes and one label an example",
        ))
    }

    /// The source of another factor of the same matrices, computed by passes forward, one a column,
    /// in place of passes backward, one a row of a sample: where a sample has more outputs than
    /// there are parameters it is less work. `None` where there is no such source.
    fn by_columns(&self) -> Option<Arc<dyn FactorSource>> {
        None
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

    /// Floating-point operations for the rows of all samples; 0 where they are known.
    fn flops(&self) -> usize {
        0
    }

    /// The rows of some samples, computed in at most `memory` bytes beside them.
    ///
    /// # Errors
    /// When this is too little for one sample, or an operation fails.
    fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor>;

    /// How far rounding has moved the rows of one sample: for each variable \[Σ(φ̃ − φ)², Σφ²\]
    /// over these rows φ̃ and the rows φ in f64; `None` where that is not known.
    ///
    /// # Errors
    /// When an operation fails.
    fn rounding(&self, sample: usize) -> Result<Option<Vec<[f64; 2]>>> {
        let _ = sample;
        Ok(None)
    }
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

impl ExactFactor {
    /// The same matrix from the source of its factor that is less work.
    ///
    /// # Errors
    /// When the programs cannot be built.
    pub fn cheaper(self) -> Result<Self> {
        let source = cheaper(self.source, &self.variables)?;
        Ok(Self { source, ..self })
    }
}

/// The given source, or its [`FactorSource::by_columns`] where the columns of these variables are
/// less work so.
///
/// # Errors
/// When the programs cannot be built.
pub fn cheaper(source: Arc<dyn FactorSource>, variables: &[usize]) -> Result<Arc<dyn FactorSource>> {
    let Some(other) = source.by_columns() else { return Ok(source) };
    let less = other.columns(variables)?.flops() < source.columns(variables)?.flops();
    Ok(if less { other } else { source })
}

/// The Gauss-Newton factor of all parameters of a network (variable i is parameter i), or of one
/// activation (variable 0).
#[derive(Clone)]
pub(crate) struct LossFactor {
    loss: MeanLoss,
    rank: usize,
    activation: Option<Variables>,
    by_columns: bool,
}

impl LossFactor {
    /// For the parameters, or for the activation that `group` is.
    pub fn new(loss: &MeanLoss, group: &Variables) -> Result<Self> {
        let activation = matches!(group, Variables::Activation(_)).then(|| group.clone());
        Ok(Self { loss: loss.clone(), rank: loss.rank()?, activation, by_columns: false })
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

    fn check_classes(&self) -> Result<()> {
        Ok(self.loss.classes().map(|_| ())?)
    }

    fn predictions(&self) -> Result<Box<dyn Predictions>> {
        Ok(self.loss.predictions()?)
    }

    fn by_columns(&self) -> Option<Arc<dyn FactorSource>> {
        // An activation has elements for each sample, more than rows.
        let possible = self.activation.is_none() && !self.by_columns;
        possible.then(|| {
            Arc::new(Self { rank: self.loss.outputs(), by_columns: true, ..self.clone() })
                as Arc<dyn FactorSource>
        })
    }

    fn columns(&self, variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        let group = self.activation.clone().unwrap_or_else(|| variables.into());
        let factor = match self.by_columns {
            true => Streamed::Columns(self.loss.columns(group)?),
            false => Streamed::Rows(self.loss.factor(group)?),
        };
        Ok(Box::new(Columns(factor)))
    }
}

/// By passes backward or forward.
enum Streamed {
    Rows(StreamedFactor),
    Columns(StreamedColumns),
}

/// The columns of a [`LossFactor`].
struct Columns(Streamed);

impl FactorColumns for Columns {
    fn sizes(&self) -> Vec<RowSize> {
        match &self.0 {
            Streamed::Rows(factor) => factor.sizes(),
            Streamed::Columns(factor) => factor.sizes(),
        }
    }

    fn evaluating(&self, samples: usize) -> usize {
        match &self.0 {
            Streamed::Rows(factor) => factor.evaluating(samples),
            Streamed::Columns(factor) => factor.evaluating(samples),
        }
    }

    fn flops(&self) -> usize {
        match &self.0 {
            Streamed::Rows(factor) => factor.flops(),
            Streamed::Columns(factor) => factor.flops(),
        }
    }

    fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor> {
        Ok(match &self.0 {
            Streamed::Rows(factor) => factor.rows(samples, memory)?,
            Streamed::Columns(factor) => factor.rows(samples, memory)?,
        })
    }

    fn rounding(&self, sample: usize) -> Result<Option<Vec<[f64; 2]>>> {
        Ok(match &self.0 {
            Streamed::Rows(factor) => factor.rounding(sample)?,
            Streamed::Columns(factor) => factor.rounding(sample)?,
        })
    }
}
