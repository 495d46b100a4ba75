//! Images made larger.

use eigenscape_program::{
    Result,
    nn::{self, Interpolation, Placement},
};

use crate::exported::{arguments::Arguments, emitter::Emitter, tensor::Item};

pub fn nearest(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let places = places(arguments, false)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::upsample_nearest(scope, x, &places))?.into())
}

pub fn nearest_exact(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let places = places(arguments, false)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::upsample_nearest_exact(scope, x, &places))?.into())
}

pub fn cubic(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let places = places(arguments, arguments.bool_or("align_corners", false)?)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::upsample_cubic(scope, x, &places))?.into())
}

pub fn smooth_linear(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    smooth(arguments, emit, Interpolation::Linear)
}

pub fn smooth_cubic(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    smooth(arguments, emit, Interpolation::Cubic)
}

fn smooth(arguments: &Arguments, emit: &mut Emitter, kernel: Interpolation) -> Result<Item> {
    let places = places(arguments, arguments.bool_or("align_corners", false)?)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::upsample_smooth(scope, x, &places, kernel))?.into())
}

pub fn linear(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let places = places(arguments, arguments.bool_or("align_corners", false)?)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::upsample_linear(scope, x, &places))?.into())
}

/// The sides of the result, or factors by which the image's sides are multiplied.
fn places(arguments: &Arguments, align_corners: bool) -> Result<Vec<Placement>> {
    let sides = arguments.first()?.shape().get(2..).unwrap_or_default();
    let scales = match arguments.optional_floats("scale_factors")? {
        Some(scales) => Some(scales),
        None => own_scales(arguments)?,
    };
    let sizes = match arguments.optional_ints("output_size")? {
        Some(sizes) => arguments.sizes(&sizes)?,
        None => {
            let scales = scales.as_deref().ok_or_else(|| arguments.error("has neither sizes nor factors"))?;
            sides.iter().zip(scales).map(|(side, scale)| (*side as f64 * scale).floor() as usize).collect()
        }
    };
    if sizes.len() != sides.len() {
        return Err(arguments.error(format!("makes {sizes:?} of an image {sides:?}")));
    }
    let scale = |side: usize| scales.as_ref().and_then(|scales| scales.get(side).copied());
    let place = |(side, out): (usize, &usize)| Placement { out: *out, scale: scale(side), align_corners };
    Ok(sizes.iter().enumerate().map(place).collect())
}

/// The factors of the form that has one argument for each.
fn own_scales(arguments: &Arguments) -> Result<Option<Vec<f64>>> {
    if arguments.get("scales").is_some() {
        return arguments.optional_floats("scales");
    }
    let names = ["scales_d", "scales_h", "scales_w"];
    let scales = names.iter().filter(|name| arguments.get(name).is_some());
    let scales = scales.map(|name| arguments.float(name)).collect::<Result<Vec<_>>>()?;
    Ok((!scales.is_empty()).then_some(scales))
}
