//! How many Lanczos steps are enough: the Wasserstein distances of our spectra and of the spectra
//! by the paper's procedure from the true ones.

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, Curvature, CurvatureOperator, Distance, Error, ExactFactor, ProbeEstimator, Registry, Spectrum,
};
use eigenscape_curvature::Point;
use eigenscape_estimators::gauss_quadrature;
use eigenscape_experiment::Result;

use super::subject::{Subject, plugin};

/// The compared settings of `lanczos`: steps, probes, further options that are switched on.
const SETTINGS: [(usize, usize, &[&str]); 14] = [
    (64, 1, &[]),
    (96, 1, &[]),
    (128, 1, &[]),
    (32, 4, &[]),
    (32, 1, &["deflation"]),
    (48, 1, &["deflation"]),
    (64, 1, &["deflation"]),
    (80, 1, &["deflation"]),
    (96, 1, &["deflation"]),
    (32, 1, &["deflation", "averaged"]),
    (48, 1, &["deflation", "averaged"]),
    (56, 1, &["deflation", "averaged"]),
    (64, 1, &["deflation", "averaged"]),
    (96, 1, &["deflation", "averaged"]),
];
/// Lanczos steps of the paper's procedure: for the bounds, then for the spectrum.
const PAPER: [usize; 2] = [64, 128];
/// The number of independent spectra of each procedure.
const SEEDS: u64 = 16;
/// The seed of the true spectra: their random vectors differ from those of the estimates.
const TRUTH_SEED: u64 = 1 << 32;
/// The settings for LeNet's true spectrum, which is computed in f64.
const LONG: &str = "steps = 256\nprobes = 16\ndeflation = true";

/// A network at a point whose spectrum is known.
struct Case {
    name: String,
    subject: Subject,
    truth: Spectrum,
}

/// Prints the distances, relative to the largest eigenvalue, and the cheapest setting that is
/// nowhere worse than the paper's procedure.
pub fn report(registry: &Registry) -> Result<()> {
    let distance = plugin(&registry.distances, "wasserstein", "")?;
    let mut cases = Vec::new();
    for (name, settings, image, truth) in [
        ("mlp", "widths = [16]", &[1, 8, 8], ("dense", "")),
        ("sequential", SMALL_CONVOLUTIONS, &[1, 12, 12], ("dense", "")),
        ("lenet", "", &[1, 32, 32], ("lanczos", LONG)),
    ] {
        let truth = plugin(&registry.estimators, truth.0, truth.1)?;
        for steps in [0, 200] {
            let subject = trained(Subject::of(name, settings, image, 10, 100, registry)?, steps)?;
            let name = format!("{name} ({}), {steps} steps", subject.dimension());
            eprintln!("{name}: the truth");
            let truth = exactly(&*truth, &subject)?;
            cases.push(Case { name, subject, truth });
        }
    }
    let mut rows = Vec::new();
    let start = plugin(&registry.estimators, "lanczos", "steps = 1\nprobes = 1")?;
    let paper = |operator: &dyn CurvatureOperator, seed| paper(operator, &*start, seed);
    rows.push(row("the paper's".to_owned(), PAPER.iter().sum(), &cases, &*distance, &paper)?);
    for (steps, probes, more) in SETTINGS {
        let switches: String = more.iter().map(|switch| format!("\n{switch} = true")).collect();
        let settings = format!("steps = {steps}\nprobes = {probes}{switches}");
        let plural = if probes == 1 { "" } else { "s" };
        let more: String = more.iter().map(|switch| format!(", {switch}")).collect();
        let name = format!("ours, {steps} steps, {probes} probe{plural}{more}");
        let estimator = plugin(&registry.estimators, "lanczos", &settings)?;
        let ours = |operator: &dyn CurvatureOperator, seed| {
            Ok(estimator.spectrum(operator, &Context::silent(seed))?)
        };
        rows.push(row(name, steps * probes, &cases, &*distance, &ours)?);
    }
    print(&cases, &rows)
}

const SMALL_CONVOLUTIONS: &str = r#"
layers = [
    { op = "conv2d", in = 1, out = 4, kernel = 3 }, { op = "relu" }, { op = "max_pool2d", kernel = 2 },
    { op = "conv2d", out = 8, kernel = 3 }, { op = "relu" }, { op = "flatten" }, { op = "linear", out = 10 },
]
"#;

/// A procedure with its mean distance from the true spectrum and the standard error, for each case.
struct Row {
    name: String,
    products: usize,
    distances: Vec<(f64, f64)>,
}

