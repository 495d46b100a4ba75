//! Losses: what a network's outputs and a data set's targets are together, as a program.

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

/// A loss that networks and objectives share.
pub type Loss = Arc<dyn LossFunction>;

/// A loss of outputs z \[N, C\] or, for outputs by token, \[N, T, C\] (any axes may stand between N
/// and C): a mean over samples, written as a program. Its derivatives are derived.
///
/// What a loss says of itself beside its program is what others ask: how it reads targets, and
/// whether there is a square root of its Hessian in the outputs. Products with the Hessian and the
/// Gauss-Newton matrix need neither.
///
/// ```
/// use eigenscape_program::{Error, Graph, LossFunction, Value};
///
/// /// (1/RC) Σ |z − t|, without a root: what needs one is refused.
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

    /// What it is, with the settings that are not the defaults, in one line for the report.
    fn description(&self) -> String;

    /// Emits the loss, a scalar of shape \[\]: for rows z and t, the mean over the R rows, which
    /// are all axes but the last.
    ///
    /// # Errors
    /// When targets have another shape than [`Self::target_shape`] for these outputs.
    fn emit(&self, graph: &mut Graph, outputs: Value, targets: Value) -> Result<Value>;

    /// A square root of its Hessian in the outputs, for a loss that is convex in them. Without one
    /// there is no exact factor of a Gauss-Newton matrix, and no estimate of its trace in output
    /// space.
    fn root(&self) -> Option<&dyn LossRoot> {
        None
    }

    /// Whether it is known to be convex in the outputs: then Gauss-Newton matrices are positive
    /// semidefinite.
    fn is_convex(&self) -> bool {
        self.root().is_some()
    }

    /// What a classifier under this loss predicts, where the loss is −log p(class) with the softmax
    /// p of the last axis.
    fn categorical(&self) -> Option<&dyn Categorical> {
        None
    }

    /// What it needs of targets.
    fn needs(&self) -> Needs {
        Needs::Rows
    }

    /// How integer labels become rows of targets; soft targets are smoothed and weighted likewise.
    fn coding(&self) -> ClassCoding<'_> {
        ClassCoding::default()
    }

    /// Whether a label 0 or 1 may be the target of one output itself.
    fn takes_binary_labels(&self) -> bool {
        false
    }

    /// The numbers that real targets may be.
    fn range(&self) -> RangeInclusive<f64> {
        f64::NEG_INFINITY..=f64::INFINITY
    }

    /// Whether the outputs of a row, along the last axis, are those of classes, which the loss
    /// compares with each other.
    fn compares_classes(&self) -> bool {
        false
    }

    /// How many outputs an architecture is asked for, where the targets have so many numbers
    /// (classes, or elements of a row).
    fn outputs(&self, targets: usize) -> usize {
        targets
    }

    /// The shape of the targets for outputs of this shape (of all samples, or of one): that of the
    /// outputs, unless the loss says otherwise.
    ///
    /// # Errors
    /// When it has no use for such outputs.
    fn target_shape(&self, outputs: &[usize]) -> Result<Vec<usize>> {
        Ok(outputs.to_vec())
    }
}
