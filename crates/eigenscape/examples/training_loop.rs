//! A training loop of one's own with a penalty on curvature: the squared norm of the gradient, of
//! which the step needs 2 H∇L.
//!
//! What it is checked against: the penalty's gradient is a Hessian product that is asked for
//! otherwise, and the penalised training ends with the smaller gradient.

use std::error::Error;

use eigenscape::{
    Cpu, KnownLoss, Landscape, Loss, Network, Objective, Over, PenaltyFunction, Point, Random, Weights,
    candle_core::{DType, Device, Tensor},
    losses, nn,
};

const SAMPLES: usize = 20;
const STEPS: usize = 200;
const RATE: f64 = 0.05;

/// sin on [−2, 2].
fn data() -> Result<(Tensor, Tensor), Box<dyn Error>> {
    let x = (0..SAMPLES).map(|i| 4.0 * i as f64 / (SAMPLES - 1) as f64 - 2.0);
    let column = |values: Vec<f64>| Tensor::from_vec(values, (SAMPLES, 1), &Device::Cpu);
    Ok((column(x.clone().collect())?, column(x.map(f64::sin).collect())?))
}

/// Gradient descent on L + strength·‖∇L‖²; what L and ‖∇L‖² come to.
fn train(
    (network, loss): (&Network, &Loss),
    penalty: &PenaltyFunction,
    point: &Point,
    strength: f64,
) -> Result<(f64, f64), Box<dyn Error>> {
    // Programs are made once; a step evaluates them at another point.
    let step = Objective::new(network, loss, SAMPLES)?.training_step()?;
    let mut point = point.clone();
    let mut reached = (f64::NAN, f64::NAN);
    for _ in 0..STEPS {
        // [loss, outputs, ∂L/∂θ of each parameter, what each buffer becomes]
        let results = step.at(&point, &[])?;
        let gradient = &results[2..2 + point.parameters.len()];
        let known = KnownLoss { loss: &results[0], gradient };
        let penalty = penalty.at::<eigenscape::Error>(&point, Some(known), [Ok(Vec::new())])?;
        for ((parameter, slope), penalised) in
            point.parameters.iter_mut().zip(gradient).zip(&penalty.gradient)
        {
            let slope = (slope + (penalised * strength)?)?;
            *parameter = (&*parameter - (slope * RATE)?)?;
        }
        reached = (results[0].to_scalar()?, penalty.mean());
    }
    Ok(reached)
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let network = Network::new(&[1], |scope, x| {
        let x = nn::linear(&mut scope.at("hidden"), x, 8, true)?;
        let x = nn::activation(scope, x, nn::Activation::Tanh)?;
        nn::linear(&mut scope.at("out"), x, 1, true)
    })?;
    let loss = losses::mean_squared_error();
    let Weights { parameters, buffers } = Weights::initial(&network, Random::new(2))?.to_dtype(DType::F64)?;
    let (inputs, targets) = data()?;
    let point = Point { backend: Cpu::shared(), parameters, buffers, inputs, targets, masks: vec![] };

    // The penalty's value is written; its gradient is derived. By name it is one of
    // `plugins().regularizers`.
    let objective = Objective::new(&network, &loss, SAMPLES)?;
    let penalty = objective.penalty(Over::Batch, |scope| -> Result<_, eigenscape::Error> {
        let (loss, parameters) = (scope.loss(), scope.parameters().to_vec());
        let gradient = scope.gradient(loss, &parameters)?;
        Ok(scope.squared_norm(&gradient)?)
    })?;

    // ∂‖∇L‖²/∂θ = 2 H ∇L.
    let found = penalty.at::<eigenscape::Error>(&point, None, [Ok(Vec::new())])?;
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let flat = |tensors: &[Tensor]| -> Result<Tensor, Box<dyn Error>> {
        let parts = tensors.iter().map(Tensor::flatten_all).collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    };
    let gradient = flat(&objective.gradient(all.as_slice())?.at(&point, &[])?[2..])?;
    let full = eigenscape::GroupSelector::Full.resolve(&network, SAMPLES)?.remove(0);
    let landscape = Landscape::new(&network, &loss, point.clone(), 1 << 30)?;
    let hessian = landscape.operator(eigenscape::Curvature::Hessian, &full);
    let product = eigenscape::CurvatureOperator::apply(&hessian, &gradient.unsqueeze(0)?)?.squeeze(0)?;
    let error = (flat(&found.gradient)? - (product * 2.0)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
    assert!(error < 1e-13, "the penalty's gradient is off by {error:e}");

    let (plain, penalised) =
        (train((&network, &loss), &penalty, &point, 0.0)?, train((&network, &loss), &penalty, &point, 0.1)?);
    println!("without the penalty: L = {:.5}, |g|^2 = {:.2e}", plain.0, plain.1);
    println!("with it:             L = {:.5}, |g|^2 = {:.2e}", penalised.0, penalised.1);
    assert!(penalised.1 < plain.1);
    Ok(())
}
