//! The course of one run: training and measuring by turns.

use std::time::Instant;

use eigenscape_core::{
    Random,
    notes::{Note, RunNotes},
    results::{Divergence, Diverging, Run, TrainingRecord},
};

use crate::{
    checkpoint,
    diagnostic::{Failure, Result},
    evaluate::{Batches, Programs, evaluate},
    measure::{self, Moment},
    notes,
    plan::RunPlan,
    prepare::Prepared,
    progress::Display,
    resume::Unfinished,
    tensorboard::Scalars,
    train::{EpochLog, Stop, Trainer},
    weights::Weights,
};

/// Weights of larger networks are saved at the end only, not at each moment that is measured.
const SAVED_AT_MOMENTS: usize = 1 << 22;

/// Trains and measures a run that is ready to start.
///
/// # Errors
/// When a loss cannot be evaluated, or is not finite before the first step, or a file cannot be written.
pub fn run(prepared: &Prepared, folder: &Unfinished, display: &Display) -> Result<(Run, RunNotes)> {
    let (plan, network, loss) = (prepared.plan, &prepared.network, prepared.loss);
    let (epochs, random) = (plan.epochs(), Random::new(plan.seed));
    let mut weights = prepared.weights.clone();
    let train = Batches::new(&prepared.train, &prepared.labels, weights.dtype())?;
    let test = Batches::new(&prepared.test, &prepared.labels, weights.dtype())?;
    let mut losses = Programs::loss(network, loss);
    let trainer =
        |train| Trainer::new(train, &prepared.training, loss, random).augmented(plan.augment.as_ref());
    let mut trainer = plan.train.as_ref().map(trainer);
    let steps = plan.train.as_ref().map_or(0, |plan| Trainer::steps(plan, train.len()));
    let bar = display.training("training", epochs * steps);
    let mut notes = notes::of_run(prepared);
    let mut scalars = plan.tensorboard.then(Scalars::new);
    let save = |name: &str, weights: &Weights| checkpoint::save(&folder.checkpoint(name), network, weights);
    let mut run =
        Run { name: plan.name.clone(), variant: plan.variant.clone(), seed: plan.seed, ..Run::default() };
    for epoch in 0..=epochs {
        let mut record = TrainingRecord { epoch, ..TrainingRecord::default() };
        let mut log = EpochLog::default();
        if let (Some(trainer), Some(plan), true) = (&mut trainer, &plan.train, epoch > 0) {
            run.diverged = match trainer.epoch(epoch, &train, &mut weights, &bar, &mut log) {
                Ok(()) => None,
                Err(Stop::Diverged(divergence)) => Some(divergence),
                Err(Stop::Failed(error)) => return Err(error.into()),
            };
            (record.penalty, record.penalties) = (log.mean_penalty(plan), log.penalty_records(plan));
        }
        if run.diverged.is_none() {
            let (on_train, on_test) =
                (evaluate(&mut losses, &train, &weights)?, evaluate(&mut losses, &test, &weights)?);
            (record.train_loss, record.test_loss) = (on_train.loss, on_test.loss);
            (record.train_accuracy, record.test_accuracy) = (on_train.accuracy, on_test.accuracy);
            (record.train_top5, record.test_top5) = (on_train.top5, on_test.top5);
            run.diverged = check_finite(plan, trainer.as_ref(), &record, &log)?;
        }
        if let Some(divergence) = &run.diverged {
            display.line(&divergence.to_string());
            if let Some(scalars) = &mut scalars {
                scalars.steps(plan, epoch, &log, steps);
            }
            break;
        }
        if let Some(scalars) = &mut scalars {
            scalars.epoch(plan, &record, &log, steps);
        }
        bar.message(format!("loss {:.4}", record.train_loss));
        display.line(&line(&record, epochs));
        run.training.push(record);
        let left_out = measure_moment(prepared, epoch, &weights, &mut run, display);
        notes.lines.extend(left_out.into_iter().map(|why| Note::new("Left out", why)));
        let probed = prepared.probes.iter().any(|probe| probe.plan.epochs.contains(&epoch));
        if probed && epoch < epochs && network.dimension() <= SAVED_AT_MOMENTS {
            save(&format!("epoch-{epoch}"), &weights)?;
        }
    }
    if run.diverged.is_none() {
        save("final", &weights)?;
    }
    if let Some(scalars) = scalars {
        folder.write_scalars(&scalars.finish())?;
    }
    Ok((run, notes))
}

