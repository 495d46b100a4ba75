//! Checks every derivative against the reference cases that PyTorch computed, in f64, on every
//! backend.
//!
//! The cases are in `tests/reference/` and `tests/layers/`, or in the folders named by the
//! environment variables `EIGENSCAPE_REFERENCE` and `EIGENSCAPE_LAYERS`.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_architectures::sequential::{Layer, Sequential};
use eigenscape_core::Architecture;
use eigenscape_curvature::{Objective, Point, Product, class_targets};
use eigenscape_losses::{binary_cross_entropy, cross_entropy, mean_squared_error};
use eigenscape_program::{Mode, Network, Scope};
use eigenscape_runtime::Backend;
use serde::Deserialize;

/// The largest relative error allowed.
const TOLERANCE: f64 = 1e-9;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
struct Case {
    loss: String,
    mode: String,
    #[serde(default)]
    label_smoothing: f64,
    #[serde(default)]
    ignore_index: Option<i64>,
    block_hessian_equals_block_ggn: BTreeMap<String, bool>,
    block_is_zero: Vec<String>,
    layers: serde_json::Value,
}

#[test]
fn every_case_agrees_with_pytorch() -> Fallible<()> {
    walk(&folder("EIGENSCAPE_REFERENCE", "reference"))
}

#[test]
fn every_layer_agrees_with_pytorch() -> Fallible<()> {
    walk(&folder("EIGENSCAPE_LAYERS", "layers"))
}

/// The folder that an environment variable names; by default one of the repository.
fn folder(variable: &str, name: &str) -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::env::var_os(variable).map_or_else(here, PathBuf::from)
}

