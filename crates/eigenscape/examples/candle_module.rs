//! The curvature of an existing Candle module: its Hessian by differences of Candle's own
//! gradients, with the measured error.
//!
//! It is checked against the exact Hessian of the same network, written again with `nn`.

use std::error::Error;

use eigenscape::{
    CandleOperator, Context, Cpu, Curvature, Dense, GroupSelector, Lanczos, Landscape, Network, Point,
    ProbeEstimator,
    candle_core::{self, DType, Device, Tensor, Var},
    candle_nn::{self, Module, VarBuilder, VarMap},
    losses, nn,
};

const SAMPLES: usize = 15;

/// A module as users of Candle write it.
struct Mlp {
    hidden: candle_nn::Linear,
    out: candle_nn::Linear,
}

impl Mlp {
    fn new(variables: &VarBuilder) -> candle_core::Result<Self> {
        Ok(Self {
            hidden: candle_nn::linear(2, 6, variables.pp("hidden"))?,
            out: candle_nn::linear(6, 1, variables.pp("out"))?,
        })
    }
}

impl Module for Mlp {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.out.forward(&self.hidden.forward(x)?.tanh()?)
    }
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let wave = |count: usize, pitch: f64| (0..count).map(move |i| (pitch * i as f64).sin());
    let tensor = |pitch: f64, shape: (usize, usize)| {
        Tensor::from_iter(wave(shape.0 * shape.1, pitch), &Device::Cpu)?.reshape(shape)
    };
    let (inputs, targets) = (tensor(1.3, (SAMPLES, 2))?, tensor(0.7, (SAMPLES, 1))?);
    let variables = VarMap::new();
    let module = Mlp::new(&VarBuilder::from_varmap(&variables, DType::F64, &Device::Cpu))?;
    for (index, variable) in by_name(&variables).iter().map(|(_, variable)| variable).enumerate() {
        // Candle draws weights at random; these are the same in every run.
        let count = variable.elem_count();
        let values = wave(count, 0.9 + index as f64).map(|value| 0.8 * value);
        variable.set(&Tensor::from_iter(values, &Device::Cpu)?.reshape(variable.shape())?)?;
    }

    let (x, y) = (inputs.clone(), targets.clone());
    let hessian = CandleOperator::of_module(&variables, module, x, move |z| candle_nn::loss::mse(z, &y))?
        .calibrated(0)?;
    let accuracy = hessian.accuracy(1)?;
    println!("{:?}\n{accuracy:?}", hessian.names());
    let (context, estimator) = (Context::silent(0), Lanczos::default());
    let found = estimator.spectrum(&hessian, &context)?;

    // The same network, written with `nn`, at the same weights.
    let network = Network::new(&[2], |scope, x| {
        let x = nn::linear(&mut scope.at("hidden"), x, 6, true)?;
        let x = nn::activation(scope, x, nn::Activation::Tanh)?;
        nn::linear(&mut scope.at("out"), x, 1, true)
    })?;
    let named = by_name(&variables);
    let weight =
        |name: &str| named.iter().find(|(other, _)| other == name).map(|(_, v)| v.as_tensor().clone());
    let parameters = network.parameters().iter().map(|parameter| weight(&parameter.name));
    let parameters = parameters.collect::<Option<Vec<_>>>().ok_or("the names are PyTorch's in both")?;
    let point = Point { backend: Cpu::shared(), parameters, buffers: vec![], inputs, targets, masks: vec![] };
    let landscape = Landscape::new(&network, &losses::mean_squared_error(), point, 1 << 30)?;
    let full = GroupSelector::Full.resolve(&network, SAMPLES)?.remove(0);
    let exact = Dense::default().spectrum(&landscape.operator(Curvature::Hessian, &full), &context)?;

    // The error of an eigenvalue is at most that of the matrix, which was measured in a few
    // directions.
    let allowed = 10.0 * accuracy.difference * exact.lambda_max();
    for (name, one, other) in [
        ("largest", found.lambda_max(), exact.lambda_max()),
        ("smallest", found.lambda_min(), exact.lambda_min()),
    ] {
        println!("{name}: {one:.12} by differences, {other:.12} exactly");
        assert!((one - other).abs() < allowed, "{:e} apart, {allowed:e} allowed", (one - other).abs());
    }
    Ok(())
}

fn by_name(variables: &VarMap) -> Vec<(String, Var)> {
    let variables = variables.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut named: Vec<_> =
        variables.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
}
