//! Consistency checks of results.

mod eigenpairs;

use std::collections::{BTreeMap, BTreeSet};

use super::{DistanceRecord, FORMAT, MeansRecord, PARTS, ProbeRecord, Results, Run, TrainingRecord};
use crate::number::jackknife;

/// The matrix of a spectrum: epoch, sample, curvature and group.
type Matrix<'a> = (usize, Option<usize>, &'a str, &'a str);
/// The spectra of each matrix.
type Spectra<'a> = BTreeMap<Matrix<'a>, Vec<&'a ProbeRecord>>;
/// The spectra that a distance compares: its name, the left matrix, the curvature and the group of
/// the right spectrum.
type Pair<'a> = (&'a str, Matrix<'a>, [&'a str; 2]);

/// The tolerance for rounding errors, absolute in sums of weights and relative elsewhere.
const ROUNDING: f64 = 1e-6;
/// The most standard deviations by which an estimated trace may differ from the trace of the listed
/// eigenvalues.
const DEVIATIONS: f64 = 20.0;
/// The upper limit of the degrees of freedom where the number of random vectors is unknown.
const MOST_FREEDOM: f64 = 1e6;

impl Results {
    /// Checks that the records are consistent: one weight per eigenvalue; weights that sum to 1 or
    /// are all 1/dimension (the rest is mass at zero), or, for an exact spectrum, multiples of
    /// 1/dimension; eigenvalues in descending order; extreme eigenvalues and a trace that match the
    /// list; no run and no record twice; finite numbers; for every distance the spectra of two
    /// groups and a non-negative value; standard errors that match the numbers they are computed
    /// from.
    ///
    /// # Errors
    /// The place of the first inconsistency, as in `runs[0].probes[3].weights`, and what is wrong.
    pub fn check(&self) -> Result<(), Misfit> {
        if let Some(versions) = &self.versions {
            let known = (1..=FORMAT).contains(&versions.format);
            let problem = || {
                format!(
                    "{} is a format that this version does not know: it reads 1 to {FORMAT}",
                    versions.format
                )
            };
            demand(known, "versions.format", problem)?;
        }
        let mut names = BTreeSet::new();
        for (index, run) in self.runs.iter().enumerate() {
            let is_new = names.insert((&run.name, run.seed));
            demand(is_new, "name", || format!("`{}` is there twice", run.name))
                .and_then(|()| run.check())
                .map_err(|misfit| misfit.in_list("runs", index))?;
        }
        let of_variant = |variant: &str| self.runs.iter().filter(|run| run.variant == variant).count();
        for (index, record) in self.variants.iter().enumerate() {
            let runs = of_variant(&record.variant);
            let problem = || format!("{} are counted, and {runs} have this variant", record.runs);
            demand(record.runs == runs, "runs", problem)
                .map_err(|misfit| misfit.in_list("variants", index))?;
        }
        Ok(())
    }
}

/// An inconsistency in results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place, as in `runs[0].probes[3].weights`.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl Misfit {
    fn in_list(self, list: &str, index: usize) -> Self {
        Self { place: format!("{list}[{index}].{}", self.place), ..self }
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

fn demand(holds: bool, place: &str, problem: impl FnOnce() -> String) -> Result<(), Misfit> {
    if holds { Ok(()) } else { Err(Misfit { place: place.to_owned(), problem: problem() }) }
}

fn finite(value: f64, place: &str) -> Result<(), Misfit> {
    demand(value.is_finite(), place, || format!("{value} is no finite number"))
}

impl Run {
    fn check(&self) -> Result<(), Misfit> {
        for (index, record) in self.training.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| self.training[before].epoch);
            record.check(before).map_err(|misfit| misfit.in_list("training", index))?;
        }
        for (index, probe) in self.probes.iter().enumerate() {
            probe.check().map_err(|misfit| misfit.in_list("probes", index))?;
        }
        self.check_repetitions()?;
        let mut spectra = Spectra::new();
        for probe in &self.probes {
            spectra.entry(probe.matrix()).or_default().push(probe);
        }
        let mut pairs = BTreeMap::new();
        for (index, distance) in self.distances.iter().enumerate() {
            distance.check(&spectra).map_err(|misfit| misfit.in_list("distances", index))?;
            if let Some(same) = pairs.insert(distance.pair(), index) {
                let problem = format!("it is of the spectra of distances[{same}]");
                return Err(Misfit { place: format!("distances[{index}]"), problem });
            }
        }
        for (index, means) in self.means.iter().enumerate() {
            means.check().map_err(|misfit| misfit.in_list("means", index))?;
        }
        Ok(())
    }
}

