//! What can go wrong while a program is planned or run.

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program cannot be built, or is given what does not fit.
    #[error(transparent)]
    Program(#[from] eigenscape_program::Error),
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
    /// The work was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A device, or a library of its maker, failed or is missing.
    #[error("{0}")]
    Device(String),
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Operands that do not fit, of an operation or a layer.
    pub fn shape(operation: impl Into<String>, problem: impl Into<String>) -> Self {
        eigenscape_program::Error::shape(operation, problem).into()
    }

    /// What cannot be done.
    pub fn unsupported(problem: impl Into<String>) -> Self {
        eigenscape_program::Error::Unsupported(problem.into()).into()
    }
}

/// "1.5 GiB".
fn bytes(count: usize) -> impl std::fmt::Display {
    bytesize::ByteSize(count as u64).display().iec()
}
