//! Notes on how and where the numbers were computed.

use serde::{Deserialize, Serialize};

/// `notes.json`: everything of the report that is neither a result nor in the experiment's file.
/// Fields of later versions are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// Notes on all runs: versions, machine, threads, wall-clock time, ignored keys.
    pub lines: Vec<Note>,
    /// The changes by a profile, because of which these are not the experiment's full numbers;
    /// `None` where no profile changed anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileNote>,
    /// What `--set` flags changed: "train.epochs=2 (10 in the file)".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// One entry a run, in the order of `Results::runs`; missing entries are empty.
    pub runs: Vec<RunNotes>,
}

/// How one run was computed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunNotes {
    /// Identifies the settings, data, initial weights and program version: two runs with the same
    /// key are the same run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// C, the number of classes, where the targets are classes: the stem plot marks the C largest
    /// eigenvalues.
    pub classes: Option<usize>,
    /// Data set, model, parameter count, optimiser, and whatever else describes the run.
    pub lines: Vec<Note>,
    /// Each estimator's description; the label is its name in `results.json`. A name may occur more
    /// than once.
    pub estimators: Vec<Note>,
    /// Each distance's description; the label is its name in `results.json`. A name may occur more
    /// than once.
    pub distances: Vec<Note>,
}

/// What a profile changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileNote {
    /// The profile's name.
    pub name: String,
    /// The changes, as in "train.epochs = 5 instead of 50".
    pub changes: Vec<String>,
}

/// A line of notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The subject of the line.
    pub label: String,
    /// The text of the line.
    pub value: String,
}

impl Note {
    /// A line of notes.
    #[must_use]
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into() }
    }
}
