//! Plugins that do nothing, for tests of the code around them.

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Architecture, Context, CurvatureOperator, Dataset, Distance, Error, Estimate, Examples, Number,
    ProbeEstimator, Registry, Result, Spectrum, Split, Targets,
};
use eigenscape_program::{Scope, Value};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct None {}

/// Keys of the architecture `sequential`: a type that refers to itself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sequential {
    /// The layers.
    #[serde(default)]
    #[expect(dead_code)]
    layers: Vec<Layer>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Layer {
    #[expect(dead_code)]
    body: Vec<Layer>,
}

/// Keys of the estimator `lanczos`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lanczos {
    /// Steps of the recurrence.
    #[serde(default = "steps")]
    steps: usize,
    /// Independent starting vectors.
    #[serde(default = "one")]
    #[expect(dead_code)]
    probes: usize,
}

fn steps() -> usize {
    128
}

fn one() -> usize {
    1
}

/// Keys of the data set `file`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The file.
    path: String,
}

struct Nothing;

impl Architecture for Nothing {
    fn build(&self, _: &mut Scope, x: Value, _: usize) -> eigenscape_program::Result<Value> {
        Ok(x)
    }
    fn description(&self) -> String {
        "nothing".to_owned()
    }
}

impl Dataset for Nothing {
    fn examples(&self, _: Split) -> Result<Examples> {
        let zeros = |dtype| Tensor::zeros((1,), dtype, &Device::Cpu);
        let targets = Targets::Classes { labels: zeros(DType::U32)?, classes: 1 };
        Ok(Examples { inputs: zeros(DType::F32)?.into(), targets })
    }
    fn class_names(&self) -> &[String] {
        &[]
    }
    fn description(&self) -> String {
        "nothing".to_owned()
    }
}

impl ProbeEstimator for Nothing {
    fn estimate(&self, operator: &dyn CurvatureOperator, _: &Context) -> Result<Estimate> {
        Ok(Spectrum::exact(operator.dimension(), Vec::new(), 0)?.into())
    }
    fn products(&self, _: usize) -> usize {
        0
    }
    fn description(&self) -> String {
        "nothing".to_owned()
    }
}

/// An estimator that finds only a trace.
struct Trace;

impl ProbeEstimator for Trace {
    fn estimate(&self, operator: &dyn CurvatureOperator, _: &Context) -> Result<Estimate> {
        Ok(Number::exact(operator.dimension(), 0.0, 0)?.into())
    }
    fn number(&self) -> Option<&'static str> {
        Some("trace")
    }
    fn products(&self, _: usize) -> usize {
        0
    }
    fn description(&self) -> String {
        "a trace".to_owned()
    }
}

impl Distance for Nothing {
    fn distance(&self, _: &Spectrum, _: &Spectrum) -> Result<f64> {
        Ok(0.0)
    }
    fn is_metric(&self) -> bool {
        false
    }
    fn description(&self) -> String {
        "nothing".to_owned()
    }
}

/// A few plugins of each kind.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.architectures.add("lenet", "A convolutional network", |_: None, _| Ok(Box::new(Nothing)));
    registry.architectures.add("mlp", "A fully connected network", |_: None, _| Ok(Box::new(Nothing)));
    registry.architectures.add("sequential", "A list of layers", |_: Sequential, _| Ok(Box::new(Nothing)));
    registry.datasets.add("fashion-mnist", "Pictures of clothes", |_: None, _| Ok(Box::new(Nothing)));
    registry.datasets.add("file", "A file", |file: File, environment| {
        let path = environment.resolve(file.path.as_ref());
        if path.exists() {
            return Ok(Box::new(Nothing));
        }
        Err(Error::input(file.path, "there is no such file", "check the path"))
    });
    registry.estimators.add("lanczos", "Stochastic Lanczos quadrature", |lanczos: Lanczos, _| {
        if lanczos.steps == 0 {
            return Err(Error::input("steps", "is 0", "use at least 1"));
        }
        Ok(Box::new(Nothing))
    });
    registry.estimators.add("gram", "Exact, by a Gram matrix", |_: None, _| Ok(Box::new(Nothing)));
    registry.estimators.add("trace", "A trace alone", |_: None, _| Ok(Box::new(Trace)));
    registry.distances.add("wasserstein", "Earth mover's distance", |_: None, _| Ok(Box::new(Nothing)));
    eigenscape_losses::register(&mut registry);
    eigenscape_regularizers::register(&mut registry);
    registry.distances.add("kl", "Relative entropy", |_: None, _| Ok(Box::new(Nothing)));
    registry
}
