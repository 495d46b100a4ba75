//! `report`: redraws a run's figures and page.

use std::path::Path;

use eigenscape_experiment::{Result, earlier, lock::Lock};

/// Rewrites the report of a folder of results while no other process writes there.
pub fn run(directory: &Path) -> Result<()> {
    // `.` has no name to lock, so use the full path. `rebuild` reports a path that is not a folder.
    let folder = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let _lock = earlier::is_results(&folder).then(|| Lock::of(&folder)).transpose()?;
    eigenscape_report::rebuild(directory)?;
    earlier::renew_report(&folder)
}
