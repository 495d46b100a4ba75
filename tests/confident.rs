//! Confident classifiers: every derivative in f32 and f64 against the truth that
//! `tests/confident/generate.py` computed in 120 digits.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Tensor};
use eigenscape_curvature::{MeanLoss, Objective, Point, Product, Residuals, TraceEstimate};
use eigenscape_losses::{binary_cross_entropy, cross_entropy};
use eigenscape_program::{Network, nn};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// f32 products are as good as this, relative to the largest entry (at most λ_max).
const PRODUCTS_F32: f64 = 1e-6;

/// What the programs of a training step and of a penalty may lose: the forward pass itself is in
/// their type, and an error of large outputs is one of the probabilities' exponents.
const STEPS: [f64; 2] = [1e-3, 1e-9];

struct Case {
    name: String,
    objective: Objective,
    loss: MeanLoss,
    point: Point,
    tensors: HashMap<String, Tensor>,
    all: [usize; 4],
}

impl Case {
    fn new(path: &Path, dtype: DType) -> Fallible<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
        let get = |name: &str| -> Fallible<Tensor> { Ok(tensors[name].to_dtype(dtype)?) };
        let loss = if name.starts_with("sigmoid") { binary_cross_entropy() } else { cross_entropy() };
        let classes = tensors["t"].dims()[1];
        let network = Network::new(&[2], move |scope, x| {
            let hidden = nn::linear(&mut scope.at("0"), x, 3, true)?;
            let hidden = nn::activation(&mut scope.at("1"), hidden, nn::Activation::Tanh)?;
            nn::linear(&mut scope.at("2"), hidden, classes, true)
        })?;
        let parameters = ["0.weight", "0.bias", "2.weight", "2.bias"].map(get);
        let point = Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters: parameters.into_iter().collect::<Fallible<_>>()?,
            buffers: vec![],
            inputs: get("x")?,
            targets: get("t")?,
            masks: vec![],
        };
        let objective = Objective::new(&network, &loss, 5)?;
        let loss = MeanLoss::new(&network, &loss, point.clone(), usize::MAX)?;
        Ok(Self { name, objective, loss, point, tensors, all: [0, 1, 2, 3] })
    }

    fn truth(&self, name: &str) -> Fallible<Vec<f64>> {
        Ok(self.tensors[&format!("truth.{name}")].flatten_all()?.to_vec1()?)
    }

    /// ‖ours − truth‖∞ / ‖truth‖∞.
    fn error(&self, name: &str, ours: &[Tensor]) -> Fallible<f64> {
        let (ours, truth) = (numbers(ours)?, self.truth(name)?);
        assert_eq!(ours.len(), truth.len(), "{name}");
        let scale = truth.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let worst = ours.iter().zip(&truth).map(|(a, b)| (a - b).abs());
        Ok(worst.fold(0.0, |worst, error| if error <= worst { worst } else { error }) / scale)
    }

    fn dense(&self, product: &Product) -> Fallible<Tensor> {
        Ok(product.apply_rows(&Tensor::eye(product.dimension(), self.dtype(), &Device::Cpu)?)?)
    }

    fn dtype(&self) -> DType {
        self.point.targets.dtype()
    }

    /// A vector over all parameters as one tensor a parameter.
    fn cut(&self, vector: &str) -> Fallible<Vec<Tensor>> {
        let (vector, mut start) = (self.tensors[vector].to_dtype(self.dtype())?, 0);
        let part = |parameter: &Tensor| {
            let part = vector.narrow(0, start, parameter.elem_count())?;
            start += parameter.elem_count();
            Ok(part.reshape(parameter.dims())?)
        };
        self.point.parameters.iter().map(part).collect()
    }
}

fn numbers(tensors: &[Tensor]) -> Fallible<Vec<f64>> {
    let mut all = Vec::new();
    for tensor in tensors {
        all.extend(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?);
    }
    Ok(all)
}

/// Calls `check` with each case in f32 and in f64.
fn each(mut check: impl FnMut(&Case, usize) -> Fallible<()>) -> Fallible<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("confident");
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            for (i, dtype) in [DType::F32, DType::F64].into_iter().enumerate() {
                check(&Case::new(&path, dtype)?, i)?;
                count += 1;
            }
        }
    }
    assert_eq!(count, 22);
    Ok(())
}

fn assert_below(case: &Case, what: &str, error: f64, allowed: f64) {
    println!("{:16} {:?} {what:16} {error:.1e}", case.name, case.dtype());
    assert!(error <= allowed, "{} {:?}: {what} is off by {error:e}", case.name, case.dtype());
}

