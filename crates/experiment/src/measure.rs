//! Spectra and the distances between them.

use std::{borrow::Cow, num::NonZeroUsize, time::Instant};

use eigenscape_analysis::uncertainty;
use eigenscape_core::{
    ClassMeans, Context, Curvature, CurvatureOperator, Distance, Eigenpair, Error, Estimate, Findings, Group,
    Interrupt, ProbeEstimator, Progress, Random, Result, Spectrum, Split,
    landscape::NetworkOperator,
    results::{Band, DistanceRecord, MeansRecord, PARTS, ProbeFailure, ProbeRecord},
};

use crate::{
    kept_spectra::{Estimated, Estimates, KeptSpectra},
    plan::DistancePlan,
    prepare::PreparedProbe,
    raw::Between,
    vectors::Stored,
    weights::Weights,
};

/// A measured spectrum or number, with the matrix that it belongs to.
pub struct Measured {
    /// The probe's number and what it measures on.
    pub over: Over,
    /// The curvature.
    pub curvature: Curvature,
    /// The index of the sample, if there are several.
    pub batch: Option<usize>,
    /// The part of the matrix ("G1"); `None` for the whole matrix.
    pub part: Option<Cow<'static, str>>,
    /// The group's name.
    pub group: String,
    /// The estimator's name.
    pub estimator: String,
    /// The spectrum, or the number.
    pub estimate: Estimate,
    /// The class means, if the whole matrix was decomposed by classes.
    pub means: Option<ClassMeans>,
    /// The eigenpairs of the whole matrix, from the largest in magnitude.
    pub eigenpairs: Vec<Stored>,
    /// Wall-clock seconds; the mean over matrices that were estimated together.
    pub seconds: f64,
}

/// What one probe measures on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Over {
    /// Which `[[probe]]`, counted from 1.
    pub probe: usize,
    /// The floating-point type of products.
    pub dtype: &'static str,
    /// The number of examples.
    pub samples: usize,
    /// The split that they are from, by its name in files.
    pub split: &'static str,
}

impl Over {
    fn of(probe: &PreparedProbe, number: usize) -> Self {
        let split = match probe.plan.split {
            Split::Train => "train",
            Split::Test => "test",
        };
        Self { probe: number, dtype: probe.plan.dtype.as_str(), samples: probe.samples(), split }
    }
}

/// The number of products that a probe takes at one moment.
#[must_use]
pub fn products(probe: &PreparedProbe) -> usize {
    let group = |dimension| probe.plan.estimator.products(dimension);
    let groups = probe.groups.iter().map(|g| group(g.dimension)).fold(0, usize::saturating_add);
    groups.saturating_mul(probe.plan.curvatures.len()).saturating_mul(probe.batches.len())
}

/// A measurement point of a training.
pub struct Moment<'a> {
    /// The number of completed epochs.
    pub epoch: usize,
    /// The weights at this moment.
    pub weights: &'a Weights,
    /// The random source of probe vectors.
    pub random: Random,
    /// The index of the sample to measure on, if there are several.
    pub batch: Option<usize>,
    /// The prefix of the keys of its kept spectra ([`crate::kept_spectra::moment`]).
    pub name: String,
    /// The interrupt that stops the measurement.
    pub interrupt: &'a Interrupt,
}

/// Follows the measurements of a moment.
pub trait Watch {
    /// The matrices of this description are measured now.
    fn begins(&mut self, description: &str);

    /// A matrix, or a part of one, was measured.
    fn found(&mut self, measured: &Measured);
}

