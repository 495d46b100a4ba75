//! What can go wrong while a program is built or differentiated.

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of building or differentiating a program.
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
    /// A transformation that an operation does not support.
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// A shape error of an operation or layer.
    pub fn shape(operation: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Shape { operation: operation.into(), problem: problem.into() }
    }
}
