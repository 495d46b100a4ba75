//! Measurements at one epoch of a training: losses, spectra, distances.

use std::time::Instant;

use eigenscape_core::{
    Random, Result,
    results::{DistanceRecord, MeansRecord, ProbeFailure, ProbeRecord, TrainingRecord},
};
use eigenscape_curvature::Programs;

use crate::{
    distances,
    evaluate::{self, Batches},
    findings::Findings,
    kept_spectra::{self, KeptSpectra},
    measure::{self, MeasuredEpoch, Watch},
    measured::{self, Measured},
    prepare::Prepared,
    progress::{Bar, Display},
    vectors::VECTORS,
    weights::Weights,
};

/// The records of a measured epoch's spectra and distances.
#[derive(Debug, Default)]
pub struct Measures {
    /// Spectra.
    pub probes: Vec<ProbeRecord>,
    /// Class means that belong to some of the spectra.
    pub means: Vec<MeansRecord>,
    /// Distances between the spectra.
    pub distances: Vec<DistanceRecord>,
    /// Spectra that could not be measured.
    pub failures: Vec<ProbeFailure>,
    /// Distances and eigenvectors that were left out, and why.
    pub left_out: Vec<String>,
    /// The checksums of the files of eigenvectors.
    pub files: Vec<(String, u32)>,
}

impl Measures {
    /// The approximate size of the records as text, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const RECORD: usize = 400;
        const NUMBER: usize = 24;
        let spectrum = |probe: &ProbeRecord| {
            RECORD * (1 + probe.eigenpairs.len()) + 2 * NUMBER * probe.eigenvalues.len()
        };
        let spectra = self.probes.iter().map(spectrum);
        let means = self.means.iter().map(|means| RECORD + NUMBER * means.means.products.len());
        spectra.chain(means).sum::<usize>() + RECORD * (self.distances.len() + self.failures.len())
    }
}

/// Evaluates losses and accuracies on the training split and on the test split, if any, into a
/// record.
///
/// # Errors
/// When a program cannot be built or evaluated, or an interrupt is requested.
pub fn evaluate(
    programs: &Programs,
    (train, test): (&Batches, Option<&Batches>),
    weights: &Weights,
    record: &mut TrainingRecord,
    display: &Display,
) -> Result<()> {
    let _bar = display.waiting(&format!("losses after epoch {}", record.epoch));
    let on = |split| evaluate::evaluate(programs, split, weights, display.interrupt());
    let on_train = on(train)?;
    (record.train_loss, record.train_accuracy) = (on_train.loss, on_train.accuracy);
    record.train_top5 = on_train.top5;
    if let Some(test) = test {
        let on_test = on(test)?;
        (record.test_loss, record.test_accuracy) = (Some(on_test.loss), on_test.accuracy);
        record.test_top5 = on_test.top5;
    }
    Ok(())
}

/// Shows what is measured, and what was found.
struct Shown<'a> {
    bar: &'a Bar,
    findings: Findings<'a>,
}

impl Watch for Shown<'_> {
    fn begins(&mut self, description: &str) {
        self.bar.message(description);
    }

    fn found(&mut self, measured: &Measured) {
        self.findings.say(measured);
    }
}

/// Measures every probe that is due after an epoch, and the distances between its spectra. Kept
/// spectra are not computed again.
///
/// # Errors
/// When an interrupt is requested; what was finished before is then among `kept`.
pub fn measure(
    prepared: &Prepared,
    epoch: usize,
    weights: &Weights,
    kept: &mut KeptSpectra,
    display: &Display,
) -> Result<Measures> {
    let numbered = prepared.probes.iter().enumerate();
    let due: Vec<_> = numbered.filter(|(_, probe)| probe.plan.epochs.contains(&epoch)).collect();
    let mut measures = Measures::default();
    if due.is_empty() {
        return Ok(measures);
    }
    let start = Instant::now();
    let products = due.iter().map(|(_, probe)| measure::products(probe)).sum();
    let bar = display.spectra(&format!("spectra after epoch {epoch}"), products);
    let (random, name) = (Random::new(prepared.plan.seed), kept_spectra::key(epoch, weights)?);
    let earlier = kept.count(&name);
    let (mut spectra, mut watch) = (Vec::new(), Shown { bar: &bar, findings: Findings::new(display, epoch) });
    let samples = due.into_iter().flat_map(|(index, probe)| probe.numbers().map(move |b| (index, probe, b)));
    for (index, probe, batch) in samples {
        // Each sample has its own probe vectors, so that the spread covers both samples and
        // vectors.
        let random = random.part("batch", batch.unwrap_or(0) as u64);
        let (name, interrupt) = (name.clone(), display.interrupt());
        let at = MeasuredEpoch { epoch, weights, random, batch, name, interrupt };
        let (measured, failures) = measure::probe(probe, index + 1, &at, kept, &bar, &mut watch)?;
        measures.left_out.extend(
            measured
                .iter()
                .filter_map(|one| measured::fewer_eigenvectors(probe.plan.eigenvectors, epoch, one)),
        );
        spectra.extend(measured);
        failures.iter().for_each(|failure| display.line(&format!("warning: not measured: {failure}")));
        measures.failures.extend(failures);
    }
    watch.findings.end();
    drop(bar);
    let earlier = if earlier > 0 { format!(", {earlier} of them kept from earlier") } else { String::new() };
    let count = match spectra.len() {
        1 => "1 spectrum".to_owned(),
        count => format!("{count} spectra"),
    };
    display.line(&format!("  {count} in {:.1} s{earlier}", start.elapsed().as_secs_f64()));
    spectra
        .iter()
        .filter_map(measured::rounded_basis)
        .for_each(|line| display.line(&format!("note: {line}")));
    measures.left_out.iter().for_each(|reason| display.line(&format!("warning: left out: {reason}")));
    let pairs = spectra.iter().flat_map(|measured| &measured.eigenpairs);
    measures.files.extend(pairs.map(|pair| (format!("{VECTORS}/{}", pair.record.file), pair.sum)));
    measures.probes.extend(spectra.iter().map(|measured| measured.record(epoch)));
    measures.means.extend(spectra.iter().filter_map(|measured| measured.means(epoch)));
    for plan in &prepared.plan.distances {
        let (records, reasons) = distances::distances(plan, epoch, &spectra);
        measures.distances.extend(records);
        reasons.iter().for_each(|reason| display.line(&format!("warning: left out: {reason}")));
        measures.left_out.extend(reasons);
    }
    Ok(measures)
}
