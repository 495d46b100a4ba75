//! A made-up but realistic experiment: LeNet at three epochs, the full network by Lanczos, each
//! layer exactly.

use eigenscape_core::results::{DistanceRecord, ProbeRecord, Results, Run, TrainingRecord};
use eigenscape_report::{Note, Notes, RunNotes};

/// The experiment's file.
pub const EXPERIMENT: &str = r#"name = "layerwise-lenet"
seed = 0

[data]
name = "fashion-mnist"

[model]
name = "lenet"

[[probe]]
at = [0, 2, 4]
groups = ["full", "layers"]
"#;

const LAYERS: [(&str, usize, f64); 5] = [
    ("conv1.weight", 150, 0.65),
    ("conv2.weight", 2400, 6.4),
    ("fc1.weight", 48_000, 23.0),
    ("fc2.weight", 10_080, 6.1),
    ("fc3.weight", 840, 8.2),
];

/// One run with spectra, two metrics and training.
pub fn lenet() -> Results {
    let epochs = [0, 2, 4];
    let probes: Vec<ProbeRecord> =
        epochs.into_iter().flat_map(|e| std::iter::once(full(e)).chain(layers(e))).collect();
    let distances = epochs.into_iter().flat_map(|e| ["wasserstein", "kl"].map(|m| distances(e, m)));
    let run = Run {
        variant: String::new(),
        seed: 0,
        name: String::new(),
        training: (0..=4).map(trained).collect(),
        distances: distances.flatten().collect(),
        probes,
        ..Run::default()
    };
    Results { name: "layerwise-lenet".into(), runs: vec![run], ..Results::default() }
}

/// Two variants of three and two seeds, each with the Hessian and the Gauss-Newton matrix.
pub fn sweep() -> Results {
    let mut results = Results { runs: Vec::new(), name: "penalised-lenet".into(), ..lenet() };
    for (variant, seeds, share) in
        [("train.regularizer.strength=0.0", 3, 1.0), ("train.regularizer.strength=0.001", 2, 0.6)]
    {
        for seed in 0..seeds {
            let mut run = lenet().runs.remove(0);
            (run.variant, run.seed) = (variant.into(), seed);
            run.name = format!("{variant},seed={seed}");
            let scale = share * (1.0 + 0.05 * seed as f64);
            run.probes.iter_mut().for_each(|probe| scaled(probe, scale));
            run.distances.iter_mut().for_each(|distance| distance.value *= scale);
            run.training.iter_mut().for_each(|record| record.train_loss *= scale);
            let mut second = run.probes.clone();
            second.iter_mut().for_each(|probe| {
                probe.curvature = "gauss-newton".into();
                scaled(probe, 0.8);
            });
            run.probes.extend(second);
            results.runs.push(run);
        }
    }
    results
}

fn scaled(probe: &mut ProbeRecord, scale: f64) {
    probe.eigenvalues.iter_mut().for_each(|value| *value *= scale);
    probe.trace *= scale;
    probe.trace_stderr = probe.trace_stderr.map(|error| error * scale);
    for extreme in [&mut probe.lambda_max, &mut probe.lambda_min] {
        *extreme = extreme.map(|value| value * scale);
    }
}

/// The notes that such an experiment would write.
pub fn notes() -> Notes {
    Notes {
        profile: None,
        set: Vec::new(),
        lines: vec![
            Note::new("Eigenscape", "0.1.0, release"),
            Note::new("Machine", "2 cores, 2 threads"),
            Note::new("Wall-clock time", "41 s"),
        ],
        runs: vec![RunNotes {
            key: String::new(),
            classes: Some(10),
            lines: vec![
                Note::new("Data", "fashion-mnist: the embedded subset, 6,000 training and 1,000 test images"),
                Note::new("Model", "lenet, 61,706 parameters"),
                Note::new("Samples", "100 training images, 10 of each class"),
            ],
            estimators: vec![
                Note::new("lanczos", "128 steps, 2 probes, full reorthogonalisation"),
                Note::new("gram", "all non-zero eigenvalues of the Gram matrix, in f64"),
            ],
            distances: vec![
                Note::new("wasserstein", "W₁ between the spectra as measures on the eigenvalue axis"),
                Note::new("kl", "Kullback-Leibler divergence of the densities broadened by σ = 0.01"),
            ],
        }],
    }
}

