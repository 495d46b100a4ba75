//! The quantities of a run, one number each.

use std::collections::BTreeSet;

use eigenscape_core::results::{ProbeRecord, Run, TrainingRecord};

use crate::{
    expectation::{Quantity, Subject, When},
    outliers,
    uncertainty::Number,
};

/// The record of the best epoch: of the highest test accuracy or, without classes, of the lowest
/// test loss. The earliest if several are equal; `None` without a test split.
#[must_use]
pub fn best(training: &[TrainingRecord]) -> Option<&TrainingRecord> {
    let merit = |record: &TrainingRecord| record.test_accuracy.or(record.test_loss.map(|loss| -loss));
    let with_merit = training.iter().filter_map(|record| Some((record, merit(record)?)));
    with_merit.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(record, _)| record)
}

/// Training accuracy minus test accuracy; without classes, test loss minus training loss. `None`
/// without a test split.
#[must_use]
pub fn gap(record: &TrainingRecord) -> Option<f64> {
    match (record.train_accuracy, record.test_accuracy) {
        (Some(train), Some(test)) => Some(train - test),
        _ => record.test_loss.map(|test| test - record.train_loss),
    }
}

/// A quantity of training; `None` for quantities of spectra.
#[must_use]
pub fn of_training(quantity: Quantity, record: &TrainingRecord) -> Option<f64> {
    match quantity {
        Quantity::TrainLoss => Some(record.train_loss),
        Quantity::TestLoss => record.test_loss,
        Quantity::TrainAccuracy => record.train_accuracy,
        Quantity::TestAccuracy => record.test_accuracy,
        Quantity::GeneralisationGap => gap(record),
        Quantity::Trace | Quantity::LambdaMax | Quantity::Distance | Quantity::Outliers => None,
    }
}

/// The records of a subject, by epoch; except for the trace, only records with eigenvalues. If
/// several estimators measured a group, the exact record is used, otherwise the one with the
/// narrowest interval of the trace or the largest eigenvalue if the subject is one of these,
/// otherwise the first.
#[must_use]
pub fn records<'a>(run: &'a Run, subject: &Subject) -> Vec<&'a ProbeRecord> {
    let mut records = fitting(run, subject);
    let of = |number: Option<Number>| {
        number.and_then(|number| number.interval()).map_or(f64::INFINITY, |[low, high]| high - low)
    };
    let width = |record: &ProbeRecord| match subject.quantity {
        Quantity::Trace => of(Some(Number::trace(record))),
        Quantity::LambdaMax => of(Number::lambda_max(record)),
        _ => 0.0,
    };
    let rank = |record: &ProbeRecord| (record.epoch, !record.exact);
    records.sort_by(|a, b| rank(a).cmp(&rank(b)).then(width(a).total_cmp(&width(b))));
    records.dedup_by_key(|record| record.epoch);
    records
}

/// Which estimators' records [`records`] takes where several are of the same matrix, as in "by
/// lanczos, one of 2 measurements of the same matrix"; `None` where there is no choice.
#[must_use]
pub fn choice(run: &Run, subject: &Subject) -> Option<String> {
    if subject.quantity.is_of_training() || subject.quantity == Quantity::Distance {
        return None;
    }
    let all = fitting(run, subject);
    let count = |epoch: usize| all.iter().filter(|record| record.epoch == epoch).count();
    let mut chosen = records(run, subject);
    chosen.retain(|record| count(record.epoch) > 1);
    let most = chosen.iter().map(|record| count(record.epoch)).max()?;
    let names: BTreeSet<&str> = chosen.iter().map(|record| record.estimator.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(" and ");
    Some(format!("by {names}, one of {most} measurements of the same matrix"))
}

/// All records of a subject; except for the trace, only those with eigenvalues.
fn fitting<'a>(run: &'a Run, subject: &Subject) -> Vec<&'a ProbeRecord> {
    let trace = subject.quantity == Quantity::Trace;
    let ours = |p: &&ProbeRecord| p.group == subject.group && p.curvature == subject.curvature;
    run.probes.iter().filter(|p| ours(p) && (trace || p.has_spectrum())).collect()
}

/// The quantity after each epoch at which it was measured; `classes` is the number of classes, if
/// there are classes.
///
/// # Errors
/// Says in words why there is no quantity, or why it is unknown after an epoch.
pub fn over_training(
    run: &Run,
    subject: &Subject,
    classes: Option<usize>,
) -> Result<Vec<(usize, Number)>, String> {
    let found: Vec<(usize, Number)> = if subject.quantity.is_of_training() {
        let value = |record: &TrainingRecord| {
            Some((record.epoch, Number::exact(of_training(subject.quantity, record)?)))
        };
        run.training.iter().filter_map(value).collect()
    } else {
        let number = |record: &&ProbeRecord| {
            let number = match subject.quantity {
                Quantity::Trace => Some(Number::trace(record)),
                Quantity::LambdaMax => Number::lambda_max(record),
                Quantity::Outliers => match outliers::count(record, classes, subject.counting) {
                    Ok(count) => Some(Number::exact(count as f64)),
                    Err(why) => return Some(Err(format!("after epoch {}: {why}", record.epoch))),
                },
                _ => None,
            };
            Some(Ok((record.epoch, number?)))
        };
        records(run, subject).iter().filter_map(number).collect::<Result<_, _>>()?
    };
    if found.is_empty() { Err(format!("there is no {}", subject.words())) } else { Ok(found) }
}

/// The quantity at the subject's epoch: the last one measured, or the last one up to the best
/// epoch.
///
/// # Errors
/// Says in words why there is no quantity.
pub fn at_epoch(run: &Run, subject: &Subject, classes: Option<usize>) -> Result<Number, String> {
    let all = over_training(run, subject, classes)?;
    let until = match subject.epoch {
        When::Last | When::All => usize::MAX,
        When::Best => best(&run.training).ok_or("without a test split there is no best epoch")?.epoch,
    };
    let found = all.iter().rev().find(|(epoch, _)| *epoch <= until);
    found.map(|(_, number)| *number).ok_or_else(|| "nothing was measured up to the best epoch".to_owned())
}
