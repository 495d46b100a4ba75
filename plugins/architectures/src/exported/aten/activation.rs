//! Activation functions and softmax.

use eigenscape_program::{
    ElementwiseFunction as Function, Real, Result,
    nn::{self, Activation},
};

use crate::exported::{
    arguments::Arguments,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

macro_rules! layers {
    ($($name:ident: $activation:ident;)*) => {
        $(
            #[doc = concat!("PyTorch's `", stringify!($name), "`.")]
            pub fn $name(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
                applied(arguments.first()?, emit, Activation::$activation)
            }
        )*
    };
}

layers! {
    relu6: Relu6;
    selu: Selu;
    silu: Silu;
    mish: Mish;
    hardswish: Hardswish;
    hardsigmoid: Hardsigmoid;
}

fn applied(x: &Tensor, emit: &mut Emitter, activation: Activation) -> Result<Item> {
    Ok(emit.layer(x, |scope, x| nn::activation(scope, x, activation))?.into())
}

pub fn relu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(emit.relu(arguments.first()?)?.into())
}

pub fn gelu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let form = match arguments.text_or("approximate", "none")? {
        "tanh" => Activation::GeluTanh,
        _ => Activation::Gelu,
    };
    applied(arguments.first()?, emit, form)
}

pub fn leaky_relu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let slope = arguments.float_or("negative_slope", 0.01)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::leaky_relu(scope, x, slope))?.into())
}

/// scale · elu(x, α), where `input_scale` is 1.
pub fn elu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (alpha, scale) = (arguments.float_or("alpha", 1.0)?, arguments.float_or("scale", 1.0)?);
    if arguments.float_or("input_scale", 1.0)? != 1.0 {
        return Err(arguments.error("its `input_scale` is not 1"));
    }
    let elu = emit.layer(arguments.first()?, |scope, x| nn::elu(scope, x, alpha))?;
    Ok(emit.scale(&elu, scale)?.into())
}

/// α·(e^(x/α) − 1) below 0: α · elu(x/α).
pub fn celu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let alpha = arguments.float_or("alpha", 1.0)?;
    let x = emit.scale(arguments.first()?, alpha.recip())?;
    let elu = emit.layer(&x, |scope, x| nn::elu(scope, x, 1.0))?;
    Ok(emit.scale(&elu, alpha)?.into())
}

pub fn hardtanh(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (min, max) = (arguments.float_or("min_val", -1.0)?, arguments.float_or("max_val", 1.0)?);
    Ok(emit.layer(arguments.first()?, |scope, x| nn::hardtanh(scope, x, min, max))?.into())
}

pub fn softplus(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let beta = arguments.float_or("beta", 1.0)?;
    if arguments.float_or("threshold", 20.0)? != 20.0 {
        return Err(arguments.error("its `threshold` is not 20"));
    }
    Ok(emit.layer(arguments.first()?, |scope, x| nn::softplus(scope, x, beta))?.into())
}

/// −log(1 + e^−x)
pub fn log_sigmoid(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let negative = emit.scale(arguments.first()?, -1.0)?;
    let softplus = emit.layer(&negative, |scope, x| scope.graph().function(Function::Softplus, x))?;
    Ok(emit.scale(&softplus, -1.0)?.into())
}

/// x / (1 + |x|)
pub fn softsign(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let negative = emit.scale(x, -1.0)?;
    let (above, below) = (emit.relu(x)?, emit.relu(&negative)?);
    let size = emit.add(&above, &below)?;
    let size = emit.shift(&size, 1.0)?;
    Ok(emit.div(x, &size)?.into())
}

/// x − tanh(x)
pub fn tanhshrink(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let tanh = emit.function(x, Function::Tanh, f64::tanh)?;
    Ok(emit.sub(x, &tanh)?.into())
}

/// x where it is above the threshold, otherwise a number.
pub fn threshold(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let over = emit.shift(x, -arguments.float("threshold")?)?;
    let above = emit.is_positive(&over)?;
    let kept = emit.mul(&above, x)?;
    let below = emit.one_minus(&above)?;
    let rest = emit.scale(&below, arguments.float("value")?)?;
    Ok(emit.add(&kept, &rest)?.into())
}

pub fn prelu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let slope = emit.value(arguments.tensor("weight")?)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::prelu_by(scope, x, slope))?.into())
}

/// The slope's random choice is its mean outside of training.
pub fn rrelu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (lower, upper) = (arguments.float_or("lower", 0.125)?, arguments.float_or("upper", 1.0 / 3.0)?);
    if emit.mode() == eigenscape_program::Mode::Train {
        return Err(arguments.error("draws slopes at random in train mode"));
    }
    let slope = Function::LeakyRelu { slope: Real((lower + upper) / 2.0) };
    Ok(emit.layer(arguments.first()?, |scope, x| scope.graph().function(slope, x))?.into())
}

/// The first half along an axis, times the sigmoid of the second.
pub fn glu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int_or("dim", -1)?, x.rank())?;
    let half = x.shape()[axis] / 2;
    let (values, gates) = (emit.slice(x, axis, 0, half)?, emit.slice(x, axis, half, half)?);
    let gates = emit.function(&gates, Function::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()))?;
    Ok(emit.mul(&values, &gates)?.into())
}

pub fn softmax(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    Ok(emit.layer(x, |scope, x| nn::softmax(scope, x, axis))?.into())
}

pub fn log_softmax(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    Ok(log_probabilities(emit, x, axis)?.into())
}

pub(super) fn log_probabilities(emit: &mut Emitter, x: &Tensor, axis: usize) -> Result<Tensor> {
    emit.layer(x, |scope, x| nn::log_softmax(scope, x, axis))
}

/// x where |x| > λ, otherwise 0.
pub fn hardshrink(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let [above, below] = outside(emit, x, arguments.float_or("lambd", 0.5)?)?;
    let (above, below) = (emit.is_positive(&above)?, emit.is_positive(&below)?);
    let outside = emit.add(&above, &below)?;
    Ok(emit.mul(&outside, x)?.into())
}

/// x moved towards 0 by λ, and 0 where |x| ≤ λ.
pub fn softshrink(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [above, below] = outside(emit, arguments.first()?, arguments.float_or("lambd", 0.5)?)?;
    let (above, below) = (emit.relu(&above)?, emit.relu(&below)?);
    Ok(emit.sub(&above, &below)?.into())
}

/// x − λ and −x − λ.
fn outside(emit: &mut Emitter, x: &Tensor, lambda: f64) -> Result<[Tensor; 2]> {
    let negative = emit.scale(x, -1.0)?;
    Ok([emit.shift(x, -lambda)?, emit.shift(&negative, -lambda)?])
}
