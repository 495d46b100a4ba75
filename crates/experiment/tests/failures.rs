//! If an estimator fails at one epoch, only that spectrum is lost.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/points.rs"]
mod points;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use eigenscape_core::{
    Context, CurvatureOperator, Distance, Error, Estimate, ProbeEstimator, Registry, Result, Spectrum,
    results::Results,
};
use eigenscape_experiment::{check, choices::Choices, executed::Executed, progress::Display, run};
use points::NoKeys;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct FragileKeys {
    /// Whether groups are estimated together.
    together: bool,
    /// The measured epoch, counted from 0, at which estimating the output layer's spectrum fails.
    fails_at: usize,
}

impl Default for FragileKeys {
    fn default() -> Self {
        Self { together: false, fails_at: 1 }
    }
}

struct Fragile {
    keys: FragileKeys,
    measured: AtomicUsize,
}

impl ProbeEstimator for Fragile {
    fn estimate(&self, operator: &dyn CurvatureOperator, _: &Context) -> Result<Estimate> {
        if operator.description().contains("full") {
            self.measured.fetch_add(1, Ordering::Relaxed);
        }
        if operator.description().contains("2.weight")
            && self.measured.load(Ordering::Relaxed) == self.keys.fails_at + 1
        {
            return Err(Error::input(operator.description(), "did not converge", "use `dense`"));
        }
        Ok(Spectrum::exact(operator.dimension(), vec![1.0], 0)?.into())
    }

    // The spectrum of the full network counts the measured epochs. It is estimated first; when all
    // spectra of an epoch are estimated again, it must not count again.
    fn estimate_all(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Estimate>> {
        let before = self.measured.load(Ordering::Relaxed);
        let all: Result<Vec<Estimate>> = operators.iter().map(|o| self.estimate(*o, context)).collect();
        if all.is_err() && operators.len() > 1 {
            self.measured.store(before, Ordering::Relaxed);
        }
        all
    }

    fn needs_factor(&self) -> bool {
        self.keys.together
    }

    fn products(&self, _: usize) -> usize {
        0
    }

    fn description(&self) -> String {
        "fragile".to_owned()
    }
}

struct Same;

impl Distance for Same {
    fn distance(&self, _: &Spectrum, _: &Spectrum) -> Result<f64> {
        Ok(0.0)
    }

    fn is_metric(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        "none".to_owned()
    }
}

const EXPERIMENT: &str = r#"
name = "fragile"
[data]
name = "points"
[model]
name = "mlp"
widths = [3]
[train]
epochs = 2
batch_size = 4
optimizer = { name = "sgd", lr = 0.1 }
[[probe]]
samples = 4
groups = ["full", "layers"]
curvature = ["gauss-newton"]
estimator = { name = "fragile", together = TOGETHER }
at = [0, 1, 2]
[[distance]]
name = "same"
[sweep]
"seed" = [0, 1]
[[expect]]
claim = "the output layer flattens"
quantity = "trace"
group = "2.weight"
curvature = "gauss-newton"
is = "falls"
"#;

fn registry() -> Registry {
    let mut registry = points::registry();
    registry.estimators.add("fragile", "Fails at an epoch", |keys: FragileKeys, _| {
        Ok(Box::new(Fragile { keys, measured: AtomicUsize::new(0) }))
    });
    registry.distances.add("same", "None", |_: NoKeys, _| Ok(Box::new(Same)));
    registry
}

fn execute(folder: &Path, together: bool) -> (Executed, Results) {
    let file = folder.join("fragile.toml");
    fs::write(&file, EXPERIMENT.replace("TOGETHER", &together.to_string())).unwrap();
    let choices = Choices { out: Some(folder.join("runs")), ..Choices::default() };
    let plan = check::plan(&file, &choices, &registry()).unwrap();
    let executed = run::execute(&plan, true, &Display::new(true), |_| Ok(())).unwrap();
    let text = fs::read_to_string(executed.folder.join("results.json")).unwrap();
    (executed, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_spectrum_that_fails_is_recorded_and_everything_else_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for together in [false, true] {
        let (executed, results) = execute(folder.path(), together);
        assert_eq!(results.runs.len(), 2, "the sweep goes on");
        for run in &results.runs {
            assert_eq!(run.training.len(), 3, "the training goes on");
            let missing = |epoch, group: &str| epoch == 1 && group == "2.weight";
            let expected: Vec<(usize, &str)> = (0..3)
                .flat_map(|epoch| ["full", "0.weight", "2.weight"].map(|group| (epoch, group)))
                .filter(|(epoch, group)| !missing(*epoch, group))
                .collect();
            let found: Vec<_> = run.probes.iter().map(|p| (p.epoch, p.group.as_str())).collect();
            assert_eq!(found, expected, "together: {together}");
            assert_eq!(run.distances.len(), 2 + 1 + 2);
            let [failure] = run.failures.as_slice() else { panic!("{:?}", run.failures) };
            assert_eq!((failure.epoch, failure.probe, failure.group.as_str()), (1, 1, "2.weight"));
            assert_eq!(failure.remedy.as_deref(), Some("use `dense`"));
        }
        let claim = &results.claims[0];
        assert!(claim.measured.contains("2 runs of which a spectrum is missing"), "{}", claim.measured);
        let failure = executed.failure().unwrap();
        assert_eq!(failure.exit_code(), 1);
        let words = format!("{failure:?}");
        for text in [
            "2 spectra could not be measured",
            "seed=1: gauss-newton of 2.weight after epoch 1, by fragile ([[probe]] number 1)",
            "did not converge",
            "use `dense`",
            "everything else is in",
        ] {
            assert!(words.contains(text), "no {text:?} in {words}");
        }
    }
}
