//! Training: ranges.

use std::num::NonZeroUsize;

use eigenscape_core::registry::nearest;

use super::Checker;
use crate::{
    diagnostic::{ConfigError, suggestion},
    plan::{MultiStep, Sgd, TrainPlan},
    raw,
};

impl Checker<'_> {
    pub(super) fn train(&self, raw: &raw::Train) -> Result<TrainPlan, ConfigError> {
        if let Some(regularizer) = raw.regularizer.first() {
            return Err(self.error(
                "train.regularizer[0].name",
                format!("regularizers are not available yet, so \"{}\" cannot be used", regularizer.name),
                "remove the [[train.regularizer]] tables",
            ));
        }
        Ok(TrainPlan {
            epochs: self.at_least_one("train.epochs", raw.epochs)?,
            batch_size: self.at_least_one("train.batch_size", raw.batch_size)?,
            optimizer: self.optimizer(&raw.optimizer)?,
            schedule: raw.schedule.as_ref().map(|schedule| self.schedule(schedule)).transpose()?,
        })
    }

    fn optimizer(&self, raw: &raw::Optimizer) -> Result<Sgd, ConfigError> {
        let path = "train.optimizer";
        self.only(&format!("{path}.name"), "optimizer", &raw.name, "sgd")?;
        self.in_range(&format!("{path}.lr"), raw.lr, "a positive number", |lr| lr > 0.0)?;
        self.in_range(&format!("{path}.momentum"), raw.momentum, "at least 0 and below 1", |m| {
            (0.0..1.0).contains(&m)
        })?;
        self.in_range(&format!("{path}.weight_decay"), raw.weight_decay, "at least 0", |w| w >= 0.0)?;
        Ok(Sgd { lr: raw.lr, momentum: raw.momentum, weight_decay: raw.weight_decay })
    }

    fn schedule(&self, raw: &raw::Schedule) -> Result<MultiStep, ConfigError> {
        let path = "train.schedule";
        self.only(&format!("{path}.name"), "schedule", &raw.name, "multi-step")?;
        self.in_range(&format!("{path}.gamma"), raw.gamma, "a positive number", |gamma| gamma > 0.0)?;
        let increasing = raw.milestones.first() != Some(&0) && raw.milestones.is_sorted_by(|a, b| a < b);
        if !increasing {
            return Err(self.error(
                &format!("{path}.milestones"),
                "the milestones must be increasing numbers of completed epochs, the first at least 1",
                "write them as in milestones = [10, 20]",
            ));
        }
        Ok(MultiStep { milestones: raw.milestones.clone(), gamma: raw.gamma })
    }

    pub(super) fn at_least_one(&self, path: &str, value: usize) -> Result<NonZeroUsize, ConfigError> {
        NonZeroUsize::new(value).ok_or_else(|| {
            self.error(path, format!("`{path}` must be at least 1"), "use a whole number from 1 on")
        })
    }

    pub(super) fn in_range(
        &self,
        path: &str,
        value: f64,
        range: &str,
        holds: impl Fn(f64) -> bool,
    ) -> Result<(), ConfigError> {
        if value.is_finite() && holds(value) {
            return Ok(());
        }
        Err(self.error(path, format!("`{path}` is {value}"), format!("it must be {range}")))
    }

    /// Refuses a name other than the only one there is.
    fn only(&self, path: &str, kind: &str, name: &str, known: &str) -> Result<(), ConfigError> {
        if name == known {
            return Ok(());
        }
        let help = suggestion(nearest(name, [known]).as_deref(), &format!("{kind}s"), &[known]);
        Err(self.error(path, format!("there is no {kind} `{name}`"), help))
    }
}