/// Measures every spectrum of the `number`-th probe (counted from 1) at a moment, on one sample.
/// Returns the spectra and the failures.
///
/// # Errors
/// When an interrupt is requested.
pub fn probe(
    probe: &PreparedProbe,
    number: usize,
    moment: &Moment,
    kept: &mut KeptSpectra,
    progress: &dyn Progress,
    watch: &mut dyn Watch,
) -> Result<(Vec<Measured>, Vec<ProbeFailure>)> {
    let (mut measured, mut failures): (Vec<Measured>, _) = (Vec::new(), Vec::new());
    let mut fail = |(curvature, group): (Curvature, &Group), (problem, remedy)| {
        failures.push(ProbeFailure {
            epoch: moment.epoch,
            probe: number,
            batch: moment.batch,
            group: group.name.clone(),
            curvature: curvature.to_string(),
            estimator: probe.plan.estimator_name.value.clone(),
            problem,
            remedy,
        });
    };
    let landscape = match probe.landscape(moment.batch, moment.weights) {
        Ok(landscape) => landscape.until(moment.interrupt.clone()),
        Err(error) => {
            let words = error.into_words();
            probe.matrices().for_each(|matrix| fail(matrix, words.clone()));
            return Ok((measured, failures));
        }
    };
    let matrices: Vec<(Curvature, &Group)> = probe.matrices().collect();
    let estimator = &*probe.plan.estimator;
    let (random, interrupt) = (moment.random, moment.interrupt.clone());
    let context = Context { random, progress, memory: probe.memory_of_estimator(), interrupt };
    // Matrices that share a factor are estimated together, others one at a time.
    let together = if estimator.needs_factor() { matrices.len().max(1) } else { 1 };
    for (index, matrices) in matrices.chunks(together).enumerate() {
        moment.interrupt.check()?;
        let batch = moment.batch.map(|batch| format!(":{batch}")).unwrap_or_default();
        let key = format!("{}{number}{batch}.{index}", moment.name);
        if let Some(found) = kept.find(&key).filter(|found| found.len() == matrices.len()) {
            for (matrix, estimated) in matrices.iter().zip(found.clone()) {
                for one in with_parts(probe, number, moment.batch, *matrix, estimated) {
                    watch.found(&one);
                    measured.push(one);
                }
                progress.advance(estimator.products(matrix.1.dimension));
            }
            continue;
        }
        let operators: Vec<NetworkOperator> =
            matrices.iter().map(|(curvature, group)| probe.operator(&landscape, *curvature, group)).collect();
        watch.begins(&description(&operators));
        let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        let estimated = estimates(estimator, &operators, &context);
        // Estimates are kept only if all of them succeeded: a failed one would fail again.
        let mut finished = Estimates::new();
        for (matrix, estimated) in matrices.iter().zip(estimated) {
            match estimated {
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Ok((findings, seconds)) => {
                    let Findings { estimate, parts, means, eigenpairs } = findings;
                    let stored = store(probe, number, moment, *matrix, &eigenpairs, kept);
                    let mut estimated = Estimated { estimate, parts, means, eigenpairs: Vec::new(), seconds };
                    match stored {
                        Ok(stored) => {
                            estimated.eigenpairs = stored;
                            finished.push(estimated.clone());
                        }
                        // The spectrum is recorded without its eigenvectors.
                        Err(error) => fail(*matrix, error.into_words()),
                    }
                    for one in with_parts(probe, number, moment.batch, *matrix, estimated) {
                        watch.found(&one);
                        measured.push(one);
                    }
                }
                Err(error) => fail(*matrix, error.into_words()),
            }
        }
        if finished.len() == matrices.len() {
            // A failed write is tried again later; the spectra are still in memory.
            drop(kept.keep(key, finished));
        }
    }
    Ok((measured, failures))
}

/// Writes eigenvectors to files, which are named after the moment, the probe and the matrix:
/// "epoch-3-probe-1-hessian-fc1.weight-0.safetensors".
fn store(
    probe: &PreparedProbe,
    number: usize,
    Moment { epoch, batch, .. }: &Moment,
    (curvature, group): (Curvature, &Group),
    eigenpairs: &[Eigenpair],
    kept: &KeptSpectra,
) -> Result<Vec<Stored>> {
    let batch = batch.map(|batch| format!("-batch-{batch}")).unwrap_or_default();
    let name = format!("epoch-{epoch}-probe-{number}{batch}-{curvature}-{}", probe.file_name(group));
    kept.vectors.write(probe.network(), group, &name, eigenpairs)
}

/// Why there are fewer eigenvectors than were asked for; `None` if there are not.
#[must_use]
pub fn fewer_eigenvectors(asked: Option<NonZeroUsize>, epoch: usize, measured: &Measured) -> Option<String> {
    let (asked, found) = (asked?.get(), measured.eigenpairs.len());
    let spectrum = measured.estimate.spectrum().filter(|_| measured.part.is_none() && found < asked)?;
    let why = match spectrum.exact {
        true => "the matrix has no more non-zero eigenvalues",
        false => "no more of the largest eigenvalues have converged: take more `steps`",
    };
    let batch = measured.batch.map(|batch| format!(", batch {batch}")).unwrap_or_default();
    let Measured { curvature, group, .. } = measured;
    Some(format!(
        "{} of {asked} eigenvectors of {curvature} of {group} after epoch {epoch}{batch}: {why}",
        asked - found
    ))
}

