//! Checks of probes: times, samples, groups, curvatures.

use std::num::NonZeroUsize;

use candle_core::DType;
use eigenscape_core::{Curvature, Dataset, GroupSelector, Split};
use eigenscape_curvature::Residuals;

use super::Checker;
use crate::{
    diagnostic::{ConfigError, Located, suggestion},
    limits::EIGENVECTORS,
    plan::{ProbePlan, Samples, TrainPlan},
    raw::{self, Amount, At, Times},
};

/// The curvatures that can be measured.
pub(crate) const CURVATURES: [Curvature; 3] =
    [Curvature::Hessian, Curvature::GaussNewton, Curvature::Residual];

impl Checker<'_> {
    /// Checks the `index`-th probe. `train` is the experiment's training, if any.
    pub(super) fn probe(
        &mut self,
        index: usize,
        raw: &raw::Probe,
        train: Option<&TrainPlan>,
    ) -> Result<ProbePlan, ConfigError> {
        let epochs = train.map_or(0, |train| train.epochs.get());
        let path = format!("probe[{index}]");
        let estimator_path = format!("{path}.estimator");
        let name = raw.estimator.name();
        let catalog = &self.registry.estimators;
        let mut estimator = self.build(catalog, &estimator_path, name, raw.estimator.parameters(), &[])?;
        let eigenvectors = self.eigenvectors(&path, raw)?;
        if let Some(count) = eigenvectors {
            estimator = estimator.with_eigenvectors(count).ok_or_else(|| {
                let problem = format!("the estimator `{name}` finds no eigenvectors");
                let help = "use one that does (\"lanczos\", \"gram\", \"dense\"), or remove `eigenvectors`";
                self.error(&format!("{path}.eigenvectors"), problem, help)
            })?;
        }
        Ok(ProbePlan {
            epochs: self.times(&format!("{path}.at"), &raw.at, epochs)?,
            samples: self.samples(&path, raw)?,
            take: raw.take,
            split: match raw.split {
                raw::SplitName::Train => Split::Train,
                raw::SplitName::Test => Split::Test,
            },
            batches: raw
                .batches
                .map(|batches| self.at_least_one(&format!("{path}.batches"), batches))
                .transpose()?,
            augment: raw.augment,
            weight_decay: self.weight_decay(&path, raw, train)?,
            groups: self.groups(&format!("{path}.groups"), &raw.groups)?,
            curvatures: self.curvatures(&format!("{path}.curvature"), &raw.curvature)?,
            estimator_name: self.located(&format!("{estimator_path}.name"), name.to_owned()),
            estimator,
            eigenvectors,
            dtype: match raw.dtype {
                raw::Float::F32 => DType::F32,
                raw::Float::F64 => DType::F64,
            },
            residuals: self.residuals(&format!("{path}.residuals"), raw)?,
        })
    }

    /// The number of eigenvectors, if the probe asks for some.
    fn eigenvectors(&self, path: &str, raw: &raw::Probe) -> Result<Option<NonZeroUsize>, ConfigError> {
        let path = format!("{path}.eigenvectors");
        self.at_most(&path, raw.eigenvectors.unwrap_or_default(), EIGENVECTORS)?;
        raw.eigenvectors.map(|count| self.at_least_one(&path, count)).transpose()
    }

    /// The type in which residuals are evaluated.
    fn residuals(&self, path: &str, raw: &raw::Probe) -> Result<Residuals, ConfigError> {
        match (raw.dtype, raw.residuals) {
            (_, raw::Float::F64) => Ok(Residuals::F64),
            (raw::Float::F32, raw::Float::F32) => Ok(Residuals::OfPoint),
            (raw::Float::F64, raw::Float::F32) => {
                let problem = "products in f64 need residuals in f64";
                Err(self.error(path, problem, "remove `residuals`, or use dtype = \"f32\""))
            }
        }
    }

    /// λ of the term λ/2 ‖θ‖² in the probed loss; 0 unless the probe sets `weight_decay`.
    fn weight_decay(
        &mut self,
        path: &str,
        raw: &raw::Probe,
        train: Option<&TrainPlan>,
    ) -> Result<f64, ConfigError> {
        if !raw.weight_decay {
            return Ok(0.0);
        }
        let refuse =
            |problem: &str, help: &str| Err(self.error(&format!("{path}.weight_decay"), problem, help));
        let Some(train) = train else {
            return refuse("nothing is trained, so that there is no weight decay", "remove `weight_decay`");
        };
        let Some(decay) = train.optimizer.l2() else {
            return refuse(
                "the weights decay by themselves with \"adamw\": the loss that it minimises has no such term",
                "remove `weight_decay`, or train with \"adam\" or \"sgd\", whose weight decay is part of the loss",
            );
        };
        if decay == 0.0 {
            self.warnings
                .push(format!("`{path}.weight_decay` adds nothing: `train.optimizer.weight_decay` is 0"));
        }
        if !train.regularizers.is_empty() {
            self.warnings.push(format!(
                "`{path}.weight_decay` adds the optimizer's weight decay alone, not the penalties of [[train.regularizer]]"
            ));
        }
        Ok(decay)
    }

    /// Refuses augmentation that the experiment does not declare and a test split that its data
    /// lacks.
    pub(super) fn probe_data(
        &self,
        index: usize,
        raw: &raw::Probe,
        augmented: bool,
        data: &dyn Dataset,
    ) -> Result<(), ConfigError> {
        let refuse = |key: &str, problem: &str, help: &str| {
            Err(self.error(&format!("probe[{index}].{key}"), problem, help))
        };
        if raw.augment && !augmented {
            let problem = "the experiment declares no augmentation";
            return refuse("augment", problem, "add data.augment = [\"flip\"], or remove `augment`");
        }
        if raw.split == raw::SplitName::Test && !data.has_test_split() {
            let problem = "the data set has no test split";
            return refuse(
                "split",
                problem,
                "use split = \"train\", or give the data set one (docs/data.md)",
            );
        }
        Ok(())
    }

    fn times(&self, path: &str, at: &Times, epochs: usize) -> Result<Vec<usize>, ConfigError> {
        match at {
            Times::Word(word) if word == "every-epoch" => Ok((epochs.min(1)..=epochs).collect()),
            Times::Word(word) => Ok(vec![self.time(path, word, epochs, &["start", "end", "every-epoch"])?]),
            Times::List(list) => self.epochs(path, list, epochs),
        }
    }

    /// The number of completed epochs that a word stands for.
    fn time(&self, path: &str, word: &str, epochs: usize, known: &[&str]) -> Result<usize, ConfigError> {
        match word {
            "start" => Ok(0),
            "end" => Ok(epochs),
            "every-epoch" => {
                let problem = "\"every-epoch\" cannot be in a list";
                Err(self.error(
                    path,
                    problem,
                    "write at = \"every-epoch\", or a list such as [\"start\", 3, \"end\"]",
                ))
            }
            other => {
                let help = suggestion(other, "times", known);
                Err(self.error(path, format!("there is no measurement time \"{other}\""), help))
            }
        }
    }

    fn epochs(&self, path: &str, list: &[At], epochs: usize) -> Result<Vec<usize>, ConfigError> {
        if list.is_empty() {
            let help = "list times as in at = [\"start\", 5, \"end\"]";
            return Err(self.error(path, "the list of times is empty", help));
        }
        let time = |(index, at): (usize, &At)| {
            let path = format!("{path}[{index}]");
            match at {
                At::Word(word) => self.time(&path, word, epochs, &["start", "end"]),
                At::Epoch(epoch) if *epoch <= epochs => Ok(*epoch),
                At::Epoch(epoch) => {
                    let trained = match epochs {
                        0 => "nothing is trained: use 0".to_owned(),
                        last => {
                            format!("use 0 (before training, \"start\") to {last} (`train.epochs`, \"end\")")
                        }
                    };
                    Err(self.error(&path, format!("there is no epoch {epoch} to measure after"), trained))
                }
            }
        };
        let mut times: Vec<usize> = list.iter().enumerate().map(time).collect::<Result<_, _>>()?;
        times.sort_unstable();
        times.dedup();
        Ok(times)
    }

    fn samples(&self, path: &str, raw: &raw::Probe) -> Result<Located<Samples>, ConfigError> {
        let (key, amount) = match (&raw.samples_per_class, &raw.samples) {
            (Some(amount), None) => ("samples_per_class", amount),
            (None, Some(amount)) => ("samples", amount),
            (given, _) => {
                let problem = if given.is_some() {
                    "both `samples_per_class` and `samples` are given"
                } else {
                    "the number of samples to measure on is missing"
                };
                let help = "give one of samples_per_class = 10, samples = 100 or samples = \"all\"";
                let at = if given.is_some() { format!("{path}.samples") } else { path.to_owned() };
                return Err(self.error(&at, problem, help));
            }
        };
        let path = format!("{path}.{key}");
        let samples = match amount {
            Amount::Word(word) if word == "all" => Samples::All,
            Amount::Word(word) => {
                let problem = format!("`{path}` cannot be \"{word}\"");
                return Err(self.error(&path, problem, "use a whole number of samples or \"all\""));
            }
            Amount::Count(count) => {
                let count = self.at_least_one(&path, *count)?;
                if key == "samples" { Samples::Count(count) } else { Samples::PerClass(count) }
            }
        };
        Ok(self.located(&path, samples))
    }

    fn groups(&self, path: &str, groups: &raw::Groups) -> Result<Vec<Located<GroupSelector>>, ConfigError> {
        let groups: Vec<_> = groups
            .iter()
            .map(|(index, group)| self.group(&format!("{path}{index}"), group))
            .collect::<Result<_, _>>()?;
        if groups.is_empty() {
            return Err(self.error(
                path,
                "the list of groups is empty",
                "use for example [\"full\", \"layers\"]",
            ));
        }
        Ok(groups)
    }

    fn group(&self, path: &str, group: &raw::Group) -> Result<Located<GroupSelector>, ConfigError> {
        let raw::NamedGroup { name, parameters } = match group {
            raw::Group::Word(word) => return Ok(self.located(path, GroupSelector::from(word.as_str()))),
            raw::Group::Named(named) => named,
        };
        // A built-in selector or an activation: results could not be told apart.
        if name.is_empty() || !matches!(GroupSelector::from(name.as_str()), GroupSelector::Glob(_)) {
            let problem = format!("\"{name}\" cannot be the name of a group of your own");
            return Err(self.error(
                &format!("{path}.name"),
                problem,
                "choose another name: this one already has a meaning in `groups`",
            ));
        }
        let globs: Vec<String> = parameters.iter().map(|(_, glob)| glob.to_owned()).collect();
        if globs.is_empty() {
            let path = format!("{path}.parameters");
            return Err(self.error(&path, "the list of parameters is empty", "use for example [\"fc*\"]"));
        }
        let slice =
            |glob: &&String| matches!(GroupSelector::from(glob.as_str()), GroupSelector::Slice { .. });
        if let Some(slice) = globs.iter().find(slice) {
            let problem = format!("\"{slice}\" is a part of a tensor, which cannot be joined to others");
            let help = format!("give it a group of its own: groups = [\"{slice}\"]");
            return Err(self.error(&format!("{path}.parameters"), problem, help));
        }
        Ok(self.located(path, GroupSelector::Named { name: name.clone(), globs }))
    }

    fn curvatures(&self, path: &str, words: &raw::Words) -> Result<Vec<Curvature>, ConfigError> {
        let known = CURVATURES.map(|curvature| curvature.to_string());
        let curvatures: Vec<Curvature> = words
            .iter()
            .map(|(index, word)| {
                CURVATURES.into_iter().find(|curvature| curvature.to_string() == word).ok_or_else(|| {
                    let help = suggestion(word, "curvatures", &known);
                    let problem = format!("there is no curvature \"{word}\"");
                    self.error(&format!("{path}{index}"), problem, help)
                })
            })
            .collect::<Result<_, _>>()?;
        if let Some(index) =
            (1..curvatures.len()).find(|&index| curvatures[..index].contains(&curvatures[index]))
        {
            let problem = format!("\"{}\" is listed twice", curvatures[index]);
            return Err(self.error(&format!("{path}[{index}]"), problem, "list each curvature once"));
        }
        if curvatures.is_empty() {
            return Err(self.error(path, "the list of curvatures is empty", "use for example \"hessian\""));
        }
        Ok(curvatures)
    }
}
