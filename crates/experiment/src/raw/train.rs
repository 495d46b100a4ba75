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
    /// Samples per step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The schedule of the learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Penalties on the loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularizer: Vec<Regularizer>,
    /// The number of seconds of work after which the training's state is saved at the latest. When
    /// a killed training is started again with the same command, it resumes from that state. The
    /// results do not depend on this key.
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
    /// The regularizer's name.
    pub name: String,
    /// The factor of the penalty.
    pub strength: f64,
    /// The interval n in steps: the penalty is added on steps 0, n, 2n, ... of each epoch.
    #[serde(default = "one")]
    pub every: usize,
    /// The penalty is added once this number of epochs is completed.
    #[serde(default)]
    pub from_epoch: usize,
    /// The regularizer's own keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub parameters: toml::Table,
}

/// An optimizer, as `torch.optim` defines it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// "sgd", "adam" or "adamw".
    pub name: String,
    /// Learning rate.
    pub lr: f64,
    /// SGD: the momentum, from 0 up to but not including 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// SGD: the dampening of the momentum, from 0 to 1; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dampening: Option<f64>,
    /// SGD: whether to use Nesterov's momentum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// Adam: the decay rates β₁ and β₂ of the moments; \[0.9, 0.999\] by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// Adam: the constant ε in the denominator; 1e-8 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// The weight decay: its product with the parameter is added to the gradient, or with "adamw"
    /// applied apart from the gradient. 0 by default, 0.01 for "adamw".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// A schedule of the learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// "constant", "multi-step" or "cosine".
    pub name: String,
    /// "multi-step": the milestones, increasing numbers of completed epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<usize>>,
    /// "multi-step": the factor of the learning rate at each milestone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// "cosine": the final learning rate, 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
    /// The number of steps of a linear warm-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<usize>,
    /// The number of epochs of a linear warm-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_epochs: Option<usize>,
}

impl Optimizer {
    /// Sets the defaults of keys that the optimizer has and that are not given.
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
