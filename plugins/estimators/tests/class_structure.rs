//! Compares `class-structure` with dense matrices that are built from the definitions.

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    ClassMeans, Context, Curvature, CurvatureOperator, Findings, Group, GroupSelector, Landscape,
    ProbeEstimator, Registry, class_means::ClassMean, registry::Environment,
};
use eigenscape_curvature::{Objective, Point};
use eigenscape_losses::{cross_entropy, mean_squared_error};
use eigenscape_program::{ElementwiseFunction, Network, nn};
use faer::{Mat, Side};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const C: usize = 4;
/// Classes of different sizes, one of them empty, and an ignored sample.
const LABELS: [Option<usize>; 10] =
    [Some(0), Some(1), Some(3), Some(1), Some(0), Some(1), None, Some(3), Some(0), Some(1)];
const N: usize = LABELS.len();

fn wave(shape: &[usize], phase: f64) -> Fallible<Tensor> {
    let values = (0..shape.iter().product()).map(|i: usize| (i as f64 * 0.7 + phase).sin());
    Ok(Tensor::from_iter(values, &Device::Cpu)?.reshape(shape)?)
}

fn point() -> Fallible<(Network, Point)> {
    let network = Network::new(&[3], |scope, x| {
        let x = nn::linear(&mut scope.at("fc1"), x, 5, true)?;
        let x = scope.graph().function(ElementwiseFunction::Tanh, x)?;
        nn::linear(&mut scope.at("fc2"), x, C, true)
    })?;
    let weight = N as f64 / LABELS.iter().flatten().count() as f64;
    let target = |k: usize| if LABELS[k / C] == Some(k % C) { weight } else { 0.0 };
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: vec![
            wave(&[5, 3], 0.1)?,
            wave(&[5], 0.5)?,
            (wave(&[C, 5], 0.9)? * 2.0)?,
            wave(&[C], 0.3)?,
        ],
        buffers: vec![],
        inputs: wave(&[N, 3], 1.1)?,
        targets: Tensor::from_iter((0..N * C).map(target), &Device::Cpu)?.reshape((N, C))?,
        masks: vec![],
    };
    Ok((network, point))
}

fn dense(tensor: &Tensor) -> Fallible<Mat<f64>> {
    let rows = tensor.to_vec2::<f64>()?;
    Ok(Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j]))
}

/// A gradient with its weight.
type Weighted = (Mat<f64>, f64);

/// Extended gradients δ_{n,c'} with their weights w_{n,c'}, by n, then c'.
fn extended(network: &Network, point: &Point, group: &Group) -> Fallible<Vec<Vec<Weighted>>> {
    let objective = Objective::new(network, &cross_entropy(), N)?;
    let outputs = objective.loss()?.at(point, &[])?.remove(1).to_vec2::<f64>()?;
    let jacobian = objective.jacobian(point, &group.variables)?;
    let parts: Vec<Tensor> =
        jacobian.tensors.iter().map(|rows| rows.explicit(DType::F64)).collect::<Result<_, _>>()?;
    let jacobian = dense(&Tensor::cat(&parts, 1)?)?;
    let masses = point.targets.sum(1)?.to_vec1::<f64>()?;
    let of_sample = |n: usize| {
        let total: f64 = outputs[n].iter().map(|z| z.exp()).sum();
        let p: Vec<f64> = outputs[n].iter().map(|z| z.exp() / total).collect();
        let row = |class: usize, j: usize| jacobian[(class * N + n, j)];
        let gradient = |cross: usize| {
            Mat::from_fn(jacobian.ncols(), 1, |j, _| {
                row(cross, j) - (0..C).map(|k| p[k] * row(k, j)).sum::<f64>()
            })
        };
        (0..C).map(|cross| (gradient(cross), masses[n] * p[cross] / N as f64)).collect()
    };
    Ok((0..N).map(of_sample).collect())
}

/// Σ wᵢ vᵢ / Σ wᵢ and Σ wᵢ; `None` without items.
fn mean<'a>(items: impl Iterator<Item = (&'a Mat<f64>, f64)>) -> Option<Weighted> {
    let (sum, total) = items.map(|(v, w)| (v * faer::Scale(w), w)).reduce(|a, b| (a.0 + b.0, a.1 + b.1))?;
    Some((sum * faer::Scale(1.0 / total), total))
}