/// Measures every probe of this moment and the distances between its spectra; returns which of these were left out, and why.
fn measure_moment(
    prepared: &Prepared,
    epoch: usize,
    weights: &Weights,
    run: &mut Run,
    display: &Display,
) -> Vec<String> {
    let numbered = prepared.probes.iter().enumerate();
    let due: Vec<_> = numbered.filter(|(_, probe)| probe.plan.epochs.contains(&epoch)).collect();
    if due.is_empty() {
        return Vec::new();
    }
    let start = Instant::now();
    let products = due.iter().map(|(_, probe)| measure::products(probe)).sum();
    let bar = display.spectra(&format!("spectra after epoch {epoch}"), products);
    let moment = Moment { epoch, weights, random: Random::new(prepared.plan.seed) };
    let mut spectra = Vec::new();
    for (index, probe) in due {
        let (measured, failures) = measure::probe(probe, index + 1, &moment, &bar, |what| bar.message(what));
        spectra.extend(measured);
        failures.iter().for_each(|failure| display.line(&format!("warning: not measured: {failure}")));
        run.failures.extend(failures);
    }
    drop(bar);
    display.line(&format!("  {} spectra in {:.1} s", spectra.len(), start.elapsed().as_secs_f64()));
    run.probes.extend(spectra.iter().map(|measured| measured.record(epoch)));
    run.means.extend(spectra.iter().filter_map(|measured| measured.means(epoch)));
    let mut left_out = Vec::new();
    for plan in &prepared.plan.distances {
        let (records, reasons) = measure::distances(plan, epoch, &spectra);
        run.distances.extend(records);
        reasons.iter().for_each(|reason| display.line(&format!("warning: left out: {reason}")));
        left_out.extend(reasons);
    }
    left_out
}

/// Whether the training diverged in the steps before this record, which its losses show.
///
/// # Errors
/// When they are not finite before the first step.
fn check_finite(
    plan: &RunPlan,
    trainer: Option<&Trainer>,
    record: &TrainingRecord,
    log: &EpochLog,
) -> Result<Option<Divergence>> {
    let losses = [(Diverging::TrainingLoss, record.train_loss), (Diverging::TestLoss, record.test_loss)];
    let Some((what, value)) = losses.into_iter().find(|(_, loss)| !loss.is_finite()) else {
        return Ok(None);
    };
    match trainer {
        Some(trainer) if record.epoch > 0 => Ok(Some(trainer.diverged_after(what, value, record.epoch, log))),
        _ => Err(Failure::Run {
            problem: format!(
                "the loss after epoch {} is {} on the training split and {} on the test split",
                record.epoch, record.train_loss, record.test_loss
            ),
            remedy: Some(remedy(plan).to_owned()),
        }),
    }
}

/// What may be wrong with a loss that is not finite before the first epoch: it is not the learning rate.
fn remedy(plan: &RunPlan) -> &'static str {
    match &plan.model.checkpoint {
        Some(_) => {
            "check that the data has no huge values and is scaled as that which the checkpoint was trained on, and that the \
             checkpoint belongs to this model and its settings"
        }
        None => "check that the data has no huge values, and the settings in [model]",
    }
}

fn line(record: &TrainingRecord, epochs: usize) -> String {
    let percent =
        |share: Option<f64>| share.map_or(String::new(), |share| format!(" ({:.1} %)", 100.0 * share));
    let moment = if epochs == 0 { "as given".to_owned() } else { format!("epoch {}/{epochs}", record.epoch) };
    format!(
        "{moment}: training loss {:.4}{}, test loss {:.4}{}",
        record.train_loss,
        percent(record.train_accuracy),
        record.test_loss,
        percent(record.test_accuracy)
    )
}
