//! Normalisation layers.

use eigenscape_program::{
    Result,
    nn::{self, Normalisation, Running},
};

use crate::exported::{arguments::Arguments, emitter::Emitter, tensor::Item};

fn learned(arguments: &Arguments, emit: &mut Emitter, epsilon: f64) -> Result<Normalisation> {
    let mut given =
        |name| -> Result<_> { arguments.optional_tensor(name)?.map(|tensor| emit.value(tensor)).transpose() };
    Ok(Normalisation { weight: given("weight")?, bias: given("bias")?, epsilon })
}

/// In the mode that the network is built in, whatever mode was exported.
pub fn batch_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let learned = learned(arguments, emit, arguments.float_or("eps", 1e-5)?)?;
    let running = running(arguments, emit)?;
    let x = arguments.first()?;
    Ok(emit.layer(x, |scope, x| nn::batch_norm_by(scope, x, running, learned))?.into())
}

fn running(arguments: &Arguments, emit: &mut Emitter) -> Result<Option<Running>> {
    let (mean, variance) =
        (arguments.optional_tensor("running_mean")?, arguments.optional_tensor("running_var")?);
    let (Some(mean), Some(variance)) = (mean, variance) else { return Ok(None) };
    let momentum = arguments.float_or("momentum", 0.1)?;
    Ok(Some(Running { mean: emit.value(mean)?, variance: emit.value(variance)?, momentum }))
}

pub fn layer_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let learned = learned(arguments, emit, arguments.float_or("eps", 1e-5)?)?;
    let axes = arguments.ints("normalized_shape")?.len();
    let x = arguments.first()?;
    Ok(emit.layer(x, |scope, x| nn::layer_norm_by(scope, x, axes, learned))?.into())
}

/// ε is that of the elements' type where none is given.
pub fn rms_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let smallest = match x.dtype {
        eigenscape_formats::pt2::ScalarType::Double => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    };
    let learned = learned(arguments, emit, arguments.float_or("eps", smallest)?)?;
    let axes = arguments.ints("normalized_shape")?.len();
    Ok(emit.layer(x, |scope, x| nn::rms_norm_by(scope, x, axes, learned))?.into())
}

pub fn group_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let learned = learned(arguments, emit, arguments.float_or("eps", 1e-5)?)?;
    let groups = arguments.optional_int("num_groups")?.or(arguments.optional_int("group")?).unwrap_or(0);
    let groups = arguments.sizes(&[groups])?[0];
    let x = arguments.first()?;
    Ok(emit.layer(x, |scope, x| nn::group_norm_by(scope, x, groups, learned))?.into())
}

/// Of a group a channel; by running statistics, where there are some, in eval mode.
pub fn instance_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let learned = learned(arguments, emit, arguments.float_or("eps", 1e-5)?)?;
    if let Some(running) = running(arguments, emit)? {
        if emit.mode() == eigenscape_program::Mode::Eval {
            return Ok(emit.layer(x, |scope, x| nn::batch_norm_by(scope, x, Some(running), learned))?.into());
        }
        return Err(arguments.error("keeps running statistics, which is not read in train mode"));
    }
    let channels = x.shape().get(1).copied().unwrap_or(0);
    Ok(emit.layer(x, |scope, x| nn::group_norm_by(scope, x, channels, learned))?.into())
}
