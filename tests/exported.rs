//! Walks the networks that PyTorch exported and checks every derivative against PyTorch's own, in
//! f64, on every backend: for all samples of a case, and for one by itself.
//!
//! The cases are those of `tests/exported/`, or of the folder that `EIGENSCAPE_EXPORTED` names, and
//! of its folder `versions`, whose files older versions of PyTorch wrote.

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{DType, Device, Tensor};
use eigenscape_architectures::exported::{Exported, Parameters};
use eigenscape_core::{
    Architecture, Context, Curvature, GroupSelector, Landscape, Loss, Registry, Spectrum, Weights,
    registry::Environment,
};
use eigenscape_curvature::{Objective, Point, class_targets};
use eigenscape_losses::{cross_entropy, mean_squared_error};
use eigenscape_program::{Network, Scope};
use eigenscape_runtime::Backend;
use serde::Deserialize;

/// The largest relative error allowed.
const TOLERANCE: f64 = 1e-9;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
struct Case {
    loss: String,
}

/// A case, read.
struct Known {
    network: Network,
    loss: Loss,
    weights: Weights,
    inputs: Tensor,
    targets: Tensor,
    tensors: HashMap<String, Tensor>,
}

#[test]
fn every_network_agrees_with_pytorch() -> Fallible<()> {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("exported");
    let folder = std::env::var_os("EIGENSCAPE_EXPORTED").map_or_else(here, PathBuf::from);
    let mut cases = files_in(&folder)?;
    assert!(!cases.is_empty());
    let versions = folder.join("versions");
    if versions.is_dir() {
        cases.extend(files_in(&versions)?);
    }
    // Written to the stream itself, which the test harness does not capture: the figures show even
    // when all is well.
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    let mut failures = Vec::new();
    for path in &cases {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        for backend in eigenscape_laws::backends() {
            let name = format!("{name} ({})", backend.name());
            let checked = read(path).and_then(|known| check(&known, &backend));
            match checked {
                Ok(errors) => {
                    let (quantity, worst) = errors.into_iter().fold(("", 0.0), |worst, error| {
                        if error.1 > worst.1 || error.1.is_nan() { error } else { worst }
                    });
                    writeln!(out, "{name:32} worst relative error {worst:.1e} ({quantity})")?;
                    if worst.is_nan() || worst > TOLERANCE {
                        failures.push(format!("{name}: {quantity} is off by {worst:.1e}"));
                    }
                }
                Err(error) => {
                    writeln!(out, "{name:32} FAILED: {error}")?;
                    failures.push(format!("{name}: {error}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "of {} networks failed:\n{}", cases.len(), failures.join("\n"));
    Ok(())
}

/// The exported networks in a folder, by name.
fn files_in(folder: &Path) -> Fallible<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pt2"))
        .collect();
    files.sort();
    Ok(files)
}

/// A case of the repository.
fn known(name: &str) -> Fallible<Known> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("exported").join(name).with_extension("pt2"))
}

#[test]
fn the_proof_of_affinity_says_of_unknown_networks_which_spectra_are_exact() -> Fallible<()> {
    // Of a network of ReLU, max pooling and BatchNorm in eval mode: each tensor by itself.
    for (name, all_affine) in [("shufflenet", true), ("mixer", false)] {
        let Known { network, loss, weights, inputs, targets, .. } = known(name)?;
        let samples = inputs.dims()[0];
        let objective = Objective::new(&network, &loss, samples)?;
        let Weights { parameters, buffers } = weights;
        let backend = eigenscape_cpu::Cpu::shared();
        let point = Point { backend, parameters, buffers, inputs, targets, masks: vec![] };
        let mut affine = 0;
        for (i, parameter) in network.parameters().iter().enumerate() {
            let (level, breaker) = objective.affinity(&[i])?;
            if !level.is_affine() {
                assert!(!all_affine, "{}: {breaker:?}", parameter.name);
                continue;
            }
            affine += 1;
            let direction = [Tensor::ones(parameter.shape.as_slice(), DType::F64, &Device::Cpu)?];
            let hv = objective.hessian(&point, &[i])?.apply(&direction)?;
            let gv = objective.gauss_newton(&point, &[i])?.apply(&direction)?;
            let error = relative(&hv, &gv)?;
            assert!(error < 1e-12, "{}: {error:e}", parameter.name);
        }
        // The last layer is affine in any network.
        assert!(affine >= 2, "{name}: {affine}");
        assert!(all_affine || affine < network.parameters().len());
    }
    Ok(())
}

#[test]
fn the_exact_spectrum_of_a_layer_is_that_of_its_dense_hessian() -> Fallible<()> {
    let Known { network, loss, weights, inputs, targets, .. } = known("shufflenet")?;
    let group = &GroupSelector::from("conv1.0.weight").resolve(&network, inputs.dims()[0])?[0];
    let Weights { parameters, buffers } = weights;
    let backend = eigenscape_cpu::Cpu::shared();
    let point = Point { backend, parameters, buffers, inputs, targets, masks: vec![] };
    let landscape = Landscape::new(&network, &loss, point, usize::MAX)?;
    let operator = landscape.operator(Curvature::Hessian, group);
    let mut registry = Registry::default();
    eigenscape_estimators::register(&mut registry);
    let spectrum = |name: &str| -> Fallible<Spectrum> {
        let estimator = registry.estimators.named(name, "")?;
        Ok(estimator.spectra(&[&operator], &Context::silent(0))?.swap_remove(0))
    };
    let (exact, dense) = (spectrum("gram")?, spectrum("dense")?);
    assert!(exact.exact);
    for (i, theirs) in dense.eigenvalues.iter().enumerate() {
        let ours = exact.eigenvalues.get(i).copied().unwrap_or(0.0);
        assert!(
            (ours - theirs).abs() <= 1e-12 * dense.eigenvalues[0],
            "eigenvalue {i}: {ours}, not {theirs}"
        );
    }
    Ok(())
}

fn read(path: &Path) -> Fallible<Known> {
    let case: Case = serde_json::from_str(&std::fs::read_to_string(path.with_extension("json"))?)?;
    let tensors = candle_core::safetensors::load(path.with_extension("safetensors"), &Device::Cpu)?;
    let parameters = Parameters { path: path.to_owned(), output: None };
    let exported = Exported::load(&parameters, &Environment::default())?;
    // A single input may be called x, as in a data file.
    let given = exported.inputs().iter().map(|input| {
        let tensor = tensors.get(&input.name).or(tensors.get("x"));
        Ok(tensor.ok_or_else(|| format!("no tensor {}", input.name))?.to_dtype(DType::F64)?)
    });
    let given = given.collect::<Fallible<Vec<_>>>()?;
    let inputs = match given.as_slice() {
        [one] => one.clone(),
        several => {
            let flat = several.iter().map(|tensor| tensor.flatten_from(1));
            Tensor::cat(&flat.collect::<candle_core::Result<Vec<_>>>()?, 1)?
        }
    };
    let (shape, brought) = (inputs.dims()[1..].to_vec(), exported.weights().cloned().unwrap_or_default());
    let classes_first = case.loss == "segmentation";
    let build = move |scope: &mut Scope, x| {
        let y = exported.build(scope, x, 0)?;
        if classes_first { scope.graph().permute(y, &[0, 2, 3, 1]) } else { Ok(y) }
    };
    let network = Network::new(&shape, build)?;
    let samples = inputs.dims()[0];
    let classes = network.output_shape().last().copied().unwrap_or(1);
    let (loss, targets) = match case.loss.as_str() {
        "output" => {
            let shape = [&[samples], network.output_shape()].concat();
            (output()?, Tensor::zeros(shape, DType::F64, &Device::Cpu)?)
        }
        "mse" => (mean_squared_error(), tensors["y"].clone()),
        _ => (cross_entropy(), class_targets(&tensors["y"], classes, 0.0, None)?),
    };
    let weights = Weights::given(&network, &brought)?;
    Ok(Known { network, loss, weights, inputs, targets, tensors })
}

/// The loss that is the network's own output.
fn output() -> Fallible<Loss> {
    let mut registry = Registry::default();
    eigenscape_losses::register(&mut registry);
    Ok(registry.losses.named("output", "")?.into())
}

/// Relative errors of every quantity.
fn check(known: &Known, backend: &Arc<dyn Backend>) -> Fallible<Vec<(&'static str, f64)>> {
    let Known { network, loss, weights, inputs, targets, tensors } = known;
    let samples = inputs.dims()[0];
    let at = |start: usize, count: usize| -> Fallible<Point> {
        Ok(Point {
            backend: Arc::clone(backend),
            parameters: weights.parameters.clone(),
            buffers: weights.buffers.clone(),
            inputs: inputs.narrow(0, start, count)?,
            targets: targets.narrow(0, start, count)?,
            masks: vec![],
        })
    };
    let point = at(0, samples)?;
    let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
    let all: Vec<usize> = (0..names.len()).collect();
    let stored = |prefix: &str| -> Fallible<Vec<Tensor>> {
        let get = |name: &&str| tensors.get(&format!("{prefix}.{name}")).cloned();
        Ok(names
            .iter()
            .map(get)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("{prefix} misses a name"))?)
    };
    let mut logits = tensors["logits"].clone();
    if logits.rank() == 4 && network.output_shape()[2] == logits.dims()[1] {
        logits = logits.permute([0, 2, 3, 1])?.contiguous()?;
    }
    let mut errors = Vec::new();
    let objective = Objective::new(network, loss, samples)?;
    let values = objective.gradient(&all)?.at(&point, &[])?;
    errors.push(("loss", relative(&values[..1], &[tensors["loss"].clone()])?));
    errors.push(("logits", relative(&values[1..2], std::slice::from_ref(&logits))?));
    errors.push(("grad", relative(&values[2..], &stored("grad")?)?));
    let direction = stored("v")?;
    let hv = objective.hessian(&point, &all)?.apply(&direction)?;
    errors.push(("hv", relative(&hv, &stored("hv")?)?));
    if let Ok(theirs) = stored("ggnv") {
        let gv = objective.gauss_newton(&point, &all)?.apply(&direction)?;
        errors.push(("ggnv", relative(&gv, &theirs)?));
    }
    // One sample by itself: the graph was exported for more.
    let alone = Objective::new(network, loss, 1)?.gradient(&all)?.at(&at(samples - 1, 1)?, &[])?;
    errors.push(("logits of one sample", relative(&alone[1..2], &[logits.narrow(0, samples - 1, 1)?])?));
    Ok(errors)
}

/// ‖ours − theirs‖ / ‖theirs‖; where theirs is zero, ours must be zero to rounding.
fn relative(ours: &[Tensor], theirs: &[Tensor]) -> Fallible<f64> {
    let numbers = |tensors: &[Tensor]| -> Fallible<Vec<f64>> {
        let mut all = Vec::new();
        for tensor in tensors {
            all.extend(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?);
        }
        Ok(all)
    };
    let (ours, theirs) = (numbers(ours)?, numbers(theirs)?);
    assert_eq!(ours.len(), theirs.len());
    let norm = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut ours.iter().zip(&theirs).map(|(a, b)| a - b));
    Ok(difference / norm(&mut theirs.iter().copied()).max(1e-6))
}