/// A mean gradient with its label.
type Labelled = (ClassMean, Mat<f64>);

/// G0, G1, G2, G1+2, G3 by their definitions, P × P, and the means that they consist of: for each
/// class δ_c, then each δ_{cc'}.
fn parts(extended: &[Vec<Weighted>], plain: bool) -> ([Mat<f64>; 5], Vec<Labelled>) {
    let p = extended[0][0].0.nrows();
    let [mut g0, mut g1, mut g2, mut g3] = [(); 4].map(|()| Mat::<f64>::zeros(p, p));
    let add = |to: &mut Mat<f64>, v: &Mat<f64>, weight: f64| *to += v * v.transpose() * faer::Scale(weight);
    // With plain means the gradients are scaled by the roots of the weights.
    let item = |n: usize, cross: usize| {
        let (delta, weight) = &extended[n][cross];
        if plain { (delta * faer::Scale(weight.sqrt()), 1.0) } else { (delta.clone(), *weight) }
    };
    let mut means = Vec::new();
    for class in 0..C {
        let mut crosses = Vec::new();
        let first = means.len();
        for cross in 0..C {
            let samples: Vec<_> =
                (0..N).filter(|&n| LABELS[n] == Some(class)).map(|n| item(n, cross)).collect();
            let Some((centre, weight)) = mean(samples.iter().map(|(v, w)| (v, *w))) else { continue };
            samples.iter().for_each(|(v, w)| add(&mut g3, &(v - &centre), *w));
            means.push((ClassMean(class, Some(cross)), centre.clone()));
            if cross == class {
                add(&mut g0, &centre, weight);
            } else {
                crosses.push((centre, weight));
            }
        }
        let Some((centre, weight)) = mean(crosses.iter().map(|(v, w)| (v, *w))) else { continue };
        add(&mut g1, &centre, weight);
        means.insert(first, (ClassMean(class, None), centre.clone()));
        crosses.iter().for_each(|(v, w)| add(&mut g2, &(v - &centre), *w));
    }
    let both = &g1 + &g2;
    ([g0, g1, g2, both, g3], means)
}

fn estimator(name: &str, parameters: toml::Table) -> Fallible<Box<dyn ProbeEstimator>> {
    let mut registry = Registry::default();
    eigenscape_estimators::register(&mut registry);
    let built = registry.estimators.build(name, parameters, &Environment::default());
    Ok(built.map_err(|error| format!("{error:?}"))?.plugin)
}

fn estimate(operator: &dyn CurvatureOperator, means: &str) -> Fallible<Findings> {
    let parameters = toml::Table::from_iter([("means".to_owned(), means.into())]);
    let estimator = estimator("class-structure", parameters)?;
    Ok(estimator.estimate_parts(&[operator], &Context::silent(0))?.swap_remove(0))
}

#[track_caller]
fn assert_eigenvalues(name: &str, found: &[f64], matrix: &Mat<f64>) -> Fallible<()> {
    let mut expected = matrix.self_adjoint_eigenvalues(Side::Lower).map_err(|e| format!("{e:?}"))?;
    expected.reverse();
    for (i, expected) in expected.into_iter().enumerate() {
        let found = found.get(i).copied().unwrap_or(0.0);
        assert!((found - expected).abs() < 1e-10, "{name} {i}: {found} against {expected}");
    }
    Ok(())
}

/// Compares class means. Three classes have samples, each with four means δ_{cc'} and one δ_c.
fn assert_means(found: &ClassMeans, expected: &[Labelled]) {
    assert_eq!(found.labels, expected.iter().map(|(label, _)| *label).collect::<Vec<_>>());
    assert_eq!((found.labels.len(), found.products.len()), (15, 15 * 16 / 2));
    for (i, (label, a)) in expected.iter().enumerate() {
        for (j, (other, b)) in expected.iter().enumerate() {
            let product = (a.transpose() * b)[(0, 0)];
            let difference = (found.product(i, j) - product).abs();
            assert!(difference < 1e-10, "{label:?} {other:?}: {} against {product}", found.product(i, j));
        }
    }
}