/// How orthogonal a Krylov basis was that was stored rounded to fit into memory.
pub fn rounded_basis(measured: &Measured) -> Option<String> {
    let loss = measured.estimate.spectrum()?.orthogonality_loss?;
    let Measured { curvature, group, .. } = measured;
    Some(format!(
        "the Krylov basis of {curvature} of {group} was stored rounded to fit into memory; its vectors are orthogonal up to \
         {loss:.0e}, which is part of the bounds of its eigenvalues"
    ))
}

/// Estimates each operator, with the seconds that it took. If estimating all of them together
/// fails, each is estimated alone, so that one failure does not affect the others.
fn estimates(
    estimator: &dyn ProbeEstimator,
    operators: &[&dyn CurvatureOperator],
    context: &Context,
) -> Vec<Result<(Findings, f64)>> {
    let start = Instant::now();
    match estimator.estimate_parts(operators, context) {
        Ok(all) => {
            let seconds = start.elapsed().as_secs_f64() / operators.len() as f64;
            all.into_iter().map(|findings| Ok((findings, seconds))).collect()
        }
        Err(error) if operators.len() == 1 => vec![Err(error)],
        // An interrupt stops all of them.
        Err(Error::Interrupted) => operators.iter().map(|_| Err(Error::Interrupted)).collect(),
        Err(_) => operators.chunks(1).flat_map(|one| estimates(estimator, one, context)).collect(),
    }
}

/// The findings for a matrix and its parts. The whole matrix includes the loss's weight decay if
/// the probe asks for it.
fn with_parts(
    probe: &PreparedProbe,
    number: usize,
    batch: Option<usize>,
    (curvature, group): (Curvature, &Group),
    Estimated { estimate, parts, means, mut eigenpairs, seconds }: Estimated,
) -> impl Iterator<Item = Measured> {
    let (over, shift) = (Over::of(probe, number), probe.shift(curvature, group));
    let estimate = estimate.shifted(shift);
    eigenpairs.iter_mut().for_each(|pair| pair.record.value += shift);
    eigenpairs.sort_by(|a, b| b.record.value.abs().total_cmp(&a.record.value.abs()));
    let (group, estimator) = (group.name.clone(), probe.plan.estimator_name.value.clone());
    let parts = parts.into_iter().map(|(name, part)| (Some(name), Estimate::from(part), None, Vec::new()));
    let all = [(None, estimate, means, eigenpairs)].into_iter().chain(parts);
    all.map(move |(part, estimate, means, eigenpairs)| Measured {
        over,
        curvature,
        batch,
        part,
        group: group.clone(),
        estimator: estimator.clone(),
        estimate,
        means,
        eigenpairs,
        seconds,
    })
}

/// A label for the progress bar: "hessian of fc1.weight" or "24 matrices".
fn description(operators: &[NetworkOperator]) -> String {
    match operators {
        [operator] => operator.description(),
        several => format!("{} matrices", several.len()),
    }
}

impl Measured {
    /// The matrix: "hessian of fc1.weight".
    #[must_use]
    pub fn of(&self) -> String {
        let part = self.part.as_ref().map(|part| format!(" {part}")).unwrap_or_default();
        format!("{}{part} of {}", self.curvature, self.group)
    }

    /// The record for `results.json`.
    #[must_use]
    pub fn record(&self, epoch: usize) -> ProbeRecord {
        ProbeRecord {
            epoch,
            batch: self.batch,
            group: self.group.clone(),
            curvature: match &self.part {
                None => self.curvature.to_string(),
                Some(part) => format!("{} {part}", self.curvature),
            },
            estimator: self.estimator.clone(),
            probe: Some(self.over.probe),
            dtype: Some(self.over.dtype.to_owned()),
            samples: Some(self.over.samples),
            split: Some(self.over.split.to_owned()),
            eigenpairs: self.eigenpairs.iter().map(|pair| pair.record.clone()).collect(),
            seconds: self.seconds,
            ..ProbeRecord::from(&self.estimate)
        }
    }

    /// The record of the class means, where there are some.
    #[must_use]
    pub fn means(&self, epoch: usize) -> Option<MeansRecord> {
        Some(MeansRecord {
            epoch,
            batch: self.batch,
            group: self.group.clone(),
            curvature: self.curvature.to_string(),
            estimator: self.estimator.clone(),
            means: self.means.clone()?,
        })
    }
}