impl Run {
    /// Refuses a spectrum that is recorded twice. Two probes may measure the same matrix, but the
    /// records then differ at least in the time taken.
    fn check_repetitions(&self) -> Result<(), Misfit> {
        let mut seen: BTreeMap<Matrix, Vec<usize>> = BTreeMap::new();
        for (index, probe) in self.probes.iter().enumerate() {
            let before = seen.entry(probe.matrix()).or_default();
            if let Some(same) = before.iter().find(|before| self.probes[**before] == *probe) {
                let problem = format!("it is probes[{same}] again");
                return Err(Misfit { place: format!("probes[{index}]"), problem });
            }
            before.push(index);
        }
        Ok(())
    }
}

impl TrainingRecord {
    fn check(&self, before: Option<usize>) -> Result<(), Misfit> {
        demand(before.is_none_or(|before| before < self.epoch), "epoch", || {
            format!("{} follows {}", self.epoch, before.unwrap_or_default())
        })?;
        finite(self.train_loss, "train_loss")?;
        for (share, place) in [(self.train_accuracy, "train_accuracy"), (self.test_accuracy, "test_accuracy")]
        {
            demand(share.is_none_or(|share| (0.0..=1.0).contains(&share)), place, || {
                format!("{} is no share", share.unwrap_or_default())
            })?;
        }
        Ok(())
    }
}

