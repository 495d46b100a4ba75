//! A curvature matrix in your own solver: a damped Gauss-Newton step (G + δI) d = −∇L by faer's
//! conjugate gradients, and the largest eigenvalues by its Krylov-Schur iteration.
//!
//! Both are checked against decompositions of the same matrix, formed explicitly.

use std::error::Error;

use eigenscape::{
    Cpu, Curvature, CurvatureOperator, GroupSelector, Landscape, LinearOperator, MeanLoss, Network, Point,
    Random, Weights,
    candle_core::{DType, Device, Tensor},
    faer::{
        Col, Mat, Par, Side,
        dyn_stack::{MemBuffer, MemStack},
        linalg::solvers::Solve,
        matrix_free::{
            IdentityPrecond,
            conjugate_gradient::{CgParams, conjugate_gradient, conjugate_gradient_scratch},
            eigen::{PartialEigenParams, partial_self_adjoint_eigen, partial_self_adjoint_eigen_scratch},
        },
        prelude::default,
    },
    losses, nn,
};

const SAMPLES: usize = 12;
const DAMPING: f64 = 0.1;
const EIGENVALUES: usize = 3;

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let network = Network::new(&[2], |scope, x| {
        let x = nn::linear(&mut scope.at("hidden"), x, 24, true)?;
        let x = nn::activation(scope, x, nn::Activation::Tanh)?;
        nn::linear(&mut scope.at("out"), x, 1, true)
    })?;
    let wave = |count: usize, pitch: f64| (0..count).map(move |i| (pitch * i as f64).sin());
    let inputs = Tensor::from_iter(wave(2 * SAMPLES, 1.3), &Device::Cpu)?.reshape((SAMPLES, 2))?;
    let targets = Tensor::from_iter(wave(SAMPLES, 0.7), &Device::Cpu)?.reshape((SAMPLES, 1))?;
    let Weights { parameters, buffers } = Weights::initial(&network, Random::new(3))?.to_dtype(DType::F64)?;
    let point = Point { backend: Cpu::shared(), parameters, buffers, inputs, targets, masks: vec![] };
    let loss = losses::mean_squared_error();

    // −∇L as a column.
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let gradient = MeanLoss::new(&network, &loss, point.clone(), 1 << 30)?.gradient(&all)?.gradient;
    let numbers = gradient.iter().map(|tensor| tensor.flatten_all()?.to_vec1::<f64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?.concat();
    let n = numbers.len();
    let descent = Mat::from_fn(n, 1, |i, _| -numbers[i]);

    let full = GroupSelector::Full.resolve(&network, SAMPLES)?.remove(0);
    let gauss_newton =
        Landscape::new(&network, &loss, point, 1 << 30)?.operator(Curvature::GaussNewton, &full);

    // The step, by products only.
    let operator = LinearOperator::new(&gauss_newton).damped(DAMPING);
    let (precondition, mut step) = (IdentityPrecond { dim: n }, Mat::<f64>::zeros(n, 1));
    let scratch = conjugate_gradient_scratch(precondition, &operator, 1, Par::Seq);
    let mut memory = MemBuffer::new(scratch);
    let info = conjugate_gradient(
        step.as_mut(),
        precondition,
        &operator,
        descent.as_ref(),
        CgParams::default(),
        |_| {},
        Par::Seq,
        MemStack::new(&mut memory),
    );
    operator.check()?;
    let info = info.map_err(|error| format!("{error:?}"))?;

    // The same step with the explicit matrix.
    let rows = gauss_newton.apply(&Tensor::eye(n, DType::F64, &Device::Cpu)?)?.to_vec2::<f64>()?;
    let matrix = Mat::from_fn(n, n, |i, j| rows[i][j] + if i == j { DAMPING } else { 0.0 });
    let expected = matrix.partial_piv_lu().solve(&descent);
    let error = (&step - &expected).norm_l2() / expected.norm_l2();
    println!("a step of {n} parameters in {} products, {error:.1e} off", info.iter_count);
    assert!(error < 1e-11);

    // The largest eigenvalues of A + δI. (For fewer than 65 dimensions faer requires the explicit
    // matrix.)
    let mut vectors = Mat::<f64>::zeros(n, EIGENVALUES);
    let mut values = [0.0; EIGENVALUES];
    let start = Col::from_fn(n, |i| 1.0 + i as f64);
    let start = &start / start.norm_l2();
    let scratch = partial_self_adjoint_eigen_scratch(&operator, EIGENVALUES, Par::Seq, default());
    let mut memory = MemBuffer::new(scratch);
    let found = partial_self_adjoint_eigen(
        vectors.as_mut(),
        &mut values,
        &operator,
        start.as_ref(),
        1e-12,
        Par::Seq,
        MemStack::new(&mut memory),
        PartialEigenParams::default(),
    );
    operator.check()?;
    assert!(found.n_converged_eigen >= EIGENVALUES);
    values.sort_by(|a, b| b.total_cmp(a));
    let exact = matrix.self_adjoint_eigenvalues(Side::Lower).map_err(|error| format!("{error:?}"))?;
    for (value, exact) in values.iter().zip(exact.iter().rev()) {
        println!("{value:.9}");
        assert!((value - exact).abs() < 1e-10 * exact, "{value} is not {exact}");
    }
    Ok(())
}
