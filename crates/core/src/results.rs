//! What an experiment leaves behind: the contents of `results.json`.

mod check;

use serde::{Deserialize, Serialize};

pub use self::check::Misfit;
use crate::ClassMeans;

/// Stands between an experiment's name and a number in the name of a folder of earlier results. No
/// experiment's name has it.
pub const EARLIER: char = '~';

/// `results.json`: everything that was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Results {
    /// The experiment's name.
    pub name: String,
    /// One entry a combination of the sweep; one entry without a sweep.
    pub runs: Vec<Run>,
    /// Statistics over the reruns of each variant; empty where nothing was trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantRecord>,
    /// What was expected, and whether it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimRecord>,
}

/// One training run (or one analysis of a given model).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Run {
    /// What distinguishes it from the other runs of the sweep ("model.name=lenet"); empty without a
    /// sweep.
    pub name: String,
    /// The name without the seed: runs that share it are reruns of one another.
    #[serde(default)]
    pub variant: String,
    /// What everything random followed from.
    #[serde(default)]
    pub seed: u64,
    /// One record an epoch.
    pub training: Vec<TrainingRecord>,
    /// One record a spectrum.
    pub probes: Vec<ProbeRecord>,
    /// One record a pair of spectra.
    pub distances: Vec<DistanceRecord>,
    /// One record a matrix that was taken apart by classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<MeansRecord>,
    /// Where its training diverged; everything else is then what was measured before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<Divergence>,
    /// Spectra that were to be measured and could not be; everything else was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<ProbeFailure>,
}

/// A spectrum that could not be measured: its estimator failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFailure {
    /// The epoch after which it was to be measured (0: before training).
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

/// Where a training came to a number that is not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// What is not finite.
    pub what: Diverging,
    /// What it is instead of a number: "NaN", "inf".
    pub value: String,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The step in this epoch, counted from 1; of a loss after the epoch, its last one.
    pub step: usize,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// The loss of the last mini-batch that had a finite one; null where none had.
    pub last_finite_loss: Option<f64>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, value, epoch, step, learning_rate, last_finite_loss } = self;
        let before = match last_finite_loss {
            None => "none".to_owned(),
            Some(loss) if loss.abs() < 1e6 => format!("{loss:.4}"),
            Some(loss) => format!("{loss:.3e}"),
        };
        write!(
            f,
            "training diverged: {what} is {value} in epoch {epoch}, step {step} (learning rate {learning_rate}, \
             last finite loss {before})"
        )
    }
}

/// What a training watches for numbers that are not finite. In `results.json` it is written in
/// words: "the penalty `hessian-trace`".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Diverging {
    /// The loss of a mini-batch.
    Loss,
    /// The mean loss over the training split.
    TrainingLoss,
    /// The mean loss over the test split.
    TestLoss,
    /// A penalty, by the name of its regularizer.
    Penalty(String),
}

impl std::fmt::Display for Diverging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loss => f.write_str("the loss"),
            Self::TrainingLoss => f.write_str("the loss on the training split"),
            Self::TestLoss => f.write_str("the loss on the test split"),
            Self::Penalty(name) => write!(f, "the penalty `{name}`"),
        }
    }
}

impl From<Diverging> for String {
    fn from(what: Diverging) -> Self {
        what.to_string()
    }
}

impl TryFrom<String> for Diverging {
    type Error = String;

    fn try_from(words: String) -> Result<Self, String> {
        let penalty = words.strip_prefix("the penalty `").and_then(|rest| rest.strip_suffix('`'));
        let known = [Self::Loss, Self::TrainingLoss, Self::TestLoss];
        let named = penalty.map(|name| Self::Penalty(name.to_owned()));
        named
            .or_else(|| known.into_iter().find(|what| what.to_string() == words))
            .ok_or_else(|| format!("{words:?} is nothing that diverges"))
    }
}

