//! `report`: redraws a run's figures and page, or compares several runs on one page.

use std::path::{Path, PathBuf};

use eigenscape_experiment::{Result, earlier, lock::Lock};

/// The folder of a page that compares results.
const COMPARISON: &str = "comparison";

/// Rewrites the report of a folder of results; of several, or if `out` is given, writes a page that
/// compares them there.
pub fn run(directories: &[PathBuf], out: Option<&Path>) -> Result<()> {
    match (directories, out) {
        ([only], None) => rewrite(only),
        (all, out) => compare(all, out.unwrap_or(Path::new(COMPARISON))),
    }
}

/// Rewrites a report while no other process writes to its folder.
fn rewrite(directory: &Path) -> Result<()> {
    let folder = full(directory);
    let _lock = locked(&folder)?;
    eigenscape_report::rebuild(directory)?;
    earlier::renew_report(&folder)
}

/// Compares results while no other process writes them.
fn compare(directories: &[PathBuf], out: &Path) -> Result<()> {
    let mut folders: Vec<PathBuf> = directories.iter().map(|directory| full(directory)).collect();
    // A folder that is given twice has one lock; the report says that it is twice.
    folders.sort();
    folders.dedup();
    let _locks = folders.iter().map(|folder| locked(folder)).collect::<Result<Vec<_>>>()?;
    let page = eigenscape_report::compare::write(directories, out)?;
    crate::print(page.display())
}

/// `.` has no name to lock, so use the full path. The report says what is no folder.
fn full(directory: &Path) -> PathBuf {
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}

fn locked(folder: &Path) -> Result<Option<Lock>> {
    earlier::is_results(folder).then(|| Lock::of(folder)).transpose()
}