impl ProbeRecord {
    fn matrix(&self) -> Matrix<'_> {
        (self.epoch, self.batch, &self.curvature, &self.group)
    }

    fn check(&self) -> Result<(), Misfit> {
        let (eigenvalues, weights) = (self.eigenvalues.len(), self.weights.len());
        demand(eigenvalues == weights, "weights", || format!("{weights} for {eigenvalues} eigenvalues"))?;
        self.eigenvalues.iter().try_for_each(|value| finite(*value, "eigenvalues"))?;
        demand(self.eigenvalues.is_sorted_by(|a, b| a >= b), "eigenvalues", || {
            "they are not sorted from the largest".to_owned()
        })?;
        if !self.residuals.is_empty() {
            let count = self.residuals.len();
            demand(count == eigenvalues, "residuals", || format!("{count} for {eigenvalues} eigenvalues"))?;
            let distance = |residual: &f64| *residual >= 0.0 && residual.is_finite();
            demand(self.residuals.iter().all(distance), "residuals", || "one is no distance".to_owned())?;
        }
        self.check_origins()?;
        demand(self.dimension > 0, "dimension", || "a matrix has one row at least".to_owned())?;
        demand(self.probes != Some(0), "probes", || {
            "an estimate is of one random vector at least".to_owned()
        })?;
        // For each random vector at most two quadrature rules of at most `dimension` nodes each.
        let nodes = self.dimension.saturating_mul(2 * self.probes.unwrap_or(1));
        demand(eigenvalues <= nodes, "eigenvalues", || {
            format!("{eigenvalues} of a matrix of dimension {}", self.dimension)
        })?;
        finite(self.trace, "trace")?;
        self.value.map_or(Ok(()), |value| finite(value, "value"))?;
        for (error, place) in [(self.trace_stderr, "trace_stderr"), (self.value_stderr, "value_stderr")] {
            demand(error.is_none_or(|error| error >= 0.0 && error.is_finite()), place, || {
                format!("{} is no standard error", error.unwrap_or_default())
            })?;
        }
        let most = self.probes.map_or(MOST_FREEDOM, |probes| probes as f64 - 1.0);
        let has_most = |freedom| freedom > 0.0 && freedom <= most;
        demand(self.trace_freedom.is_none_or(has_most), "trace_freedom", || {
            let freedom = self.trace_freedom.unwrap_or_default();
            format!("{freedom} is no number of degrees of freedom up to {most}")
        })?;
        if let (Some(least), Some(largest)) = (self.lambda_min, self.lambda_max) {
            finite(largest, "lambda_max")?;
            demand(least <= largest, "lambda_min", || {
                format!("{least} is no number up to lambda_max, {largest}")
            })?;
        }
        self.check_weights()?;
        self.check_mass()?;
        self.check_eigenpairs()?;
        if self.has_spectrum() { self.check_sums() } else { self.check_number() }
    }

    /// Checks that every listed value is from one of the random vectors, where that is recorded.
    fn check_origins(&self) -> Result<(), Misfit> {
        let (count, values) = (self.origins.len(), self.eigenvalues.len());
        demand(count == 0 || count == values, "origins", || format!("{count} for {values} eigenvalues"))?;
        let vectors = self.probes.unwrap_or(1);
        let strange = self.origins.iter().find(|origin| **origin as usize >= vectors);
        demand(strange.is_none(), "origins", || {
            format!("{} of {vectors} random vectors, counted from 0", strange.copied().unwrap_or_default())
        })
    }

    /// Checks a record of one number: it has no eigenvalues, and the number is the trace.
    fn check_number(&self) -> Result<(), Misfit> {
        demand(self.eigenvalues.is_empty(), "eigenvalues", || "there are some beside a `value`".to_owned())?;
        let extreme = self.lambda_max.or(self.lambda_min);
        demand(extreme.is_none(), "lambda_max", || "there is one beside a `value`".to_owned())?;
        demand(self.value == Some(self.trace), "value", || {
            format!("{} is not the trace, {}", self.value.unwrap_or_default(), self.trace)
        })
    }

    /// Checks that the extreme eigenvalues and the trace match the listed eigenvalues.
    fn check_sums(&self) -> Result<(), Misfit> {
        let known = self.eigenvalues.is_empty() || self.lambda_max.is_some() && self.lambda_min.is_some();
        demand(known, "lambda_max", || "it is missing beside eigenvalues, or lambda_min is".to_owned())?;
        let listed = || self.eigenvalues.iter().zip(&self.weights);
        let sum = |of: fn(f64) -> f64| -> f64 {
            self.dimension as f64 * listed().map(|(value, weight)| weight * of(*value)).sum::<f64>()
        };
        let (trace, size, squares) = (sum(|value| value), sum(f64::abs), sum(|value| value * value));
        let largest = self.eigenvalues.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let ends = [
            (
                self.lambda_max,
                self.eigenvalues.first(),
                f64::max as fn(f64, f64) -> f64,
                "lambda_max",
                "largest",
            ),
            (self.lambda_min, self.eigenvalues.last(), f64::min, "lambda_min", "smallest"),
        ];
        for (said, end, pick, place, name) in ends {
            let end = end.copied().unwrap_or_default();
            // In an exact spectrum with unlisted mass at zero, 0 may be the extreme eigenvalue.
            let mut ends = [Some(end), self.exact.then(|| pick(end, 0.0))].into_iter().flatten();
            let is_end = |said| ends.any(|end| f64::abs(said - end) <= ROUNDING * largest);
            demand(said.is_none_or(is_end), place, || {
                format!("{} is not the {name} eigenvalue that is listed, {end}", said.unwrap_or_default())
            })?;
        }
        for (said, bound, sign) in [(self.lambda_min, 0, -1.0), (self.lambda_max, 1, 1.0)] {
            let Some((said, bounds)) = said.zip(self.extreme_bounds) else { continue };
            let holds = sign * (bounds[bound] - said) >= -ROUNDING * largest && bounds[bound].is_finite();
            demand(holds, "extreme_bounds", || format!("{} is no bound of {said}", bounds[bound]))?;
        }
        let rounding = self.dimension as f64 * self.rounding.unwrap_or_default();
        let chance = if self.exact { 0.0 } else { DEVIATIONS * (2.0 * squares).sqrt() };
        demand((self.trace - trace).abs() <= 1e-4 * size + rounding + chance, "trace", || {
            format!(
                "{} is far from {trace}, what the eigenvalues with their weights make of the dimension {}",
                self.trace, self.dimension
            )
        })
    }

    /// Checks that the mass at zero is what the weights leave.
    fn check_mass(&self) -> Result<(), Misfit> {
        let zero = self.mass_at_zero();
        demand(self.mass_at_zero.is_none_or(|said| (said - zero).abs() <= ROUNDING), "mass_at_zero", || {
            format!("{} is not {zero}, what the weights leave", self.mass_at_zero.unwrap_or_default())
        })
    }

    fn check_weights(&self) -> Result<(), Misfit> {
        let (count, dimension) = (self.weights.len(), self.dimension);
        let share = |weight: &f64| (0.0..=1.0 + ROUNDING).contains(weight);
        demand(self.weights.iter().all(share), "weights", || "one is no number between 0 and 1".to_owned())?;
        let each = 1.0 / dimension as f64;
        if self.weights.iter().all(|weight| (weight - each).abs() <= ROUNDING * each) {
            return demand(count <= dimension, "eigenvalues", || {
                format!("{count} of a matrix of dimension {dimension}")
            });
        }
        let sum: f64 = self.weights.iter().sum();
        if self.exact {
            // Equal eigenvalues may share one entry, whose weight is the sum of theirs.
            let whole = |weight: &f64| {
                let count = weight * dimension as f64;
                count.round() >= 1.0 && (count - count.round()).abs() <= ROUNDING * count
            };
            let problem = || format!("one is not 1/{dimension}, though the spectrum is exact");
            demand(self.weights.iter().all(whole), "weights", problem)?;
            return demand(sum <= 1.0 + ROUNDING, "weights", || format!("they sum to {sum}, more than 1"));
        }
        demand((sum - 1.0).abs() <= ROUNDING, "weights", || format!("they sum to {sum} instead of 1"))
    }
}

