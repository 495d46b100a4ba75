//! Scaled dot-product attention.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{
    ElementwiseFunction as Function, Mode, Result,
    nn::{self, Attention},
};

use crate::exported::{
    arguments::Arguments,
    array::common_shape,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn scaled_dot_product(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (query, key, value) =
        (arguments.tensor("query")?, arguments.tensor("key")?, arguments.tensor("value")?);
    if [query, key, value].iter().any(|tensor| tensor.rank() < 2) {
        return Err(arguments.error("needs queries, keys and values of two axes or more"));
    }
    let batch = &query.shape()[..query.rank() - 2];
    let (mut key, mut value) = (key.clone(), value.clone());
    if arguments.bool_or("enable_gqa", false)? {
        (key, value) = (repeated(arguments, emit, &key, batch)?, repeated(arguments, emit, &value, batch)?);
    }
    let [l, e] = [query.shape()[query.rank() - 2], query.shape()[query.rank() - 1]];
    let common = common_shape(batch, &key.shape()[..key.rank() - 2])?;
    let common = common_shape(&common, &value.shape()[..value.rank() - 2])?;
    let mut aligned = |tensor: &Tensor| {
        let own = &tensor.shape()[tensor.rank() - 2..];
        emit.broadcast(tensor, &[&common[..], own].concat())
    };
    let (query, key, value) = (aligned(query)?, aligned(&key)?, aligned(&value)?);
    let s = key.shape()[key.rank() - 2];
    let scores = [&common[..], &[l, s]].concat();
    let mut mask = match arguments.optional_tensor("attn_mask")? {
        Some(mask) => Some(additive(emit, mask)?),
        None => None,
    };
    let is_causal = arguments.bool_or("is_causal", false)?;
    if is_causal && l != s {
        let later = emit.array(&[l, s], |at| if at[1] > at[0] { f64::NEG_INFINITY } else { 0.0 })?;
        mask = Some(Tensor::folded(ScalarType::Double, later));
    }
    let mask = match mask {
        Some(mask) => {
            let mask = emit.broadcast(&mask, &scores)?;
            Some(emit.value(&mask)?)
        }
        None => None,
    };
    let settings = Attention {
        scale: Some(arguments.float_or("scale", (e as f64).sqrt().recip())?),
        causal: is_causal && l == s,
        mask,
        dropout: if emit.mode() == Mode::Train { arguments.float_or("dropout_p", 0.0)? } else { 0.0 },
    };
    let operands = [emit.value(&query)?, emit.value(&key)?, emit.value(&value)?];
    let result = nn::attend(emit.scope, operands, &settings)?;
    Ok(emit.tensor(query.dtype, result).into())
}

/// A mask as a term of the scores: for truth values, 0 where they are true and −∞ elsewhere.
fn additive(emit: &mut Emitter, mask: &Tensor) -> Result<Tensor> {
    if mask.dtype != ScalarType::Bool {
        return Ok(mask.clone());
    }
    Ok(emit.function(mask, Function::Log, f64::ln)?.of_type(ScalarType::Double))
}

/// Heads \[..., H, S, E\], each repeated so that there are as many as the queries have.
fn repeated(arguments: &Arguments, emit: &mut Emitter, x: &Tensor, queries: &[usize]) -> Result<Tensor> {
    let (Some(&heads), Some(place)) = (queries.last(), x.rank().checked_sub(3)) else {
        return Err(arguments.error("has no axis of heads"));
    };
    let own = x.shape()[place];
    if own == 0 || heads % own != 0 {
        return Err(arguments.error(format!("{own} heads of keys do not divide {heads} of queries")));
    }
    let (before, after) = (&x.shape()[..place], &x.shape()[place + 1..]);
    let each = emit.reshape(x, &[before, &[own, 1], after].concat())?;
    let each = emit.broadcast(&each, &[before, &[own, heads / own], after].concat())?;
    emit.reshape(&each, &[before, &[heads], after].concat())
}
