//! Checks of expectations: the relation suits the quantity, and the experiment measures the
//! quantity.

use eigenscape_analysis::expectation::{Direction, Expectation, Reference, Relation, Subject};
use eigenscape_core::GroupSelector;

use super::Checker;
use crate::{
    diagnostic::{ConfigError, suggestion},
    plan::{DistancePlan, ProbePlan, RunPlan},
    raw::{self, Between, Is, Quantity, Than, When},
};

/// The key because of which a claim needs a test split, if any. The best epoch needs one: it is the
/// epoch of the highest test accuracy or the lowest test loss.
fn needs_test_split(quantity: Quantity, epoch: When) -> Option<&'static str> {
    let of_test =
        matches!(quantity, Quantity::TestLoss | Quantity::TestAccuracy | Quantity::GeneralisationGap);
    of_test.then_some("quantity").or((epoch == When::Best).then_some("epoch"))
}

impl Checker<'_> {
    /// Checks every `[[expect]]` against the runs.
    pub(super) fn expectations(
        &mut self,
        raw: &raw::Experiment,
        runs: &[RunPlan],
    ) -> Result<Vec<Expectation>, ConfigError> {
        let mut expectations = Vec::new();
        for (index, expect) in raw.expect.iter().enumerate() {
            let expectation = self.expectation(&format!("expect[{index}]"), expect, runs)?;
            self.warnings.extend(without_standard_error(&expectation, runs));
            expectations.push(expectation);
        }
        Ok(expectations)
    }

    fn expectation(
        &self,
        path: &str,
        raw: &raw::Expect,
        runs: &[RunPlan],
    ) -> Result<Expectation, ConfigError> {
        if raw.claim.trim().is_empty() {
            let help = "say in words what you expect: the report shows it";
            return Err(self.error(&format!("{path}.claim"), format!("`{path}.claim` is empty"), help));
        }
        let subject = self.subject(path, raw, raw.quantity, runs)?;
        let relation = self.relation(path, raw, runs)?;
        if let Some(variant) = &raw.variant {
            self.variant(&format!("{path}.variant"), variant, runs)?;
        }
        self.useless_keys(path, raw)?;
        let (claim, paper) = (raw.claim.clone(), raw.paper.clone());
        let from = first_epoch(&subject, raw.variant.as_deref(), runs);
        Ok(Expectation { claim, paper, subject, relation, variant: raw.variant.clone(), from })
    }

    /// Refuses keys about spectra or distances that the claim's quantities do not use.
    fn useless_keys(&self, path: &str, raw: &raw::Expect) -> Result<(), ConfigError> {
        let about = |is: fn(Quantity) -> bool| is(raw.quantity) || raw.with.is_some_and(is);
        let spectra = about(|quantity| !quantity.is_of_training());
        let uses = [
            ("group", raw.group.is_some(), about(|q| !q.is_of_training() && q != Quantity::Distance)),
            ("curvature", raw.curvature.is_some(), spectra),
            ("metric", raw.metric.is_some(), about(|quantity| quantity == Quantity::Distance)),
            ("by", raw.by.is_some(), about(|quantity| quantity == Quantity::Outliers)),
        ];
        match uses.iter().find(|(_, given, used)| *given && !*used) {
            None => Ok(()),
            Some((key, ..)) => {
                let problem = format!("`{}` has no use for `{key}`", raw.quantity.name());
                Err(self.error(&format!("{path}.{key}"), problem, "remove it, or change `quantity`"))
            }
        }
    }

    fn subject(
        &self,
        path: &str,
        raw: &raw::Expect,
        quantity: Quantity,
        runs: &[RunPlan],
    ) -> Result<Subject, ConfigError> {
        let distance = quantity == Quantity::Distance;
        let default = if distance { When::All } else { When::Last };
        let epoch = raw.epoch.unwrap_or(default);
        if epoch == When::All && !distance {
            let help = "use \"last\" or \"best\"";
            return Err(self.error(&format!("{path}.epoch"), "only distances are summed over epochs", help));
        }
        if let Some(key) = needs_test_split(quantity, epoch)
            && runs.iter().all(|run| !run.data.has_test_split())
        {
            let key = if key == "quantity" && quantity != raw.quantity { "with" } else { key };
            let problem = "the data set has no test split, so that this is not measured";
            let help =
                "give the data set a test split (docs/data.md), or claim something of the training split";
            return Err(self.error(&format!("{path}.{key}"), problem, help));
        }
        let batches = |run: &RunPlan| run.probes.iter().any(|probe| probe.batches.is_some());
        // Of the quantities averaged over samples, only the trace has a standard error to judge it
        // by.
        if matches!(quantity, Quantity::Outliers | Quantity::LambdaMax) && runs.iter().any(batches) {
            let problem = format!(
                "`{}` is judged in a single spectrum, and a [[probe]] has `batches`",
                quantity.name()
            );
            let help = "remove `batches`, or claim something of \"trace\"";
            return Err(self.error(&format!("{path}.quantity"), problem, help));
        }
        let mut metrics: Vec<&str> = Vec::new();
        // Claims are about distances of layers to the network.
        let between_groups = |plan: &&DistancePlan| plan.between != Between::Curvatures;
        for plan in runs.iter().flat_map(|run| &run.distances).filter(between_groups) {
            if !metrics.contains(&plan.name.as_str()) {
                metrics.push(&plan.name);
            }
        }
        let metric = raw.metric.as_deref().or(metrics.first().copied()).unwrap_or_default();
        if distance && !metrics.contains(&metric) {
            let key = if raw.metric.is_some() { "metric" } else { "quantity" };
            let help = suggestion(metric, "distances", &metrics);
            let problem = "the experiment has no such [[distance]]";
            return Err(self.error(&format!("{path}.{key}"), problem, help));
        }
        let subject = Subject {
            quantity,
            epoch,
            group: raw.group.clone().unwrap_or_else(|| "full".to_owned()),
            curvature: raw.curvature.clone().unwrap_or_else(|| "hessian".to_owned()),
            metric: metric.to_owned(),
            counting: raw.by.unwrap_or_default(),
        };
        if let Some((estimator, number)) = number_instead(&subject, runs) {
            let key = if raw.quantity == quantity { "quantity" } else { "with" };
            let problem =
                format!("`{}` needs eigenvalues, and `{estimator}` finds only the {number}", quantity.name());
            let help = "let a [[probe]] measure the group with estimator = \"lanczos\" or \"gram\"";
            return Err(self.error(&format!("{path}.{key}"), problem, help));
        }
        Ok(subject)
    }

    /// The word of the key `is`, as it is written.
    fn relation_word(&self, path: &str) -> String {
        self.document.at(&format!("{path}.is")).to_value().as_str().unwrap_or_default().to_owned()
    }

    fn relation(&self, path: &str, raw: &raw::Expect, runs: &[RunPlan]) -> Result<Relation, ConfigError> {
        let only = |quantity: Quantity| {
            if raw.quantity == quantity {
                return Ok(());
            }
            let help = format!("use quantity = \"{}\"", quantity.name());
            let problem = format!("`{}` cannot be \"{}\"", raw.quantity.name(), self.relation_word(path));
            Err(self.error(&format!("{path}.is"), problem, help))
        };
        let relation = match raw.is {
            Is::EqualToClasses => only(Quantity::Outliers).map(|()| Relation::EqualToClasses)?,
            Is::LeastInTheMiddleHalf => only(Quantity::Distance).map(|()| Relation::LeastInTheMiddleHalf)?,
            _ if raw.quantity == Quantity::Distance => {
                let help = "use is = \"least-in-the-middle-half\"";
                let problem = format!("`distance` cannot be \"{}\"", self.relation_word(path));
                return Err(self.error(&format!("{path}.is"), problem, help));
            }
            Is::Falls => Relation::OverTraining(Direction::Down),
            Is::Rises => Relation::OverTraining(Direction::Up),
            Is::AtLeast => self.against(path, raw, runs, Direction::Up, false)?,
            Is::AtMost => self.against(path, raw, runs, Direction::Down, false)?,
            Is::Above => self.against(path, raw, runs, Direction::Up, true)?,
            Is::Below => self.against(path, raw, runs, Direction::Down, true)?,
            Is::RisesWith => self.with(path, raw, runs, Direction::Up)?,
            Is::FallsWith => self.with(path, raw, runs, Direction::Down)?,
        };
        let uses = [
            ("than", raw.than.is_some(), matches!(relation, Relation::Against { .. })),
            ("with", raw.with.is_some(), matches!(relation, Relation::With(..))),
            // These relations compare the first measured epoch with the last.
            ("epoch", raw.epoch.is_some(), !matches!(relation, Relation::OverTraining(_))),
        ];
        match uses.iter().find(|(_, given, used)| *given && !*used) {
            None => Ok(relation),
            Some((key, ..)) => {
                let problem = format!("is = \"{}\" has no use for `{key}`", self.relation_word(path));
                Err(self.error(&format!("{path}.{key}"), problem, "remove it, or change `is`"))
            }
        }
    }

    fn against(
        &self,
        path: &str,
        raw: &raw::Expect,
        runs: &[RunPlan],
        direction: Direction,
        strict: bool,
    ) -> Result<Relation, ConfigError> {
        let reference = match &raw.than {
            None => {
                let help = "add `than`: a variant of the sweep, or a number";
                let problem =
                    format!("is = \"{}\" needs something to compare with", self.relation_word(path));
                return Err(self.error(&format!("{path}.is"), problem, help));
            }
            Some(Than::Number(number)) => {
                let is_share = matches!(raw.quantity, Quantity::TrainAccuracy | Quantity::TestAccuracy);
                if is_share && !(0.0..=1.0).contains(number) {
                    let help = "write 90 % as 0.9";
                    let problem = format!("an accuracy is a share from 0 to 1, and `than` is {number}");
                    return Err(self.error(&format!("{path}.than"), problem, help));
                }
                Reference::Number(*number)
            }
            Some(Than::Variant(variant)) => {
                self.variant(&format!("{path}.than"), variant, runs)?;
                Reference::Variant(variant.clone())
            }
        };
        Ok(Relation::Against { direction, strict, reference })
    }

    fn with(
        &self,
        path: &str,
        raw: &raw::Expect,
        runs: &[RunPlan],
        direction: Direction,
    ) -> Result<Relation, ConfigError> {
        match raw.with {
            None => {
                let help = "add `with`, as in with = \"trace\"";
                Err(self.error(&format!("{path}.is"), "the other quantity is missing", help))
            }
            Some(Quantity::Distance) => {
                let help = "use another quantity";
                Err(self.error(&format!("{path}.with"), "a run has many distances, not one", help))
            }
            Some(other) if other == raw.quantity => {
                let problem = format!("`{}` is compared with itself", other.name());
                Err(self.error(&format!("{path}.with"), problem, "use another quantity"))
            }
            Some(other) => Ok(Relation::With(direction, Box::new(self.subject(path, raw, other, runs)?))),
        }
    }

    fn variant(&self, path: &str, variant: &str, runs: &[RunPlan]) -> Result<(), ConfigError> {
        if let Some((_, other)) = self.same.iter().find(|(same, _)| same == variant) {
            let problem = format!("`{variant}` has the same settings as `{other}`, and is not run twice");
            return Err(self.error(path, problem, format!("name `{other}`, or make their settings differ")));
        }
        if !variant.is_empty() && runs.iter().any(|run| run.variant == variant) {
            return Ok(());
        }
        let mut known: Vec<&str> = Vec::new();
        for run in runs.iter().filter(|run| !run.variant.is_empty()) {
            if !known.contains(&run.variant.as_str()) {
                known.push(&run.variant);
            }
        }
        let help = if known.is_empty() {
            "there is one run: add a [sweep], or compare with a number".to_owned()
        } else {
            suggestion(variant, "variants", &known)
        };
        Err(self.error(path, format!("the sweep has no variant `{variant}`"), help))
    }
}

