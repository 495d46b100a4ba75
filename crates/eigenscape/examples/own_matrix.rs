//! Your own matrix with the estimators that only need products: here the Laplacian of a path, whose
//! spectrum is known.
//!
//! It is checked against the eigenvalues 4 sin²(πk/2(n + 1)) and the trace 2n.

use std::{error::Error, f64::consts::PI};

use eigenscape::{
    Context, CurvatureOperator, Dense, Estimate, ExactFactor, Lanczos, ProbeEstimator, Result,
    candle_core::{DType, Device, Tensor},
    plugins,
};

/// The matrix with 2 on the diagonal and −1 next to it.
struct Path(usize);

impl CurvatureOperator for Path {
    fn dimension(&self) -> usize {
        self.0
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn description(&self) -> String {
        format!("the Laplacian of a path of {}", self.0)
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        let product = |v: &Vec<f64>| {
            let at = |i: usize| v.get(i).copied().unwrap_or(0.0);
            (0..self.0).map(|i| 2.0 * at(i) - at(i + 1) - at(i.wrapping_sub(1))).collect::<Vec<f64>>()
        };
        let products: Vec<f64> = vectors.to_vec2::<f64>()?.iter().flat_map(product).collect();
        Ok(Tensor::from_vec(products, vectors.shape(), &Device::Cpu)?)
    }

    // A factor exists but is not implemented: estimators that need a factor refuse the matrix.
    fn factor(&self) -> Result<ExactFactor> {
        let remedy = "use dense, lanczos or hutchinson";
        Err(eigenscape::Error::input(self.description(), "no factor is known", remedy))
    }
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let n = 60;
    let path = Path(n);
    let context = Context::silent(0);
    let eigenvalue = |k: usize| 4.0 * (PI * k as f64 / (2.0 * (n + 1) as f64)).sin().powi(2);

    let dense = Dense::default().spectrum(&path, &context)?;
    for (k, value) in (1..=n).rev().zip(&dense.eigenvalues) {
        assert!((value - eigenvalue(k)).abs() < 1e-13 * n as f64, "{value} is not {}", eigenvalue(k));
    }

    // As many steps as dimensions: the Krylov space is the whole space.
    let lanczos = Lanczos::default().spectrum(&path, &context)?;
    println!("from {:.9} to {:.9}", lanczos.lambda_min(), lanczos.lambda_max());
    assert!((lanczos.lambda_max() - eigenvalue(n)).abs() < 1e-12);
    assert!((lanczos.lambda_min() - eigenvalue(1)).abs() < 1e-12);

    // By name, as in an experiment's file.
    let hutchinson = plugins().estimators.named("hutchinson", "probes = 40")?;
    let Estimate::Number(trace) = hutchinson.estimate(&path, &context)? else {
        return Err("hutchinson finds a number".into());
    };
    let error = trace.stderr.ok_or("40 probes have a standard error")?;
    println!("the trace is {:.3} with a standard error of {error:.3}", trace.value);
    assert!((trace.value - 2.0 * n as f64).abs() < 4.0 * error);
    Ok(())
}
