//! The LeNet that PyTorch trained on Fashion-MNIST: exact spectra of every parameter tensor and of
//! the whole network.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Tensor};
use eigenscape_architectures::lenet::LeNet;
use eigenscape_core::{
    Architecture, Context, Curvature, CurvatureOperator, Group, GroupSelector, Landscape, Registry, Spectrum,
    registry::Environment,
};
use eigenscape_curvature::{Objective, Point, Rows};
use eigenscape_losses::cross_entropy;
use eigenscape_program::Network;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Reference {
    tensors: HashMap<String, Tensor>,
}

impl Reference {
    fn load() -> Fallible<Self> {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/lenet_fashion_mnist/lenet.safetensors");
        Ok(Self { tensors: candle_core::safetensors::load(path, &Device::Cpu)? })
    }

    fn numbers(&self, name: &str) -> Fallible<Vec<f64>> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("no tensor {name}"))?;
        Ok(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
    }

    /// Non-zero eigenvalues, largest first.
    fn descending(&self, name: &str) -> Fallible<Vec<f64>> {
        let mut values = self.numbers(name)?;
        values.sort_by(|a, b| b.total_cmp(a));
        Ok(values)
    }

    fn point(&self, dtype: DType) -> Fallible<(Network, Point)> {
        let network = Network::new(&[1, 32, 32], |scope, x| LeNet.build(scope, x, 10))?;
        let weights =
            network.parameters().iter().map(|p| self.tensors[&format!("param.{}", p.name)].clone()).collect();
        // u8/255, then (x − 0.5)/0.5 in f32, as in data loaders; then a border of two pixels of −1:
        // zero padding, shifted by 1.
        let pixels = self.tensors["images_u8"].flatten_all()?.to_vec1::<u8>()?;
        let pixels: Vec<f32> = pixels.into_iter().map(|p| (f32::from(p) / 255.0 - 0.5) / 0.5).collect();
        let pixels = Tensor::from_vec(pixels, (100, 1, 28, 28), &Device::Cpu)?.to_dtype(DType::F64)?;
        let inputs = ((pixels + 1.0)?.pad_with_zeros(2, 2, 2)?.pad_with_zeros(3, 2, 2)? - 1.0)?;
        let classes = Tensor::arange(0_i64, 10, &Device::Cpu)?.unsqueeze(0)?;
        let targets = self.tensors["labels"].unsqueeze(1)?.broadcast_eq(&classes)?;
        let point = Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters: weights,
            buffers: vec![],
            inputs,
            targets,
            masks: vec![],
        }
        .to_dtype(dtype)?;
        Ok((network, point))
    }
}

fn estimate(name: &str, operators: &[&dyn CurvatureOperator]) -> Fallible<Vec<Spectrum>> {
    let mut registry = Registry::default();
    eigenscape_estimators::register(&mut registry);
    let built = registry.estimators.build(name, Default::default(), &Environment::default());
    let estimator = built.map_err(|error| format!("{error:?}"))?.plugin;
    Ok(estimator.spectra(operators, &Context::silent(0))?)
}

/// Compares eigenvalues, the shorter list continued by zeros, relative to the largest.
fn assert_spectrum(name: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    let at = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
    let count = ours.len().max(theirs.len());
    let error = (0..count).map(|i| (at(ours, i) - at(theirs, i)).abs()).fold(0.0, f64::max) / theirs[0];
    println!("{name:16} {count:4} eigenvalues, worst error {error:.1e} of the largest");
    assert!(error <= tolerance, "{name}: {error:e}");
}

