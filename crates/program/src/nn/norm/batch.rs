//! Batch normalisation.

use super::{Moments, NormSettings, Normalisation, inverse_deviation};
use crate::{
    Graph, Scope, Value,
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
    let learned = settings.declare(scope, &[features])?;
    batch_norm_by(scope, x, Some(Running { mean, variance, momentum: MOMENTUM }), learned)
}

/// PyTorch's default.
const MOMENTUM: f64 = 0.1;

/// Running statistics of a batch normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// The buffer of the running means \[C\].
    pub mean: Value,
    /// The buffer of the running variances \[C\].
    pub variance: Value,
    /// The weight of the batch's statistics in the update of a training step.
    pub momentum: f64,
}

/// As [`batch_norm`], with given γ and β \[C\]. Without running statistics, both modes use the
/// statistics of the batch.
///
/// # Errors
/// When x has no axis 1, or γ or β has another shape.
pub fn batch_norm_by(
    scope: &mut Scope,
    x: Value,
    running: Option<Running>,
    learned: Normalisation,
) -> Result<Value> {
    let shape = scope.shape(x);
    let &[_, features, ..] = shape.as_slice() else {
        return Err(Error::shape("batch_norm", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    if let (Mode::Eval, Some(running)) = (scope.mode(), running) {
        return by_running_statistics(scope.graph(), x, running, learned);
    }
    scope.mixes_samples();
    let axes: Vec<usize> = (0..shape.len()).filter(|&axis| axis != 1).collect();
    let moments = Moments::new(scope.graph(), x, &axes)?;
    if let Some(Running { mean, variance, momentum }) = running {
        // PyTorch stores the unbiased variance.
        let count = shape.iter().product::<usize>() / features.max(1);
        let correction = count as f64 / count.saturating_sub(1).max(1) as f64;
        update_running(scope, mean, moments.mean, [momentum, 1.0])?;
        update_running(scope, variance, moments.variance, [momentum, correction])?;
    }
    let graph = scope.graph();
    let normal = moments.normalise(graph, learned.epsilon)?;
    learned.scale_and_shift(graph, normal, 1..2)
}

/// x · γ/σ + (β − μ γ/σ): one multiplication and one addition per element.
fn by_running_statistics(
    graph: &mut Graph,
    x: Value,
    running: Running,
    learned: Normalisation,
) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let inverse = inverse_deviation(graph, running.variance, learned.epsilon)?;
    let scale = learned.weight.map_or(Ok(inverse), |gamma| graph.mul(gamma, inverse))?;
    let shift = graph.mul(running.mean, scale)?;
    let shift = match learned.bias {
        Some(beta) => graph.sub(beta, shift)?,
        None => graph.scale(shift, -1.0)?,
    };
    let scale = graph.broadcast_along(scale, 1, &shape)?;
    let shift = graph.broadcast_along(shift, 1, &shape)?;
    let scaled = graph.mul(x, scale)?;
    graph.add(scaled, shift)
}

/// running ← (1 − m)·running + m·`correction`·statistic, with the momentum m.
fn update_running(
    scope: &mut Scope,
    running: Value,
    statistic: Value,
    [momentum, correction]: [f64; 2],
) -> Result<()> {
    let shape = scope.shape(running);
    let graph = scope.graph();
    let statistic = graph.reshape(statistic, &shape)?;
    let new = graph.scale(statistic, momentum * correction)?;
    let old = graph.scale(running, 1.0 - momentum)?;
    let updated = graph.add(old, new)?;
    scope.update(running, updated);
    Ok(())
}
