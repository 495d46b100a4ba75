//! Training: ranges, optimizers, schedules, regularizers.

use std::num::NonZeroUsize;

use eigenscape_core::number::short;

use super::{
    Checker,
    names::{OPTIMIZERS, SCHEDULES, optimizer_keys, schedule_keys},
};
use crate::{
    diagnostic::{ConfigError, listed, suggestion},
    document::Tree,
    limits::{ENTRIES, EPOCHS},
    optimizer::{Adam, Optimizer, Sgd},
    plan::{RegularizerPlan, TrainPlan},
    raw,
    schedule::{Decay, Schedule, Warmup},
};

/// The keys of a regularizer's table that belong to the runner.
const RUNNER_KEYS: [&str; 3] = ["strength", "every", "from_epoch"];

impl Checker<'_> {
    pub(super) fn train(&mut self, raw: &raw::Train) -> Result<TrainPlan, ConfigError> {
        let epochs = self.at_least_one("train.epochs", raw.epochs)?;
        self.at_most("train.epochs", raw.epochs, EPOCHS)?;
        self.at_most("train.regularizer", raw.regularizer.len(), ENTRIES)?;
        let schedule = raw.schedule.as_ref().map(|schedule| self.schedule(schedule, epochs.get()));
        let (batch_size, optimizer) =
            (self.at_least_one("train.batch_size", raw.batch_size)?, self.optimizer(&raw.optimizer)?);
        let schedule = schedule.transpose()?.unwrap_or_default();
        let regularizers = raw.regularizer.iter().enumerate();
        let regularizers =
            regularizers.map(|(index, raw)| self.regularizer(index, raw, epochs.get(), batch_size.get()));
        let regularizers = regularizers.collect::<Result<_, _>>()?;
        let keep_every = raw.keep_every;
        self.in_range("train.keep_every", keep_every, "a number of seconds, at least 0", |s| s >= 0.0)?;
        Ok(TrainPlan { epochs, batch_size, optimizer, schedule, regularizers, keep_every })
    }

    fn optimizer(&self, raw: &raw::Optimizer) -> Result<Optimizer, ConfigError> {
        let path = "train.optimizer";
        let name = self.one_of(&format!("{path}.name"), "optimizer", &raw.name, &OPTIMIZERS)?;
        self.only_keys(path, name, &optimizer_keys(name))?;
        let mut raw = raw.clone();
        raw.fill_defaults();
        let range = |key: &str, value: f64, range: &str, holds: fn(f64) -> bool| {
            self.in_range(&format!("{path}.{key}"), value, range, holds).map(|()| value)
        };
        let share = "at least 0 and below 1";
        let lr = range("lr", raw.lr, "a positive number", |lr| lr > 0.0)?;
        let weight_decay =
            range("weight_decay", raw.weight_decay.unwrap_or_default(), "at least 0", |w| w >= 0.0)?;
        if name != "sgd" {
            let betas = raw.betas.unwrap_or_default();
            for beta in betas {
                range("betas", beta, share, |beta| (0.0..1.0).contains(&beta))?;
            }
            let eps = range("eps", raw.eps.unwrap_or_default(), "a positive number", |eps| eps > 0.0)?;
            return Ok(Optimizer::Adam(Adam { lr, betas, eps, weight_decay, decoupled: name == "adamw" }));
        }
        let momentum =
            range("momentum", raw.momentum.unwrap_or_default(), share, |m| (0.0..1.0).contains(&m))?;
        let dampening = range("dampening", raw.dampening.unwrap_or_default(), "from 0 to 1", |d| {
            (0.0..=1.0).contains(&d)
        })?;
        let nesterov = raw.nesterov.unwrap_or_default();
        if nesterov && (momentum == 0.0 || dampening > 0.0) {
            return Err(self.error(
                &format!("{path}.nesterov"),
                "Nesterov's step needs a momentum, and no dampening",
                "set momentum = 0.9, for example, and remove dampening",
            ));
        }
        Ok(Optimizer::Sgd(Sgd { lr, momentum, dampening, nesterov, weight_decay }))
    }

    fn schedule(&self, raw: &raw::Schedule, epochs: usize) -> Result<Schedule, ConfigError> {
        let path = "train.schedule";
        let name = self.one_of(&format!("{path}.name"), "schedule", &raw.name, &SCHEDULES)?;
        self.only_keys(path, name, &schedule_keys(name))?;
        let decay = match name {
            "multi-step" => self.multi_step(path, raw)?,
            "cosine" => {
                let min_lr = raw.min_lr.unwrap_or(0.0);
                self.in_range(&format!("{path}.min_lr"), min_lr, "at least 0", |min| min >= 0.0)?;
                Decay::Cosine { epochs, min_lr }
            }
            _ => Decay::Constant,
        };
        let warmup = match (raw.warmup_steps, raw.warmup_epochs) {
            (Some(_), Some(_)) => {
                let problem = "both `warmup_steps` and `warmup_epochs` are given";
                return Err(self.error(&format!("{path}.warmup_epochs"), problem, "give one of them"));
            }
            (_, Some(epochs)) => Warmup::Epochs(epochs),
            (steps, None) => Warmup::Steps(steps.unwrap_or(0)),
        };
        Ok(Schedule { decay, warmup })
    }

    fn multi_step(&self, path: &str, raw: &raw::Schedule) -> Result<Decay, ConfigError> {
        let missing = |key: &str, help: &str| {
            self.error(path, format!("the key `{key}` is missing in `{path}`"), format!("add {help}"))
        };
        let milestones =
            raw.milestones.as_ref().ok_or_else(|| missing("milestones", "milestones = [10, 20]"))?;
        let gamma = raw.gamma.ok_or_else(|| missing("gamma", "gamma = 0.25, for example"))?;
        self.in_range(&format!("{path}.gamma"), gamma, "a positive number", |gamma| gamma > 0.0)?;
        let increasing = milestones.first() != Some(&0) && milestones.is_sorted_by(|a, b| a < b);
        if !increasing {
            return Err(self.error(
                &format!("{path}.milestones"),
                "the milestones must be increasing numbers of completed epochs, the first at least 1",
                "write them as in milestones = [10, 20]",
            ));
        }
        Ok(Decay::MultiStep { milestones: milestones.clone(), gamma })
    }

    fn regularizer(
        &mut self,
        index: usize,
        raw: &raw::Regularizer,
        epochs: usize,
        batch_size: usize,
    ) -> Result<RegularizerPlan, ConfigError> {
        let path = format!("train.regularizer[{index}]");
        let catalog = &self.registry.regularizers;
        let regularizer = self.build(catalog, &path, &raw.name, raw.parameters.clone(), &RUNNER_KEYS)?;
        self.in_range(&format!("{path}.strength"), raw.strength, "at least 0", |strength| strength >= 0.0)?;
        if raw.from_epoch >= epochs {
            // Only a warning: `--set` may shorten a training, and the rest of the file should stay
            // valid.
            self.warnings.push(format!(
                "regularizer `{}` is never added: it waits for {} completed epochs, and {epochs} are trained",
                raw.name, raw.from_epoch
            ));
        }
        // How many samples it takes of a mini-batch without end.
        let samples = regularizer.samples(usize::MAX);
        if samples > batch_size && samples < usize::MAX {
            self.warnings.push(format!(
                "regularizer `{}` is to use {samples} samples of each mini-batch, which has {batch_size}: it uses all of them",
                raw.name
            ));
        }
        Ok(RegularizerPlan {
            name: raw.name.clone(),
            node: self.document.at(&path).clone(),
            regularizer,
            strength: raw.strength,
            every: self.at_least_one(&format!("{path}.every"), raw.every)?,
            from_epoch: raw.from_epoch,
        })
    }

    pub(super) fn at_least_one(&self, path: &str, value: usize) -> Result<NonZeroUsize, ConfigError> {
        NonZeroUsize::new(value).ok_or_else(|| {
            self.error(path, format!("`{path}` must be at least 1"), "use a whole number from 1 on")
        })
    }

    /// Refuses a count or a list length above `most`.
    pub(super) fn at_most(&self, path: &str, count: usize, most: usize) -> Result<(), ConfigError> {
        if count <= most {
            return Ok(());
        }
        let problem = match self.document.at(path).value {
            Tree::Array(_) => format!("`{path}` has {count} entries"),
            _ => format!("`{path}` is {count}"),
        };
        Err(self.error(path, problem, format!("use at most {most}")))
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
        Err(self.error(path, format!("`{path}` is {}", short(value)), format!("it must be {range}")))
    }

    /// The known name that equals `name`; refuses any other.
    fn one_of(
        &self,
        path: &str,
        kind: &str,
        name: &str,
        known: &[&'static str],
    ) -> Result<&'static str, ConfigError> {
        known.iter().find(|candidate| **candidate == name).copied().ok_or_else(|| {
            let help = suggestion(name, &format!("{kind}s"), known);
            self.error(path, format!("there is no {kind} `{name}`"), help)
        })
    }

    /// Refuses keys of the table at `path` that `name` does not have.
    fn only_keys(&self, path: &str, name: &str, known: &[&str]) -> Result<(), ConfigError> {
        let table = self.document.at(path);
        let Some(key) = table.keys().find(|key| !known.contains(key)) else { return Ok(()) };
        let help = listed(&format!("keys of `{name}`"), known);
        Err(table.at(key).key.error(format!("`{name}` has no key `{key}`"), Some(help)))
    }
}
