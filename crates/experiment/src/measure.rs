//! Measures spectra with an estimator.

use std::time::Instant;

use eigenscape_core::{
    Context, Curvature, CurvatureOperator, Eigenpair, Error, Estimate, Findings, Group, Interrupt,
    ProbeEstimator, Progress, Random, Result, landscape::NetworkOperator, results::ProbeFailure,
};

use crate::{
    kept_spectra::{Estimated, Estimates, KeptSpectra},
    measured::{Measured, Over},
    prepare::PreparedProbe,
    vectors::Stored,
    weights::Weights,
};

/// The number of products that a probe takes at one epoch.
#[must_use]
pub fn products(probe: &PreparedProbe) -> usize {
    let group = |dimension| probe.plan.estimator.products(dimension);
    let groups = probe.groups.iter().map(|g| group(g.dimension)).fold(0, usize::saturating_add);
    groups.saturating_mul(probe.plan.curvatures.len()).saturating_mul(probe.batches.len())
}

/// A measurement point of a training.
pub struct MeasuredEpoch<'a> {
    /// The number of completed epochs.
    pub epoch: usize,
    /// The weights at this measured epoch.
    pub weights: &'a Weights,
    /// The random source of probe vectors.
    pub random: Random,
    /// The index of the sample to measure on, if there are several.
    pub batch: Option<usize>,
    /// The prefix of the keys of its kept spectra ([`crate::kept_spectra::key`]).
    pub name: String,
    /// The interrupt that stops the measurement.
    pub interrupt: &'a Interrupt,
}

/// Follows the measurements of a measured epoch.
pub trait Watch {
    /// The matrices of this description are measured now.
    fn begins(&mut self, description: &str);

    /// A matrix, or a part of one, was measured.
    fn found(&mut self, measured: &Measured);
}

/// Measures every spectrum of the `number`-th probe (counted from 1) at an epoch, on one sample.
/// Returns the spectra and the failures.
///
/// # Errors
/// When an interrupt is requested.
pub fn probe(
    probe: &PreparedProbe,
    number: usize,
    at: &MeasuredEpoch,
    kept: &mut KeptSpectra,
    progress: &dyn Progress,
    watch: &mut dyn Watch,
) -> Result<(Vec<Measured>, Vec<ProbeFailure>)> {
    let (mut measured, mut failures): (Vec<Measured>, _) = (Vec::new(), Vec::new());
    let mut fail = |(curvature, group): (Curvature, &Group), (problem, remedy)| {
        failures.push(ProbeFailure {
            epoch: at.epoch,
            probe: number,
            batch: at.batch,
            group: group.name.clone(),
            curvature: curvature.to_string(),
            estimator: probe.plan.estimator_name.value.clone(),
            problem,
            remedy,
        });
    };
    let landscape = match probe.landscape(at.batch, at.weights) {
        Ok(landscape) => landscape.until(at.interrupt.clone()),
        Err(error) => {
            let words = error.into_words();
            probe.matrices().for_each(|matrix| fail(matrix, words.clone()));
            return Ok((measured, failures));
        }
    };
    let matrices: Vec<(Curvature, &Group)> = probe.matrices().collect();
    let estimator = &*probe.plan.estimator;
    let (random, interrupt) = (at.random, at.interrupt.clone());
    let context = Context { random, progress, memory: probe.memory_of_estimator(), interrupt };
    // Matrices that share a factor are estimated together, others one at a time.
    let together = if estimator.needs_factor() { matrices.len().max(1) } else { 1 };
    for (index, matrices) in matrices.chunks(together).enumerate() {
        at.interrupt.check()?;
        let batch = at.batch.map(|batch| format!(":{batch}")).unwrap_or_default();
        let key = format!("{}{number}{batch}.{index}", at.name);
        if let Some(found) = kept.find(&key).filter(|found| found.len() == matrices.len()) {
            for (matrix, estimated) in matrices.iter().zip(found.clone()) {
                for one in with_parts(probe, number, at.batch, *matrix, estimated) {
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
                    let stored = store(probe, number, at, *matrix, &eigenpairs, kept);
                    let mut estimated = Estimated { estimate, parts, means, eigenpairs: Vec::new(), seconds };
                    match stored {
                        Ok(stored) => {
                            estimated.eigenpairs = stored;
                            finished.push(estimated.clone());
                        }
                        // The spectrum is recorded without its eigenvectors.
                        Err(error) => fail(*matrix, error.into_words()),
                    }
                    for one in with_parts(probe, number, at.batch, *matrix, estimated) {
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

/// Writes eigenvectors to files, which are named after the measured epoch, the probe and the
/// matrix: "epoch-3-probe-1-hessian-fc1.weight-0.safetensors".
fn store(
    probe: &PreparedProbe,
    number: usize,
    MeasuredEpoch { epoch, batch, .. }: &MeasuredEpoch,
    (curvature, group): (Curvature, &Group),
    eigenpairs: &[Eigenpair],
    kept: &KeptSpectra,
) -> Result<Vec<Stored>> {
    let batch = batch.map(|batch| format!("-batch-{batch}")).unwrap_or_default();
    let name = format!("epoch-{epoch}-probe-{number}{batch}-{curvature}-{}", probe.file_name(group));
    kept.vectors.write(probe.network(), group, &name, eigenpairs)
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
