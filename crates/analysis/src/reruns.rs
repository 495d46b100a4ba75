//! Statistics over runs that differ only in their seeds.

use eigenscape_core::results::{Run, StatisticRecord, TrainingRecord, VariantRecord};

use crate::{
    expectation::{Quantity, When},
    measured::{best, of_training},
    statistics::Sample,
};

/// The quantities reported for every variant, at the last epoch and at the best.
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

/// One record per variant; none if nothing was trained. A run that diverged has no result after the
/// last epoch: it is counted but excluded from the statistics.
#[must_use]
pub fn statistics(runs: &[Run]) -> Vec<VariantRecord> {
    if runs.iter().all(|run| run.training.len() < 2 && run.diverged.is_none()) {
        return Vec::new();
    }
    let record = |(variant, runs): (&str, Vec<&Run>)| {
        let whole: Vec<&Run> = runs.iter().copied().filter(|run| run.diverged.is_none()).collect();
        VariantRecord {
            variant: variant.to_owned(),
            runs: runs.len(),
            diverged: runs.len() - whole.len(),
            statistics: [When::Last, When::Best]
                .into_iter()
                .flat_map(|when| QUANTITIES.into_iter().map(move |quantity| (when, quantity)))
                .filter_map(|(when, quantity)| statistic(&whole, quantity, when))
                .collect(),
        }
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
        interval: sample.interval().map(|interval| quantity.cut(interval)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::{divergence, trained};

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
        // 0.85 ± 12.7 · 0.05, limited to 1.
        let [low, high] = last.interval.unwrap();
        assert!((last.mean - 0.85).abs() < 1e-12 && (low - 0.214_69).abs() < 1e-5 && high == 1.0);
        assert!((find(0, "best").mean - 0.95).abs() < 1e-12);
        assert_eq!(find(1, "last").interval, None);
        assert!(statistics(&[Run { training: vec![trained(0, 0.1)], ..Run::default() }]).is_empty());
    }

    #[test]
    fn runs_that_diverged_are_counted_and_left_out() {
        let run = |accuracy, diverged| Run {
            training: vec![trained(0, 0.1), trained(1, accuracy)],
            diverged,
            ..Run::default()
        };
        let [record] =
            statistics(&[run(0.8, None), run(0.1, Some(divergence())), run(0.9, None)]).try_into().unwrap();
        assert_eq!((record.runs, record.diverged), (3, 1));
        let accuracy = record.statistics.iter().find(|s| s.quantity == "test-accuracy").unwrap();
        assert!((accuracy.mean - 0.85).abs() < 1e-12, "{accuracy:?}");
        // A variant whose runs all diverged is still listed, even if none reached the first epoch.
        let none = Run { training: vec![trained(0, 0.1)], diverged: Some(divergence()), ..Run::default() };
        let [record] = statistics(&[none]).try_into().unwrap();
        assert_eq!((record.runs, record.diverged, record.statistics), (1, 1, vec![]));
    }
}
