//! Functions of single numbers.

use std::f64::consts::{LN_2, LN_10};

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{ElementwiseFunction as Function, Graph, Real, Result, Value};

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
    atan: Function::Atan, f64::atan;
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
    // tanh(x/2) (e^x + 1), accurate also for small x.
    expm1: f64::exp_m1, |graph, x| {
        let half = graph.scale(x, 0.5)?;
        let (tanh, exp) = (graph.function(Function::Tanh, half)?, graph.function(Function::Exp, x)?);
        let sum = plus_one(graph, exp)?;
        graph.mul(tanh, sum)
    };
    cosh: f64::cosh, |graph, x| hyperbolic_cosine(graph, x);
    // tanh(x) cosh(x)
    sinh: f64::sinh, |graph, x| {
        let (tanh, cosh) = (graph.function(Function::Tanh, x)?, hyperbolic_cosine(graph, x)?);
        graph.mul(tanh, cosh)
    };
    // (log(1 + x) − log(1 − x)) / 2
    atanh: f64::atanh, |graph, x| {
        let negative = graph.scale(x, -1.0)?;
        let (above, below) =
            (graph.function(Function::LogOnePlus, x)?, graph.function(Function::LogOnePlus, negative)?);
        let difference = graph.sub(above, below)?;
        graph.scale(difference, 0.5)
    };
    // σ log(1 + |x| + x² / (1 + √(1 + x²))) with the sign σ of x, which is −1 at 0 so that the
    // derivative there is 1.
    asinh: f64::asinh, |graph, x| {
        let above = graph.function(Function::Step { slope: Real(-1.0) }, x)?;
        let size = graph.mul(above, x)?;
        let square = graph.mul(x, x)?;
        let under = plus_one(graph, square)?;
        let root = graph.function(Function::Sqrt, under)?;
        let divisor = plus_one(graph, root)?;
        let inverse = graph.function(Function::Recip, divisor)?;
        let rest = graph.mul(square, inverse)?;
        let sum = graph.add(size, rest)?;
        let log = graph.function(Function::LogOnePlus, sum)?;
        graph.mul(above, log)
    };
    // log(1 + d + √(d (x + 1))) with d = x − 1
    acosh: f64::acosh, |graph, x| {
        let shape = graph.shape(x).to_vec();
        let minus_one = graph.fill(-1.0, &shape)?;
        let over = graph.add(x, minus_one)?;
        let sum = plus_one(graph, x)?;
        let product = graph.mul(over, sum)?;
        let root = graph.function(Function::Sqrt, product)?;
        let sum = graph.add(over, root)?;
        graph.function(Function::LogOnePlus, sum)
    };
    // 2 atan(x / (1 + √((1 − x) (1 + x))))
    asin: f64::asin, |graph, x| {
        let [less, more] = around_one(graph, x)?;
        let product = graph.mul(less, more)?;
        let root = graph.function(Function::Sqrt, product)?;
        let divisor = plus_one(graph, root)?;
        twice_angle(graph, x, divisor)
    };
    // 2 atan(√(1 − x) / √(1 + x))
    acos: f64::acos, |graph, x| {
        let [less, more] = around_one(graph, x)?;
        let (less, more) = (graph.function(Function::Sqrt, less)?, graph.function(Function::Sqrt, more)?);
        twice_angle(graph, less, more)
    };
    // log x − log(1 − x)
    logit: |x| (x / (1.0 - x)).ln(), |graph, x| {
        let negative = graph.scale(x, -1.0)?;
        let (log, other) =
            (graph.function(Function::Log, x)?, graph.function(Function::LogOnePlus, negative)?);
        graph.sub(log, other)
    };
}

fn plus_one(graph: &mut Graph, x: Value) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let one = graph.fill(1.0, &shape)?;
    graph.add(x, one)
}

/// 1 − x and 1 + x.
fn around_one(graph: &mut Graph, x: Value) -> Result<[Value; 2]> {
    Ok([graph.one_minus(x)?, plus_one(graph, x)?])
}

/// 2 atan(a / b)
fn twice_angle(graph: &mut Graph, a: Value, b: Value) -> Result<Value> {
    let inverse = graph.function(Function::Recip, b)?;
    let ratio = graph.mul(a, inverse)?;
    let angle = graph.function(Function::Atan, ratio)?;
    graph.scale(angle, 2.0)
}

fn hyperbolic_cosine(graph: &mut Graph, x: Value) -> Result<Value> {
    let negative = graph.scale(x, -1.0)?;
    let (rising, falling) = (graph.function(Function::Exp, x)?, graph.function(Function::Exp, negative)?);
    let sum = graph.add(rising, falling)?;
    graph.scale(sum, 0.5)
}
