//! Functions of single numbers.

use std::f64::consts::{LN_2, LN_10};

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{ElementwiseFunction as Function, Result};

use crate::exported::{
    arguments::Arguments,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// x as floating-point numbers, which functions of integers are.
fn float(x: &Tensor) -> Tensor {
    if x.dtype.is_float() { x.clone() } else { x.of_type(ScalarType::Float) }
}

macro_rules! functions {
    ($($name:ident: $function:expr, $fold:expr;)*) => {
        $(
            #[doc = concat!("PyTorch's `", stringify!($name), "`.")]
            pub fn $name(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
                let x = float(arguments.tensor("self")?);
                Ok(emit.function(&x, $function, $fold)?.into())
            }
        )*
    };
}

functions! {
    exp: Function::Exp, f64::exp;
    log: Function::Log, f64::ln;
    log1p: Function::LogOnePlus, f64::ln_1p;
    sqrt: Function::Sqrt, f64::sqrt;
    reciprocal: Function::Recip, f64::recip;
    sin: Function::Sin, f64::sin;
    cos: Function::Cos, f64::cos;
    tanh: Function::Tanh, f64::tanh;
    sigmoid: Function::Sigmoid, |x| 1.0 / (1.0 + (-x).exp());
}

macro_rules! composed {
    ($($name:ident: $fold:expr, |$graph:ident, $x:ident| $emit:expr;)*) => {
        $(
            #[doc = concat!("PyTorch's `", stringify!($name), "`.")]
            pub fn $name(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
                let x = float(arguments.tensor("self")?);
                Ok(emit.map(&x, $fold, |$graph, $x| $emit)?.into())
            }
        )*
    };
}

composed! {
    rsqrt: |x| x.sqrt().recip(), |graph, x| {
        let root = graph.function(Function::Sqrt, x)?;
        graph.function(Function::Recip, root)
    };
    log2: f64::log2, |graph, x| {
        let log = graph.function(Function::Log, x)?;
        graph.scale(log, LN_2.recip())
    };
    log10: f64::log10, |graph, x| {
        let log = graph.function(Function::Log, x)?;
        graph.scale(log, LN_10.recip())
    };
    exp2: f64::exp2, |graph, x| {
        let exponent = graph.scale(x, LN_2)?;
        graph.function(Function::Exp, exponent)
    };
    tan: f64::tan, |graph, x| {
        let (sine, cosine) = (graph.function(Function::Sin, x)?, graph.function(Function::Cos, x)?);
        let inverse = graph.function(Function::Recip, cosine)?;
        graph.mul(sine, inverse)
    };
    expm1: f64::exp_m1, |graph, x| {
        let exp = graph.function(Function::Exp, x)?;
        let shape = graph.shape(x).to_vec();
        let one = graph.fill(-1.0, &shape)?;
        graph.add(exp, one)
    };
}
