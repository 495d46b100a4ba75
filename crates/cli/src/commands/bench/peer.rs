//! The same works in PyTorch, on the same machine.

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use eigenscape_experiment::{Failure, Result};
use serde::Deserialize;

/// The peer's program, which documents its results.
const PROGRAM: &str = include_str!("../../../peer/peer.py");
/// Products per spectrum in the paper's code: 64 for the bounds, 128 for the spectrum.
const PAPER_PRODUCTS: f64 = 192.0;

/// What the peer's program can measure, one part at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Gradient,
    Products,
    Layers,
    Penalty,
    CompiledGradient,
    CompiledProducts,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::Products => "products",
            Self::Layers => "layers",
            Self::Penalty => "penalty",
            Self::CompiledGradient => "compiled-gradient",
            Self::CompiledProducts => "compiled-products",
        }
    }
}

/// The output of the peer's program, in milliseconds unless stated otherwise; `None` for parts that
/// were not requested.
#[derive(Debug, Default, Deserialize)]
pub struct Peer {
    /// PyTorch's version.
    pub torch: String,
    /// The number of threads.
    pub threads: usize,
    pub gradient: Option<f64>,
    pub hvp_fresh: Option<f64>,
    pub hvp_cached: Option<f64>,
    pub peak_products_mb: Option<f64>,
    pub layer_hvp: Option<BTreeMap<String, f64>>,
    pub penalised_step: Option<f64>,
    /// By `torch.compile`: the gradient, and products by reverse over reverse and by forward over
    /// reverse; `None` also where the compiler failed.
    #[serde(default)]
    pub compiled: Compiled,
}

/// Times of compiled programs, and the seconds that compiling them took.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Compiled {
    pub gradient: Option<f64>,
    pub reverse: Option<f64>,
    pub forward: Option<f64>,
    pub seconds: f64,
    /// Why a program could not be compiled.
    pub failures: Vec<String>,
}

impl Peer {
    /// Its version, and how long compiling took.
    #[must_use]
    pub fn description(&self) -> String {
        let Self { torch, threads, compiled: Compiled { seconds, failures, .. }, .. } = self;
        let mut text = format!("peer: PyTorch {torch}, threads: {threads}");
        if *seconds > 0.0 {
            text += &format!(", compiled in {seconds:.0} s");
        }
        failures.iter().for_each(|failure| text += &format!("; not compiled: {failure}"));
        text
    }

    /// Seconds of one gradient, by the faster of eager and compiled.
    #[must_use]
    pub fn gradient_seconds(&self) -> Option<f64> {
        fastest([self.gradient, self.compiled.gradient])
    }

    /// Seconds of one product, by the fastest of all ways.
    #[must_use]
    pub fn product_seconds(&self) -> Option<f64> {
        fastest([self.hvp_fresh, self.hvp_cached, self.compiled.reverse, self.compiled.forward])
    }

    /// Seconds for the spectrum of the full Hessian in the paper's number of products.
    #[must_use]
    pub fn full_seconds(&self) -> Option<f64> {
        self.product_seconds().map(|product| PAPER_PRODUCTS * product)
    }

    /// Seconds for the spectra of all layers by the paper's code.
    #[must_use]
    pub fn layers_seconds(&self) -> Option<f64> {
        self.layer_hvp.as_ref().map(|layers| 1e-3 * PAPER_PRODUCTS * layers.values().sum::<f64>())
    }
}

/// The least of these milliseconds, in seconds.
fn fastest<const N: usize>(milliseconds: [Option<f64>; N]) -> Option<f64> {
    milliseconds.into_iter().flatten().reduce(f64::min).map(|ms| 1e-3 * ms)
}

/// Checks that a Python has PyTorch, before anything is measured.
///
/// # Errors
/// When Python cannot be started or lacks PyTorch.
pub fn check(python: &Path) -> Result<()> {
    feed(python, "import torch", &[]).map(drop)
}

/// Runs these parts of the peer's program on a model, on a device, with `threads` threads.
///
/// # Errors
/// When Python fails or its output cannot be parsed.
pub fn measure(python: &Path, model: &str, parts: &[Part], device: &str, threads: usize) -> Result<Peer> {
    let threads = threads.to_string();
    let mut arguments = vec![threads.as_str(), model, device];
    arguments.extend(parts.iter().map(|part| part.name()));
    let output = feed(python, PROGRAM, &arguments)?;
    serde_json::from_slice(&output.stdout).map_err(|error| Failure::Run {
        problem: format!("what the peer's program printed cannot be read: {error}"),
        remedy: Some("report this with the version of PyTorch".to_owned()),
    })
}

/// Runs `PYTHON - ARGUMENTS...` with the program on stdin.
fn feed(python: &Path, program: &str, arguments: &[&str]) -> Result<Output> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::Usage {
        problem: format!("{} cannot run the peer's program: {why}", python.display()),
        remedy: "--torch takes a Python that has PyTorch: python3 -m venv .venv, then .venv/bin/pip install torch numpy, \
                 then --torch .venv/bin/python"
            .to_owned(),
    }
    };
    let mut child = Command::new(python)
        .arg("-")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(&error))?;
    // Dropping the pipe marks the end of the program. A Python that stops reading says why on
    // stderr.
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
        "peak_products_mb": 711.0, "layer_hvp": {"0.weight": 40.0, "3.weight": 20.0}, "probes": 10, "penalised_step": 400.0,
        "compiled": {"gradient": 8.0, "forward": 20.0, "seconds": 41.5, "failures": ["reverse: no compiler"]}}"#;

    #[test]
    fn seconds_of_each_work() {
        let peer: Peer = serde_json::from_str(PRINTED).unwrap();
        let expected = [
            (Work::Gradient, 0.008),
            (Work::Hvp, 0.020),
            (Work::Hvp8, 0.020),
            (Work::PenalisedStep, 0.4),
            (Work::LayerSpectra, 11.52),
            (Work::FullSpectrum, 3.84),
            (Work::PaperEpoch, 15.36),
        ];
        for (work, expected) in expected {
            let found = work.peer_seconds(&peer).unwrap();
            assert!((found - expected).abs() < 1e-12, "{}: {found} against {expected}", work.name());
        }
        assert!(Work::ALL.iter().all(|work| work.peer_seconds(&Peer::default()).is_none()));
        let description =
            "peer: PyTorch 2.15.0, threads: 2, compiled in 42 s; not compiled: reverse: no compiler";
        assert_eq!(peer.description(), description);
    }

    #[test]
    fn a_python_that_is_not_there_is_a_usage_error() {
        let error = check(Path::new("no-such-folder/python")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("no-such-folder/python"));
    }
}