/// The distances of a plan between the spectra of one moment. A pair whose distance is undefined or
/// not finite is left out with a reason, and does not fail the run.
#[must_use]
pub fn distances(
    plan: &DistancePlan,
    epoch: usize,
    spectra: &[Measured],
) -> (Vec<DistanceRecord>, Vec<String>) {
    let (mut records, mut left_out) = (Vec::new(), Vec::new());
    for ((left, from), (right, to)) in pairs(plan.between, spectra) {
        let mut skip = |why: String| {
            let (from, to) = match plan.between {
                Between::Curvatures => (left.of(), right.curvature.to_string()),
                Between::LayersAndFull | Between::AllPairs => (left.group.clone(), right.group.clone()),
            };
            left_out.push(format!(
                "{} from {from} to {to} at epoch {epoch}{}: {why}",
                plan.name,
                left.batch.map(|batch| format!(", batch {batch}")).unwrap_or_default()
            ));
        };
        match plan.distance.distance(from, to) {
            Ok(value) if value.is_finite() => {
                let (stderr, left_out) = error(&*plan.distance, value, from, to);
                records.push(DistanceRecord {
                    epoch,
                    batch: left.batch,
                    metric: plan.name.clone(),
                    curvature: left.curvature.to_string(),
                    right_curvature: (right.curvature != left.curvature).then(|| right.curvature.to_string()),
                    left: left.group.clone(),
                    right: right.group.clone(),
                    value,
                    stderr,
                    left_out,
                    band: band(&*plan.distance, from, to),
                });
            }
            Ok(value) => skip(format!("it is {value}")),
            Err(error) => skip(error.to_string()),
        }
    }
    (records, left_out)
}

/// The standard error of a distance, and its values without each of the random vectors (or parts of
/// them). There is no error if the spectra have different numbers of vectors or a single one, if a
/// spectrum does not record which vector gave which eigenvalue, or if a distance without a part is
/// undefined.
fn error(distance: &dyn Distance, value: f64, left: &Spectrum, right: &Spectrum) -> (Option<f64>, Vec<f64>) {
    let sides = [left, right].into_iter().filter(|spectrum| !spectrum.has_no_chance());
    let random: Vec<&Spectrum> = sides.collect();
    if random.iter().any(|spectrum| spectrum.origins.is_empty()) {
        return (None, Vec::new());
    }
    let random = random.into_iter();
    let mut probes: Vec<usize> = random.map(|spectrum| spectrum.probes.unwrap_or(1)).collect();
    probes.dedup();
    let parts = match probes.as_slice() {
        [] => return (Some(0.0), Vec::new()),
        [several] if *several > 1 => PARTS.min(*several),
        _ => return (None, Vec::new()),
    };
    let without = |part| {
        let value = distance.distance(&left.without_part(part, parts), &right.without_part(part, parts));
        value.ok().filter(|value| value.is_finite())
    };
    match (0..parts).map(without).collect::<Option<Vec<f64>>>() {
        Some(left_out) => (uncertainty::Number::jackknife(value, &left_out).stderr(), left_out),
        None => (None, Vec::new()),
    }
}

/// The distance as a function of the bandwidth, where it is finite.
fn band(distance: &dyn Distance, left: &Spectrum, right: &Spectrum) -> Option<Band> {
    let mut points = distance.band(left, right).ok()?;
    points.retain(|(_, value)| value.is_finite());
    let (bandwidths, values) = points.into_iter().unzip();
    Some(Band { bandwidths, values }).filter(|band| !band.values.is_empty())
}

/// A spectrum with its matrix.
type Placed<'a> = (&'a Measured, &'a Spectrum);

