//! The wish of whoever started the work that it should stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::error::{Error, Result};

/// A flag that may be raised at any time, by a signal, and that long work looks at where it can
/// stop without losing anything. Clones are the same flag; the default one is never raised by
/// anybody else.
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
    /// Raises the flag; returns whether it was up already.
    pub fn request(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether the work should stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Stops work that can stop here.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when it should.
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
