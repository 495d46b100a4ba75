//! The records of one run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DistanceRecord, Divergence, MeansRecord, ProbeRecord, TrainingRecord};

/// One training run (or one analysis of a given model).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// What distinguishes it from the other runs of the sweep ("model=lenet"); empty without a
    /// sweep.
    pub name: String,
    /// The name without the seed: runs that share it are reruns of one another.
    #[serde(default)]
    pub variant: String,
    /// The seed of everything random in the run.
    #[serde(default)]
    pub seed: u64,
    /// Every setting that the run's numbers depend on, defaults included, by the keys of the
    /// experiment's file. Empty in results of earlier versions.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub settings: toml::Table,
    /// One record per epoch.
    pub training: Vec<TrainingRecord>,
    /// One record per spectrum.
    pub probes: Vec<ProbeRecord>,
    /// One record per pair of spectra.
    pub distances: Vec<DistanceRecord>,
    /// One record per matrix that was decomposed by classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<MeansRecord>,
    /// Where training diverged, if it did; the other fields then hold what was measured before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<Divergence>,
    /// Spectra that were due but could not be measured; all others were measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<ProbeFailure>,
}

/// A spectrum that could not be measured: its estimator failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeFailure {
    /// The epoch after which the measurement was due (0: before training).
    pub epoch: usize,
    /// Which `[[probe]]` of the experiment, counted from 1.
    pub probe: usize,
    /// Which of several disjoint samples, counted from 0; absent where there is one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The group's name.
    pub group: String,
    /// "hessian", "gauss-newton", ...
    pub curvature: String,
    /// The estimator's name.
    pub estimator: String,
    /// What went wrong.
    pub problem: String,
    /// What to do about it, where something can be done.
    pub remedy: Option<String>,
}

impl std::fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { epoch, probe, group, curvature, estimator, problem, .. } = self;
        let batch = self.batch.map(|batch| format!(", batch {batch}")).unwrap_or_default();
        write!(
            f,
            "{curvature} of {group} after epoch {epoch}, by {estimator} ([[probe]] number {probe}{batch}): {problem}"
        )
    }
}

impl Run {
    /// Whether a spectrum of this curvature was due but is in no record: for `group`, or for any
    /// group if `None`.
    #[must_use]
    pub fn misses(&self, curvature: &str, group: Option<&str>) -> bool {
        let measured = |failure: &ProbeFailure| {
            self.probes.iter().any(|probe| {
                (probe.epoch, probe.batch, &probe.group, &probe.curvature)
                    == (failure.epoch, failure.batch, &failure.group, &failure.curvature)
            })
        };
        let ours = |failure: &&ProbeFailure| {
            failure.curvature == curvature && group.is_none_or(|group| failure.group == group)
        };
        self.failures.iter().filter(ours).any(|failure| !measured(failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectrum_is_missing_where_no_estimator_gave_it() {
        let failure = |epoch, group: &str| ProbeFailure {
            epoch,
            probe: 1,
            batch: None,
            group: group.to_owned(),
            curvature: "hessian".to_owned(),
            estimator: "lanczos".to_owned(),
            problem: String::new(),
            remedy: None,
        };
        let record = ProbeRecord {
            epoch: 1,
            batch: None,
            group: "full".to_owned(),
            curvature: "hessian".to_owned(),
            estimator: "dense".to_owned(),
            exact: true,
            rounding: None,
            dimension: 1,
            ..ProbeRecord::default()
        };
        let run = |failures| Run { probes: vec![record.clone()], failures, ..Run::default() };
        assert!(!run(vec![failure(1, "full")]).misses("hessian", None), "measured otherwise");
        let run = run(vec![failure(2, "full")]);
        assert!(run.misses("hessian", None) && run.misses("hessian", Some("full")));
        assert!(!run.misses("hessian", Some("fc.weight")) && !run.misses("residual", None));
    }
}
