//! Products of matrices.

use eigenscape_program::{Result, operations::MatMul};

use crate::exported::{
    arguments::Arguments,
    array::common_shape,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// input · weightᵀ + bias
pub fn linear(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, weight) = (arguments.tensor("input")?, arguments.tensor("weight")?);
    if x.rank() == 0 || weight.rank() != 2 {
        return Err(arguments.error(format!("{:?} with a weight {:?}", x.shape(), weight.shape())));
    }
    let contract = vec![[x.rank() - 1, 1]];
    let product = emit.product(x, weight, MatMul { batch: vec![], contract })?;
    Ok(match arguments.optional_tensor("bias")? {
        Some(bias) => emit.add(&product, bias)?.into(),
        None => product.into(),
    })
}

pub fn matmul(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let other =
        ["other", "mat2", "vec", "vec2", "tensor"].into_iter().find_map(|name| arguments.tensor(name).ok());
    let other = other.ok_or_else(|| arguments.error("its second operand is missing"))?;
    Ok(product(arguments, emit, arguments.first()?, other)?.into())
}

/// beta · self + alpha · the product of two matrices, or of two rows of matrices.
pub fn addmm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let operand = |names: [&str; 2]| names.into_iter().find_map(|name| arguments.tensor(name).ok());
    let (Some(a), Some(b)) = (
        operand(["mat1", "batch1"]).or(operand(["mat", "mat"])),
        operand(["mat2", "batch2"]).or(operand(["vec", "vec"])),
    ) else {
        return Err(arguments.error("an operand is missing"));
    };
    let product = product(arguments, emit, a, b)?;
    let product = emit.scale(&product, arguments.float_or("alpha", 1.0)?)?;
    let bias = emit.scale(arguments.tensor("self")?, arguments.float_or("beta", 1.0)?)?;
    Ok(emit.add(&product, &bias)?.into())
}

/// The product over the last axis of the one and the last but one of the other, their other axes
/// repeated where one has the size 1.
fn product(arguments: &Arguments, emit: &mut Emitter, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank() == 0 || b.rank() == 0 {
        return Err(arguments.error("an operand is a scalar"));
    }
    if b.rank() <= 2 {
        let contract = vec![[a.rank() - 1, b.rank().saturating_sub(2)]];
        return emit.product(a, b, MatMul { batch: vec![], contract });
    }
    if a.rank() == 1 {
        let row = emit.reshape(a, &[&[1], a.shape()].concat())?;
        let row_product = product(arguments, emit, &row, b)?;
        let mut shape = row_product.shape().to_vec();
        shape.remove(shape.len() - 2);
        return emit.reshape(&row_product, &shape);
    }
    let split = |tensor: &Tensor| {
        let (batch, own) = tensor.shape().split_at(tensor.rank() - 2);
        (batch.to_vec(), own.to_vec())
    };
    let ((batch_a, own_a), (batch_b, own_b)) = (split(a), split(b));
    if batch_b.iter().all(|size| *size == 1) && batch_b.len() <= batch_a.len() {
        let matrix = emit.reshape(b, &own_b)?;
        return product(arguments, emit, a, &matrix);
    }
    let batch = common_shape(&batch_a, &batch_b)?;
    let a = emit.broadcast(a, &[batch.as_slice(), &own_a].concat())?;
    let b = emit.broadcast(b, &[batch.as_slice(), &own_b].concat())?;
    let each = (0..batch.len()).map(|axis| [axis, axis]).collect();
    emit.product(&a, &b, MatMul { batch: each, contract: vec![[batch.len() + 1, batch.len()]] })
}

/// All products of an element of the one vector with one of the other.
pub fn outer(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (a, b) = (arguments.first()?, arguments.tensor("vec2")?);
    Ok(emit.product(a, b, MatMul { batch: vec![], contract: vec![] })?.into())
}

/// Sums of products by a formula in letters, one for each axis, of one or two operands.
pub fn einsum(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let formula: String = arguments.text_or("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let tensors = arguments.tensors("tensors")?;
    let unread = || arguments.error(format!("the formula {formula:?} is not read"));
    let (operands, result) = formula.split_once("->").ok_or_else(unread)?;
    let operands: Vec<Vec<char>> = operands.split(',').map(|letters| letters.chars().collect()).collect();
    let result: Vec<char> = result.chars().collect();
    let once = |letters: &Vec<char>| {
        letters.iter().enumerate().all(|(i, c)| c.is_alphabetic() && !letters[..i].contains(c))
    };
    let ranks = operands.iter().zip(&tensors).all(|(letters, tensor)| letters.len() == tensor.rank());
    if operands.len() != tensors.len() || !ranks || !operands.iter().chain([&result]).all(once) {
        return Err(unread());
    }
    let (letters, product) = match (operands.as_slice(), tensors.as_slice()) {
        ([a], [x]) => (a.clone(), x.clone()),
        ([a, b], [x, y]) => pair(emit, [(a, x), (b, y)], &result)?,
        _ => return Err(unread()),
    };
    let place = |letter: &char| letters.iter().position(|own| own == letter);
    let kept: Vec<usize> = result.iter().map(place).collect::<Option<_>>().ok_or_else(unread)?;
    let summed: Vec<usize> = (0..letters.len()).filter(|axis| !kept.contains(axis)).collect();
    let sum = emit.sum(&product, &summed)?;
    let axes: Vec<usize> = kept.iter().chain(&summed).copied().collect();
    let ordered = emit.permute(&sum, &axes)?;
    let shape = ordered.shape()[..kept.len()].to_vec();
    Ok(emit.reshape(&ordered, &shape)?.into())
}

/// The product of two operands, with the letters of its axes: those that only one operand has and
/// the result has not are summed over before.
fn pair(
    emit: &mut Emitter,
    [(a, x), (b, y)]: [(&Vec<char>, &Tensor); 2],
    result: &[char],
) -> Result<(Vec<char>, Tensor)> {
    let (mut batch, mut contract) = (Vec::new(), Vec::new());
    for (place, letter) in a.iter().enumerate() {
        if let Some(other) = b.iter().position(|own| own == letter) {
            if result.contains(letter) { &mut batch } else { &mut contract }.push([place, other]);
        }
    }
    let axes = MatMul { batch, contract };
    let letters = axes.batch.iter().map(|[place, _]| a[*place]);
    let own = axes.free(0, a.len()).into_iter().map(|axis| a[axis]);
    let others = axes.free(1, b.len()).into_iter().map(|axis| b[axis]);
    let letters: Vec<char> = letters.chain(own).chain(others).collect();
    Ok((letters, emit.product(x, y, axes)?))
}
