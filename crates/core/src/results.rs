//! The results of an experiment: the contents of `results.json`.

mod check;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

pub use self::check::Misfit;
use crate::{ClassMeans, Estimate, Moments, number::short, spectrum::NO_MASS};

/// Separates an experiment's name from a number in the names of folders of earlier results. The
/// names of experiments do not contain it.
pub const EARLIER: char = '~';

/// The JSON schema of `results.json`, as this version writes it.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Results>()
        .to_value();
    plain(&mut schema);
    schema
}

/// Writes descriptions without line breaks and the marks of Rust's documentation.
fn plain(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text) if key == "description" => {
                        *text = text.replace('\n', " ").replace("\\[", "[").replace("\\]", "]");
                        *text = text.replace("[`PARTS`]", &PARTS.to_string());
                    }
                    value => plain(value),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(plain),
        _ => {}
    }
}

/// `results.json`: everything that was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// The experiment's name.
    pub name: String,
    /// What wrote the file; absent in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// One entry per combination of the sweep; one entry without a sweep.
    pub runs: Vec<Run>,
    /// Statistics over the reruns of each variant; empty where nothing was trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantRecord>,
    /// The expected claims, and whether they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimRecord>,
}

/// The program that wrote results. The same versions, settings and data give the same bits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The version of this format. It grows when a field changes its meaning; that
    /// fields are added does not change it.
    pub format: u32,
    /// Eigenscape's version, with a hash of its sources: "0.1.0, sources 5f3a9c0d1b2e4f67".
    pub eigenscape: String,
    /// The processor's architecture and the operating system: "x86_64 linux".
    pub platform: String,
    /// The vector instructions of the kernels on the CPU: "avx512", "avx2" or "scalar".
    pub simd: String,
}

/// The version of the format of `results.json`.
pub const FORMAT: u32 = 1;

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

/// The first number of a training run that is not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Divergence {
    /// The quantity that is not finite.
    pub what: Diverging,
    /// Its value: "NaN" or "inf".
    pub value: String,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The step in this epoch, counted from 1; for a loss evaluated after the epoch, the epoch's
    /// last step.
    pub step: usize,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// The last finite loss of a mini-batch; null where no loss was finite.
    pub last_finite_loss: Option<f64>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, value, epoch, step, learning_rate, last_finite_loss } = self;
        let learning_rate = short(*learning_rate);
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

/// A quantity that training checks for being finite. `results.json` names it in words: "the penalty
/// `hessian-trace`".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrainingRecord {
    /// The epoch; 0 is before training.
    pub epoch: usize,
    /// Mean loss over the training split.
    pub train_loss: f64,
    /// Share of the training split that is classified correctly; `None` for real targets.
    pub train_accuracy: Option<f64>,
    /// Mean loss over the test split; `None` without a test split.
    pub test_loss: Option<f64>,
    /// Share of the test split that is classified correctly; `None` for real targets or without a
    /// test split.
    pub test_accuracy: Option<f64>,
    /// Share of the training split whose class is among the five most probable ones; `None` for
    /// real targets and for five classes or fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_top5: Option<f64>,
    /// Share of the test split whose class is among the five most probable ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_top5: Option<f64>,
    /// Mean over the epoch's steps of the sum added to the loss, Σ strength · penalty; a step in
    /// which no penalty is due counts as 0.
    pub penalty: f64,
    /// One record per regularizer that was due in this epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<PenaltyRecord>,
}

/// A regularizer over one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PenaltyRecord {
    /// The regularizer's name.
    pub name: String,
    /// The factor of the penalty in the loss.
    pub strength: f64,
    /// The number of steps in which the penalty was added.
    pub count: usize,
    /// Mean of the penalty over those steps, without the strength.
    pub value: f64,
    /// Standard error of that mean due to the random inputs; null with one draw per step, as for a
    /// penalty without randomness.
    pub stderr: Option<f64>,
    /// The total time spent on the penalty, in seconds.
    pub seconds: f64,
}