#[test]
fn the_parts_are_those_of_the_definitions_and_add_up() -> Fallible<()> {
    let (network, point) = point()?;
    let landscape = Landscape::new(&network, &cross_entropy(), point.clone(), usize::MAX)?;
    // More parameters than rows of the factor, and fewer.
    for group in
        GroupSelector::Full.resolve(&network, N)?.iter().chain(&GroupSelector::Layers.resolve(&network, N)?)
    {
        let operator = landscape.operator(Curvature::GaussNewton, group);
        let identity = Tensor::eye(group.dimension, DType::F64, &Device::Cpu)?;
        let whole = dense(&operator.apply(&identity)?)?;
        let extended = extended(&network, &point, group)?;
        for means in ["weighted", "plain"] {
            let ([g0, g1, g2, both, g3], expected) = parts(&extended, means == "plain");
            let difference = (&g0 + &g1 + &g2 + &g3 - &whole).norm_max();
            assert!(difference < 1e-10, "{means} {}: the sum is off by {difference:e}", group.name);
            let found = estimate(&operator, means)?;
            assert_eigenvalues("G", &found.estimate.spectrum().ok_or("no spectrum")?.eigenvalues, &whole)?;
            let names: Vec<_> = found.parts.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, ["G0", "G1", "G2", "G1+2", "G3"]);
            for ((name, spectrum), matrix) in found.parts.iter().zip([g0, g1, g2, both, g3]) {
                assert_eigenvalues(name, &spectrum.eigenvalues, &matrix)?;
                assert!(spectrum.exact && spectrum.trace > 1e-4, "{name}: {}", spectrum.trace);
            }
            assert_means(&found.means.ok_or("no means")?, &expected);
        }
    }
    Ok(())
}

#[test]
fn a_loss_without_classes_is_refused() -> Fallible<()> {
    let (network, point) = point()?;
    let landscape = Landscape::new(&network, &mean_squared_error(), point, usize::MAX)?;
    let full = &GroupSelector::Full.resolve(&network, N)?[0];
    let refused = estimate(&landscape.operator(Curvature::GaussNewton, full), "weighted");
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("cross-entropy") && message.contains("`mse` knows no classes"), "{message}");
    Ok(())
}

#[test]
fn what_the_parts_take_counts_to_the_memory() -> Fallible<()> {
    let (network, point) = point()?;
    let full = &GroupSelector::Full.resolve(&network, N)?[0];
    // The least memory with which the estimator accepts the operator.
    let least = |name: &str| -> Fallible<usize> {
        let estimator = estimator(name, toml::Table::new())?;
        let enough = |memory: usize| {
            let landscape = Landscape::new(&network, &cross_entropy(), point.clone(), memory)?;
            Ok::<_, eigenscape_core::Error>(
                estimator.check(&[&landscape.operator(Curvature::GaussNewton, full)]).is_ok(),
            )
        };
        let (mut low, mut high) = (0, 1 << 20);
        while low < high {
            let middle = (low + high) / 2;
            if enough(middle)? { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    };
    let matrices = |rows: usize, columns: usize| size_of::<f64>() * rows * columns;
    // The projections within classes, their product with the Gram matrix, and G3; the C² columns of
    // the means, and their product.
    let beside = 2 * matrices(3 * N, C * N) + matrices(C * N, C * N) + 2 * matrices(3 * N, C * C);
    let more = least("class-structure")? - least("gram")?;
    // A sixteenth of the memory is for temporaries.
    assert!(more >= beside && more < beside + beside / 14, "{more} bytes more, not {beside}");
    let landscape = Landscape::new(&network, &cross_entropy(), point.clone(), least("gram")?)?;
    let refused = estimate(&landscape.operator(Curvature::GaussNewton, full), "weighted");
    let message = refused.map(|_| ()).expect_err("refused").to_string();
    assert!(message.contains("`memory`") && message.contains("are allowed"), "{message}");
    Ok(())
}