/// Losses and accuracies after an epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// The epoch, from 0 (before training) on.
    pub epoch: usize,
    /// Mean loss over the training split.
    pub train_loss: f64,
    /// Share of the training split classified rightly; `None` for real targets.
    pub train_accuracy: Option<f64>,
    /// Mean loss over the test split; `None` where there is none.
    pub test_loss: Option<f64>,
    /// Share of the test split classified rightly; `None` for real targets, and where there is no
    /// test split.
    pub test_accuracy: Option<f64>,
    /// Share of the training split whose class is among the five likeliest; `None` for real targets
    /// and for five classes or fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_top5: Option<f64>,
    /// The same of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_top5: Option<f64>,
    /// Mean over the epoch's steps of what was added to the loss: Σ strength · penalty, 0 in steps
    /// in which none is due.
    pub penalty: f64,
    /// One record a regularizer that was due in this epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<PenaltyRecord>,
}

/// A regularizer over one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PenaltyRecord {
    /// The regularizer's name.
    pub name: String,
    /// What the penalty was multiplied by.
    pub strength: f64,
    /// In how many steps it was added.
    pub count: usize,
    /// Mean of the penalty over these steps, without the strength.
    pub value: f64,
    /// Standard error of that mean that is due to the random probes (null with one probe a step;
    /// nothing is random in some).
    pub stderr: Option<f64>,
    /// Seconds that it took in all.
    pub seconds: f64,
}

/// One spectrum, or one number where the estimator finds no spectrum: then `value` is there, and
/// there are no eigenvalues.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// The epoch after which it was measured (0: before training).
    pub epoch: usize,
    /// Which of several disjoint samples, counted from 0; absent where there is one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The group's name.
    pub group: String,
    /// "hessian", "gauss-newton", ...
    pub curvature: String,
    /// The estimator's name.
    pub estimator: String,
    /// Whether the eigenvalues, or the number, are exact up to rounding.
    pub exact: bool,
    /// The |λ| below which rounding does not tell an eigenvalue from 0, so that it is not listed;
    /// as it was found for this matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<f64>,
    /// P, the number of parameters of the group.
    pub dimension: usize,
    /// From the largest; an exact spectrum lists the non-zero ones.
    pub eigenvalues: Vec<f64>,
    /// One weight an eigenvalue; the rest up to 1 is mass at zero.
    pub weights: Vec<f64>,
    /// Of an estimated spectrum one an eigenvalue: some eigenvalue of the matrix lies within this
    /// distance of it. Absent for exact spectra, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residuals: Vec<f64>,
    /// The trace or its estimate.
    pub trace: f64,
    /// Standard error of the trace (0 when exact, null when unknown).
    pub trace_stderr: Option<f64>,
    /// Largest eigenvalue; null without a spectrum.
    #[serde(default)]
    pub lambda_max: Option<f64>,
    /// Smallest eigenvalue; null without a spectrum.
    #[serde(default)]
    pub lambda_min: Option<f64>,
    /// Of an estimated spectrum, what the matrix' smallest eigenvalue is at least and its largest
    /// at most, with a probability of 95 % each; they are at most `lambda_min` and at least
    /// `lambda_max`. Absent for exact spectra, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme_bounds: Option<[f64; 2]>,
    /// The number of an estimator that finds no spectrum; it is in `trace`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Standard error of `value` (0 when exact, absent when unknown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_stderr: Option<f64>,
    /// How many random vectors the estimate is the mean of; absent where nothing is random.
    /// Student's t of a standard error has one degree of freedom less. With a standard error of 0,
    /// as many as `dimension` are the unit vectors of the coordinates, and nothing is random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<usize>,
    /// The degrees of freedom of Student's interval of the trace; absent where they are `probes` − 1.
    /// Where a few eigenvalues dominate, samples of the trace are skewed, and the degrees are
    /// fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_freedom: Option<f64>,
    /// Operator-vector products spent.
    pub products: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// The class means of the gradients behind one matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeansRecord {
    /// The epoch after which it was measured (0: before training).
    pub epoch: usize,
    /// Which of several disjoint samples, counted from 0; absent where there is one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The group's name.
    pub group: String,
    /// "gauss-newton".
    pub curvature: String,
    /// The estimator's name.
    pub estimator: String,
    /// The means.
    #[serde(flatten)]
    pub means: ClassMeans,
}

