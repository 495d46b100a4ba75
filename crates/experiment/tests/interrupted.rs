//! A run that is interrupted between its spectra resumes with the next one: none is estimated
//! twice.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/points.rs"]
mod points;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use eigenscape_core::{Context, CurvatureOperator, Estimate, Interrupt, ProbeEstimator, Result, Spectrum};
use eigenscape_experiment::{Failure, check, choices::Choices, progress::Display, run};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// Whether groups are estimated together.
    together: bool,
}

/// An estimator that counts its estimates, and requests an interrupt after one of them.
struct Counted {
    together: bool,
    made: Arc<AtomicUsize>,
    stop_after: usize,
    interrupt: Interrupt,
}

impl ProbeEstimator for Counted {
    fn estimate(&self, operator: &dyn CurvatureOperator, _: &Context) -> Result<Estimate> {
        if self.made.fetch_add(1, Ordering::Relaxed) + 1 == self.stop_after {
            self.interrupt.request();
        }
        Ok(Spectrum::exact(operator.dimension(), vec![0.1, 1.0 / 3.0], 1)?.into())
    }

    fn needs_factor(&self) -> bool {
        self.together
    }

    fn products(&self, _: usize) -> usize {
        1
    }

    fn description(&self) -> String {
        "counted".to_owned()
    }
}

const EXPERIMENT: &str = r#"
name = "counted"
[data]
name = "points"
[model]
name = "mlp"
widths = [3]
[train]
epochs = 2
batch_size = 2
optimizer = { name = "sgd", lr = 0.1, momentum = 0.9 }
[[probe]]
samples = 4
groups = ["full", "layers"]
curvature = ["gauss-newton"]
estimator = { name = "counted", together = TOGETHER }
at = [0, 1, 2]
[sweep]
"seed" = [0, 1]
"#;
/// The number of spectra of the experiment.
const SPECTRA: usize = 2 * 3 * 3;

/// Runs the experiment in a folder, and interrupts it after `stop_after` estimates.
fn execute(
    folder: &Path,
    together: bool,
    made: &Arc<AtomicUsize>,
    stop_after: usize,
) -> Result<Value, Failure> {
    let file = folder.join("counted.toml");
    fs::write(&file, EXPERIMENT.replace("TOGETHER", &together.to_string())).unwrap();
    let display = Display::new(true);
    let (made, interrupt) = (Arc::clone(made), display.interrupt().clone());
    let mut registry = points::registry();
    registry.estimators.add("counted", "Counts", move |Keys { together }, _| {
        let (made, interrupt) = (Arc::clone(&made), interrupt.clone());
        Ok(Box::new(Counted { together, made, stop_after, interrupt }))
    });
    let choices = Choices { out: Some(folder.join("runs")), ..Choices::default() };
    let plan = check::plan(&file, &choices, &registry).unwrap();
    let executed = run::execute(&plan, false, &display, |_| Ok(()))?;
    let text = fs::read_to_string(executed.folder.join("results.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    for run in results["runs"].as_array_mut().unwrap() {
        run["probes"].as_array_mut().unwrap().iter_mut().for_each(|probe| probe["seconds"] = Value::Null);
    }
    Ok(results)
}

#[test]
fn no_finished_spectrum_is_estimated_twice() {
    for together in [false, true] {
        let whole = tempfile::tempdir().unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        let expected = execute(whole.path(), together, &made, 0).unwrap();
        assert_eq!(made.load(Ordering::Relaxed), SPECTRA);
        // With `together`, the spectra of an epoch are estimated without a possible interrupt
        // between them. After the last measured epoch nothing is left to interrupt.
        for stop_after in (1..SPECTRA - 2).step_by(if together { 3 } else { 1 }) {
            let folder = tempfile::tempdir().unwrap();
            let made = Arc::new(AtomicUsize::new(0));
            let stopped = execute(folder.path(), together, &made, stop_after).unwrap_err();
            assert!(matches!(stopped, Failure::Interrupted { .. }), "{stopped}");
            assert_eq!(stopped.exit_code(), 1);
            let first = made.load(Ordering::Relaxed);
            assert_eq!(first, if together { stop_after.next_multiple_of(3) } else { stop_after });
            let words = stopped.to_string();
            for (part, is_said) in [
                ("1 finished run is kept", first >= SPECTRA / 2),
                ("the training up to", first % 9 > 2),
                // The spectra of a complete epoch are in the training's records.
                ("finished spect", !first.is_multiple_of(3)),
            ] {
                assert!(!is_said || words.contains(part), "after {first}: no {part:?} in {words}");
            }
            assert_eq!(execute(folder.path(), together, &made, 0).unwrap(), expected);
            assert_eq!(made.load(Ordering::Relaxed), SPECTRA, "stopped after {stop_after}");
        }
    }
}