/// Pairs of spectra on the same sample: of different groups with the same curvature, or of
/// different curvatures of the same group. A matrix measured by several estimators counts once, with
/// an exact spectrum if there is one. Numbers and parts are not compared.
fn pairs(between: Between, measured: &[Measured]) -> Vec<(Placed<'_>, Placed<'_>)> {
    let mut once: Vec<Placed> = Vec::new();
    let whole = measured.iter().filter(|measured| measured.part.is_none());
    for placed in whole.filter_map(|measured| Some((measured, measured.estimate.spectrum()?))) {
        let of = |(measured, _): &Placed| (measured.batch, measured.curvature, measured.group.clone());
        match once.iter().position(|other| of(other) == of(&placed)) {
            None => once.push(placed),
            Some(index) if placed.1.exact && !once[index].1.exact => once[index] = placed,
            Some(_) => {}
        }
    }
    let mut pairs = Vec::new();
    for (index, left) in once.iter().enumerate() {
        let of = |(measured, _): &Placed| (measured.batch, measured.curvature);
        let same_curvature = |right: &&Placed| of(right) == of(left);
        match between {
            Between::LayersAndFull if left.0.group == "full" => {}
            Between::LayersAndFull => {
                let mut full = once.iter().filter(same_curvature);
                pairs.extend(full.find(|right| right.0.group == "full").map(|full| (*left, *full)));
            }
            Between::AllPairs => {
                pairs.extend(once[index + 1..].iter().filter(same_curvature).map(|right| (*left, *right)));
            }
            Between::Curvatures => {
                let of = |(measured, _): &Placed| (measured.batch, measured.group.clone());
                let same_group = once[index + 1..].iter().filter(|right| of(right) == of(left));
                pairs.extend(same_group.map(|right| (*left, *right)));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use eigenscape_core::{Node, Number};

    use super::*;

    fn measured(group: &str, curvature: Curvature, exact: bool) -> Measured {
        let mut spectrum = Spectrum::exact(2, vec![1.0, 2.0], 0).unwrap();
        spectrum.exact = exact;
        let (group, estimator) = (group.to_owned(), "x".to_owned());
        let estimate = spectrum.into();
        let (means, eigenpairs) = (None, Vec::new());
        Measured {
            over: Over::default(),
            curvature,
            batch: None,
            part: None,
            group,
            estimator,
            estimate,
            means,
            eigenpairs,
            seconds: 0.0,
        }
    }

    fn names(between: Between, spectra: &[Measured]) -> Vec<String> {
        let name = |(one, spectrum): &Placed| format!("{} {} {}", one.group, one.curvature, spectrum.exact);
        pairs(between, spectra).into_iter().map(|(a, b)| format!("{} - {}", name(&a), name(&b))).collect()
    }

    #[test]
    fn a_number_is_recorded_as_a_number_and_compared_with_nothing() {
        let of = |number: Number, group: &str| Measured {
            estimate: number.into(),
            ..measured(group, Curvature::Hessian, true)
        };
        let estimated = of(Number::estimated(5, &[1.0, 3.0], 2).unwrap(), "full");
        let exact = of(Number::exact(5, 2.5, 0).unwrap(), "a");
        let json = serde_json::to_value(estimated.record(3)).unwrap();
        for (key, value) in [("value", 2.0), ("value_stderr", 1.0), ("trace", 2.0), ("trace_stderr", 1.0)] {
            assert_eq!(json[key], value, "{key}");
        }
        assert_eq!((&json["probes"], &json["exact"]), (&2.into(), &false.into()));
        assert!(json["lambda_max"].is_null() && json["lambda_min"].is_null());
        assert!(json["eigenvalues"].as_array().unwrap().is_empty());
        let json = serde_json::to_value(exact.record(3)).unwrap();
        assert_eq!((&json["value"], &json["value_stderr"]), (&2.5.into(), &0.0.into()));
        assert_eq!((&json["exact"], json.get("probes")), (&true.into(), None));
        assert!(pairs(Between::AllPairs, &[estimated, exact]).is_empty());
    }

    /// The absolute difference of the means.
    struct Means;

    impl Distance for Means {
        fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
            let mean = |s: &Spectrum| -> f64 { s.atoms().iter().map(|(value, weight)| value * weight).sum() };
            Ok((mean(left) - mean(right)).abs())
        }

        fn is_metric(&self) -> bool {
            false
        }

        fn description(&self) -> String {
            "means".to_owned()
        }
    }

    /// A distance to an exact spectrum has the standard error of the samples' mean, on either side.
    /// There is no error for a single sample or for different numbers of samples on the two sides.
    #[test]
    fn a_distance_has_the_error_of_its_random_vectors() {
        let estimated = |values: &[f64]| {
            let rule = |value: &f64| vec![Node { value: *value, weight: 1.0, residual: 0.0 }];
            let rules: Vec<_> = values.iter().map(rule).collect();
            Spectrum::of_probes(2, rules, (0.0, None), values.len()).unwrap()
        };
        let exact = Spectrum::exact(2, vec![0.0, 0.0], 0).unwrap();
        let of = |left: &Spectrum, right: &Spectrum| {
            error(&Means, Means.distance(left, right).unwrap(), left, right)
        };
        let (three, one) = (estimated(&[1.0, 2.0, 6.0]), estimated(&[5.0]));
        for (left, right) in [(&three, &exact), (&exact, &three)] {
            let (stderr, left_out) = of(left, right);
            assert!((stderr.unwrap() - (7.0_f64 / 3.0).sqrt()).abs() < 1e-14, "{stderr:?}");
            assert_eq!(left_out, [4.0, 3.5, 1.5]);
        }
        // With the same vectors on both sides, their common error cancels.
        let shifted = estimated(&[11.0, 12.0, 16.0]);
        assert!(of(&three, &shifted).0.unwrap() < 1e-14);
        assert_eq!(of(&exact, &exact), (Some(0.0), Vec::new()));
        // An estimate, as from a plugin, that does not record its random vectors.
        let unsaid = Spectrum::estimated(2, vec![(1.0, 1.0)], 2.0, None, 1).unwrap();
        assert_eq!(of(&unsaid, &exact), (None, Vec::new()));
        assert_eq!(of(&three, &unsaid), (None, Vec::new()));
        let coordinates = Spectrum::estimated(2, vec![(1.0, 1.0)], 2.0, Some(0.0), 2).unwrap();
        assert_eq!(of(&coordinates, &exact), (Some(0.0), Vec::new()));
        for (left, right) in [(&one, &exact), (&one, &three), (&three, &one)] {
            assert_eq!(of(left, right), (None, Vec::new()));
        }
        // A thousand vectors in 32 parts: about the same error, 1/√1000 for a deviation of 1.
        let phase = |i: u32| f64::from(i * i % 100_003);
        let many: Vec<f64> = (0..1000).map(|i| 100.0 + 2_f64.sqrt() * phase(i).sin()).collect();
        let (stderr, left_out) = of(&estimated(&many), &exact);
        assert_eq!(left_out.len(), PARTS);
        assert!((stderr.unwrap() * 1000_f64.sqrt() - 1.0).abs() < 0.4, "{stderr:?}");
    }

    #[test]
    fn pairs_are_of_one_sample() {
        let on = |batch, group| Measured { batch: Some(batch), ..measured(group, Curvature::Hessian, true) };
        let spectra = [on(0, "full"), on(0, "a"), on(1, "full"), on(1, "a")];
        let found = pairs(Between::LayersAndFull, &spectra);
        let batches: Vec<_> = found.iter().map(|((a, _), (b, _))| (a.batch, b.batch)).collect();
        assert_eq!(batches, [(Some(0), Some(0)), (Some(1), Some(1))]);
    }

    #[test]
    fn pairs_are_of_one_curvature_and_prefer_exact_spectra() {
        let (h, g) = (Curvature::Hessian, Curvature::GaussNewton);
        let spectra = [
            measured("full", h, false),
            measured("full", g, true),
            measured("a", h, true),
            measured("b", h, true),
            measured("full", h, true),
            measured("a", g, true),
        ];
        assert_eq!(
            names(Between::LayersAndFull, &spectra),
            [
                "a hessian true - full hessian true",
                "b hessian true - full hessian true",
                "a gauss-newton true - full gauss-newton true"
            ]
        );
        assert_eq!(
            names(Between::AllPairs, &spectra),
            [
                "full hessian true - a hessian true",
                "full hessian true - b hessian true",
                "full gauss-newton true - a gauss-newton true",
                "a hessian true - b hessian true"
            ]
        );
        assert_eq!(
            names(Between::Curvatures, &spectra),
            ["full hessian true - full gauss-newton true", "a hessian true - a gauss-newton true"]
        );
        let plan = DistancePlan {
            name: "means".to_owned(),
            distance: Box::new(Means),
            between: Between::Curvatures,
        };
        let (records, left_out) = distances(&plan, 3, &spectra);
        let found: Vec<_> = records.iter().map(|d| (d.left.as_str(), d.right.as_str())).collect();
        assert_eq!((found.as_slice(), left_out.len()), (&[("full", "full"), ("a", "a")][..], 0));
        assert!(records.iter().all(|d| d.curvature == "hessian"));
        assert!(records.iter().all(|d| d.right_curvature.as_deref() == Some("gauss-newton")));
    }
}