#[test]
fn products_are_right_at_any_confidence() -> Fallible<()> {
    each(|case, i| {
        let (objective, point, all) = (&case.objective, &case.point, &case.all);
        let products = [
            ("hessian", objective.hessian(point, all)?),
            ("gauss-newton", objective.gauss_newton(point, all)?),
            ("residual", objective.residual(point, all)?),
        ];
        for (what, product) in products {
            let error = case.error(what, &[case.dense(&product)?])?;
            assert_below(case, what, error, [PRODUCTS_F32, 1e-11][i]);
        }
        Ok(())
    })
}

/// What residuals in f64 are for: in f32 they lose as much as a training step does.
#[test]
fn residuals_in_f32_cost_digits_where_the_classifier_is_confident() -> Fallible<()> {
    let mut worst = 0.0_f64;
    each(|case, i| {
        let product = case.loss.clone().with_residuals(Residuals::OfPoint).hessian(&case.all)?;
        let units = Tensor::eye(product.dimension(), case.dtype(), &Device::Cpu)?;
        let error = case.error("hessian", &[product.apply_rows(&units)?])?;
        assert_below(case, "hessian", error, [STEPS[0], 1e-11][i]);
        worst = worst.max(error);
        Ok(())
    })?;
    assert!(worst > 10.0 * PRODUCTS_F32, "{worst:e}");
    Ok(())
}

#[test]
fn no_eigenvalue_of_a_semidefinite_matrix_is_notably_negative() -> Fallible<()> {
    each(|case, i| {
        let product = case.objective.gauss_newton(&case.point, &case.all)?;
        let ours = eigenvalues(&numbers(&[case.dense(&product)?])?)?;
        let truth = eigenvalues(&case.truth("gauss-newton")?)?;
        let largest = truth[truth.len() - 1];
        for (ours, truth) in ours.iter().zip(&truth) {
            assert!((ours - truth).abs() < [1e-6, 1e-11][i] * largest, "{}: {ours} for {truth}", case.name);
        }
        Ok(())
    })
}

#[test]
fn factors_are_right_at_any_confidence() -> Fallible<()> {
    each(|case, i| {
        let factor = case.loss.factor(&case.all)?.rows(0..5, usize::MAX)?;
        let rows =
            factor.tensors.iter().map(|rows| rows.explicit(DType::F64)).collect::<Result<Vec<_>, _>>()?;
        let rows = Tensor::cat(&rows, 1)?;
        let error = case.error("gauss-newton", &[rows.t()?.matmul(&rows)?])?;
        assert_below(case, "factor", error, [1e-6, 1e-11][i]);
        Ok(())
    })
}

#[test]
fn losses_gradients_and_third_derivatives_are_right_at_any_confidence() -> Fallible<()> {
    each(|case, i| {
        let (objective, point, all) = (&case.objective, &case.point, &case.all);
        let step = objective.gradient(all)?.at(point, &[])?;
        assert_below(case, "loss", case.error("loss", &step[..1])?, STEPS[i]);
        assert_below(case, "gradient", case.error("gradient", &step[2..])?, STEPS[i]);
        let form = objective.curvature_along(all, all)?.at(point, &case.cut("v")?)?;
        assert_below(case, "form", case.error("form", &form[..1])?, STEPS[i]);
        assert_below(case, "form-gradient", case.error("form-gradient", &form[1..])?, STEPS[i]);
        let signs = vec![case.tensors["signs"].to_dtype(case.dtype())?];
        let summed = objective.trace(TraceEstimate::Summed, all, all)?;
        let summed = summed.at::<eigenscape_runtime::Error>(point, None, [Ok(signs)])?;
        let value = Tensor::new(summed.mean(), &Device::Cpu)?;
        assert_below(case, "summed", case.error("summed", &[value])?, STEPS[i]);
        assert_below(case, "summed-gradient", case.error("summed-gradient", &summed.gradient)?, STEPS[i]);
        Ok(())
    })
}

/// All eigenvalues, ascending, of the symmetric matrix with these entries.
fn eigenvalues(entries: &[f64]) -> Fallible<Vec<f64>> {
    let n = entries.len().isqrt();
    let matrix = faer::Mat::from_fn(n, n, |i, j| f64::midpoint(entries[i * n + j], entries[j * n + i]));
    matrix.self_adjoint_eigenvalues(faer::Side::Lower).map_err(|error| format!("{error:?}").into())
}
