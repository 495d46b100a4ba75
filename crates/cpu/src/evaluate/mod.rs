//! A kernel for each step of a plan.

mod convolution;
mod function;
mod matmul;
mod rows;
mod scan;
mod views;
mod windows;

use candle_core::{DType, Device, Tensor};
use eigenscape_program::Operation;
use eigenscape_runtime::{Chain, Definitions, Kernel, each};

pub(crate) use self::scan::scan;
use crate::{Error, Result, kernels};

/// An operand of a step: the declared shape, or one more leading axis (many tangents, cotangents or
/// samples).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    /// The numbers.
    pub tensor: &'a Tensor,
    /// Whether the tensor has the leading axis.
    pub led: bool,
}

impl Operand<'_> {
    /// 1 with a leading axis, else 0: how far the declared axes are shifted.
    fn shift(&self) -> usize {
        usize::from(self.led)
    }

    /// The size of the leading axis, if there is one.
    fn lead(&self) -> Option<usize> {
        self.led.then(|| self.tensor.dims()[0])
    }

    /// The declared shape.
    pub fn dims(&self) -> &[usize] {
        &self.tensor.dims()[self.shift()..]
    }
}

/// `dims` behind the leading axis, if there is one.
pub(crate) fn behind(lead: Option<usize>, dims: &[usize]) -> Vec<usize> {
    lead.into_iter().chain(dims.iter().copied()).collect()
}

/// The size of the operands' leading axis, if one has it.
pub(crate) fn common_lead(args: &[Operand]) -> Option<usize> {
    args.iter().find_map(Operand::lead)
}

/// Runs a step in floating-point numbers of type `dtype`.
pub(crate) fn evaluate(
    kernel: &Kernel,
    dtype: DType,
    definitions: &Definitions,
    args: &[Operand],
) -> Result<Tensor> {
    match kernel {
        Kernel::Operation(operation) => evaluate_operation(operation, dtype, definitions, args),
        Kernel::Chain(chain) => evaluate_chain(chain, args),
        Kernel::TwoConvolutions(convolution) => convolution::sum_of_two(convolution, args),
        Kernel::Scan(_) => Err(Error::unsupported("a scan without the plan of its body")),
    }
}

fn evaluate_operation(
    operation: &Operation,
    dtype: DType,
    definitions: &Definitions,
    args: &[Operand],
) -> Result<Tensor> {
    match operation {
        Operation::Add(_) => kernels::add(args[0].tensor, args[1].tensor),
        Operation::Argmax(argmax) => rows::argmax(argmax, &args[0]),
        Operation::ArgmaxPool(pool) => windows::argmax(&pool.0, &args[0]),
        Operation::Broadcast(broadcast) => views::broadcast(broadcast, &args[0]),
        Operation::Concat(concat) => views::concat(concat, args),
        Operation::Conv2d(convolution) => convolution::one(convolution, args),
        Operation::Custom(operation) => {
            let args: Vec<(&Tensor, bool)> = args.iter().map(|arg| (arg.tensor, arg.led)).collect();
            each(&**operation, &args, dtype, |args, result| definitions.evaluate(&**operation, args, result))
        }
        Operation::Detach(_) => Ok(args[0].tensor.clone()),
        Operation::Differences(_) => rows::differences(args),
        Operation::DifferencesTranspose(_) => rows::differences_transpose(args),
        Operation::MatMul(axes) => matmul::evaluate(axes, &args[0], &args[1]),
        Operation::Fill(fill) => views::fill(fill, dtype, &Device::Cpu),
        Operation::Function(function) => function::evaluate(*function, args[0].tensor),
        Operation::Gather(_) => rows::gather(args),
        Operation::Literal(literal) => views::literal(literal, dtype, &Device::Cpu),
        Operation::Matrix(matrix) => views::matrix(matrix, dtype, &Device::Cpu),
        Operation::Mul(_) => kernels::mul(args[0].tensor, args[1].tensor),
        Operation::Pad(pad) => views::pad(pad, &args[0]),
        Operation::Permute(permute) => views::permute(permute, &args[0]),
        Operation::PutRows(put) => rows::put(put, args),
        Operation::Reshape(reshape) => views::reshape(reshape, &args[0]),
        Operation::Scale(scale) => Ok(args[0].tensor.affine(scale.factor.0, 0.0)?),
        Operation::Scan(_) => Err(Error::unsupported("a scan that was not lowered")),
        Operation::ScatterAdd(scatter) => rows::scatter_add(scatter, args),
        Operation::Slice(slice) => views::slice(slice, &args[0]),
        Operation::Sum(sum) => {
            let axes: Vec<usize> = sum.axes.iter().map(|axis| axis + args[0].shift()).collect();
            kernels::sum(args[0].tensor, &axes)
        }
        Operation::SumPool(pool) => windows::sum(&pool.0, &args[0]),
        Operation::SumPoolTranspose(pool) => windows::sum_transpose(&pool.0, &args[0]),
        Operation::Take(_) => rows::take(args),
    }
}

fn evaluate_chain(chain: &Chain, args: &[Operand]) -> Result<Tensor> {
    let lead = common_lead(args);
    let dims = behind(lead, &chain.shape);
    let operands: Vec<&Tensor> = args.iter().map(|arg| arg.tensor).collect();
    match &chain.sum {
        None => kernels::fused(&chain.code, &operands, &dims),
        Some(axes) => {
            let axes: Vec<usize> = axes.iter().map(|axis| axis + usize::from(lead.is_some())).collect();
            kernels::fused_sum(&chain.code, &operands, &dims, &axes)
        }
    }
}