/// One distance between two spectra.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DistanceRecord {
    /// The epoch of both spectra.
    pub epoch: usize,
    /// The sample of both spectra, where there are several, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The distance's name.
    pub metric: String,
    /// The curvature of both spectra.
    pub curvature: String,
    /// The left group.
    pub left: String,
    /// The right group.
    pub right: String,
    /// The distance.
    pub value: f64,
    /// Its standard error for what is random in the spectra, by the jackknife over `left_out`: 0
    /// between spectra in which nothing is; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<f64>,
    /// What it is without each of the random vectors in turn, in both spectra where both have some
    /// (of many vectors without each of some parts); absent where nothing is random, or one vector
    /// is all there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<f64>,
    /// What it is at other bandwidths, for a distance that smooths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
}

/// Of the random vectors of a spectrum at most so many parts are left out in turn: what is computed
/// for the error of a distance is no more than so many distances.
pub const PARTS: usize = 32;

/// A distance over a grid of bandwidths, its own among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Ascending, each a share of the range of both spectra.
    pub bandwidths: Vec<f64>,
    /// One distance a bandwidth.
    pub values: Vec<f64>,
}

/// Statistics over the runs that differ in their seed alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantRecord {
    /// What distinguishes them from the other runs of the sweep; empty without a sweep.
    pub variant: String,
    /// Their number, those that diverged included.
    pub runs: usize,
    /// How many of them diverged: the statistics are over the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub diverged: usize,
    /// One record a quantity.
    pub statistics: Vec<StatisticRecord>,
}

/// A quantity over the reruns of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The 95 % confidence interval of the mean by Student's t, of accuracies between 0 and 1; null
    /// with one run.
    pub interval: Option<[f64; 2]>,
}

/// A claim beside what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// What is claimed, in words.
    pub claim: String,
    /// What the paper says or measured.
    pub paper: Option<String>,
    /// How it was checked.
    pub check: String,
    /// What was measured; where nothing could be, why not.
    pub measured: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    DoesNotHold,
    /// It was measured, and the interval of what was measured leaves both open.
    Undecided,
    /// It was not measured, or not often enough.
    NotMeasured,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::Undecided => "undecided",
            Self::NotMeasured => "not measured",
        })
    }
}

impl Run {
    /// Whether a spectrum of the curvature was to be measured and is in no record: of the group, or
    /// of any group where none is named.
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

impl ProbeRecord {
    /// Whether there are eigenvalues, and not one number instead.
    #[must_use]
    pub fn has_spectrum(&self) -> bool {
        self.value.is_none()
    }

    /// The interval in which the smallest and that in which the largest eigenvalue lies, with a
    /// probability of 95 % each: a point in an exact spectrum. `None` without a spectrum, and where
    /// nothing is known.
    #[must_use]
    pub fn extremes(&self) -> Option<[[f64; 2]; 2]> {
        let (smallest, largest) = (self.lambda_min?, self.lambda_max?);
        match self.extreme_bounds {
            _ if self.exact => Some([[smallest; 2], [largest; 2]]),
            Some([below, above]) => Some([[below, smallest], [largest, above]]),
            None => None,
        }
    }

    /// 1 − Σ weights: the mass at zero that the list leaves out.
    #[must_use]
    pub fn mass_at_zero(&self) -> f64 {
        (1.0 - self.weights.iter().sum::<f64>()).max(0.0)
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_diverges_is_written_in_words() {
        let penalty = Diverging::Penalty("l2".to_owned());
        for (what, words) in [
            (Diverging::Loss, "the loss"),
            (Diverging::TrainingLoss, "the loss on the training split"),
            (Diverging::TestLoss, "the loss on the test split"),
            (penalty, "the penalty `l2`"),
        ] {
            let text = serde_json::to_string(&what).unwrap();
            assert_eq!(text, format!("{words:?}"));
            assert_eq!(serde_json::from_str::<Diverging>(&text).unwrap(), what);
        }
        assert!(serde_json::from_str::<Diverging>("\"the gain\"").is_err());
    }

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