/// A function from an operator and a seed to a spectrum.
type Procedure<'a> = dyn Fn(&dyn CurvatureOperator, u64) -> Result<Spectrum> + 'a;

fn row(
    name: String,
    products: usize,
    cases: &[Case],
    distance: &dyn Distance,
    procedure: &Procedure,
) -> Result<Row> {
    eprintln!("{name}");
    let mut distances = Vec::new();
    for case in cases {
        let landscape = case.subject.landscape()?;
        let operator = landscape.operator(Curvature::Hessian, case.subject.full());
        let far = |seed| {
            Ok(distance.distance(&procedure(&operator, seed)?, &case.truth)? / case.truth.lambda_max())
        };
        let found = (0..SEEDS).map(far).collect::<Result<Vec<f64>>>()?;
        let mean = found.iter().sum::<f64>() / SEEDS as f64;
        let squares: f64 = found.iter().map(|value| (value - mean).powi(2)).sum();
        distances.push((mean, (squares / (SEEDS - 1) as f64 / SEEDS as f64).sqrt()));
    }
    Ok(Row { name, products, distances })
}

fn print(cases: &[Case], rows: &[Row]) -> Result<()> {
    crate::print(format_args!(
        "Wasserstein distance from the truth over the largest eigenvalue, 10⁻⁴: mean ± standard error of {SEEDS} spectra"
    ))?;
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    crate::print(format_args!("| procedure | products | {} |", names.join(" | ")))?;
    crate::print(format_args!("| --- | ---: |{}", " ---: |".repeat(cases.len())))?;
    for row in rows {
        let cells: Vec<String> = row
            .distances
            .iter()
            .map(|(mean, error)| format!("{:.2} ± {:.2}", 1e4 * mean, 1e4 * error))
            .collect();
        crate::print(format_args!("| {} | {} | {} |", row.name, row.products, cells.join(" | ")))?;
    }
    if let Some(enough) = enough(rows) {
        crate::print(format_args!(
            "The fewest products that are no less accurate anywhere: {}",
            enough.name
        ))?;
    }
    Ok(())
}

/// Of the procedures whose mean distances are all at most those of the first, the one with the
/// fewest products.
fn enough(rows: &[Row]) -> Option<&Row> {
    let (paper, ours) = rows.split_first()?;
    let no_worse =
        |row: &&Row| row.distances.iter().zip(&paper.distances).all(|(ours, paper)| ours.0 <= paper.0);
    ours.iter().filter(no_worse).min_by_key(|row| row.products)
}

/// The subject after some steps of gradient descent on its own batch.
fn trained(subject: Subject, steps: usize) -> Result<Subject> {
    const RATE: f64 = 0.1;
    let gradient = subject.objective()?.gradient(subject.parameters()).map_err(Error::from)?;
    let mut point = subject.point().clone();
    for _ in 0..steps {
        let gradient = gradient.at(&point, &[]).map_err(Error::from)?;
        let parameters = point.parameters.iter().zip(&gradient[2..]).map(|(p, g)| p - (g * RATE)?);
        point.parameters = parameters.collect::<candle_core::Result<_>>().map_err(Error::from)?;
    }
    Ok(subject.moved(point))
}

/// The spectrum, computed in f64.
fn exactly(estimator: &dyn ProbeEstimator, subject: &Subject) -> Result<Spectrum> {
    let point: Point = subject.point().to_dtype(DType::F64).map_err(Error::from)?;
    let landscape = subject.landscape_at(point)?;
    let operator = landscape.operator(Curvature::Hessian, subject.full());
    Ok(estimator.spectrum(&operator, &Context::silent(TRUTH_SEED))?)
}

