//! Losses of a network's outputs and a data set's targets, as programs.

mod predictions;
mod reading;
mod root;

use std::{fmt, ops::RangeInclusive, sync::Arc};

pub use self::{
    predictions::{Categorical, Predictions},
    reading::{ClassCoding, Needs},
    root::{DiagonalRoot, LossRoot},
};
use crate::{Graph, Value, error::Result};

/// A shared loss.
pub type Loss = Arc<dyn LossFunction>;

/// A loss of outputs z \[N, C\] or, for outputs by token, \[N, T, C\] (any axes may stand between N
/// and C): a mean over rows, written as a program. Its derivatives follow by differentiation of the
/// program.
///
/// The other methods describe how the loss reads targets, and a square root of its Hessian in the
/// outputs, if there is one. Products with the Hessian and the Gauss-Newton matrix need only the
/// program.
///
/// ```
/// use eigenscape_program::{Error, Graph, LossFunction, Value};
///
/// /// (1/RC) Σ |z − t|, without a root: computations that need a root are refused.
/// #[derive(Debug)]
/// struct MeanAbsoluteError;
///
/// impl LossFunction for MeanAbsoluteError {
///     fn name(&self) -> &'static str {
///         "mean-absolute-error"
///     }
///
///     fn description(&self) -> String {
///         "mean absolute error".to_owned()
///     }
///
///     fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value, Error> {
///         use eigenscape_program::ElementwiseFunction::Relu;
///         let elements: usize = graph.shape(z).iter().product();
///         let above = graph.sub(z, target)?;
///         let below = graph.scale(above, -1.0)?;
///         let (above, below) = (graph.function(Relu, above)?, graph.function(Relu, below)?);
///         let distance = graph.add(above, below)?;
///         let total = graph.sum_all(distance)?;
///         graph.scale(total, 1.0 / elements as f64)
///     }
/// }
/// assert!(!MeanAbsoluteError.is_convex());
/// ```
pub trait LossFunction: fmt::Debug + Send + Sync {
    /// Its name among the plugins, for messages.
    fn name(&self) -> &'static str;

    /// A description in one line for the report, with the settings that differ from the defaults.
    fn description(&self) -> String;

    /// Emits the loss, a scalar of shape \[\]: the mean over the R rows of outputs and targets,
    /// where rows run along the last axis.
    ///
    /// # Errors
    /// When targets have another shape than [`Self::target_shape`] for these outputs.
    fn emit(&self, graph: &mut Graph, outputs: Value, targets: Value) -> Result<Value>;

    /// A square root of its Hessian in the outputs, for a loss that is convex in them. Exact
    /// factors of a Gauss-Newton matrix and estimates of its trace in output space need it.
    fn root(&self) -> Option<&dyn LossRoot> {
        None
    }

    /// Whether the loss is known to be convex in the outputs, so that Gauss-Newton matrices are
    /// positive semidefinite.
    fn is_convex(&self) -> bool {
        self.root().is_some()
    }

    /// Access to a classifier's predictions, for a loss that is −log p(class) with the softmax p
    /// over the last axis.
    fn categorical(&self) -> Option<&dyn Categorical> {
        None
    }

    /// The kind of targets that the loss needs.
    fn needs(&self) -> Needs {
        Needs::Rows
    }

    /// How integer labels become rows of targets; soft targets are smoothed and weighted likewise.
    fn coding(&self) -> ClassCoding<'_> {
        ClassCoding::default()
    }

    /// Whether a label 0 or 1 may be the target of a single output.
    fn takes_binary_labels(&self) -> bool {
        false
    }

    /// The range of allowed real targets.
    fn range(&self) -> RangeInclusive<f64> {
        f64::NEG_INFINITY..=f64::INFINITY
    }

    /// Whether the last axis of the outputs runs over classes, which the loss compares with each
    /// other.
    fn compares_classes(&self) -> bool {
        false
    }

    /// The number of outputs that an architecture needs for targets of this size (classes, or
    /// elements of a row).
    fn outputs(&self, targets: usize) -> usize {
        targets
    }

    /// The shape of the targets for outputs of this shape (of all samples, or of one); by default
    /// the same shape.
    ///
    /// # Errors
    /// When the loss does not support outputs of this shape.
    fn target_shape(&self, outputs: &[usize]) -> Result<Vec<usize>> {
        Ok(outputs.to_vec())
    }
}
