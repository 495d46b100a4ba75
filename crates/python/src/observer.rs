//! What a run reports, kept until Python asks for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use eigenscape_experiment::progress::Observer;

/// The reports since they were last taken.
#[derive(Default)]
pub struct Reports(Mutex<News>);

/// Reports that were not taken yet.
#[derive(Default)]
pub struct News {
    /// Lines of text.
    pub lines: Vec<String>,
    /// What is being done, and how much of how much is done; the latest.
    pub progress: Option<(String, u64, u64)>,
}

impl Reports {
    /// The reports since the last call.
    pub fn take(&self) -> News {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Reports {
    fn line(&self, text: &str) {
        self.lock().lines.push(text.to_owned());
    }

    fn progress(&self, label: &str, done: u64, total: u64) {
        self.lock().progress = Some((label.to_owned(), done, total));
    }
}
