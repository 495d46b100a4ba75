//! Norms of vectors, and what is computed from them.

use eigenscape_program::{ElementwiseFunction as Function, Result};

use super::{
    elementwise::{absolute, larger, power},
    reduction::{self, finished},
};
use crate::exported::{
    arguments::{Arguments, Given},
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// (Σ |x|^ord)^(1/ord) over axes; for the order ∞ the largest |x|, for 0 the number of elements
/// that are not 0.
pub fn vector_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = arguments.axes("dim", x.rank())?;
    let order = match arguments.get("ord") {
        Some(_) => arguments.float("ord")?,
        None => arguments.float_or("p", 2.0)?,
    };
    if order.is_infinite() {
        let named: Vec<_> = arguments.given.iter().skip(1).cloned().collect();
        let size = absolute(emit, x)?;
        let given = [("self", Given::Tensor(size))].into_iter().chain(named);
        let of_size = Arguments { operation: arguments.operation, given: given.collect(), layout: None };
        let extreme = if order > 0.0 { reduction::amax } else { reduction::amin };
        return extreme(&of_size, emit);
    }
    let norm = of_order(emit, x, &axes, order)?;
    finished(arguments, emit, &norm, &axes)
}

/// The norm of a vector, or Frobenius' norm of matrices.
pub fn matrix_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let is_matrix = arguments.operation.ends_with("matrix_norm");
    let axes = match arguments.optional_ints("dim")? {
        None if is_matrix && x.rank() >= 2 => vec![x.rank() - 2, x.rank() - 1],
        _ => arguments.axes("dim", x.rank())?,
    };
    match arguments.get("ord") {
        None | Some(Given::Text("fro")) => {
            let norm = euclidean(emit, x, &axes)?;
            finished(arguments, emit, &norm, &axes)
        }
        Some(_) if axes.len() == 1 => vector_norm(arguments, emit),
        Some(_) => Err(arguments.error("is a norm of matrices other than Frobenius'")),
    }
}

fn of_order(emit: &mut Emitter, x: &Tensor, axes: &[usize], order: f64) -> Result<Tensor> {
    if order == 2.0 {
        return euclidean(emit, x, axes);
    }
    let size = absolute(emit, x)?;
    if order == 0.0 {
        let some = emit.is_positive(&size)?;
        return emit.sum(&some, axes);
    }
    if order == 1.0 {
        return emit.sum(&size, axes);
    }
    let powers = power(emit, &size, order)?;
    let sum = emit.sum(&powers, axes)?;
    power(emit, &sum, order.recip())
}

/// √Σ x². Where the sum is 0, so are all derivatives, as in PyTorch: √(s + z) (1 − z) with z = 1
/// where the sum s is 0.
pub(super) fn euclidean(emit: &mut Emitter, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let square = emit.mul(x, x)?;
    let sum = emit.sum(&square, axes)?;
    let some = emit.is_positive(&sum)?;
    let none = emit.one_minus(&some)?;
    let sum = emit.add(&sum, &none)?;
    let root = emit.function(&sum, Function::Sqrt, f64::sqrt)?;
    emit.mul(&root, &some)
}

/// v · g / ‖v‖, with a norm for each index of the axis `dim`.
pub fn weight_norm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (v, g) = (arguments.tensor("v")?, arguments.tensor("g")?);
    let dim = arguments.int_or("dim", 0)?;
    let kept = if dim == -1 { None } else { Some(arguments.axis(dim, v.rank())?) };
    let axes: Vec<usize> = (0..v.rank()).filter(|axis| Some(*axis) != kept).collect();
    let norm = euclidean(emit, v, &axes)?;
    let factor = emit.div(g, &norm)?;
    Ok(emit.mul(v, &factor)?.into())
}

/// The norm over all axes but one, which all stay.
pub fn norm_except_dim(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let v = arguments.tensor("v")?;
    if arguments.int_or("pow", 2)? != 2 {
        return Err(arguments.error("is of an order other than 2"));
    }
    let kept = arguments.axis(arguments.int_or("dim", 0)?, v.rank())?;
    let axes: Vec<usize> = (0..v.rank()).filter(|axis| *axis != kept).collect();
    Ok(euclidean(emit, v, &axes)?.into())
}

/// x₁ · x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along an axis.
pub fn cosine_similarity(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.tensor("x1")?, arguments.tensor("x2")?);
    let least = Tensor::folded(x.dtype, Array::filled(&[], arguments.float_or("eps", 1e-8)?));
    let rank = x.rank().max(y.rank());
    let axis = arguments.axis(arguments.int_or("dim", 1)?, rank)?;
    let product = emit.mul(x, y)?;
    let product = emit.sum(&product, &[axis])?;
    let mut divisor = Tensor::folded(x.dtype, Array::filled(&[], 1.0));
    for factor in [x, y] {
        let aligned = [vec![1; rank - factor.rank()], factor.shape().to_vec()].concat();
        let factor = emit.reshape(factor, &aligned)?;
        let norm = euclidean(emit, &factor, &[axis])?;
        let norm = larger(emit, &norm, &least)?;
        divisor = emit.mul(&divisor, &norm)?;
    }
    let similarity = emit.div(&product, &divisor)?;
    Ok(reduction::without(emit, &similarity, &[axis], false)?.into())
}

/// ‖x₁ − x₂ + ε‖ along the last axis.
pub fn pairwise_distance(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let difference = emit.sub(arguments.tensor("x1")?, arguments.tensor("x2")?)?;
    let difference = emit.shift(&difference, arguments.float_or("eps", 1e-6)?)?;
    let axis = difference.rank().saturating_sub(1);
    let norm = of_order(emit, &difference, &[axis], arguments.float_or("p", 2.0)?)?;
    finished(arguments, emit, &norm, &[axis])
}

/// The distances of all rows of x₁ \[.., P, D\] from all rows of x₂ \[.., R, D\]: \[.., P, R\].
pub fn cdist(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.tensor("x1")?, arguments.tensor("x2")?);
    let ([batch @ .., p, d], [others @ .., r, _]) = (x.shape(), y.shape()) else {
        return Err(arguments.error("needs matrices"));
    };
    let x = emit.reshape(x, &[batch, &[*p, 1, *d]].concat())?;
    let y = emit.reshape(y, &[others, &[1, *r, *d]].concat())?;
    let difference = emit.sub(&x, &y)?;
    let axis = difference.rank() - 1;
    let norm = of_order(emit, &difference, &[axis], arguments.float_or("p", 2.0)?)?;
    Ok(reduction::without(emit, &norm, &[axis], false)?.into())
}