impl DistanceRecord {
    fn pair(&self) -> Pair<'_> {
        let left = (self.epoch, self.batch, self.curvature.as_str(), self.left.as_str());
        (&self.metric, left, [self.curvature_of_right(), &self.right])
    }

    /// The curvature of the right spectrum.
    fn curvature_of_right(&self) -> &str {
        self.right_curvature.as_deref().unwrap_or(&self.curvature)
    }

    /// Checks that the standard error is the jackknife error of `left_out` (the distances without
    /// some of the random vectors), and 0 where nothing is left out.
    fn check_error(&self, spectra: &[&ProbeRecord]) -> Result<(), Misfit> {
        let count = self.left_out.len();
        let parts = |probe: &&ProbeRecord| probe.probes.is_none_or(|probes| count == PARTS.min(probes));
        demand(count == 0 || spectra.iter().any(parts), "left_out", || {
            format!("{count} for spectra of other numbers of random vectors")
        })?;
        let Some(error) = self.stderr else { return Ok(()) };
        let Some(expected) = jackknife(&self.left_out) else {
            let certain = |probe: &&ProbeRecord| probe.exact || probe.trace_stderr == Some(0.0);
            let certain = spectra.iter().any(certain);
            return demand(error == 0.0 && certain, "stderr", || {
                format!("{error} is not known without `left_out`")
            });
        };
        let mean = self.left_out.iter().sum::<f64>() / count as f64;
        let rounding = ROUNDING * (expected + mean.abs());
        demand((error - expected).abs() <= rounding, "stderr", || {
            format!("{error} is not {expected}, what follows from `left_out`")
        })
    }

    fn check(&self, spectra: &Spectra) -> Result<(), Misfit> {
        let all = std::iter::once(&self.value)
            .chain(&self.left_out)
            .chain(self.band.iter().flat_map(|b| &b.values));
        for value in all {
            finite(*value, "value")?;
            demand(*value >= -ROUNDING, "value", || format!("{value} is no distance: it is negative"))?;
        }
        demand(self.stderr.is_none_or(|error| error >= 0.0 && error.is_finite()), "stderr", || {
            format!("{} is no standard error", self.stderr.unwrap_or_default())
        })?;
        if let Some(band) = &self.band {
            let (bandwidths, values) = (band.bandwidths.len(), band.values.len());
            demand(bandwidths == values, "band", || format!("{values} values for {bandwidths} bandwidths"))?;
            let ascend = band.bandwidths.is_sorted_by(|a, b| a < b);
            let positive = band.bandwidths.first().is_some_and(|least| *least > 0.0);
            demand(ascend && positive, "band", || "bandwidths are positive and ascend".to_owned())?;
        }
        let right = self.curvature_of_right();
        let differ = self.left != self.right || self.curvature != right;
        demand(differ, "right", || format!("`{}` is compared with itself", self.right))?;
        let mut compared = Vec::new();
        for (curvature, group, place) in
            [(self.curvature.as_str(), &self.left, "left"), (right, &self.right, "right")]
        {
            let matrix = (self.epoch, self.batch, curvature, group.as_str());
            let measured = spectra.get(&matrix);
            demand(measured.is_some(), place, || {
                format!("no spectrum of the {curvature} of `{group}` after epoch {}", self.epoch)
            })?;
            compared.extend(measured.into_iter().flatten());
        }
        self.check_error(&compared)
    }
}

