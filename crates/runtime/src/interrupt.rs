//! Interruption of long computations on request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::error::{Error, Result};

/// A flag that requests that a long computation stop. It may be raised at any time, for example by
/// a signal handler; the computation checks it at points where it can stop without losing results.
/// Clones share the flag; `default()` makes a new one.
///
/// ```
/// use eigenscape_runtime::Interrupt;
/// let interrupt = Interrupt::default();
/// let seen_by_the_work = interrupt.clone();
/// assert!(seen_by_the_work.check().is_ok());
/// interrupt.request();
/// assert!(seen_by_the_work.check().is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Raises the flag; returns whether it was raised already.
    pub fn request(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether a stop is requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns an error if a stop is requested.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if a stop is requested.
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
