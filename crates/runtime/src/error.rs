//! What can go wrong while a program is planned or run.

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program cannot be built, or its inputs do not fit.
    #[error(transparent)]
    Program(#[from] eigenscape_program::Error),
    /// Even the smallest unit of work (one sample, if samples are not coupled) needs more memory
    /// than is allowed.
    #[error("{what} would take {} of memory, and {} are allowed", bytes(*need), bytes(*allowed))]
    Memory {
        /// The work that needs the memory.
        what: &'static str,
        /// Bytes that are needed.
        need: usize,
        /// Bytes that are allowed.
        allowed: usize,
    },
    /// A stop was requested: see [`Interrupt`](crate::Interrupt).
    #[error("interrupted")]
    Interrupted,
    /// A device, or a library of its vendor, failed or is missing.
    #[error("{0}")]
    Device(String),
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// A shape error of an operation or a layer.
    pub fn shape(operation: impl Into<String>, problem: impl Into<String>) -> Self {
        eigenscape_program::Error::shape(operation, problem).into()
    }

    /// An error for an unsupported operation or setting.
    pub fn unsupported(problem: impl Into<String>) -> Self {
        eigenscape_program::Error::Unsupported(problem.into()).into()
    }
}

/// "1.5 GiB".
fn bytes(count: usize) -> impl std::fmt::Display {
    bytesize::ByteSize(count as u64).display().iec()
}