fn check(dtype: DType, memory: usize, exact: f64, lanczos: f64) -> Fallible<()> {
    let reference = Reference::load()?;
    let (network, point) = reference.point(dtype)?;
    let landscape = Landscape::new(&network, &cross_entropy(), point, memory)?;
    let full = &GroupSelector::Full.resolve(&network, 100)?[0];
    let mut trace = 0.0;
    let groups = GroupSelector::Parameters.resolve(&network, 100)?;
    // The Hessian of every tensor, and the Gauss-Newton matrix of the whole network, which consists
    // of the same columns.
    let mut operators: Vec<_> =
        groups.iter().map(|group| landscape.operator(Curvature::Hessian, group)).collect();
    operators.push(landscape.operator(Curvature::GaussNewton, full));
    let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
    let mut spectra = estimate("gram", &operators)?;
    let gauss_newton = spectra.pop().ok_or("no spectrum")?;
    for (group, spectrum) in groups.iter().zip(spectra) {
        assert!(spectrum.exact);
        let theirs = reference.descending(&format!("block_eigenvalues.{}", group.name))?;
        assert_spectrum(&group.name, &spectrum.eigenvalues, &theirs, exact);
        let their_trace = reference.numbers(&format!("block_trace.{}", group.name))?[0];
        assert!((spectrum.trace - their_trace).abs() <= exact * theirs[0], "trace of {}", group.name);
        trace += spectrum.trace;
    }
    let full_trace = reference.numbers("full_trace")?[0];
    assert!((trace - full_trace).abs() <= exact * full_trace, "full trace {trace}, not {full_trace}");
    assert_spectrum(
        "gauss-newton",
        &gauss_newton.eigenvalues,
        &reference.descending("ggn_eigenvalues")?,
        exact,
    );
    check_full(&landscape, full, &reference, lanczos)
}

fn check_full(landscape: &Landscape, full: &Group, reference: &Reference, lanczos: f64) -> Fallible<()> {
    let hessian = estimate("lanczos", &[&landscape.operator(Curvature::Hessian, full)])?.swap_remove(0);
    for (i, theirs) in reference.numbers("full_hessian_top")?.iter().take(12).enumerate() {
        let error = (hessian.eigenvalues[i] - theirs).abs() / theirs;
        assert!(error <= lanczos, "Ritz value {i}: {} is off by {error:e}", hessian.eigenvalues[i]);
    }
    let refused = landscape.operator(Curvature::Hessian, full).factor();
    let message = refused.map_err(|error| error.to_string());
    assert!(message.is_err_and(|m| m.contains("in conv2") && m.contains("gauss-newton")));
    Ok(())
}

#[test]
fn spectra_agree_with_pytorch_in_f64() -> Fallible<()> {
    check(DType::F64, usize::MAX, 1e-9, 1e-8)
}

#[test]
fn spectra_agree_with_pytorch_in_f32() -> Fallible<()> {
    check(DType::F32, usize::MAX, 1e-5, 1e-3)
}

#[test]
fn spectra_agree_with_pytorch_in_little_memory() -> Fallible<()> {
    check(DType::F64, 24 << 20, 1e-9, 1e-8)
}

/// Gradient, Hessian products and factor, as one list of numbers.
fn everything(objective: &Objective, point: &Point) -> Fallible<Vec<f32>> {
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let mut tensors = objective.gradient(&all)?.at(point, &[])?;
    let vectors: Vec<f32> = (0..2 * 61_706).map(|i| (i as f32).sin()).collect();
    let vectors = Tensor::from_vec(vectors, (2, 61_706), &Device::Cpu)?;
    tensors.push(objective.hessian(point, &all)?.apply_rows(&vectors)?);
    for rows in objective.factor(point, &all)?.tensors {
        match rows {
            Rows::Explicit(rows) => tensors.push(rows),
            Rows::Outer { left, right } => tensors.extend([left, right]),
        }
    }
    let numbers = tensors.iter().map(|t| t.flatten_all()?.to_vec1::<f32>());
    Ok(numbers.collect::<candle_core::Result<Vec<_>>>()?.concat())
}

#[test]
fn threads_do_not_change_a_bit() -> Fallible<()> {
    let (network, point) = Reference::load()?.point(DType::F32)?;
    let objective = Objective::new(&network, &cross_entropy(), 100)?;
    let with = |threads: usize| -> Fallible<Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| everything(&objective, &point).map_err(|error| error.to_string())).map_err(Into::into)
    };
    let alone = with(1)?;
    assert!(alone == with(2)? && alone == with(5)?);
    Ok(())
}
