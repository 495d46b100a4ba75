//! The account of each run contains all data sets that a sweep holds at once.

use std::fs;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, CurvatureOperator, Dataset, Estimate, Examples, ProbeEstimator, Registry, Result, Spectrum,
    Split, Targets,
};
use eigenscape_experiment::{check, choices::Choices, prepare};
use peak_alloc::PeakAlloc;
use schemars::JsonSchema;
use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// The number of rows, of 1 KiB each.
    rows: usize,
}

struct Zeros(Examples);

impl Dataset for Zeros {
    fn examples(&self, _: Split) -> Result<Examples> {
        Ok(self.0.clone())
    }

    fn has_test_split(&self) -> bool {
        false
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn description(&self) -> String {
        "zeros".to_owned()
    }
}

fn zeros(Keys { rows }: Keys) -> Result<Box<dyn Dataset>> {
    let inputs = Tensor::zeros((rows, 256), DType::F32, &Device::Cpu)?;
    let labels = Tensor::from_iter((0..rows as i64).map(|i| i % 2), &Device::Cpu)?;
    let targets = Targets::Classes { labels, classes: 2 };
    Ok(Box::new(Zeros(Examples { inputs: inputs.into(), targets })))
}

const EXPERIMENT: &str = r#"
name = "sweep"
[data]
name = "zeros"
rows = 1
[model]
name = "mlp"
widths = []
[[probe]]
samples = 1
estimator = "none"
[sweep]
"data.rows" = [4000, 5000, 6000, 7000]
"#;

/// An estimator that is never used.
struct NoEstimator;

impl ProbeEstimator for NoEstimator {
    fn estimate(&self, operator: &dyn CurvatureOperator, _: &Context) -> Result<Estimate> {
        Ok(Spectrum::exact(operator.dimension(), vec![], 1)?.into())
    }

    fn products(&self, _: usize) -> usize {
        1
    }

    fn description(&self) -> String {
        "none".to_owned()
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoKeys {}

#[test]
fn what_a_sweep_holds_of_data_is_in_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sweep.toml");
    fs::write(&file, EXPERIMENT).unwrap();
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    eigenscape_losses::register(&mut registry);
    registry.datasets.add("zeros", "Zeros", |keys: Keys, _| zeros(keys));
    registry.estimators.add("none", "None", |_: NoKeys, _| Ok(Box::new(NoEstimator)));
    let before = ALLOCATOR.current_usage();
    let plan = check::plan(&file, &Choices::default(), &registry).unwrap();
    let held = ALLOCATOR.current_usage() - before;
    assert!(held > 22_000 << 10);
    for run in &plan.runs {
        let account = prepare::survey(run).unwrap().account.held;
        let (said, words) = (account.total(), account.words());
        assert!(held < said + (1 << 20) && said < held + (1 << 20), "{held} bytes are held: {words}");
    }
}
