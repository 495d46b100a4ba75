//! Errors about a file before its name is known.

use eigenscape_core::Error;

/// What is wrong with a file and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    problem: String,
    pub(super) remedy: String,
}

/// The result of everything that reads a file.
pub(crate) type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Refusal {
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    /// The refusal of a file that is truncated or changed.
    pub(super) fn damaged(problem: impl Into<String>) -> Self {
        Self::new(
            problem,
            "copy the file again, or save it again: in PyTorch torch.save(model.state_dict(), path), \
             or safetensors.torch.save_file(model.state_dict(), path)",
        )
    }

    /// The problem and the remedy.
    pub(crate) fn into_words(self) -> (String, String) {
        (self.problem, self.remedy)
    }

    /// The error about a file.
    pub(crate) fn about(self, subject: &str) -> Error {
        Error::input(subject, self.problem, self.remedy)
    }
}
