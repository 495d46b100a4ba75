//! Your own training loop with a penalty on curvature: the trace of the Hessian, whose gradient is
//! a third derivative, and a penalty defined in this file.
//!
//! Two checks: the gradient of ‖∇L‖² is 2 H∇L, a product that is computed in another way; and the
//! penalised training ends at a smaller trace, which is computed exactly.

use std::error::Error;

use eigenscape::{
    Context, Cpu, Curvature, CurvatureOperator, Estimate, GroupSelector, KnownLoss, Landscape, Loss, Network,
    Objective, Over, Point, ProbeEstimator, Random, Regularizer, Trace, Weights,
    candle_core::{DType, Device, Tensor},
    losses, nn, plugins,
};

const SAMPLES: usize = 20;
const STEPS: usize = 300;
const RATE: f64 = 0.05;

/// sin on [−2, 2].
fn data() -> Result<(Tensor, Tensor), Box<dyn Error>> {
    let x = (0..SAMPLES).map(|i| 4.0 * i as f64 / (SAMPLES - 1) as f64 - 2.0);
    let column = |values: Vec<f64>| Tensor::from_vec(values, (SAMPLES, 1), &Device::Cpu);
    Ok((column(x.clone().collect())?, column(x.map(f64::sin).collect())?))
}

/// Gradient descent on L + strength·penalty; returns the last loss and the final point.
fn train(
    (network, loss): (&Network, &Loss),
    (penalty, strength): (&dyn Regularizer, f64),
    mut point: Point,
) -> Result<(f64, Point), Box<dyn Error>> {
    // Programs are built once; a step evaluates them at another point.
    let step = Objective::new(network, loss, SAMPLES)?.training_step()?;
    let program = penalty.program(network, loss, SAMPLES)?;
    let mut generator = Random::new(0).stream("penalty", 0);
    let mut reached = f64::NAN;
    for _ in 0..STEPS {
        // [loss, outputs, ∂L/∂θ of each parameter, new value of each buffer]
        let results = step.at(&point, &[])?;
        let gradient = &results[2..2 + point.parameters.len()];
        // The penalty reuses what the step has computed.
        let known = KnownLoss { loss: &results[0], gradient };
        let penalised = penalty.evaluate(&program, &point, known, &mut generator)?;
        let slopes = gradient.iter().zip(&penalised.gradient);
        for (parameter, (slope, penalised)) in point.parameters.iter_mut().zip(slopes) {
            let slope = (slope + (penalised * strength)?)?;
            *parameter = (&*parameter - (slope * RATE)?)?;
        }
        reached = results[0].to_scalar()?;
    }
    Ok((reached, point))
}

/// The exact tr G of all parameters. It equals tr H if the network is piecewise affine in each
/// tensor.
fn trace(network: &Network, loss: &Loss, point: Point) -> Result<f64, Box<dyn Error>> {
    let full = GroupSelector::Full.resolve(network, SAMPLES)?.remove(0);
    let operator = Landscape::new(network, loss, point, 1 << 30)?.operator(Curvature::Hessian, &full);
    match Trace.estimate(&operator, &Context::silent(0))? {
        Estimate::Number(number) => Ok(number.value),
        Estimate::Spectrum(spectrum) => Ok(spectrum.trace),
    }
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let network = Network::new(&[1], |scope, x| {
        let x = nn::linear(&mut scope.at("hidden"), x, 8, true)?;
        let x = nn::activation(scope, x, nn::Activation::Relu)?;
        nn::linear(&mut scope.at("out"), x, 1, true)
    })?;
    let loss = losses::mean_squared_error();
    let Weights { parameters, buffers } = Weights::initial(&network, Random::new(2))?.to_dtype(DType::F64)?;
    let (inputs, targets) = data()?;
    let point = Point { backend: Cpu::shared(), parameters, buffers, inputs, targets, masks: vec![] };

    // Your own penalty is a value in the objective's program; its gradient is derived.
    let objective = Objective::new(&network, &loss, SAMPLES)?;
    let squared_norm = objective.penalty(Over::Batch, |scope| -> Result<_, eigenscape::Error> {
        let (loss, parameters) = (scope.loss(), scope.parameters().to_vec());
        let gradient = scope.gradient(loss, &parameters)?;
        Ok(scope.squared_norm(&gradient)?)
    })?;
    let found = squared_norm.at::<eigenscape::Error>(&point, None, [Ok(Vec::new())])?;
    let error = (flat(&found.gradient)? - (hessian_times_gradient(&network, &loss, &point)? * 2.0)?)?;
    let error = error.abs()?.max_all()?.to_scalar::<f64>()?;
    assert!(error < 1e-13, "the penalty's gradient is off by {error:e}");

    // A penalty by name, as in an experiment's file.
    let penalty = plugins().regularizers.named("hessian-trace", "estimator = \"exact\"")?;
    let run = |strength| train((&network, &loss), (&*penalty, strength), point.clone());
    let ((plain, end), (penalised, flatter)) = (run(0.0)?, run(0.003)?);
    let (before, after) = (trace(&network, &loss, end)?, trace(&network, &loss, flatter)?);
    println!("without the penalty: L = {plain:.5}, tr H = {before:.3}");
    println!("with it:             L = {penalised:.5}, tr H = {after:.3}");
    assert!(after < 0.95 * before);
    Ok(())
}

/// All elements as one vector.
fn flat(tensors: &[Tensor]) -> Result<Tensor, Box<dyn Error>> {
    let parts = tensors.iter().map(Tensor::flatten_all).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::cat(&parts, 0)?)
}

/// H∇L.
fn hessian_times_gradient(network: &Network, loss: &Loss, point: &Point) -> Result<Tensor, Box<dyn Error>> {
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    // [loss, outputs, ∂L/∂θ of each parameter]
    let results = Objective::new(network, loss, SAMPLES)?.gradient(all.as_slice())?.at(point, &[])?;
    let gradient = flat(&results[2..])?.unsqueeze(0)?;
    let full = GroupSelector::Full.resolve(network, SAMPLES)?.remove(0);
    let landscape = Landscape::new(network, loss, point.clone(), 1 << 30)?;
    Ok(landscape.operator(Curvature::Hessian, &full).apply(&gradient)?.squeeze(0)?)
}