/// One spectrum, or one number from an estimator that finds no spectrum: then `value` is present
/// and there are no eigenvalues.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Which `[[probe]]` of the experiment, counted from 1; its keys are in the run's `settings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<usize>,
    /// The floating-point type of the products: "f32" or "f64".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// N, the number of examples that the curvature is averaged over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// The split that they are from: "train" or "test".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Whether the eigenvalues, or the number, are exact up to rounding.
    pub exact: bool,
    /// The |λ| below which rounding makes an eigenvalue indistinguishable from 0, so that it is not
    /// listed; determined for this matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<f64>,
    /// The largest |qᵢᵀqⱼ| of the last vector of a Krylov basis with the others, measured, where the
    /// basis was stored rounded to fit into memory. Absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orthogonality_loss: Option<f64>,
    /// P, the number of parameters of the group.
    pub dimension: usize,
    /// Eigenvalues or Ritz values in descending order; an exact spectrum lists the non-zero
    /// eigenvalues.
    pub eigenvalues: Vec<f64>,
    /// One weight per eigenvalue; the rest up to 1 is `mass_at_zero`.
    pub weights: Vec<f64>,
    /// 1 − Σ weights: the share of the eigenvalues that are 0 and not listed, as a share of 1.
    /// Absent without a spectrum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mass_at_zero: Option<f64>,
    /// For an estimated spectrum, which of its `probes` random vectors found each listed value,
    /// counted from 0. The values of one vector, with their weights times `probes`, are the
    /// quadrature rule of this vector alone. Absent where nothing is random.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<u32>,
    /// Mean, variance, skewness and kurtosis of the eigenvalues; absent without a spectrum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moments: Option<Moments>,
    /// For an estimated spectrum, one residual per listed value: some eigenvalue of the matrix lies
    /// within this distance of the value. Absent for exact spectra, and in results of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residuals: Vec<f64>,
    /// The eigenvalues of largest magnitude whose eigenvectors were asked for, from the largest.
    /// Absent where none were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eigenpairs: Vec<EigenpairRecord>,
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
    /// For an estimated spectrum, a lower bound of the matrix' smallest eigenvalue and an upper
    /// bound of its largest, each with a probability of 95 %. `lambda_min` and `lambda_max` lie
    /// between the bounds. Absent for exact spectra, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme_bounds: Option<[f64; 2]>,
    /// The number of an estimator that finds no spectrum; equal to `trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Standard error of `value` (0 when exact, absent when unknown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_stderr: Option<f64>,
    /// The number of random vectors averaged over; absent where nothing is random. Student's t for
    /// a standard error has one degree of freedom fewer. If the standard error is 0 and there are
    /// `dimension` vectors, they are the unit vectors of the coordinates, and nothing is random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<usize>,
    /// The degrees of freedom of Student's t for the confidence interval of the trace; absent where
    /// they are `probes` − 1. They are fewer where a few eigenvalues dominate, since samples of the
    /// trace are then skewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_freedom: Option<f64>,
    /// Operator-vector products spent.
    pub products: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// An eigenvalue whose eigenvector is in a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EigenpairRecord {
    /// λ, one of the listed eigenvalues.
    pub value: f64,
    /// ‖Hv − λv‖, measured: some eigenvalue of the matrix lies within this distance of the value.
    pub residual: f64,
    /// Σ vᵢ⁴ over the elements of the unit vector: 1/P where all are equal in magnitude, 1 where
    /// only one is not zero.
    pub inverse_participation_ratio: f64,
    /// The file of the vector in the folder of results: `safetensors`, with one tensor per
    /// parameter of the group, under its name.
    pub file: String,
}

/// What was found; of what, where and how is left at its default.
impl From<&Estimate> for ProbeRecord {
    fn from(estimate: &Estimate) -> Self {
        match estimate {
            Estimate::Spectrum(spectrum) => Self {
                exact: spectrum.exact,
                rounding: spectrum.rounding,
                orthogonality_loss: spectrum.orthogonality_loss,
                dimension: spectrum.dimension,
                eigenvalues: spectrum.eigenvalues.clone(),
                weights: spectrum.weights.clone(),
                mass_at_zero: Some(spectrum.mass_at_zero())
                    .map(|zero| if zero > NO_MASS { zero } else { 0.0 }),
                origins: spectrum.origins.clone(),
                moments: Some(spectrum.moments()),
                residuals: spectrum.residuals.clone(),
                trace: spectrum.trace,
                trace_stderr: spectrum.trace_stderr,
                lambda_max: Some(spectrum.lambda_max()),
                lambda_min: Some(spectrum.lambda_min()),
                extreme_bounds: spectrum.extreme_bounds,
                probes: spectrum.probes,
                trace_freedom: spectrum.trace_freedom,
                products: spectrum.products,
                ..Self::default()
            },
            Estimate::Number(number) => Self {
                exact: number.exact,
                dimension: number.dimension,
                trace: number.value,
                trace_stderr: number.stderr,
                value: Some(number.value),
                value_stderr: number.stderr,
                probes: number.probes,
                products: number.products,
                ..Self::default()
            },
        }
    }
}

/// The class means of the gradients from which one matrix is formed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DistanceRecord {
    /// The epoch of both spectra.
    pub epoch: usize,
    /// The sample of both spectra, where there are several, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The distance's name.
    pub metric: String,
    /// The curvature of both spectra; of the left one where `right_curvature` is present.
    pub curvature: String,
    /// The curvature of the right spectrum, with `between = "curvatures"`; `left` and `right` are
    /// then the same group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_curvature: Option<String>,
    /// The left group.
    pub left: String,
    /// The right group.
    pub right: String,
    /// The distance.
    pub value: f64,
    /// Its standard error due to the random vectors of the spectra, by the jackknife over
    /// `left_out`: 0 between spectra without randomness; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<f64>,
    /// The distance without each of the random vectors in turn (with more than [`PARTS`] vectors,
    /// without each of [`PARTS`] parts), left out of both spectra where both are random; absent
    /// where nothing is random or there is only one vector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<f64>,
    /// The distance at other bandwidths, for a distance that smooths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
}

/// The maximum number of parts into which the jackknife divides the random vectors of a spectrum:
/// the standard error of a distance costs at most this many distances.
pub const PARTS: usize = 32;

/// A distance over a grid of bandwidths, which includes the distance's own bandwidth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Band {
    /// Bandwidths in ascending order, as fractions of the range of both spectra.
    pub bandwidths: Vec<f64>,
    /// One distance per bandwidth.
    pub values: Vec<f64>,
}

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

/// A claim, and what was measured to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimRecord {
    /// What is claimed, in words.
    pub claim: String,
    /// What the paper says or measured.
    pub paper: Option<String>,
    /// How it was checked.
    pub check: String,
    /// What was measured, or why nothing could be measured.
    pub measured: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    DoesNotHold,
    /// The confidence interval of the measurement allows both answers.
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

impl ProbeRecord {
    /// Whether the record is of a spectrum instead of one number.
    #[must_use]
    pub fn has_spectrum(&self) -> bool {
        self.value.is_none()
    }

    /// The confidence intervals of the smallest and of the largest eigenvalue, with a probability
    /// of 95 % each; points for an exact spectrum. `None` without a spectrum, or where no bounds
    /// are known.
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
