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
    /// A transformation that an operation does not support.
    #[error("{0}")]
    Unsupported(String),
    /// Not even the smallest piece of the work fits into the memory that is allowed.
    #[error("{what} would take {} of memory, and {} are allowed", bytes(*need), bytes(*allowed))]
    Memory {
        /// Whose memory.
        what: &'static str,
        /// Bytes that it takes.
        need: usize,
        /// Bytes that it may take.
        allowed: usize,
    },
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// The error that shapes do not fit together: in which operation, and how.
    pub fn shape(operation: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Shape { operation: operation.into(), problem: problem.into() }
    }
}

/// "1.5 GiB".
fn bytes(count: usize) -> impl std::fmt::Display {
    bytesize::ByteSize(count as u64).display().iec()
}
