//! `cross-entropy`: −log of the softmax probability of a class.

mod predictions;
mod root;

use std::ops::RangeInclusive;

use eigenscape_core::Registry;
use eigenscape_program::{
    Categorical, ClassCoding, Graph, LossFunction, LossRoot, Odds, Predictions, Result, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::predictions::Softmax;
use crate::{
    classes::{Classes, IGNORE_INDEX},
    rows::rows,
};

pub(crate) const NAME: &str = "cross-entropy";

/// Parameters of `cross-entropy`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyParameters {
    /// The weight of each class, as in PyTorch: the loss is a mean weighted by those of the labels.
    /// All weights are equal by default.
    pub weight: Option<Vec<f64>>,
    /// The share ε of a label that is spread over all classes, from 0 (the default) up to but not
    /// including 1.
    pub label_smoothing: f64,
    /// The label of samples that are left out of the mean; -100 by default.
    pub ignore_index: i64,
}

impl Default for CrossEntropyParameters {
    fn default() -> Self {
        Self { weight: None, label_smoothing: 0.0, ignore_index: IGNORE_INDEX }
    }
}

/// (1/R) Σᵣ \[(Σ_c t) log Σ_c e^z − Σ_c t z\], the cross-entropy −Σ_c t log softmax(z) of each row.
///
/// A row of targets holds non-negative weights of the classes: one-hot for a class, smoothed
/// labels, or soft targets. A row of zeros is ignored: for a mean over the other rows, the rows are
/// scaled so that their sums have the mean 1, as `eigenscape_curvature::TargetRows` does. With its
/// keys this is PyTorch's `cross_entropy`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CrossEntropy {
    classes: Classes,
}

impl CrossEntropy {
    /// The loss with these parameters.
    ///
    /// # Errors
    /// When the label smoothing is not in \[0, 1), or weights are negative or all 0.
    pub fn new(parameters: CrossEntropyParameters) -> eigenscape_core::Result<Self> {
        let CrossEntropyParameters { weight, label_smoothing, ignore_index } = parameters;
        Ok(Self { classes: Classes::new(weight, ignore_index, label_smoothing)? })
    }
}

impl LossFunction for CrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn description(&self) -> String {
        self.classes.describe("cross-entropy".to_owned())
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let (last, rows) = rows(graph, z)?;
        // −Σ t log p with log p = z − z_m + log p_m for the reference m of the odds.
        let odds = Odds::new(graph, z)?;
        let normaliser = odds.normaliser(graph)?;
        let weight = graph.sum(target, &[last])?;
        let normaliser = graph.mul(weight, normaliser)?;
        let normaliser = graph.sum_all(normaliser)?;
        let hits = graph.mul(target, odds.differences)?;
        let hits = graph.sum_all(hits)?;
        let total = graph.sub(normaliser, hits)?;
        graph.scale(total, 1.0 / rows as f64)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }

    fn categorical(&self) -> Option<&dyn Categorical> {
        Some(self)
    }

    fn coding(&self) -> ClassCoding<'_> {
        self.classes.coding()
    }

    fn range(&self) -> RangeInclusive<f64> {
        0.0..=f64::INFINITY
    }

    fn compares_classes(&self) -> bool {
        true
    }
}

impl Categorical for CrossEntropy {
    fn predictions(&self, classes: usize, outputs: &[f64], targets: &[f64]) -> Box<dyn Predictions> {
        Box::new(Softmax::new(classes, outputs, targets))
    }
}

/// Adds `cross-entropy` to the registry.
pub fn register(registry: &mut Registry) {
    registry.losses.add::<CrossEntropyParameters>(
        NAME,
        "−log softmax(outputs) of the class, or against soft targets",
        |parameters, _| Ok(Box::new(CrossEntropy::new(parameters)?)),
    );
}
