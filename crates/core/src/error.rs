//! One error type for everything a user can cause: it names the subject, the problem and the
//! remedy.

use std::path::Path;

/// The result of every fallible function of Eigenscape's crates above `curvature`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, in words for the person who can fix it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input (a file, a key, a value) is not usable.
    #[error("{subject}: {problem}\n  help: {remedy}")]
    Input {
        /// The file, key or object at fault.
        subject: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The operating system refused an operation on a file.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A derivative or a network could not be built or evaluated.
    #[error(transparent)]
    Evaluation(eigenscape_runtime::Error),
    /// A request stopped the work ([`crate::Interrupt`]).
    #[error("interrupted")]
    Interrupted,
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An unusable input: what it is, what is wrong with it, and what to do.
    pub fn input(subject: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Input { subject: subject.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// This error with `whom` in front of its subject.
    #[must_use]
    pub fn of(self, whom: &str) -> Self {
        match self {
            Self::Input { subject, problem, remedy } => {
                Self::Input { subject: format!("{whom}: {subject}"), problem, remedy }
            }
            other => other,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::Input { remedy, .. } => remedy,
            Self::Io { source, .. } => for_file(source),
            Self::Evaluation(eigenscape_runtime::Error::Device(_)) => {
                "check with nvidia-smi whether the GPU works and who else uses it; if its memory is too small, measure on fewer samples, set a lower `memory`, or set device = \"cpu\""
            }
            Self::Evaluation(_) => {
                "check that the settings in [model] fit the data's shapes and types, and that indices (tokens) are below the embedding's rows; if they do, report this as a fault of Eigenscape"
            }
            Self::Tensor(_) => "report this as a fault of Eigenscape, with the experiment's file",
            Self::Interrupted => "give the same command again: it goes on from what is kept",
        }
    }

    /// What went wrong, and what to do about it.
    #[must_use]
    pub fn into_words(self) -> (String, Option<String>) {
        let remedy = self.remedy().to_owned();
        let problem = match self {
            Self::Input { subject, problem, .. } => format!("{subject}: {problem}"),
            other => other.to_string(),
        };
        (problem, Some(remedy))
    }

    /// An I/O error on `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().display().to_string(), source }
    }
}

/// What to do about a full disk.
const FULL: &str =
    "free space on that disk and give the same command again, or choose another folder with --out DIR";

/// What to do about a file that the operating system refuses to read or write.
fn for_file(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
    };
    match error.kind() {
        _ if is_full(error) => FULL,
        NotFound => "check the path: neither it nor a folder on the way to it may be missing",
        PermissionDenied | ReadOnlyFilesystem => {
            "give this user the right to read and write there, or choose another path"
        }
        IsADirectory => "give the path of a file, and not of a folder",
        NotADirectory => "one of the folders on the path is a file: correct the path",
        AlreadyExists => "remove or rename what is there, or choose another path",
        _ => "check the path and the disk that it is on, and give the same command again",
    }
}

/// Whether an I/O error means that the disk or the quota is full.
#[must_use]
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

impl From<eigenscape_formats::Error> for Error {
    fn from(error: eigenscape_formats::Error) -> Self {
        match error {
            eigenscape_formats::Error::Input { subject, problem, remedy } => {
                Self::Input { subject, problem, remedy }
            }
            eigenscape_formats::Error::Io { path, source } => Self::Io { path, source },
        }
    }
}

impl From<eigenscape_program::Error> for Error {
    fn from(error: eigenscape_program::Error) -> Self {
        eigenscape_runtime::Error::from(error).into()
    }
}

impl From<eigenscape_runtime::Error> for Error {
    fn from(error: eigenscape_runtime::Error) -> Self {
        match error {
            eigenscape_runtime::Error::Memory { .. } => {
                let remedy = "raise `memory` (the experiment's key), or measure on fewer samples or in f32";
                Self::input("memory", error.to_string(), remedy)
            }
            eigenscape_runtime::Error::Interrupted => Self::Interrupted,
            other => Self::Evaluation(other),
        }
    }
}
