//! A data set of tensors that a test supplies, and plugins for it.

use candle_core::Tensor;
use eigenscape_core::{
    Architecture, Context, CurvatureOperator, Dataset, Estimate, Examples, ProbeEstimator, Registry, Result,
    Spectrum, Split, Targets, dataset::no_test_split,
};
use eigenscape_program::{Scope, Value, nn};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoKeys {}

/// A data set of given examples, with or without a test split.
#[derive(Clone)]
pub struct Given {
    pub train: Examples,
    pub test: Option<Examples>,
}

impl Dataset for Given {
    fn examples(&self, split: Split) -> Result<Examples> {
        match split {
            Split::Train => Ok(self.train.clone()),
            Split::Test => self.test.clone().ok_or_else(|| no_test_split("given")),
        }
    }

    fn has_test_split(&self) -> bool {
        self.test.is_some()
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn description(&self) -> String {
        "given".to_owned()
    }

    fn background(&self) -> Option<Vec<f32>> {
        Some(vec![0.0])
    }
}

/// z\[n, o, p\] = Σᵢ W\[o, i\] x\[n, i, p\] + b\[o\] at every place p of inputs \[N, I, ...\], as a
/// convolution of kernel 1.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pointwise {
    pub out: usize,
}

impl Architecture for Pointwise {
    fn build(&self, scope: &mut Scope, x: Value, _: usize) -> eigenscape_program::Result<Value> {
        let shape = scope.shape(x);
        let places = &shape[2..];
        let flat = scope.graph().reshape(x, &[shape[0], shape[1], places.iter().product()])?;
        let y = nn::conv1d(scope, flat, self.out, 1, eigenscape_program::ConvSettings::default(), true)?;
        scope.graph().reshape(y, &[&[shape[0], self.out], places].concat())
    }

    fn description(&self) -> String {
        "pointwise".to_owned()
    }
}

/// An estimator that finds the eigenvalue 1 once.
struct One;

impl ProbeEstimator for One {
    fn estimate(&self, operator: &dyn CurvatureOperator, _: &Context) -> Result<Estimate> {
        Ok(Spectrum::exact(operator.dimension(), vec![1.0], 0)?.into())
    }

    fn products(&self, _: usize) -> usize {
        0
    }

    fn description(&self) -> String {
        "one".to_owned()
    }
}

pub fn registry(given: &Given) -> Registry {
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    eigenscape_losses::register(&mut registry);
    eigenscape_regularizers::register(&mut registry);
    registry.architectures.add("pointwise", "At every place", |keys: Pointwise, _| Ok(Box::new(keys)));
    let given = given.clone();
    registry.datasets.add("given", "Given", move |_: NoKeys, _| Ok(Box::new(given.clone())));
    registry.estimators.add("one", "One", |_: NoKeys, _| Ok(Box::new(One)));
    registry
}

/// Examples with class labels.
pub fn classes(inputs: Tensor, labels: Tensor, classes: usize) -> Examples {
    Examples { inputs: inputs.into(), targets: Targets::Classes { labels, classes } }
}

/// A failure's message with its help.
#[allow(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
pub fn message(failure: eigenscape_experiment::Failure) -> String {
    let help = miette::Diagnostic::help(&failure).map(|help| help.to_string()).unwrap_or_default();
    format!("{failure} ({help})")
}