/// The first epoch at which any of the runs measures the quantity, as far as the file determines
/// it.
fn first_epoch(subject: &Subject, variant: Option<&str>, runs: &[RunPlan]) -> usize {
    if subject.quantity.is_of_training() {
        return 0;
    }
    let ours = runs.iter().filter(|run| variant.is_none_or(|variant| run.variant == variant));
    let probes = ours.flat_map(|run| &run.probes);
    let of_it = probes.filter(|probe| probe.curvatures.iter().any(|c| c.to_string() == subject.curvature));
    of_it.filter_map(|probe| probe.epochs.first()).min().copied().unwrap_or_default()
}

/// The probes that may measure a subject. A selector of layers matches any group except "full",
/// since the layers are unknown until the network is built.
fn probes<'a>(subject: &'a Subject, runs: &'a [RunPlan]) -> impl Iterator<Item = &'a ProbePlan> {
    let whole = subject.curvature.split(' ').next().unwrap_or_default();
    let measures = move |probe: &&ProbePlan| {
        let selects = |selector: &GroupSelector| match selector {
            GroupSelector::Full => subject.group == "full",
            GroupSelector::Named { name, .. } | GroupSelector::Glob(name) => *name == subject.group,
            _ => subject.group != "full",
        };
        probe.curvatures.iter().any(|curvature| curvature.to_string() == whole)
            && probe.groups.iter().any(|group| selects(&group.value))
    };
    runs.iter().flat_map(|run| &run.probes).filter(measures)
}