fn walk(folder: &Path) -> Fallible<()> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .filter(|path: &Fallible<PathBuf>| {
            path.as_ref().is_ok_and(|p| p.extension().is_some_and(|e| e == "json"))
        })
        .collect::<Fallible<_>>()?;
    cases.sort();
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let backends = eigenscape_laws::backends();
    let pairs = cases.iter().flat_map(|path| backends.iter().map(move |backend| (path, backend)));
    let (pairs, failures) = (Mutex::new(pairs), Mutex::new(Vec::new()));
    let work = || {
        let next = || pairs.lock().ok()?.next();
        while let Some((path, backend)) = next() {
            if let Err(failure) = report(path, backend) {
                failures.lock().map(|mut all| all.push(failure)).unwrap_or_default();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner()?;
    assert!(
        failures.is_empty(),
        "{} of {} cases failed on some backend:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    Ok(())
}

/// Checks one case on one backend, and prints its worst error.
fn report(path: &Path, backend: &Arc<dyn Backend>) -> Result<(), String> {
    let name = format!("{} ({})", path.file_stem().unwrap_or_default().display(), backend.name());
    let (line, result) = match check(path, backend) {
        Ok(Errors { worst, quantity }) => {
            let failure = (worst.is_nan() || worst > TOLERANCE)
                .then(|| format!("{name}: {quantity} is off by {worst:.1e}"));
            (format!("worst relative error {worst:.1e} ({quantity})"), failure)
        }
        Err(error) => (format!("FAILED: {error}"), Some(format!("{name}: {error}"))),
    };
    // Written to the stream itself, which the test harness does not capture, so that the numbers
    // are shown even if all tests pass.
    let _ = writeln!(std::io::stdout(), "{name:32} {line}");
    result.map_or(Ok(()), Err)
}

/// The worst relative error so far.
#[derive(Default)]
struct Errors {
    worst: f64,
    quantity: String,
}

impl Errors {
    /// ‖ours − theirs‖∞ / ‖theirs‖∞; if theirs is zero, ours must be zero to rounding.
    fn compare(&mut self, quantity: &str, ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len(), "{quantity}");
        let scale = theirs.iter().fold(0.0_f64, |m, x| m.max(x.abs())).max(1e-6);
        self.compare_at_scale(quantity, ours, theirs, scale);
    }

    fn compare_at_scale(&mut self, quantity: &str, ours: &[f64], theirs: &[f64], scale: f64) {
        assert_eq!(ours.len(), theirs.len(), "{quantity}");
        let error = ours
            .iter()
            .zip(theirs)
            .map(|(a, b)| (a - b).abs() / scale)
            .fold(0.0, |worst: f64, error| if error.is_nan() { f64::NAN } else { worst.max(error) });
        if error.is_nan() || error > self.worst {
            self.worst = error;
            quantity.clone_into(&mut self.quantity);
        }
    }
}

fn check(path: &Path, backend: &Arc<dyn Backend>) -> Fallible<Errors> {
    let case: Case = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let layers: Vec<Layer> = serde_json::from_value(case.layers.clone())?;
    let tensors = candle_core::safetensors::load(path.with_extension("safetensors"), &Device::Cpu)?;
    let (network, objective, point) = set_up(&case, layers, &tensors)?;
    let point = Point { backend: Arc::clone(backend), ..point };
    let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
    let mut errors = Errors::default();
    check_derivatives(&mut errors, &objective, &point, &names, &tensors)?;
    check_spectra(&mut errors, &objective, &point, &names, &tensors)?;
    check_affinity(&case, &objective, &names)?;
    Ok(errors)
}

fn set_up(
    case: &Case,
    layers: Vec<Layer>,
    tensors: &HashMap<String, Tensor>,
) -> Fallible<(Network, Objective, Point)> {
    let get = |name: &str| tensors.get(name).cloned().ok_or_else(|| format!("no tensor {name}"));
    let (x, y, logits) = (get("x")?, get("y")?, get("logits")?);
    let outputs = *logits.dims().last().ok_or("scalar logits")?;
    let sequential = Sequential::new(layers);
    let mode = if case.mode == "train" { Mode::Train } else { Mode::Eval };
    let build = move |scope: &mut Scope, x| sequential.build(scope, x, outputs);
    let network = Network::with_mode(&x.dims()[1..], mode, build)?;
    let loss = match case.loss.as_str() {
        "cross_entropy" => cross_entropy(),
        "mse" => mean_squared_error(),
        "bce_with_logits" => binary_cross_entropy(),
        other => return Err(format!("unknown loss {other}").into()),
    };
    let targets = if loss.compares_classes() {
        class_targets(&y, outputs, case.label_smoothing, case.ignore_index)?
    } else {
        y
    };
    let named = |prefix: &str, declared: &[eigenscape_program::Parameter]| -> Fallible<Vec<Tensor>> {
        declared.iter().map(|p| Ok(get(&format!("{prefix}.{}", p.name))?)).collect()
    };
    let (parameters, buffers) = (named("param", network.parameters())?, named("buffer", network.buffers())?);
    let objective = Objective::new(&network, &loss, x.dims()[0])?;
    Ok((
        network,
        objective,
        Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters,
            buffers,
            inputs: x,
            targets,
            masks: vec![],
        },
    ))
}

fn numbers(tensors: &[Tensor]) -> Fallible<Vec<f64>> {
    let mut all = Vec::new();
    for tensor in tensors {
        all.extend(tensor.flatten_all()?.to_vec1::<f64>()?);
    }
    Ok(all)
}

/// The tensors `prefix.NAME` of all parameters, in order.
fn stored(tensors: &HashMap<String, Tensor>, prefix: &str, names: &[&str]) -> Fallible<Vec<Tensor>> {
    let get = |name: &&str| {
        let key = format!("{prefix}.{name}");
        tensors.get(&key).cloned().ok_or_else(|| format!("no tensor {key}").into())
    };
    names.iter().map(get).collect()
}

fn check_derivatives(
    errors: &mut Errors,
    objective: &Objective,
    point: &Point,
    names: &[&str],
    tensors: &HashMap<String, Tensor>,
) -> Fallible<()> {
    let all: Vec<usize> = (0..names.len()).collect();
    let direction = stored(tensors, "v", names)?;
    let mut compare = |quantity: &str, ours: &[Tensor], theirs: &[Tensor]| -> Fallible<()> {
        errors.compare(quantity, &numbers(ours)?, &numbers(theirs)?);
        Ok(())
    };
    let values = objective.gradient(&all)?.at(point, &[])?;
    compare("loss", &values[..1], &[tensors["loss"].clone()])?;
    compare("logits", &values[1..2], &[tensors["logits"].clone()])?;
    compare("grad", &values[2..], &stored(tensors, "grad", names)?)?;
    let hv = objective.hessian(point, &all)?.apply(&direction)?;
    compare("hv", &hv, &stored(tensors, "hv", names)?)?;
    let gv = objective.gauss_newton(point, &all)?.apply(&direction)?;
    compare("ggnv", &gv, &stored(tensors, "ggnv", names)?)?;
    let rv = objective.residual(point, &all)?.apply(&direction)?;
    let sum = gv.iter().zip(&rv).map(|(g, r)| g + r).collect::<candle_core::Result<Vec<_>>>()?;
    compare("ggnv + rv", &sum, &stored(tensors, "hv", names)?)?;
    let form = objective.curvature_along(&all, &all)?.at(point, &direction)?;
    compare("vhv", &form[..1], &[tensors["vhv"].clone()])?;
    compare("vhv_grad", &form[1..], &stored(tensors, "vhv_grad", names)?)?;
    Ok(())
}

fn check_spectra(
    errors: &mut Errors,
    objective: &Objective,
    point: &Point,
    names: &[&str],
    tensors: &HashMap<String, Tensor>,
) -> Fallible<()> {
    let all: Vec<usize> = (0..names.len()).collect();
    let hessian = eigenvalues(&dense(&objective.hessian(point, &all)?)?)?;
    errors.compare("hessian_eigenvalues", &hessian, &numbers(&[tensors["hessian_eigenvalues"].clone()])?);
    let gauss_newton = eigenvalues(&dense(&objective.gauss_newton(point, &all)?)?)?;
    errors.compare("ggn_eigenvalues", &gauss_newton, &numbers(&[tensors["ggn_eigenvalues"].clone()])?);
    let scale = hessian.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, name) in names.iter().enumerate() {
        let block = dense(&objective.hessian(point, &[i])?)?;
        let trace: f64 = block.iter().enumerate().map(|(i, row)| row[i]).sum();
        let key = format!("block_trace.{name}");
        errors.compare_at_scale(&key, &[trace], &numbers(&[tensors[&key].clone()])?, scale);
        let key = format!("block_eigenvalues.{name}");
        errors.compare(&key, &eigenvalues(&block)?, &numbers(&[tensors[&key].clone()])?);
    }
    Ok(())
}

