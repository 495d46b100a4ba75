//! Why a file cannot be read.

use std::path::Path;

/// The result of everything that reads a file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a file that has a name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its contents are not usable.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Input {
        /// The file.
        subject: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The operating system refused to read it.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// Unusable contents: of what, what is wrong with them, and what to do.
    pub fn input(subject: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Input { subject: subject.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// An I/O error on `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().display().to_string(), source }
    }
}

/// Why contents cannot be used, before they have a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong with them.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Refusal {
    /// What is wrong, and what to do about it.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    /// The error about a file.
    #[must_use]
    pub fn about(self, subject: &str) -> Error {
        Error::input(subject, self.problem, self.remedy)
    }
}
