//! Losses that a network computes itself.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{ElementwiseFunction as Function, Result, nn};

use super::{
    activation::log_probabilities,
    elementwise::{absolute, larger},
    logic::equal,
    sorting::gathered,
};
use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// The losses of all elements, or their mean or sum, as `reduction` says.
fn reduced(arguments: &Arguments, emit: &mut Emitter, losses: &Tensor) -> Result<Item> {
    let axes: Vec<usize> = (0..losses.rank()).collect();
    let scale = match arguments.int_or("reduction", 1)? {
        0 => return Ok(losses.clone().into()),
        1 => (losses.shape().iter().product::<usize>() as f64).recip(),
        _ => 1.0,
    };
    let sum = emit.sum(losses, &axes)?;
    let sum = emit.reshape(&sum, &[])?;
    Ok(emit.scale(&sum, scale)?.into())
}

fn difference(arguments: &Arguments, emit: &mut Emitter) -> Result<Tensor> {
    emit.sub(&arguments.operand("self")?, &arguments.operand("target")?)
}

pub fn mse_loss(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let difference = difference(arguments, emit)?;
    let square = emit.mul(&difference, &difference)?;
    reduced(arguments, emit, &square)
}

pub fn l1_loss(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let difference = difference(arguments, emit)?;
    let size = absolute(emit, &difference)?;
    reduced(arguments, emit, &size)
}

/// d²/2 where |d| < δ, otherwise δ (|d| − δ/2).
pub fn huber_loss(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let losses = huber(arguments, emit, arguments.float_or("delta", 1.0)?)?;
    reduced(arguments, emit, &losses)
}

/// Huber's loss divided by β; for β = 0 the absolute difference.
pub fn smooth_l1_loss(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let beta = arguments.float_or("beta", 1.0)?;
    if beta == 0.0 {
        return l1_loss(arguments, emit);
    }
    let losses = huber(arguments, emit, beta)?;
    let losses = emit.scale(&losses, beta.recip())?;
    reduced(arguments, emit, &losses)
}

/// c (d − c/2) with c = d cut off at ±δ.
fn huber(arguments: &Arguments, emit: &mut Emitter, delta: f64) -> Result<Tensor> {
    let difference = difference(arguments, emit)?;
    let cut = emit.layer(&difference, |scope, x| nn::hardtanh(scope, x, -delta, delta))?;
    let half = emit.scale(&cut, 0.5)?;
    let rest = emit.sub(&difference, &half)?;
    emit.mul(&cut, &rest)
}

/// The losses times `weight`, if there is one.
fn weighted(arguments: &Arguments, emit: &mut Emitter, losses: &Tensor) -> Result<Tensor> {
    match arguments.optional_tensor("weight")? {
        Some(weight) => emit.mul(losses, weight),
        None => Ok(losses.clone()),
    }
}

/// −y log p − (1 − y) log(1 − p), each logarithm at least −100.
pub fn binary_cross_entropy(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (p, y) = (arguments.tensor("self")?, arguments.tensor("target")?);
    let least = Tensor::folded(p.dtype, Array::filled(&[], -100.0));
    let log = emit.function(p, Function::Log, f64::ln)?;
    let log = larger(emit, &log, &least)?;
    let negative = emit.scale(p, -1.0)?;
    let other = emit.function(&negative, Function::LogOnePlus, f64::ln_1p)?;
    let other = larger(emit, &other, &least)?;
    let not = emit.one_minus(y)?;
    let (first, second) = (emit.mul(y, &log)?, emit.mul(&not, &other)?);
    let sum = emit.add(&first, &second)?;
    let losses = emit.scale(&sum, -1.0)?;
    let losses = weighted(arguments, emit, &losses)?;
    reduced(arguments, emit, &losses)
}

/// y w log(1 + e^−x) + (1 − y) log(1 + e^x), where w is `pos_weight`.
pub fn binary_cross_entropy_with_logits(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.tensor("self")?, arguments.tensor("target")?);
    let softplus = |emit: &mut Emitter, x: &Tensor| {
        emit.layer(x, |scope, x| scope.graph().function(Function::Softplus, x))
    };
    let negative = emit.scale(x, -1.0)?;
    let (positive, negative) = (softplus(emit, &negative)?, softplus(emit, x)?);
    let mut of_one = emit.mul(y, &positive)?;
    if let Some(weight) = arguments.optional_tensor("pos_weight")? {
        of_one = emit.mul(&of_one, weight)?;
    }
    let not = emit.one_minus(y)?;
    let of_zero = emit.mul(&not, &negative)?;
    let losses = emit.add(&of_one, &of_zero)?;
    let losses = weighted(arguments, emit, &losses)?;
    reduced(arguments, emit, &losses)
}

/// p (log p − q) for a target p, or, with `log_target`, its logarithm.
pub fn kl_div(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (q, target) = (arguments.tensor("self")?, arguments.tensor("target")?);
    let (p, log) = if arguments.bool_or("log_target", false)? {
        (emit.function(target, Function::Exp, f64::exp)?, target.clone())
    } else {
        // The logarithm of 1 where p is 0: the product is 0 there.
        let some = emit.is_positive(target)?;
        let none = emit.one_minus(&some)?;
        let safe = emit.add(target, &none)?;
        (target.clone(), emit.function(&safe, Function::Log, f64::ln)?)
    };
    let difference = emit.sub(&log, q)?;
    let losses = emit.mul(&p, &difference)?;
    reduced(arguments, emit, &losses)
}

