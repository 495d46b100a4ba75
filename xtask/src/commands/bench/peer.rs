//! The same work in PyTorch, on the same machine.

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use eigenscape_experiment::{Failure, Result};
use serde::Deserialize;

/// Products that the paper's code spends on a spectrum: 64 for its bounds, 128 for the spectrum.
const PAPER_PRODUCTS: f64 = 192.0;

/// What a peer's program prints, in milliseconds where nothing else is said; `xtask/peer/lenet.py` says what each is.
#[derive(Debug, Deserialize)]
pub struct Peer {
    /// PyTorch's version.
    pub torch: String,
    /// How many threads it had.
    pub threads: usize,
    pub gradient: f64,
    pub hvp_fresh: f64,
    pub hvp_cached: f64,
    pub layer_hvp: BTreeMap<String, f64>,
    pub paper_epoch_s: f64,
    pub peak_rss_mb: f64,
}

impl Peer {
    /// Seconds for a spectrum by the paper's code, one product of which takes so many milliseconds.
    #[must_use]
    pub fn spectrum_seconds(&self, product_ms: f64) -> f64 {
        1e-3 * PAPER_PRODUCTS * product_ms
    }
}

/// Finds out whether a Python has PyTorch, before anything is measured.
///
/// # Errors
/// When it cannot be started, or has none.
pub fn check(python: &Path) -> Result<()> {
    feed(python, "import torch", 1).map(drop)
}

/// Runs a peer's program with so many threads.
///
/// # Errors
/// When Python fails, or prints something else.
pub fn measure(python: &Path, program: &str, threads: usize) -> Result<Peer> {
    let output = feed(python, program, threads)?;
    serde_json::from_slice(&output.stdout).map_err(|error| Failure::Run {
        problem: format!("what the peer's program printed cannot be read: {error}"),
        remedy: Some("report this with the version of PyTorch".to_owned()),
    })
}

/// Runs `PYTHON - THREADS` on a program.
fn feed(python: &Path, program: &str, threads: usize) -> Result<Output> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::Usage {
        problem: format!("{} cannot run the peer's program: {why}", python.display()),
        remedy: "--torch takes a Python that has PyTorch: python3 -m venv .venv, then .venv/bin/pip install torch numpy, \
                 then --torch .venv/bin/python"
            .to_owned(),
    }
    };
    let mut child = Command::new(python)
        .args(["-", &threads.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(&error))?;
    // Dropped, the pipe tells Python that the program is complete. A Python that stops reading says why on stderr.
    let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(program.as_bytes()));
    let output = child.wait_with_output().map_err(|error| cannot(&error))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        return Err(cannot(&last.map_or_else(|| output.status.to_string(), str::to_owned)));
    }
    written.map_err(|error| cannot(&error))?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::work::Work;

    const PRINTED: &str = r#"{"torch": "2.15.0", "threads": 2, "gradient": 9.0, "hvp_fresh": 35.0, "hvp_cached": 22.0,
        "layer_hvp": {"0.weight": 40.0, "3.weight": 20.0}, "paper_epoch_s": 18.24, "peak_rss_mb": 711.0}"#;

    #[test]
    fn seconds_of_each_work() {
        let peer: Peer = serde_json::from_str(PRINTED).unwrap();
        let seconds = Work::ALL.map(|work| work.peer_seconds(&peer));
        for (found, expected) in seconds.into_iter().zip([18.24, 11.52, 6.72, 0.022, 0.022, 0.009]) {
            assert!((found - expected).abs() < 1e-12, "{found} against {expected}");
        }
    }

    #[test]
    fn a_python_that_is_not_there_is_a_usage_error() {
        let error = check(Path::new("no-such-folder/python")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("no-such-folder/python"));
    }
}
