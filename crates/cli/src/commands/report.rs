//! `report`: redraws a run's figures and page, or compares several runs on one page.

use std::path::{Path, PathBuf};

use eigenscape_experiment::{Result, earlier, lock::Lock};

/// The folder of a page that compares results.
const COMPARISON: &str = "comparison";

/// Rewrites the report of a folder of results; of several, or if `out` is given, writes a page that
/// compares them there.
pub fn run(directories: &[PathBuf], out: Option<&Path>) -> Result<()> {
    let directories: Vec<PathBuf> = directories.iter().map(|path| folder(path)).collect();
    match (&directories[..], out) {
        ([only], None) => rewrite(only),
        (all, out) => compare(all, out.unwrap_or(Path::new(COMPARISON))),
    }
}

/// A folder of results; of a file in it, the folder that it is in.
fn folder(path: &Path) -> PathBuf {
    let above = path.parent().filter(|above| path.is_file() && earlier::is_results(&full(above)));
    match above {
        Some(above) if above.as_os_str().is_empty() => PathBuf::from("."),
        above => above.unwrap_or(path).to_owned(),
    }
}

/// Rewrites a report while no other process writes to its folder.
fn rewrite(directory: &Path) -> Result<()> {
    let folder = full(directory);
    let _lock = earlier::is_results(&folder).then(|| Lock::of(&folder)).transpose()?;
    eigenscape_report::rebuild(directory)?;
    earlier::renew_report(&folder)
}

/// Compares results while no other process writes them.
fn compare(directories: &[PathBuf], out: &Path) -> Result<()> {
    let mut folders: Vec<PathBuf> = directories.iter().map(|directory| full(directory)).collect();
    // A folder that is given twice has one lock; the report says that it is twice.
    folders.sort();
    folders.dedup();
    let results = folders.iter().filter(|folder| earlier::is_results(folder));
    let _locks = results.map(|folder| Lock::to_read(folder)).collect::<Result<Vec<_>>>()?;
    let page = eigenscape_report::compare::write(directories, out)?;
    crate::print(page.display())
}

/// `.` has no name to lock, so use the full path. The report says what is no folder.
fn full(directory: &Path) -> PathBuf {
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}
