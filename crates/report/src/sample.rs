//! Small results for tests.

use eigenscape_core::results::{DistanceRecord, ProbeRecord, TrainingRecord};

/// An exact spectrum with the given non-zero eigenvalues.
pub fn probe(
    epoch: usize,
    group: &str,
    estimator: &str,
    dimension: usize,
    eigenvalues: &[f64],
) -> ProbeRecord {
    ProbeRecord {
        epoch,
        group: group.into(),
        curvature: "hessian".into(),
        estimator: estimator.into(),
        exact: true,
        dimension,
        eigenvalues: eigenvalues.to_vec(),
        weights: vec![1.0 / dimension as f64; eigenvalues.len()],
        trace: eigenvalues.iter().sum(),
        trace_stderr: Some(0.0),
        lambda_max: eigenvalues.first().copied().unwrap_or(0.0),
        lambda_min: eigenvalues.last().copied().unwrap_or(0.0),
        products: 0,
        seconds: 0.5,
    }
}

/// A Wasserstein distance.
pub fn distance(epoch: usize, left: &str, right: &str, value: f64) -> DistanceRecord {
    let [metric, curvature, left, right] = ["wasserstein", "hessian", left, right].map(String::from);
    DistanceRecord { epoch, metric, curvature, left, right, value }
}

/// A record of a classifier's training.
pub fn trained(epoch: usize) -> TrainingRecord {
    let loss = 2.3 * (-0.4 * epoch as f64).exp();
    TrainingRecord {
        epoch,
        train_loss: loss,
        train_accuracy: Some(1.0 - 0.39 * loss),
        test_loss: 1.1 * loss,
        test_accuracy: Some(1.0 - 0.4 * loss),
        penalty: 0.0,
        ..TrainingRecord::default()
    }
}