/// The whole matrix, from one product with all unit vectors at once.
fn dense(product: &Product) -> Fallible<Vec<Vec<f64>>> {
    let identity = Tensor::eye(product.dimension(), DType::F64, &Device::Cpu)?;
    Ok(product.apply_rows(&identity)?.to_vec2()?)
}

/// All eigenvalues, ascending.
fn eigenvalues(matrix: &[Vec<f64>]) -> Fallible<Vec<f64>> {
    let matrix = faer::Mat::from_fn(matrix.len(), matrix.len(), |i, j| (matrix[i][j] + matrix[j][i]) / 2.0);
    matrix.self_adjoint_eigenvalues(faer::Side::Lower).map_err(|error| format!("{error:?}").into())
}

fn check_affinity(case: &Case, objective: &Objective, names: &[&str]) -> Fallible<()> {
    for (i, name) in names.iter().enumerate() {
        let (level, breaker) = objective.affinity(&[i])?;
        let expected = case.block_hessian_equals_block_ggn[*name];
        let either = case.block_is_zero.iter().any(|zero| zero == name);
        if level.is_affine() != expected && !either {
            return Err(format!("affinity in {name} is {level:?} ({breaker:?}), not {expected}").into());
        }
        if level.is_affine() == breaker.is_some() {
            return Err(format!("affinity in {name} is {level:?}, and the breaker {breaker:?}").into());
        }
    }
    Ok(())
}