/// Growth of the curvature as training goes on.
fn growth(epoch: usize) -> f64 {
    [0.15, 0.5, 0.7, 0.9, 1.0][epoch]
}

/// Ten outliers above a bulk that decays over many decades, as is typical of networks.
fn spectrum(count: usize, largest: f64) -> Vec<f64> {
    let outlier = |i: usize| largest * (-0.22 * i as f64).exp();
    let bulk = |i: usize| 0.08 * largest * 10_f64.powf(-7.0 * ((i - 10) as f64 / count as f64).powf(0.7));
    (0..count).map(|i| if i < 10 { outlier(i) } else { bulk(i) }).collect()
}

fn layers(epoch: usize) -> impl Iterator<Item = ProbeRecord> {
    LAYERS.into_iter().map(move |(name, dimension, largest)| {
        let eigenvalues = spectrum(dimension.min(840), largest * growth(epoch));
        let weights = vec![1.0 / dimension as f64; eigenvalues.len()];
        ProbeRecord {
            estimator: "gram".into(),
            exact: true,
            trace_stderr: Some(0.0),
            trace: eigenvalues.iter().sum(),
            ..record(epoch, name, dimension, eigenvalues, weights)
        }
    })
}

fn full(epoch: usize) -> ProbeRecord {
    let dimension = 61_706;
    let positive = spectrum(80, 38.0 * growth(epoch));
    let negative = (0..48).map(|i| -2.5 * growth(epoch) * 10_f64.powf(-5.0 * (47 - i) as f64 / 48.0));
    let eigenvalues: Vec<f64> = positive.into_iter().chain(negative).collect();
    // Most of the mass lies near zero; an outlier has about the weight of one eigenvalue.
    let size = |v: f64| if v.abs() < 1e-3 { 500.0 } else { (0.2 / v.abs()).clamp(1.0, 100.0) };
    let total: f64 = eigenvalues.iter().map(|v| size(*v)).sum();
    let weights = eigenvalues.iter().map(|v| size(*v) / total).collect();
    ProbeRecord {
        estimator: "lanczos".into(),
        trace: 275.6 * growth(epoch),
        trace_stderr: Some(22.0 * growth(epoch)),
        probes: Some(2),
        products: 256,
        ..record(epoch, "full", dimension, eigenvalues, weights)
    }
}

fn record(
    epoch: usize,
    group: &str,
    dimension: usize,
    eigenvalues: Vec<f64>,
    weights: Vec<f64>,
) -> ProbeRecord {
    ProbeRecord {
        epoch,
        batch: None,
        group: group.into(),
        curvature: "hessian".into(),
        estimator: String::new(),
        exact: false,
        rounding: None,
        orthogonality_loss: None,
        dimension,
        trace: 0.0,
        trace_stderr: None,
        lambda_max: Some(eigenvalues.iter().copied().fold(f64::MIN, f64::max)),
        lambda_min: Some(eigenvalues.iter().copied().fold(f64::MAX, f64::min).min(0.0)),
        eigenvalues,
        weights,
        products: 900,
        seconds: 0.4321,
        ..ProbeRecord::default()
    }
}

fn distances(epoch: usize, metric: &str) -> Vec<DistanceRecord> {
    let scale = if metric == "kl" { 1.0 } else { 0.01 };
    let values = [1.3, 0.9, 0.35, 0.5, 1.0];
    let distance = |((name, _, _), value): ((&str, usize, f64), f64)| DistanceRecord {
        epoch,
        metric: metric.into(),
        curvature: "hessian".into(),
        left: name.into(),
        right: "full".into(),
        value: value * scale * (0.6 + 0.4 * growth(epoch)),
        stderr: Some(0.0),
        ..DistanceRecord::default()
    };
    LAYERS.into_iter().zip(values).map(distance).collect()
}

fn trained(epoch: usize) -> TrainingRecord {
    let loss = 2.3 * (-0.4 * epoch as f64).exp();
    TrainingRecord {
        epoch,
        train_loss: loss,
        train_accuracy: Some(1.0 - 0.39 * loss),
        test_loss: Some(0.05 + loss),
        test_accuracy: Some(0.98 - 0.38 * loss),
        penalty: 0.0,
        ..TrainingRecord::default()
    }
}
