//! Normalisation layers.

use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    init::Init,
    primitives::Function,
    scope::Mode,
};

/// Added to variances before their root, where nothing else is said.
const EPSILON: f64 = 1e-5;

/// Batch normalisation: y = (x − μ) / √(σ² + ε) · γ + β along axis 1, ε = 1e-5 (Ioffe & Szegedy 2015). In eval mode μ and σ²
/// are the running statistics; in train mode they are the batch's mean and biased variance, and are differentiated through.
/// Parameters `weight` (γ) and `bias` (β), buffers `running_mean` and `running_var`.
///
/// # Errors
/// When x has no axis 1.
pub fn batch_norm(scope: &mut Scope, x: Value) -> Result<Value> {
    let shape = scope.shape(x);
    let &[_, features, ..] = shape.as_slice() else {
        return Err(Error::shape("batch_norm", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    let mean = scope.buffer("running_mean", &[features], Init::Zeros)?;
    let variance = scope.buffer("running_var", &[features], Init::Ones)?;
    if scope.mode() == Mode::Train {
        scope.mixes_samples();
        let axes: Vec<usize> = (0..shape.len()).filter(|&axis| axis != 1).collect();
        let moments = moments(scope.graph(), x, &axes)?;
        // PyTorch keeps the unbiased variance.
        let count = shape.iter().product::<usize>() / features.max(1);
        let correction = count as f64 / count.saturating_sub(1).max(1) as f64;
        update_running(scope, mean, moments.mean, 1.0)?;
        update_running(scope, variance, moments.variance, correction)?;
        let normal = normalise(scope.graph(), &moments, &shape, EPSILON)?;
        return scale_and_shift(scope, normal, 1);
    }
    let gamma = scope.parameter("weight", &[features], Init::Ones)?;
    let beta = scope.parameter("bias", &[features], Init::Zeros)?;
    let graph = scope.graph();
    // One product and one sum an element: x · γ/σ + (β − μ γ/σ).
    let inverse = inverse_deviation(graph, variance, EPSILON)?;
    let scale = graph.mul(gamma, inverse)?;
    let shift = graph.mul(mean, scale)?;
    let shift = graph.sub(beta, shift)?;
    let scale = graph.broadcast_along(scale, 1, &shape)?;
    let shift = graph.broadcast_along(shift, 1, &shape)?;
    let scaled = graph.mul(x, scale)?;
    graph.add(scaled, shift)
}

/// running ← (1 − m)·running + m·`correction`·statistic, with PyTorch's momentum m = 0.1.
fn update_running(scope: &mut Scope, running: Value, statistic: Value, correction: f64) -> Result<()> {
    const MOMENTUM: f64 = 0.1;
    let shape = scope.shape(running);
    let graph = scope.graph();
    let statistic = graph.reshape(statistic, &shape)?;
    let new = graph.scale(statistic, MOMENTUM * correction)?;
    let old = graph.scale(running, 1.0 - MOMENTUM)?;
    let updated = graph.add(old, new)?;
    scope.update(running, updated);
    Ok(())
}

/// How layer normalisation is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNormSettings {
    /// ε, added to the variance.
    pub epsilon: f64,
    /// Whether there is a parameter `bias`.
    pub bias: bool,
}

impl Default for LayerNormSettings {
    /// PyTorch's: ε = 1e-5, with a bias.
    fn default() -> Self {
        Self { epsilon: EPSILON, bias: true }
    }
}

/// Layer normalisation over the last axis (Ba, Kiros & Hinton 2016); parameters `weight` and `bias` \[D\], ε = 1e-5.
///
/// # Errors
/// When x is a scalar.
pub fn layer_norm(scope: &mut Scope, x: Value) -> Result<Value> {
    layer_norm_with(scope, x, LayerNormSettings::default())
}

/// Layer normalisation over the last axis: (x − μ) / √(σ² + ε) · `weight` \[D\], plus `bias` \[D\] where there is one.
///
/// # Errors
/// When x is a scalar.
pub fn layer_norm_with(scope: &mut Scope, x: Value, settings: LayerNormSettings) -> Result<Value> {
    let last = last_axis(scope, "layer_norm", x)?;
    let moments = moments(scope.graph(), x, &[last])?;
    let shape = scope.shape(x);
    let normal = normalise(scope.graph(), &moments, &shape, settings.epsilon)?;
    let scaled = scale_along(scope, normal, last)?;
    if settings.bias { shift_along(scope, scaled, last) } else { Ok(scaled) }
}

/// Root-mean-square normalisation over the last axis, x / √(mean x² + ε) · γ (Zhang & Sennrich 2019); parameter `weight`.
///
/// # Errors
/// When x is a scalar.
pub fn rms_norm(scope: &mut Scope, x: Value) -> Result<Value> {
    let last = last_axis(scope, "rms_norm", x)?;
    let shape = scope.shape(x);
    let gamma = scope.parameter("weight", &[shape[last]], Init::Ones)?;
    let graph = scope.graph();
    let square = graph.mul(x, x)?;
    let mean = graph.mean(square, &[last])?;
    let inverse = inverse_deviation(graph, mean, EPSILON)?;
    let inverse = graph.broadcast(inverse, &shape)?;
    let normal = graph.mul(x, inverse)?;
    let gamma = graph.broadcast_along(gamma, last, &shape)?;
    graph.mul(normal, gamma)
}

/// Group normalisation of x \[N, C, ...\]: each of `groups` groups of channels by its own mean and variance (Wu & He 2018);
/// parameters `weight` and `bias` \[C\], ε = 1e-5.
///
/// # Errors
/// When the groups do not divide the channels.
pub fn group_norm(scope: &mut Scope, x: Value, groups: usize) -> Result<Value> {
    let shape = scope.shape(x);
    let &[samples, channels, ..] = shape.as_slice() else {
        return Err(Error::shape("group_norm", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    if groups == 0 || channels % groups != 0 {
        return Err(Error::shape("group_norm", format!("{groups} groups do not divide {channels} channels")));
    }
    let graph = scope.graph();
    let elements = shape.iter().product::<usize>() / (samples * groups).max(1);
    let grouped = graph.reshape(x, &[samples, groups, elements])?;
    let moments = moments(graph, grouped, &[2])?;
    let normal = normalise(graph, &moments, &[samples, groups, elements], EPSILON)?;
    let normal = graph.reshape(normal, &shape)?;
    scale_and_shift(scope, normal, 1)
}

/// x − μ, μ and the biased variance σ² over some axes, which keep the size 1.
struct Moments {
    centred: Value,
    mean: Value,
    variance: Value,
}

fn moments(graph: &mut Graph, x: Value, axes: &[usize]) -> Result<Moments> {
    let shape = graph.shape(x).to_vec();
    let mean = graph.mean(x, axes)?;
    let repeated = graph.broadcast(mean, &shape)?;
    let centred = graph.sub(x, repeated)?;
    let square = graph.mul(centred, centred)?;
    let variance = graph.mean(square, axes)?;
    Ok(Moments { centred, mean, variance })
}

/// (x − μ) / √(σ² + ε)
fn normalise(graph: &mut Graph, moments: &Moments, shape: &[usize], epsilon: f64) -> Result<Value> {
    let inverse = inverse_deviation(graph, moments.variance, epsilon)?;
    let inverse = graph.broadcast(inverse, shape)?;
    graph.mul(moments.centred, inverse)
}

/// 1 / √(σ² + ε)
fn inverse_deviation(graph: &mut Graph, variance: Value, epsilon: f64) -> Result<Value> {
    let shape = graph.shape(variance).to_vec();
    let epsilon = graph.fill(epsilon, &shape)?;
    let variance = graph.add(variance, epsilon)?;
    let deviation = graph.function(Function::Sqrt, variance)?;
    graph.function(Function::Recip, deviation)
}

/// x · γ + β with parameters `weight` (γ) and `bias` (β) along `axis`.
fn scale_and_shift(scope: &mut Scope, x: Value, axis: usize) -> Result<Value> {
    let scaled = scale_along(scope, x, axis)?;
    shift_along(scope, scaled, axis)
}

/// x · γ with the parameter `weight` (γ) along `axis`.
fn scale_along(scope: &mut Scope, x: Value, axis: usize) -> Result<Value> {
    let shape = scope.shape(x);
    let gamma = scope.parameter("weight", &[shape[axis]], Init::Ones)?;
    let graph = scope.graph();
    let gamma = graph.broadcast_along(gamma, axis, &shape)?;
    graph.mul(x, gamma)
}

/// x + β with the parameter `bias` (β) along `axis`.
fn shift_along(scope: &mut Scope, x: Value, axis: usize) -> Result<Value> {
    let shape = scope.shape(x);
    let beta = scope.parameter("bias", &[shape[axis]], Init::Zeros)?;
    let graph = scope.graph();
    let beta = graph.broadcast_along(beta, axis, &shape)?;
    graph.add(x, beta)
}

fn last_axis(scope: &Scope, layer: &str, x: Value) -> Result<usize> {
    let rank = scope.shape(x).len();
    rank.checked_sub(1).ok_or_else(|| Error::shape(layer, "the input is a scalar"))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::{Loss, Network, Objective, Point, nn::linear};

    #[test]
    fn a_training_step_moves_the_running_statistics_as_pytorch_does() -> Result<()> {
        let network = Network::with_mode(&[1], Mode::Train, |scope, x| {
            let x = batch_norm(&mut scope.at("bn"), x)?;
            linear(&mut scope.at("fc"), x, 1, false)
        })?;
        let number = |values: &[f64]| Tensor::new(values, &Device::Cpu);
        let point = Point {
            parameters: vec![number(&[2.0])?, number(&[1.0])?, number(&[3.0])?.reshape((1, 1))?],
            buffers: vec![number(&[10.0])?, number(&[20.0])?],
            inputs: number(&[1.0, 2.0, 6.0])?.reshape((3, 1))?,
            targets: Tensor::zeros((3, 1), DType::F64, &Device::Cpu)?,
        };
        let step = Objective::new(&network, Loss::MeanSquaredError, 3)?.training_step()?.at(&point, &[])?;
        // Mean 3; squares 4 + 1 + 9 = 14, so that the unbiased variance is 7.
        assert!((step[5].to_vec1::<f64>()?[0] - (0.9 * 10.0 + 0.1 * 3.0)).abs() < 1e-14);
        assert!((step[6].to_vec1::<f64>()?[0] - (0.9 * 20.0 + 0.1 * 7.0)).abs() < 1e-14);
        let z = step[1].flatten_all()?.to_vec1::<f64>()?;
        let expected = 3.0 * (2.0 * -2.0 / (14.0_f64 / 3.0 + 1e-5).sqrt() + 1.0);
        assert!((z[0] - expected).abs() < 1e-14, "{z:?}");
        Ok(())
    }

    #[test]
    fn samples_that_see_each_other_have_no_jacobian_rows() -> Result<()> {
        let network = Network::new(&[2], |scope, x| batch_norm(&mut scope.at("bn"), x))?;
        assert_eq!(network.mixes_samples(), None);
        let network = network.in_mode(Mode::Train)?;
        assert_eq!(network.mixes_samples(), Some("bn"));
        let vector = || Tensor::ones(2, DType::F64, &Device::Cpu);
        let inputs = Tensor::new(&[[1.0_f64, 2.0], [3.0, 5.0]], &Device::Cpu)?;
        let targets = inputs.clone();
        let (parameters, buffers) = (vec![vector()?, vector()?], vec![vector()?, vector()?]);
        let point = Point { parameters, buffers, inputs, targets };
        let refused = Objective::new(&network, Loss::MeanSquaredError, 2)?.factor(&point, &[0]);
        assert!(refused.is_err_and(|error| error.to_string().contains("in bn")));
        Ok(())
    }
}
