//! The programs of a network are traced once, for any number of measured epochs and of runs that
//! have the network.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/points.rs"]
mod points;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use eigenscape_core::Architecture;
use eigenscape_experiment::{check, choices::Choices, progress::Display, run};
use eigenscape_program::{
    Result, Scope, Value,
    nn::{Activation, activation, linear},
};

/// An architecture that counts how often it is traced.
struct Traced(Arc<AtomicUsize>);

impl Architecture for Traced {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let x = linear(&mut scope.at("first"), x, 3, true)?;
        let x = activation(&mut scope.at("relu"), x, Activation::Relu)?;
        linear(&mut scope.at("second"), x, outputs, true)
    }

    fn description(&self) -> String {
        "traced".to_owned()
    }
}

const EXPERIMENT: &str = r#"
name = "traced"
[data]
name = "points"
[model]
name = "traced"
[train]
epochs = EPOCHS
batch_size = 3
optimizer = { name = "sgd", lr = 0.1 }
[[probe]]
samples = 3
groups = ["full", "layers"]
curvature = ["hessian", "gauss-newton"]
estimator = { name = "lanczos", steps = 4 }
at = "every-epoch"
[[probe]]
samples = 4
groups = ["parameters", "activation:first"]
curvature = ["gauss-newton", "residual"]
estimator = "dense"
at = "every-epoch"
[[probe]]
samples = 4
groups = ["layers"]
curvature = ["hessian", "gauss-newton"]
estimator = "gram"
at = "every-epoch"
[[probe]]
samples = 4
groups = ["full"]
curvature = ["gauss-newton"]
estimator = "class-structure"
at = "every-epoch"
"#;

/// How often runs of `epochs` epochs trace the network, and how many spectra the first run has.
fn traced(epochs: usize, experiment: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traced.toml");
    fs::write(&file, experiment.replace("EPOCHS", &epochs.to_string())).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let mut registry = points::registry();
    eigenscape_estimators::register(&mut registry);
    let counter = Arc::clone(&count);
    registry
        .architectures
        .add("traced", "Counts", move |_: points::NoKeys, _| Ok(Box::new(Traced(Arc::clone(&counter)))));
    let choices = Choices { out: Some(folder.path().join("runs")), ..Choices::default() };
    let plan = check::plan(&file, &choices, &registry).unwrap();
    let executed = run::execute(&plan, false, &Display::new(true), |_| Ok(())).unwrap();
    assert!(executed.failures.is_empty(), "{:?}", executed.failures);
    let results = fs::read_to_string(executed.folder.join("results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    (count.load(Ordering::Relaxed), results["runs"][0]["probes"].as_array().unwrap().len())
}

#[test]
fn a_measured_epoch_traces_nothing() {
    let (two, five) = (traced(2, EXPERIMENT), traced(5, EXPERIMENT));
    assert!(five.1 > two.1);
    assert_eq!(two.0, five.0);
}

#[test]
fn runs_that_differ_in_other_settings_trace_nothing() {
    // Looking up the activations takes a trace of its own.
    let experiment = EXPERIMENT.replace(", \"activation:first\"", "");
    let one = traced(1, &experiment).0;
    for sweep in
        ["'train.optimizer.lr' = [0.1, 0.2, 0.3]", "'probe.0.estimator.steps' = [2, 3]", "seed = [4, 5]"]
    {
        assert_eq!(traced(1, &format!("{experiment}[sweep]\n{sweep}\n")).0, one, "{sweep}");
    }
}
