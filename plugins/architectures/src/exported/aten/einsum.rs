//! Sums of products by a formula.

use eigenscape_program::{Result, operations::MatMul};

use crate::exported::{
    arguments::Arguments,
    array::common_shape,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// A tensor with a letter for each axis.
struct Lettered {
    letters: Vec<char>,
    tensor: Tensor,
}

/// Sums of products by a formula in letters, one for each axis: all letters that the result has not
/// are summed over. An ellipsis stands for axes at the end of which operands are aligned.
pub fn einsum(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let formula: String = arguments.text_or("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let tensors = arguments.tensors("tensors")?;
    let unread = || arguments.error(format!("the formula {formula:?} is not read"));
    let (left, right) = match formula.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (formula.as_str(), None),
    };
    let texts: Vec<&str> = left.split(',').collect();
    if texts.len() != tensors.len() {
        return Err(unread());
    }
    let mut operands = Vec::new();
    let mut hidden = 0;
    for (text, tensor) in texts.iter().zip(&tensors) {
        let letters = letters_of(text, tensor.rank()).ok_or_else(unread)?;
        hidden = hidden.max(letters.iter().filter(|letter| letter.is_numeric()).count());
        operands.push(Lettered { letters, tensor: tensor.clone() });
    }
    let result = match right {
        Some(text) => {
            let own = text.chars().filter(|c| c.is_alphabetic()).count();
            letters_of(text, own + if text.contains("...") { hidden } else { 0 }).ok_or_else(unread)?
        }
        None => implied(left, hidden),
    };
    let known = |letter: &char| operands.iter().any(|operand| operand.letters.contains(letter));
    if !result.iter().all(known) {
        return Err(unread());
    }
    aligned(emit, &mut operands)?;
    let mut operands = operands.into_iter();
    let mut product = operands.next().ok_or_else(unread)?;
    let mut rest: Vec<Lettered> = operands.collect();
    while !rest.is_empty() {
        let next = rest.remove(0);
        let later = |letter: &char| {
            result.contains(letter) || rest.iter().any(|operand| operand.letters.contains(letter))
        };
        product = pair(emit, &product, &next, &later)?;
    }
    let place = |letter: &char| product.letters.iter().position(|own| own == letter);
    let kept: Vec<usize> = result.iter().map(place).collect::<Option<_>>().ok_or_else(unread)?;
    let summed: Vec<usize> = (0..product.letters.len()).filter(|axis| !kept.contains(axis)).collect();
    let sum = emit.sum(&product.tensor, &summed)?;
    let axes: Vec<usize> = kept.iter().chain(&summed).copied().collect();
    let ordered = emit.permute(&sum, &axes)?;
    let shape = ordered.shape()[..kept.len()].to_vec();
    Ok(emit.reshape(&ordered, &shape)?.into())
}

/// The letters of a tensor's axes; those of an ellipsis are digits, 0 for the last of them. `None`
/// where they do not fit, or a letter is there twice.
fn letters_of(text: &str, rank: usize) -> Option<Vec<char>> {
    let (before, after) = text.split_once("...").unwrap_or((text, ""));
    let named = before.chars().count() + after.chars().count();
    let hidden = rank.checked_sub(named)?;
    if hidden > 0 && !text.contains("...") {
        return None;
    }
    let digits = (0..hidden).rev().map(|place| char::from_digit(u32::try_from(place).ok()?, 10));
    let digits = digits.collect::<Option<Vec<_>>>()?;
    let letters: Vec<char> = before.chars().chain(digits).chain(after.chars()).collect();
    let once = letters.iter().enumerate().all(|(i, c)| c.is_alphanumeric() && !letters[..i].contains(c));
    once.then_some(letters)
}

/// The result of a formula without an arrow: the axes of ellipses, then the letters that are there
/// once, in alphabetical order.
fn implied(left: &str, hidden: usize) -> Vec<char> {
    let mut letters: Vec<char> = left.chars().filter(|c| c.is_alphabetic()).collect();
    letters.sort_unstable();
    let once = |letter: &char| letters.iter().filter(|own| *own == letter).count() == 1;
    let single: Vec<char> = letters.iter().copied().filter(once).collect();
    let digits = (0..hidden).rev().filter_map(|place| char::from_digit(u32::try_from(place).ok()?, 10));
    digits.chain(single).collect()
}

/// Broadcasts axes of size 1 to the size that another operand has under the same letter.
fn aligned(emit: &mut Emitter, operands: &mut [Lettered]) -> Result<()> {
    let all: Vec<(char, usize)> = operands
        .iter()
        .flat_map(|operand| operand.letters.iter().copied().zip(operand.tensor.shape().iter().copied()))
        .collect();
    for operand in operands {
        let size = |letter: &char| {
            let own = all.iter().filter(|(other, _)| other == letter).map(|(_, size)| vec![*size]);
            let common = own.reduce(|a, b| common_shape(&a, &b).unwrap_or(a));
            common.and_then(|common| common.first().copied()).unwrap_or(1)
        };
        let shape: Vec<usize> = operand.letters.iter().map(size).collect();
        if shape != operand.tensor.shape() {
            operand.tensor = emit.broadcast(&operand.tensor, &shape)?;
        }
    }
    Ok(())
}

/// The product of two operands, summed over the letters that both have and nothing needs later.
fn pair(emit: &mut Emitter, a: &Lettered, b: &Lettered, later: &dyn Fn(&char) -> bool) -> Result<Lettered> {
    let (mut batch, mut contract) = (Vec::new(), Vec::new());
    for (place, letter) in a.letters.iter().enumerate() {
        if let Some(other) = b.letters.iter().position(|own| own == letter) {
            if later(letter) { &mut batch } else { &mut contract }.push([place, other]);
        }
    }
    let axes = MatMul { batch, contract };
    let letters = axes.batch.iter().map(|[place, _]| a.letters[*place]);
    let own = axes.free(0, a.letters.len()).into_iter().map(|axis| a.letters[axis]);
    let others = axes.free(1, b.letters.len()).into_iter().map(|axis| b.letters[axis]);
    let letters: Vec<char> = letters.chain(own).chain(others).collect();
    Ok(Lettered { letters, tensor: emit.product(&a.tensor, &b.tensor, axes)? })
}