/// Labels of samples, without those that are to be ignored.
struct Labels {
    /// Classes, 0 where a label is ignored.
    classes: Tensor,
    /// What each sample counts: its class' weight, or 0.
    counts: Tensor,
}

impl Labels {
    fn of(arguments: &Arguments, emit: &mut Emitter, classes: usize) -> Result<Self> {
        let target = arguments.tensor("target")?;
        let ignored = Array::filled(&[], arguments.int_or("ignore_index", -100)? as f64);
        let ignored = equal(emit, target, &Tensor::folded(ScalarType::LONG, ignored))?;
        let valid = emit.one_minus(&ignored)?;
        let known = emit.mul(target, &valid)?;
        let counts = match arguments.optional_tensor("weight")? {
            Some(weight) => {
                let table = emit.reshape(weight, &[classes, 1])?;
                let own = emit.take(&table, &known)?;
                let own = emit.reshape(&own, known.shape())?;
                emit.mul(&own, &valid)?
            }
            None => valid.of_type(ScalarType::Double),
        };
        Ok(Self { classes: known, counts })
    }

    /// The losses as they are, their sum, or their sum divided by what the samples count.
    fn reduced(&self, arguments: &Arguments, emit: &mut Emitter, losses: &Tensor) -> Result<Item> {
        let axes: Vec<usize> = (0..losses.rank()).collect();
        let reduction = arguments.int_or("reduction", 1)?;
        if reduction == 0 {
            return Ok(losses.clone().into());
        }
        let sum = emit.sum(losses, &axes)?;
        let sum = emit.reshape(&sum, &[])?;
        if reduction != 1 {
            return Ok(sum.into());
        }
        let total = emit.sum(&self.counts, &axes)?;
        let total = emit.reshape(&total, &[])?;
        Ok(emit.div(&sum, &total)?.into())
    }
}

/// x \[N, C, ...\], or \[C\], with the classes as the last axis.
fn classes_last(arguments: &Arguments, emit: &mut Emitter) -> Result<Tensor> {
    let x = arguments.tensor("self")?;
    let mut axes: Vec<usize> = (0..x.rank()).collect();
    if x.rank() == 0 {
        return Err(arguments.error("needs an axis of classes"));
    }
    let classes = axes.remove(usize::from(x.rank() > 1));
    axes.push(classes);
    emit.permute(x, &axes)
}

/// Minus the logarithms at the labels, times what the labels count.
fn at_labels(emit: &mut Emitter, logarithms: &Tensor, labels: &Labels) -> Result<Tensor> {
    let index = emit.reshape(&labels.classes, &[labels.classes.shape(), &[1]].concat())?;
    let own = gathered(emit, logarithms, &index)?;
    let own = emit.reshape(&own, labels.classes.shape())?;
    let losses = emit.mul(&own, &labels.counts)?;
    emit.scale(&losses, -1.0)
}

pub fn nll_loss(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let logarithms = classes_last(arguments, emit)?;
    let classes = logarithms.shape()[logarithms.rank() - 1];
    let labels = Labels::of(arguments, emit, classes)?;
    let losses = at_labels(emit, &logarithms, &labels)?;
    labels.reduced(arguments, emit, &losses)
}

/// Cross-entropy of logits with labels or, where the target is of the same shape, probabilities.
pub fn cross_entropy_loss(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let logits = classes_last(arguments, emit)?;
    let last = logits.rank() - 1;
    let classes = logits.shape()[last];
    let logarithms = log_probabilities(emit, &logits, last)?;
    let smoothing = arguments.float_or("label_smoothing", 0.0)?;
    if arguments.tensor("target")?.rank() == logits.rank() {
        return with_probabilities(arguments, emit, &logarithms, smoothing);
    }
    let labels = Labels::of(arguments, emit, classes)?;
    let losses = at_labels(emit, &logarithms, &labels)?;
    if smoothing == 0.0 {
        return labels.reduced(arguments, emit, &losses);
    }
    // Part of the weight is spread over all classes.
    let each = weighted(arguments, emit, &logarithms)?;
    let sum = emit.sum(&each, &[last])?;
    let sum = emit.reshape(&sum, losses.shape())?;
    let some = emit.is_positive(&labels.counts)?;
    let spread = emit.mul(&sum, &some)?;
    let spread = emit.scale(&spread, -smoothing / classes as f64)?;
    let losses = emit.scale(&losses, 1.0 - smoothing)?;
    let losses = emit.add(&losses, &spread)?;
    labels.reduced(arguments, emit, &losses)
}

fn with_probabilities(
    arguments: &Arguments,
    emit: &mut Emitter,
    logarithms: &Tensor,
    smoothing: f64,
) -> Result<Item> {
    let target = arguments.tensor("target")?;
    let last = logarithms.rank() - 1;
    let mut axes: Vec<usize> = (0..target.rank()).collect();
    let classes = axes.remove(usize::from(target.rank() > 1));
    axes.push(classes);
    let target = emit.permute(target, &axes)?;
    let target = emit.scale(&target, 1.0 - smoothing)?;
    let target = emit.shift(&target, smoothing / logarithms.shape()[last] as f64)?;
    let each = weighted(arguments, emit, logarithms)?;
    let products = emit.mul(&target, &each)?;
    let losses = emit.sum(&products, &[last])?;
    let losses = emit.reshape(&losses, &logarithms.shape()[..last])?;
    let losses = emit.scale(&losses, -1.0)?;
    // The mean is over samples and positions, whatever the classes' weights.
    reduced(arguments, emit, &losses)
}
