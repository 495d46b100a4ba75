//! Exact factors Φ of operators ΦᵀΦ: their rows, by variables and samples.

use std::{fmt, ops::Range, sync::Arc};

use candle_core::DType;
use eigenscape_curvature::{Factor, MeanLoss, RowSize, StreamedColumns, StreamedFactor};
use eigenscape_program::{Predictions, Variables};

use crate::error::{Error, Result};

/// A source of the rows of a factor Φ. Φ has R rows for each of N samples, M = R·N in total, and
/// some columns for each variable; a group's matrix is ΦᵀΦ for the columns of the group's
/// variables.
///
/// Operators with the same source can be processed together: columns that several of them share are
/// computed once.
pub trait FactorSource: Send + Sync {
    /// N, the number of samples.
    fn samples(&self) -> usize;

    /// R, the number of rows per sample.
    fn rank(&self) -> usize;

    /// The floating-point type of the rows.
    fn dtype(&self) -> DType;

    /// Bytes that the rows, and whatever is computed from them, may take.
    fn memory(&self) -> usize;

    /// Checks that there are [predictions](Self::predictions), before anything is evaluated.
    ///
    /// # Errors
    /// When the samples have no classes.
    fn check_classes(&self) -> Result<()> {
        self.predictions().map(|_| ())
    }

    /// The labels and predictions of the samples. R is then one less than the number of classes.
    ///
    /// # Errors
    /// When the samples have no classes.
    fn predictions(&self) -> Result<Box<dyn Predictions>> {
        Err(Error::input(
            "class structure",
            "the samples have no classes",
            "use it with a loss of classes and one label per sample",
        ))
    }

    /// The source of another factor of the same matrices, computed by forward passes, one per
    /// column, instead of backward passes, one per row of a sample. This is less work where a
    /// sample has more outputs than there are parameters. `None` where there is no such source.
    fn by_columns(&self) -> Option<Arc<dyn FactorSource>> {
        None
    }

    /// The columns of these variables. Nothing is evaluated yet.
    ///
    /// # Errors
    /// When the program that computes them cannot be built.
    fn columns(&self, variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>>;
}

/// The columns of Φ that belong to some variables, available by rows.
pub trait FactorColumns {
    /// The size and form of the rows of each variable.
    fn sizes(&self) -> Vec<RowSize>;

    /// The most bytes held while `samples` samples are evaluated at once, in addition to the rows.
    fn evaluating(&self, samples: usize) -> usize;

    /// Floating-point operations for the rows of all samples; 0 where the rows are known already.
    fn flops(&self) -> usize {
        0
    }

    /// The rows of some samples, computed in at most `memory` bytes in addition to the rows.
    ///
    /// # Errors
    /// When `memory` is too little for one sample, or an operation fails.
    fn rows(&self, samples: Range<usize>, memory: usize) -> Result<Factor>;

    /// The factor, if its rows can be [placed](StreamedFactor::place) in the memory of a backend
    /// that does not keep numbers on the host, where products of rows are computed then.
    fn placed(&self) -> Option<&StreamedFactor> {
        None
    }

    /// The rounding error of the rows of one sample: for each variable \[Σ(φ̃ − φ)², Σφ²\] over the
    /// computed rows φ̃ and the rows φ in f64; `None` where unknown.
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
    /// The source of the rows.
    pub source: Arc<dyn FactorSource>,
    /// The variables of the source that own the operator's columns, ascending.
    pub variables: Vec<usize>,
}

impl fmt::Debug for ExactFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactFactor").field("variables", &self.variables).finish_non_exhaustive()
    }
}

impl ExactFactor {
    /// The same matrix with the source of its factor that takes less work.
    ///
    /// # Errors
    /// When the programs cannot be built.
    pub fn cheaper(self) -> Result<Self> {
        let source = cheaper(self.source, &self.variables)?;
        Ok(Self { source, ..self })
    }
}

/// The given source, or its [`FactorSource::by_columns`] if that takes fewer operations for the
/// columns of these variables.
///
/// # Errors
/// When the programs cannot be built.
pub fn cheaper(source: Arc<dyn FactorSource>, variables: &[usize]) -> Result<Arc<dyn FactorSource>> {
    let Some(other) = source.by_columns() else { return Ok(source) };
    let less = other.columns(variables)?.flops() < source.columns(variables)?.flops();
    Ok(if less { other } else { source })
}

/// The Gauss-Newton factor of all parameters of a network (variable i is parameter i), or of one
/// activation or slice of a parameter (variable 0).
#[derive(Clone)]
pub(crate) struct LossFactor {
    loss: MeanLoss,
    rank: usize,
    /// The activation or slice.
    single: Option<Variables>,
    by_columns: bool,
}

impl LossFactor {
    /// The factor for the parameters, or, if `group` is an activation or a slice, for that.
    pub fn new(loss: &MeanLoss, group: &Variables) -> Result<Self> {
        let single = (!matches!(group, Variables::Parameters(_))).then(|| group.clone());
        Ok(Self { loss: loss.clone(), rank: loss.rank()?, single, by_columns: false })
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
        // An activation has variables in every sample, so that columns outnumber rows.
        let possible = !matches!(self.single, Some(Variables::Activation(_))) && !self.by_columns;
        possible.then(|| {
            Arc::new(Self { rank: self.loss.outputs(), by_columns: true, ..self.clone() })
                as Arc<dyn FactorSource>
        })
    }

    fn columns(&self, variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        let group = self.single.clone().unwrap_or_else(|| variables.into());
        let factor = match self.by_columns {
            true => Streamed::Columns(self.loss.columns(group)?),
            false => Streamed::Rows(self.loss.factor(group)?),
        };
        Ok(Box::new(Columns(factor)))
    }
}

/// A factor computed by backward passes (rows) or forward passes (columns).
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

    fn placed(&self) -> Option<&StreamedFactor> {
        match &self.0 {
            Streamed::Rows(factor) => Some(factor).filter(|factor| factor.is_placed()),
            Streamed::Columns(_) => None,
        }
    }

    fn rounding(&self, sample: usize) -> Result<Option<Vec<[f64; 2]>>> {
        Ok(match &self.0 {
            Streamed::Rows(factor) => factor.rounding(sample)?,
            Streamed::Columns(factor) => factor.rounding(sample)?,
        })
    }
}
