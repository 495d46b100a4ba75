//! Writes the report of a run directory again: `cargo run -p eigenscape-report --example sample --
//! DIR`. A directory without results first gets made-up ones, to look at the report without
//! training.

use std::{error::Error, fs, path::Path};

use eigenscape_report::{EXPERIMENT_FILE, NOTES_FILE, REPORT_FILE, RESULTS_FILE, rebuild};

#[path = "../tests/common/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod common;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "eigenscape-sample".into());
    let dir = Path::new(&dir);
    if !dir.join(RESULTS_FILE).exists() {
        fs::create_dir_all(dir)?;
        fs::write(dir.join(RESULTS_FILE), serde_json::to_string_pretty(&common::lenet())?)?;
        fs::write(dir.join(EXPERIMENT_FILE), common::EXPERIMENT)?;
        fs::write(dir.join(NOTES_FILE), serde_json::to_string_pretty(&common::notes())?)?;
    }
    rebuild(dir)?;
    println!("{}", dir.join(REPORT_FILE).display());
    Ok(())
}
