//! The data set `arrays`: inputs and targets that Python hands over in memory.

use std::{num::NonZeroU32, path::Path};

use eigenscape::datasets::{Tensors, tensors::Classes};
use eigenscape_core::Registry;
use pyo3::pybacked::PyBackedBytes;
use schemars::JsonSchema;
use serde::Deserialize;

/// Its name in messages.
const NAME: &str = "the data";

/// Its parameters in the table \[data\].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// C for integer targets; by default the largest label plus one.
    classes: Option<NonZeroU32>,
}

/// All plugins, and the data set `arrays` where there are `contents`: tensors as in a safetensors
/// file.
pub fn registry(contents: Option<PyBackedBytes>) -> Registry {
    let mut registry = eigenscape::plugins();
    let Some(contents) = contents else { return registry };
    let summary = "Inputs and targets that are handed over in memory";
    registry.datasets.add("arrays", summary, move |parameters: Parameters, environment| {
        let classes = Classes {
            asked: parameters.classes,
            ignored: environment.ignored_label,
            needless: environment.without_targets,
        };
        let tensors = Tensors::parse_named(Path::new(NAME), &contents, classes, &environment.inputs)?;
        Ok(Box::new(tensors))
    });
    registry.complete()
}
