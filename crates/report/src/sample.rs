//! Small results for tests.

use eigenscape_core::{
    ClassMeans,
    class_means::ClassMean,
    results::{DistanceRecord, MeansRecord, ProbeRecord, TrainingRecord},
};

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
        batch: None,
        group: group.into(),
        curvature: "hessian".into(),
        estimator: estimator.into(),
        exact: true,
        rounding: None,
        orthogonality_loss: None,
        dimension,
        eigenvalues: eigenvalues.to_vec(),
        weights: vec![1.0 / dimension as f64; eigenvalues.len()],
        trace: eigenvalues.iter().sum(),
        trace_stderr: Some(0.0),
        lambda_max: Some(eigenvalues.first().copied().unwrap_or(0.0)),
        lambda_min: Some(eigenvalues.last().copied().unwrap_or(0.0)),
        seconds: 0.5,
        ..ProbeRecord::default()
    }
}

/// A Wasserstein distance.
pub fn distance(epoch: usize, left: &str, right: &str, value: f64) -> DistanceRecord {
    let [metric, curvature, left, right] = ["wasserstein", "hessian", left, right].map(String::from);
    let stderr = Some(0.0);
    DistanceRecord { epoch, metric, curvature, left, right, value, stderr, ..DistanceRecord::default() }
}

/// A record of a classifier's training.
pub fn trained(epoch: usize) -> TrainingRecord {
    let loss = 2.3 * (-0.4 * epoch as f64).exp();
    TrainingRecord {
        epoch,
        train_loss: loss,
        train_accuracy: Some(1.0 - 0.39 * loss),
        test_loss: Some(1.1 * loss),
        test_accuracy: Some(1.0 - 0.4 * loss),
        penalty: 0.0,
        ..TrainingRecord::default()
    }
}

/// A Gauss-Newton matrix of `classes` classes and its parts: first the whole, then the parts.
pub fn parted(epoch: usize, group: &str, classes: usize) -> Vec<ProbeRecord> {
    let parts = [("", 9 * classes), (" G0", classes), (" G1", classes), (" G2", classes * (classes - 1))];
    let parts = parts.into_iter().chain([(" G1+2", classes * classes), (" G3", 8 * classes)]);
    let record = |(part, count): (&str, usize)| {
        let eigenvalues: Vec<f64> =
            (0..count).map(|i| (30 + part.len()) as f64 * 0.8_f64.powi(i as i32)).collect();
        let curvature = format!("gauss-newton{part}");
        ProbeRecord { curvature, ..probe(epoch, group, "class-structure", 1000, &eigenvalues) }
    };
    parts.map(record).collect()
}

/// Mean gradients of `classes` classes; those of a class are close to one another, as in a trained
/// network.
pub fn means(epoch: usize, group: &str, classes: usize) -> MeansRecord {
    let mut labels = Vec::new();
    let mut points = Vec::new();
    for class in 0..classes {
        for cross in std::iter::once(None).chain((0..classes).map(Some)) {
            labels.push(ClassMean(class, cross));
            let mut point = vec![0.0; 2 * classes];
            point[class] = 1.0;
            if let Some(cross) = cross {
                point[classes + cross] = if cross == class { 0.1 } else { 0.3 };
            }
            points.push(point);
        }
    }
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let rows = (0..points.len()).map(|i| (&points[i], &points[..=i]));
    let products = rows.flat_map(|(a, before)| before.iter().map(move |b| product(a, b))).collect();
    let [group, curvature, estimator] = [group, "gauss-newton", "class-structure"].map(String::from);
    MeansRecord { epoch, batch: None, group, curvature, estimator, means: ClassMeans { labels, products } }
}