/// The paper's procedure: 64 Lanczos steps for the bounds, then 128 on the matrix mapped to \[−1,
/// 1\], without reorthogonalisation, in f32. It starts from the vector that our estimator draws
/// from the seed, so that only the procedures differ.
fn paper(operator: &dyn CurvatureOperator, ours: &dyn ProbeEstimator, seed: u64) -> Result<Spectrum> {
    let dimension = operator.dimension();
    let start = Recorder { dimension, vector: Mutex::default() };
    ours.estimate(&start, &Context::silent(seed))?;
    let start = start.vector.into_inner().unwrap_or_else(PoisonError::into_inner);
    let rough = unorthogonal(operator, start.clone(), PAPER[0], 0.0, 1.0)?;
    let (low, high) =
        rough.iter().fold((0.0_f64, 0.0_f64), |(low, high), (node, _)| (low.min(*node), high.max(*node)));
    let (centre, radius) = (0.5 * (low + high), 0.525 * (high - low).max(f64::MIN_POSITIVE));
    let rule = unorthogonal(operator, start, PAPER[1], centre, radius)?;
    let nodes: Vec<(f64, f64)> =
        rule.into_iter().map(|(node, weight)| (centre + radius * node, weight)).collect();
    let trace = dimension as f64 * nodes.iter().map(|(node, weight)| node * weight).sum::<f64>();
    Ok(Spectrum::estimated(dimension, nodes, trace, None, PAPER.iter().sum())?)
}

/// The identity, which records the vector that it is applied to.
struct Recorder {
    dimension: usize,
    vector: Mutex<Vec<f32>>,
}

impl CurvatureOperator for Recorder {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn description(&self) -> String {
        "identity".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> eigenscape_core::Result<Tensor> {
        *self.vector.lock().unwrap_or_else(PoisonError::into_inner) = vectors.flatten_all()?.to_vec1()?;
        Ok(vectors.clone())
    }

    fn factor(&self) -> eigenscape_core::Result<ExactFactor> {
        Err(Error::input("identity", "has no factor", "use \"lanczos\""))
    }
}

/// The quadrature rule of Lanczos' three-term recurrence for (H − `centre`)/`radius`.
fn unorthogonal(
    operator: &dyn CurvatureOperator,
    start: Vec<f32>,
    steps: usize,
    centre: f64,
    radius: f64,
) -> Result<Vec<(f64, f64)>> {
    let (mut diagonal, mut off_diagonal) = (Vec::new(), Vec::new());
    let (mut before, mut vector) = (vec![0.0_f32; start.len()], start);
    let mut beta = 0.0_f64;
    for step in 0..steps.min(vector.len()) {
        if step > 0 {
            off_diagonal.push(beta);
        }
        let input = Tensor::from_slice(&vector, (1, vector.len()), &Device::Cpu).map_err(Error::from)?;
        let product =
            operator.apply(&input)?.flatten_all().and_then(|p| p.to_vec1::<f32>()).map_err(Error::from)?;
        let mapped = product
            .iter()
            .zip(&vector)
            .map(|(h, v)| ((f64::from(*h) - centre * f64::from(*v)) / radius) as f32);
        let mut next: Vec<f32> = mapped.collect();
        let alpha = dot(&next, &vector);
        diagonal.push(alpha);
        for ((next, v), b) in next.iter_mut().zip(&vector).zip(&before) {
            *next -= (alpha * f64::from(*v) + beta * f64::from(*b)) as f32;
        }
        beta = dot(&next, &next).sqrt();
        if beta < 1e-12 {
            break;
        }
        next.iter_mut().for_each(|x| *x = (f64::from(*x) / beta) as f32);
        before = std::mem::replace(&mut vector, next);
    }
    Ok(gauss_quadrature(&diagonal, &off_diagonal)?)
}

fn dot(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_procedure_finds_the_extremes_and_the_trace_of_a_small_network() {
        let registry = crate::plugins();
        let subject = Subject::of("mlp", "widths = [4]", &[1, 4, 4], 3, 20, &registry).unwrap();
        let truth = exactly(&*plugin(&registry.estimators, "dense", "").unwrap(), &subject).unwrap();
        let landscape = subject.landscape().unwrap();
        let operator = landscape.operator(Curvature::Hessian, subject.full());
        let start = plugin(&registry.estimators, "lanczos", "steps = 1").unwrap();
        let found = paper(&operator, &*start, 0).unwrap();
        assert!((found.lambda_max() / truth.lambda_max() - 1.0).abs() < 1e-4);
        assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((found.trace / truth.trace - 1.0).abs() < 0.5);
    }

    #[test]
    fn the_fewest_products_win_among_those_no_worse_anywhere() {
        let row = |products, distances: [f64; 2]| Row {
            name: String::new(),
            products,
            distances: distances.map(|distance| (distance, 0.1)).to_vec(),
        };
        let rows = [row(192, [1.0, 2.0]), row(16, [0.9, 2.1]), row(64, [0.9, 1.9]), row(32, [1.0, 2.0])];
        assert_eq!(enough(&rows).unwrap().products, 32);
        assert!(enough(&rows[..2]).is_none());
    }
}
