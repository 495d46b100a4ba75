//! What can go wrong while a program is built, differentiated or evaluated.

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Operands whose shapes do not fit together.
    #[error("{operation}: {problem}")]
    Shape {
        /// The primitive or layer.
        operation: String,
        /// Which shapes do not fit, and how.
        problem: String,
    },
    /// An exact factor of the Hessian was asked for, and the network is not provably affine in the group.
    #[error("the network is not piecewise affine in {group}: {node} breaks it")]
    NotAffine {
        /// The group of parameters.
        group: String,
        /// The operation that breaks affinity, and where it stands.
        node: String,
    },
    /// A transformation that an operation does not support.
    #[error("{0}")]
    Unsupported(String),
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn shape(operation: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Shape { operation: operation.into(), problem: problem.into() }
    }
}
