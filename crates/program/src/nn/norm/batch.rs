//! Batch normalisation.

use super::{Moments, NormSettings, inverse_deviation};
use crate::{
    Scope, Value,
    error::{Error, Result},
    init::Init,
    scope::Mode,
};

/// Batch normalisation: y = (x − μ) / √(σ² + ε) · γ + β along axis 1, ε = 1e-5 (Ioffe & Szegedy
/// 2015). In eval mode μ and σ² are the running statistics; in train mode they are the batch's mean
/// and biased variance, and are differentiated through. Parameters `weight` (γ) and `bias` (β),
/// buffers `running_mean` and `running_var`.
///
/// # Errors
/// When x has no axis 1.
pub fn batch_norm(scope: &mut Scope, x: Value) -> Result<Value> {
    batch_norm_with(scope, x, NormSettings::default())
}

/// As [`batch_norm`], with settings.
///
/// # Errors
/// When x has no axis 1.
pub fn batch_norm_with(scope: &mut Scope, x: Value, settings: NormSettings) -> Result<Value> {
    let shape = scope.shape(x);
    let &[_, features, ..] = shape.as_slice() else {
        return Err(Error::shape("batch_norm", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    let mean = scope.buffer("running_mean", &[features], Init::Zeros)?;
    let variance = scope.buffer("running_var", &[features], Init::Ones)?;
    if scope.mode() == Mode::Eval {
        return by_running_statistics(scope, x, mean, variance, settings);
    }
    scope.mixes_samples();
    let axes: Vec<usize> = (0..shape.len()).filter(|&axis| axis != 1).collect();
    let moments = Moments::new(scope.graph(), x, &axes)?;
    // PyTorch's running variance is the unbiased one.
    let count = shape.iter().product::<usize>() / features.max(1);
    let correction = count as f64 / count.saturating_sub(1).max(1) as f64;
    update_running(scope, mean, moments.mean, 1.0)?;
    update_running(scope, variance, moments.variance, correction)?;
    let normal = moments.normalise(scope.graph(), settings.epsilon)?;
    settings.scale_and_shift(scope, normal, 1..2)
}

/// x · γ/σ + (β − μ γ/σ): one product and one sum for each element.
fn by_running_statistics(
    scope: &mut Scope,
    x: Value,
    mean: Value,
    variance: Value,
    settings: NormSettings,
) -> Result<Value> {
    let shape = scope.shape(x);
    let own = scope.shape(mean);
    let gamma = settings.weight.then(|| scope.parameter("weight", &own, Init::Ones)).transpose()?;
    let beta = settings.bias.then(|| scope.parameter("bias", &own, Init::Zeros)).transpose()?;
    let graph = scope.graph();
    let inverse = inverse_deviation(graph, variance, settings.epsilon)?;
    let scale = gamma.map_or(Ok(inverse), |gamma| graph.mul(gamma, inverse))?;
    let shift = graph.mul(mean, scale)?;
    let shift = match beta {
        Some(beta) => graph.sub(beta, shift)?,
        None => graph.scale(shift, -1.0)?,
    };
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
