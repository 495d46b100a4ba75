//! How time and memory grow.

use eigenscape_core::Registry;
use eigenscape_experiment::Result;

/// To be written.
pub fn report(_registry: &Registry) -> Result<()> {
    Ok(())
}
