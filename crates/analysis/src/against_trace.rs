//! Generalisation against the trace, over runs.

use eigenscape_core::results::Run;

use crate::{
    depth::FULL,
    expectation::{Quantity, Subject},
    measured::at_epoch,
    regression::Regression,
};

/// The quantities compared with the trace.
const QUANTITIES: [Quantity; 3] = [Quantity::TestAccuracy, Quantity::TestLoss, Quantity::GeneralisationGap];

/// A quantity of training against the full network's trace, both after the last epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct AgainstTrace {
    /// The curvature whose trace is used.
    pub curvature: String,
    /// The quantity.
    pub quantity: Quantity,
    /// (trace, quantity) of each run used.
    pub points: Vec<(f64, f64)>,
    /// The regression of the quantity on the trace.
    pub line: Regression,
}

impl AgainstTrace {
    /// Every pair of a curvature and a quantity that all runs have, if there are enough runs for a
    /// regression. Excludes runs that diverged or miss one of the network's spectra.
    #[must_use]
    pub fn all(runs: &[Run]) -> Vec<Self> {
        let ended: Vec<&Run> = runs.iter().filter(|run| run.diverged.is_none()).collect();
        let mut curvatures: Vec<&str> = Vec::new();
        for probe in ended.iter().flat_map(|run| &run.probes) {
            if !curvatures.contains(&probe.curvature.as_str()) {
                curvatures.push(&probe.curvature);
            }
        }
        let pairs = curvatures.into_iter().flat_map(|curvature| QUANTITIES.map(|q| (curvature, q)));
        pairs.filter_map(|(curvature, quantity)| Self::new(&ended, curvature, quantity)).collect()
    }

    fn new(runs: &[&Run], curvature: &str, quantity: Quantity) -> Option<Self> {
        let value = |run: &Run, quantity| {
            let subject = Subject::of_network(quantity, curvature);
            at_epoch(run, &subject, None).ok().map(|number| number.value)
        };
        let point = |run: &&Run| Some((value(run, Quantity::Trace)?, value(run, quantity)?));
        let whole = runs.iter().filter(|run| !run.misses(curvature, Some(FULL)));
        let points: Vec<_> = whole.map(point).collect::<Option<_>>()?;
        let line = Regression::fit(&points).ok()?;
        Some(Self { curvature: curvature.to_owned(), quantity, points, line })
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_core::results::{Divergence, Diverging, ProbeRecord, TrainingRecord};

    use super::*;

    fn run(trace: f64, accuracy: f64) -> Run {
        let probe = ProbeRecord {
            epoch: 1,
            batch: None,
            group: "full".into(),
            curvature: "hessian".into(),
            estimator: "lanczos".into(),
            exact: false,
            rounding: None,
            dimension: 2,
            eigenvalues: vec![trace, 0.0],
            weights: vec![0.5, 0.5],
            trace,
            trace_stderr: None,
            lambda_max: Some(trace),
            lambda_min: Some(0.0),
            products: 2,
            ..ProbeRecord::default()
        };
        let trained = TrainingRecord { epoch: 1, test_accuracy: Some(accuracy), ..TrainingRecord::default() };
        Run { training: vec![trained], probes: vec![probe], ..Run::default() }
    }

    #[test]
    fn runs_that_ended_make_the_line() {
        let mut runs = vec![run(10.0, 0.9), run(20.0, 0.8), run(40.0, 0.6), run(30.0, 0.1)];
        runs[3].diverged = Some(Divergence {
            what: Diverging::Loss,
            value: "NaN".into(),
            epoch: 1,
            step: 1,
            learning_rate: 1.0,
            last_finite_loss: None,
        });
        let all = AgainstTrace::all(&runs);
        // The runs have no test loss, and no training accuracy for a gap.
        let [only] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(
            (only.curvature.as_str(), only.quantity, only.points.len()),
            ("hessian", Quantity::TestAccuracy, 3)
        );
        assert!((only.line.slope + 0.01).abs() < 1e-12, "{only:?}");
    }

    #[test]
    fn a_run_without_a_trace_leaves_nothing_to_compare() {
        let mut runs = vec![run(10.0, 0.9), run(20.0, 0.8), run(40.0, 0.6)];
        runs[1].probes.clear();
        assert!(AgainstTrace::all(&runs).is_empty());
    }
}
