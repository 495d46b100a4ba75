//! Statistics over runs that differ in their seed alone.

use eigenscape_core::results::{Run, StatisticRecord, TrainingRecord, VariantRecord};

use crate::{
    expectation::{Quantity, When},
    measured::{best, of_training},
    statistics::Sample,
};

/// What is told of every variant, at the last epoch and at the best.
const QUANTITIES: [Quantity; 5] = [
    Quantity::TrainLoss,
    Quantity::TestLoss,
    Quantity::TrainAccuracy,
    Quantity::TestAccuracy,
    Quantity::GeneralisationGap,
];

/// The variants' names in order of appearance, each with its runs.
#[must_use]
pub fn grouped(runs: &[Run]) -> Vec<(&str, Vec<&Run>)> {
    let mut groups: Vec<(&str, Vec<&Run>)> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|(variant, _)| *variant == run.variant) {
            Some((_, members)) => members.push(run),
            None => groups.push((&run.variant, vec![run])),
        }
    }
    groups
}

/// One record a variant; none where nothing was trained.
#[must_use]
pub fn statistics(runs: &[Run]) -> Vec<VariantRecord> {
    if runs.iter().all(|run| run.training.len() < 2) {
        return Vec::new();
    }
    let record = |(variant, runs): (&str, Vec<&Run>)| VariantRecord {
        variant: variant.to_owned(),
        runs: runs.len(),
        statistics: [When::Last, When::Best]
            .into_iter()
            .flat_map(|when| QUANTITIES.into_iter().map(move |quantity| (when, quantity)))
            .filter_map(|(when, quantity)| statistic(&runs, quantity, when))
            .collect(),
    };
    grouped(runs).into_iter().map(record).collect()
}

fn statistic(runs: &[&Run], quantity: Quantity, when: When) -> Option<StatisticRecord> {
    let record = |run: &Run| -> Option<TrainingRecord> {
        match when {
            When::Best => best(&run.training).cloned(),
            When::Last | When::All => run.training.last().cloned(),
        }
    };
    let values: Option<Vec<f64>> = runs.iter().map(|run| of_training(quantity, &record(run)?)).collect();
    let sample = Sample::of(&values?)?;
    Some(StatisticRecord {
        quantity: quantity.name().to_owned(),
        epoch: when.name().to_owned(),
        mean: sample.mean,
        deviation: sample.deviation(),
        interval: sample.interval(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::trained;

    #[test]
    fn runs_of_one_variant_are_one_row() {
        let run = |variant: &str, accuracy| Run {
            variant: variant.to_owned(),
            training: vec![trained(0, 0.1), trained(1, 0.95), trained(2, accuracy)],
            ..Run::default()
        };
        let records = statistics(&[run("a", 0.8), run("b", 0.5), run("a", 0.9)]);
        assert_eq!(
            records.iter().map(|r| (r.variant.as_str(), r.runs)).collect::<Vec<_>>(),
            [("a", 2), ("b", 1)]
        );
        let find = |variant: usize, epoch: &str| {
            let of = |s: &&StatisticRecord| s.quantity == "test-accuracy" && s.epoch == epoch;
            records[variant].statistics.iter().find(of).unwrap().clone()
        };
        let last = find(0, "last");
        assert!((last.mean - 0.85).abs() < 1e-12 && last.interval.is_some());
        assert!((find(0, "best").mean - 0.95).abs() < 1e-12);
        assert_eq!(find(1, "last").interval, None);
        assert!(statistics(&[Run { training: vec![trained(0, 0.1)], ..Run::default() }]).is_empty());
    }
}