/// The estimator and the number it finds, if a subject needs eigenvalues and its probes measure
/// only numbers.
fn number_instead(subject: &Subject, runs: &[RunPlan]) -> Option<(String, &'static str)> {
    if !matches!(subject.quantity, Quantity::LambdaMax | Quantity::Outliers) {
        return None;
    }
    let numbers = probes(subject, runs).map(|probe| Some((probe, probe.estimator.number()?)));
    let numbers: Vec<_> = numbers.collect::<Option<_>>()?;
    numbers.first().map(|(probe, number)| (probe.estimator_name.value.clone(), *number))
}

/// A warning if a trace is claimed to fall or rise and no probe of it has a standard error.
fn without_standard_error(expectation: &Expectation, runs: &[RunPlan]) -> Option<String> {
    let Expectation { claim, subject, relation, .. } = expectation;
    let judged = subject.quantity == Quantity::Trace && matches!(relation, Relation::OverTraining(_));
    let mut probes = probes(subject, runs).peekable();
    // The spread of batches is a standard error, whatever the estimator gives.
    let has_none = |probe: &ProbePlan| probe.batches.is_none() && !probe.estimator.has_standard_error();
    (judged && probes.peek().is_some() && probes.all(has_none)).then(|| {
        format!(
            "\"{claim}\" will not be measured: one random vector has no standard error; set probes = 4 in the estimator of {}",
            subject.group
        )
    })
}
