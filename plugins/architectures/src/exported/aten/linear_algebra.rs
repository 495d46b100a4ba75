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
    let other = ["other", "mat2", "vec", "vec2", "tensor", "y"]
        .into_iter()
        .find_map(|name| arguments.tensor(name).ok());
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

/// Sums of products over the last axes of both.
pub fn inner(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.first()?, arguments.tensor("other")?);
    if x.rank() == 0 || y.rank() == 0 {
        return Ok(emit.mul(x, y)?.into());
    }
    let contract = vec![[x.rank() - 1, y.rank() - 1]];
    Ok(emit.product(x, y, MatMul { batch: vec![], contract })?.into())
}

/// All products of an element of the one vector with one of the other.
pub fn outer(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (a, b) = (arguments.first()?, arguments.tensor("vec2")?);
    Ok(emit.product(a, b, MatMul { batch: vec![], contract: vec![] })?.into())
}

/// Kronecker's product: along each axis, places of the one tensor, and for each all places of the
/// other.
pub fn kron(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (a, b) = (arguments.first()?, arguments.tensor("other")?);
    let rank = a.rank().max(b.rank());
    let sizes = |x: &Tensor| [vec![1; rank - x.rank()], x.shape().to_vec()].concat();
    let (own, others) = (sizes(a), sizes(b));
    let spread: Vec<usize> = own.iter().flat_map(|size| [*size, 1]).collect();
    let a = emit.reshape(a, &spread)?;
    let spread: Vec<usize> = others.iter().flat_map(|size| [1, *size]).collect();
    let b = emit.reshape(b, &spread)?;
    let products = emit.mul(&a, &b)?;
    let sizes: Vec<usize> = products.shape().chunks(2).map(|pair| pair.iter().product()).collect();
    Ok(emit.reshape(&products, &sizes)?.into())
}

/// beta · self + alpha · Σ the products of pairs of matrices.
pub fn addbmm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let products = product(arguments, emit, arguments.tensor("batch1")?, arguments.tensor("batch2")?)?;
    let sum = emit.sum(&products, &[0])?;
    let sum = emit.reshape(&sum, &products.shape()[1..])?;
    let sum = emit.scale(&sum, arguments.float_or("alpha", 1.0)?)?;
    let bias = emit.scale(arguments.tensor("self")?, arguments.float_or("beta", 1.0)?)?;
    Ok(emit.add(&bias, &sum)?.into())
}

/// beta · self + alpha · vec1 vec2ᵀ
pub fn addr(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let axes = MatMul { batch: vec![], contract: vec![] };
    let product = emit.product(arguments.tensor("vec1")?, arguments.tensor("vec2")?, axes)?;
    let product = emit.scale(&product, arguments.float_or("alpha", 1.0)?)?;
    let bias = emit.scale(arguments.tensor("self")?, arguments.float_or("beta", 1.0)?)?;
    Ok(emit.add(&bias, &product)?.into())
}

/// Σ x y along an axis.
pub fn vecdot(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let products = emit.mul(arguments.first()?, arguments.tensor("y").or(arguments.tensor("other"))?)?;
    let axis = arguments.axis(arguments.int_or("dim", -1)?, products.rank())?;
    let sum = emit.sum(&products, &[axis])?;
    Ok(super::reduction::without(emit, &sum, &[axis], false)?.into())
}

/// The product over the axes that are named of each operand.
pub fn tensordot(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.tensor("self")?, arguments.tensor("other")?);
    let axes = |name: &str, rank: usize| {
        arguments.ints(name)?.into_iter().map(|dim| arguments.axis(dim, rank)).collect::<Result<Vec<_>>>()
    };
    let (own, others) = (axes("dims_self", x.rank())?, axes("dims_other", y.rank())?);
    if own.len() != others.len() {
        return Err(arguments.error("names different numbers of axes"));
    }
    let contract = own.into_iter().zip(others).map(|(a, b)| [a, b]).collect();
    Ok(emit.product(x, y, MatMul { batch: vec![], contract })?.into())
}

/// x₁ᵀ W x₂ for each output, plus a bias.
pub fn bilinear(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.tensor("input1")?, arguments.tensor("input2")?);
    let weight = arguments.tensor("weight")?;
    if x.rank() == 0 || x.rank() != y.rank() || weight.rank() != 3 {
        return Err(arguments.error(format!(
            "{:?} and {:?} with {:?}",
            x.shape(),
            y.shape(),
            weight.shape()
        )));
    }
    let last = x.rank() - 1;
    // [.., O, J], then the sum over J.
    let half = emit.product(x, weight, MatMul { batch: vec![], contract: vec![[last, 1]] })?;
    let batch = (0..last).map(|axis| [axis, axis]).collect();
    let product = emit.product(&half, y, MatMul { batch, contract: vec![[last + 1, last]] })?;
    Ok(match arguments.optional_tensor("bias")? {
        Some(bias) => emit.add(&product, bias)?.into(),
        None => product.into(),
    })
}

/// The product of three operands with new axes of size 1, summed over some axes.
pub fn trilinear(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let mut product: Option<Tensor> = None;
    for (name, new) in [("i1", "expand1"), ("i2", "expand2"), ("i3", "expand3")] {
        let mut shape = arguments.tensor(name)?.shape().to_vec();
        for axis in arguments.sizes(&arguments.ints(new)?)? {
            shape.insert(axis.min(shape.len()), 1);
        }
        let factor = emit.reshape(arguments.tensor(name)?, &shape)?;
        product = Some(match product {
            None => factor,
            Some(product) => emit.mul(&product, &factor)?,
        });
    }
    let product = product.ok_or_else(|| arguments.error("has no operand"))?;
    let axes = arguments.ints("sumdim")?.into_iter().map(|dim| arguments.axis(dim, product.rank()));
    let axes: Vec<usize> = axes.collect::<Result<_>>()?;
    let sum = emit.sum(&product, &axes)?;
    Ok(super::reduction::without(emit, &sum, &axes, false)?.into())
}
