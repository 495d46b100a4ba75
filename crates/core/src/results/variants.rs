//! Statistics over runs that differ only in their seed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Statistics over runs that differ only in their seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantRecord {
    /// What distinguishes them from the other runs of the sweep; empty without a sweep.
    pub variant: String,
    /// The number of runs, diverged ones included.
    pub runs: usize,
    /// The number of diverged runs, which the statistics leave out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub diverged: usize,
    /// One record per quantity.
    pub statistics: Vec<StatisticRecord>,
}

/// A quantity over the reruns of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatisticRecord {
    /// "train-loss", "test-loss", "train-accuracy", "test-accuracy" or "generalisation-gap".
    pub quantity: String,
    /// "last", or "best": the epoch of the highest test accuracy, or of the lowest test loss where
    /// there are no classes.
    pub epoch: String,
    /// The mean.
    pub mean: f64,
    /// The standard deviation (with n − 1); null with one run.
    pub deviation: Option<f64>,
    /// The 95 % confidence interval of the mean by Student's t, clamped to \[0, 1\] for accuracies;
    /// null with one run.
    pub interval: Option<[f64; 2]>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}
