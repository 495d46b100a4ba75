//! Why a file cannot be used, before the file has a name.

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

    /// A file that is cut short or changed.
    pub(super) fn damaged(problem: impl Into<String>) -> Self {
        Self::new(
            problem,
            "copy the file again, or save it again: in PyTorch torch.save(model.state_dict(), path), \
             or safetensors.torch.save_file(model.state_dict(), path)",
        )
    }

    /// What is wrong, and what to do about it.
    pub(crate) fn into_words(self) -> (String, String) {
        (self.problem, self.remedy)
    }

    /// The error about a file.
    pub(crate) fn about(self, subject: &str) -> Error {
        Error::input(subject, self.problem, self.remedy)
    }
}
