//! `report`: draw a run's figures and page again.

use std::path::Path;

use eigenscape_experiment::{Result, earlier, lock::Lock};

/// Writes the report of a folder of results again, while no other process writes there.
pub fn run(directory: &Path) -> Result<()> {
    // `.` has no name to lock. What is no folder is told as that.
    let folder = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let _lock = earlier::is_results(&folder).then(|| Lock::of(&folder)).transpose()?;
    eigenscape_report::rebuild(directory)?;
    earlier::renew_report(&folder)
}
