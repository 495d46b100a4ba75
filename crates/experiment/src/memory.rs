//! How much memory there is.

use eigenscape_formats::memory::of_machine;

/// The share of the machine's memory that is taken by default: 1 / this.
const SHARE: usize = 2;

/// Bytes that products and factors may take where nothing else is said: half of the machine's
/// memory. Of all of it, not of what happens to be free: the same experiment is split in the same
/// way each time.
#[must_use]
pub fn default() -> usize {
    of_machine() / SHARE
}

/// A number of bytes; more than can be addressed is as much as can.
pub(crate) fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
