//! `[train]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one;

/// Training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training split.
    pub epochs: usize,
    /// Examples a step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// How a gradient moves the parameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes over epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Penalties on the loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularizer: Vec<Regularizer>,
    /// The training's state is kept at the end of an epoch where that costs next to nothing, and at
    /// least after so many seconds of work: what is killed goes on from there when the same command
    /// is given again. It changes no number.
    #[serde(default = "keep_every")]
    #[schemars(range(min = 0))]
    pub keep_every: f64,
}

fn keep_every() -> f64 {
    10.0
}

/// A penalty on the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Regularizer {
    /// Which regularizer.
    pub name: String,
    /// What the penalty is multiplied by.
    pub strength: f64,
    /// It is added in the first step of each epoch and then in every so many-th.
    #[serde(default = "one")]
    pub every: usize,
    /// It is added when at least so many epochs are completed.
    #[serde(default)]
    pub from_epoch: usize,
    /// The regularizer's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// How a gradient moves the parameters, as `torch.optim` defines it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// "sgd", "adam" or "adamw".
    pub name: String,
    /// Learning rate.
    pub lr: f64,
    /// Of SGD: share of the last step that is kept, from 0 up to but not including 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Of SGD: share of a gradient that the momentum leaves out, from 0 to 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dampening: Option<f64>,
    /// Of SGD: whether the step looks ahead along the momentum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// Of Adam: shares of the last moments that are kept; \[0.9, 0.999\] by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// Of Adam: what the denominator is kept away from zero by; 1e-8 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Added to the gradient, times the parameter; with "adamw" the weights decay by themselves. 0
    /// by default, 0.01 for "adamw".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// "constant", "multi-step" or "cosine".
    pub name: String,
    /// Of "multi-step": numbers of completed epochs, increasing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<usize>>,
    /// Of "multi-step": what the rate is multiplied by at each milestone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Of "cosine": what the rate falls to, 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
    /// Steps over which the rate first rises, as a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<usize>,
    /// Epochs over which the rate first rises, as a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_epochs: Option<usize>,
}

impl Optimizer {
    /// Gives the keys that the optimizer has, and that are not given, their defaults.
    pub fn fill_defaults(&mut self) {
        if self.name == "sgd" {
            self.momentum.get_or_insert(0.0);
            self.dampening.get_or_insert(0.0);
            self.nesterov.get_or_insert(false);
            self.weight_decay.get_or_insert(0.0);
        } else {
            self.betas.get_or_insert([0.9, 0.999]);
            self.eps.get_or_insert(1e-8);
            self.weight_decay.get_or_insert(if self.name == "adamw" { 1e-2 } else { 0.0 });
        }
    }
}
