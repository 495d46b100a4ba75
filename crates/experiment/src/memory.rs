//! The default memory limit.

use eigenscape_formats::memory::of_machine;

/// The default limit is the machine's memory divided by this.
const SHARE: usize = 2;

/// The default limit for products and factors, in bytes: half of the machine's memory. It refers to
/// the total memory, not the free memory, so that an experiment is split the same way each time.
#[must_use]
pub fn default() -> usize {
    of_machine() / SHARE
}

/// A number of bytes, saturating at the largest address.
pub(crate) fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
