//! Dropout, in the mode that the network is built in, whatever mode was exported.

use eigenscape_program::{Mode, Result, Scope, Value, nn};

use crate::exported::{arguments::Arguments, emitter::Emitter, tensor::Item};

pub fn dropout(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    dropped(arguments, emit, nn::dropout)
}

pub fn feature_dropout(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    dropped(arguments, emit, nn::channel_dropout)
}

/// Nothing outside of training.
pub fn alpha_dropout(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    if emit.mode() == Mode::Train && arguments.float_or("p", 0.5)? > 0.0 {
        return Err(arguments.error("draws numbers at random in train mode"));
    }
    Ok(arguments.first()?.clone().into())
}

fn dropped(
    arguments: &Arguments,
    emit: &mut Emitter,
    layer: fn(&mut Scope, Value, f64) -> Result<Value>,
) -> Result<Item> {
    let x = arguments.first()?;
    let probability = arguments.float_or("p", 0.5)?;
    let Some(&first) = x.shape().first() else { return Ok(x.clone().into()) };
    // Masks belong to samples, which other axes may have been joined with.
    let samples = emit.samples;
    if first == samples || samples == 0 || first % samples != 0 {
        return Ok(emit.layer(x, |scope, x| layer(scope, x, probability))?.into());
    }
    let apart = [&[samples, first / samples], &x.shape()[1..]].concat();
    let by_sample = emit.reshape(x, &apart)?;
    let dropped = emit.layer(&by_sample, |scope, x| layer(scope, x, probability))?;
    Ok(emit.reshape(&dropped, x.shape())?.into())
}
