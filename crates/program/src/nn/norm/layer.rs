//! Layer normalisation and root-mean-square normalisation.

use super::{Moments, NormSettings, Normalisation, inverse_deviation};
use crate::{
    Scope, Value,
    error::{Error, Result},
};

/// Layer normalisation over the last axis (Ba, Kiros & Hinton 2016); parameters `weight` and `bias`
/// \[D\], ε = 1e-5.
///
/// # Errors
/// When x is a scalar.
pub fn layer_norm(scope: &mut Scope, x: Value) -> Result<Value> {
    layer_norm_with(scope, x, 1, NormSettings::default())
}

/// As [`layer_norm`], over the last `axes` axes and with settings; the parameters have the shape of
/// these axes.
///
/// # Errors
/// When `axes` is 0 or greater than the number of axes of x.
pub fn layer_norm_with(scope: &mut Scope, x: Value, axes: usize, settings: NormSettings) -> Result<Value> {
    let own = scope.shape(x)[last_axes(scope, "layer_norm", x, axes)?].to_vec();
    let learned = settings.declare(scope, &own)?;
    layer_norm_by(scope, x, axes, learned)
}

/// As [`layer_norm`], over the last `axes` axes and with given γ and β of their shape.
///
/// # Errors
/// When `axes` is 0 or greater than the number of axes of x, or γ or β has another size.
pub fn layer_norm_by(scope: &mut Scope, x: Value, axes: usize, learned: Normalisation) -> Result<Value> {
    let axes = last_axes(scope, "layer_norm", x, axes)?;
    let over: Vec<usize> = axes.clone().collect();
    let graph = scope.graph();
    let moments = Moments::new(graph, x, &over)?;
    let normal = moments.normalise(graph, learned.epsilon)?;
    learned.scale_and_shift(graph, normal, axes)
}

/// Root-mean-square normalisation over the last axis, x / √(mean x² + ε) · γ (Zhang & Sennrich
/// 2019); parameter `weight`, ε = 1e-5.
///
/// # Errors
/// When x is a scalar.
pub fn rms_norm(scope: &mut Scope, x: Value) -> Result<Value> {
    rms_norm_with(scope, x, NormSettings { bias: false, ..NormSettings::default() })
}

/// As [`rms_norm`], with settings.
///
/// # Errors
/// When x is a scalar.
pub fn rms_norm_with(scope: &mut Scope, x: Value, settings: NormSettings) -> Result<Value> {
    let own = scope.shape(x)[last_axes(scope, "rms_norm", x, 1)?].to_vec();
    let learned = settings.declare(scope, &own)?;
    rms_norm_by(scope, x, 1, learned)
}

/// As [`rms_norm`], over the last `axes` axes and with given γ and β of their shape.
///
/// # Errors
/// When `axes` is 0 or greater than the number of axes of x, or γ or β has another size.
pub fn rms_norm_by(scope: &mut Scope, x: Value, axes: usize, learned: Normalisation) -> Result<Value> {
    let axes = last_axes(scope, "rms_norm", x, axes)?;
    let over: Vec<usize> = axes.clone().collect();
    let shape = scope.shape(x);
    let graph = scope.graph();
    let square = graph.mul(x, x)?;
    let mean = graph.mean(square, &over)?;
    let inverse = inverse_deviation(graph, mean, learned.epsilon)?;
    let inverse = graph.broadcast(inverse, &shape)?;
    let normal = graph.mul(x, inverse)?;
    learned.scale_and_shift(graph, normal, axes)
}

fn last_axes(scope: &Scope, layer: &str, x: Value, count: usize) -> Result<std::ops::Range<usize>> {
    let shape = scope.shape(x);
    match shape.len().checked_sub(count) {
        Some(start) if count > 0 => Ok(start..shape.len()),
        _ => {
            Err(Error::shape(layer, format!("cannot normalise the last {count} axes of the input {shape:?}")))
        }
    }
}