impl MeansRecord {
    fn check(&self) -> Result<(), Misfit> {
        let (labels, products) = (self.means.labels.len(), self.means.products.len());
        demand(products == labels * (labels + 1) / 2, "products", || {
            format!("{products} for {labels} labels")
        })?;
        self.means.products.iter().try_for_each(|product| finite(*product, "products"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Band;

    fn results() -> Results {
        let probe = |group: &str, exact: bool| ProbeRecord {
            epoch: 1,
            group: group.to_owned(),
            curvature: "hessian".to_owned(),
            estimator: "dense".to_owned(),
            exact,
            dimension: 4,
            eigenvalues: vec![3.0, 1.0],
            weights: if exact { vec![0.25; 2] } else { vec![0.5; 2] },
            trace: if exact { 4.0 } else { 8.0 },
            trace_stderr: None,
            lambda_max: Some(3.0),
            lambda_min: Some(if exact { 0.0 } else { 1.0 }),
            seconds: 1.0,
            ..ProbeRecord::default()
        };
        let distance = DistanceRecord {
            epoch: 1,
            metric: "wasserstein".to_owned(),
            curvature: "hessian".to_owned(),
            left: "fc".to_owned(),
            right: "full".to_owned(),
            value: 0.5,
            ..DistanceRecord::default()
        };
        let training = (0..2).map(|epoch| TrainingRecord { epoch, ..TrainingRecord::default() });
        let run = Run {
            training: training.collect(),
            probes: vec![probe("full", true), probe("fc", false)],
            distances: vec![distance],
            ..Run::default()
        };
        Results { runs: vec![run], ..Results::default() }
    }

    /// The inconsistency found after `change` to the first run.
    fn misfit(change: impl FnOnce(&mut Run)) -> String {
        let mut results = results();
        change(&mut results.runs[0]);
        results.check().unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        results().check().unwrap();
        type Change = fn(&mut Run);
        let cases: [(&str, Change); 44] = [
            ("runs[0].probes[0].weights: 1 for 2 eigenvalues", |run| run.probes[0].weights.truncate(1)),
            ("runs[0].probes[1].weights: they sum to 0.75 instead of 1", |run| {
                run.probes[1].weights[0] = 0.25;
            }),
            ("runs[0].probes[0].weights: one is not 1/4", |run| run.probes[0].weights[1] = 0.6),
            ("runs[0].probes[1].weights: one is no number", |run| run.probes[1].weights = vec![1.5, -0.5]),
            ("runs[0].probes[1].eigenvalues: NaN is no finite", |run| {
                run.probes[1].eigenvalues[0] = f64::NAN;
            }),
            ("runs[0].probes[1].eigenvalues: they are not sorted", |run| run.probes[1].eigenvalues.reverse()),
            ("runs[0].probes[0].eigenvalues: 2 of a matrix of dimension 1", |run| {
                (run.probes[0].dimension, run.probes[0].weights) = (1, vec![1.0; 2]);
            }),
            ("runs[0].probes[0].lambda_min: 5 is no number up to", |run| {
                run.probes[0].lambda_min = Some(5.0);
            }),
            ("runs[0].probes[0].trace_stderr: -1 is no", |run| run.probes[0].trace_stderr = Some(-1.0)),
            ("runs[0].distances[0].left: no spectrum of the hessian of `fc`", |run| drop(run.probes.pop())),
            ("runs[0].distances[0].right: no spectrum", |run| run.distances[0].right = "fc3".to_owned()),
            ("runs[0].probes[0].lambda_max: 123 is not the largest", |run| {
                run.probes[0].lambda_max = Some(123.0);
            }),
            ("runs[0].probes[1].lambda_max: 3.1 is not the largest", |run| {
                run.probes[1].lambda_max = Some(3.1);
            }),
            ("runs[0].probes[0].lambda_min: 0.5 is not the smallest", |run| {
                run.probes[0].lambda_min = Some(0.5);
            }),
            ("runs[0].probes[1].lambda_min: 0 is not the smallest", |run| {
                run.probes[1].lambda_min = Some(0.0);
            }),
            ("runs[0].probes[1].extreme_bounds: 2.9 is no bound of 3", |run| {
                run.probes[1].extreme_bounds = Some([0.5, 2.9]);
            }),
            ("runs[0].probes[0].trace: 5 is far from 4", |run| run.probes[0].trace = 5.0),
            ("runs[0].probes[1].trace: 1000000000 is far from 8", |run| run.probes[1].trace = 1e9),
            ("runs[0].probes[1].trace: 8 is far from", |run| run.probes[1].dimension = 1 << 60),
            ("runs[0].probes[1].dimension: a matrix has", |run| run.probes[1].dimension = 0),
            ("runs[0].probes[1].probes: an estimate is", |run| run.probes[1].probes = Some(0)),
            ("runs[0].probes[1].residuals: 1 for 2 eigenvalues", |run| run.probes[1].residuals = vec![0.1]),
            ("runs[0].probes[1].residuals: one is no distance", |run| {
                run.probes[1].residuals = vec![0.1, -0.1];
            }),
            ("runs[0].probes[1].origins: 1 for 2 eigenvalues", |run| run.probes[1].origins = vec![0]),
            ("runs[0].probes[1].origins: 3 of 2 random vectors", |run| {
                (run.probes[1].origins, run.probes[1].probes) = (vec![0, 3], Some(2));
            }),
            ("runs[0].probes[0].mass_at_zero: 0.25 is not 0.5", |run| {
                run.probes[0].mass_at_zero = Some(0.25);
            }),
            ("runs[0].distances[0].right: no spectrum of the residual of `full`", |run| {
                run.distances[0].right_curvature = Some("residual".to_owned());
            }),
            ("runs[0].probes[1].eigenvalues: there are some beside", |run| run.probes[1].value = Some(8.0)),
            ("runs[0].probes[2]: it is probes[0] again", |run| run.probes.push(run.probes[0].clone())),
            ("runs[0].distances[0].value: -1 is no distance", |run| run.distances[0].value = -1.0),
            ("runs[0].distances[0].value: -2 is no distance", |run| {
                run.distances[0].left_out = vec![1.0, -2.0];
            }),
            ("runs[0].distances[0].stderr: -1 is no", |run| run.distances[0].stderr = Some(-1.0)),
            ("runs[0].distances[0].stderr: 0.1 is not 0.5", |run| {
                (run.distances[0].stderr, run.distances[0].left_out) = (Some(0.1), vec![1.0, 2.0]);
            }),
            ("runs[0].distances[0].stderr: 0.1 is not known", |run| run.distances[0].stderr = Some(0.1)),
            ("runs[0].distances[0].left_out: 3 for spectra", |run| {
                (run.probes[0].probes, run.probes[1].probes) = (Some(2), Some(2));
                run.distances[0].left_out = vec![1.0, 2.0, 3.0];
            }),
            ("runs[0].probes[1].lambda_max: it is missing", |run| run.probes[1].lambda_max = None),
            ("runs[0].probes[1].eigenvalues: 4 of a matrix of dimension 1", |run| {
                run.probes[1].dimension = 1;
                run.probes[1].eigenvalues = vec![4.0, 3.0, 2.0, 1.0];
                run.probes[1].weights = vec![0.25; 4];
            }),
            ("runs[0].distances[1]: it is of the spectra of distances[0]", |run| {
                run.distances.push(DistanceRecord { value: 99.0, ..run.distances[0].clone() });
            }),
            ("runs[0].distances[0].right: `fc` is compared with itself", |run| {
                run.distances[0].right = "fc".to_owned();
            }),
            ("runs[0].distances[0].band: bandwidths are positive", |run| {
                let (bandwidths, values) = (vec![-0.1, 0.1], vec![1.0, 2.0]);
                run.distances[0].band = Some(Band { bandwidths, values });
            }),
            ("runs[0].probes[1].trace_freedom: 5 is no number of degrees of freedom up to 1", |run| {
                (run.probes[1].trace_freedom, run.probes[1].probes) = (Some(5.0), Some(2));
            }),
            ("runs[0].probes[1].trace_freedom: 100000000 is no", |run| {
                run.probes[1].trace_freedom = Some(1e8);
            }),
            ("runs[0].training[1].epoch: 0 follows 0", |run| run.training[1].epoch = 0),
            ("runs[0].training[0].test_accuracy: 2 is no share", |run| {
                run.training[0].test_accuracy = Some(2.0);
            }),
        ];
        for (place, change) in cases {
            let found = misfit(change);
            assert!(found.starts_with(place), "{found} instead of {place}");
        }
    }
}
