//! Four points of two classes, and plugins for a test that supplies its own estimator.

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Dataset, Examples, Registry, Result, Split, Targets};
use schemars::JsonSchema;
use serde::Deserialize;

struct Points;

impl Dataset for Points {
    fn examples(&self, _: Split) -> Result<Examples> {
        let inputs = Tensor::from_iter((0..8).map(|i| (i as f32).sin()), &Device::Cpu)?.reshape((4, 2))?;
        let labels = Tensor::from_iter((0..4_i64).map(|i| i % 2), &Device::Cpu)?.to_dtype(DType::I64)?;
        Ok(Examples { inputs: inputs.into(), targets: Targets::Classes { labels, classes: 2 } })
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn description(&self) -> String {
        "points".to_owned()
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoKeys {}

/// The data set `points`, and all architectures and losses.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    eigenscape_losses::register(&mut registry);
    registry.datasets.add("points", "Points", |_: NoKeys, _| Ok(Box::new(Points)));
    registry
}
