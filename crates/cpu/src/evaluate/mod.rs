//! A kernel for each step of a plan.

mod convolution;
mod function;
mod matmul;
mod moved;
mod rows;
mod scan;
mod windows;

use candle_core::{DType, Tensor, WithDType};
use eigenscape_program::{Operation, Primitive};
use eigenscape_runtime::{Chain, Definitions, Kernel, each};
use pulp::bytemuck::Pod;

pub(crate) use self::{convolution::geometry, scan::Recurrence};
use crate::{
    Error, Result,
    kernels::{self, Element, InOrder, View, Workspace, dispatch},
    numbers::{Numbers, Stored, numbers_mut, of_tensor},
};

/// An operand of a step: an array of the declared shape, or of this shape behind a leading axis
/// (tangents, cotangents or samples).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    /// The numbers.
    pub numbers: Stored<'a>,
    /// Whether the operand has the leading axis.
    pub led: bool,
}

/// Where a step's result goes, in row-major order.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub bytes: &'a mut [u8],
    /// The result's shape, with the leading axis.
    pub dims: &'a [usize],
    pub dtype: DType,
}

impl<'a> Operand<'a> {
    /// The offset of the declared axes: 1 with a leading axis, else 0.
    fn shift(&self) -> usize {
        usize::from(self.led)
    }

    /// The size of the leading axis, if there is one.
    fn lead(&self) -> Option<usize> {
        self.led.then(|| self.numbers.layout.dims[0])
    }

    /// The declared shape.
    fn dims(&self) -> &'a [usize] {
        &self.numbers.layout.dims[self.shift()..]
    }

    /// The size of the last axis.
    fn width(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// A view as numbers of type `T`.
    fn view<T: WithDType + Pod>(&self) -> Result<View<'a, T>> {
        self.numbers.view()
    }

    /// The numbers in row-major order.
    fn in_order<'w, T: WithDType + Pod>(&self, work: &mut Workspace<'w>) -> Result<InOrder<'w, T>>
    where
        'a: 'w,
    {
        Ok(self.view()?.in_order(work))
    }
}

/// The size of the leading axis, if any operand has one.
fn common_lead(args: &[Operand]) -> Option<usize> {
    args.iter().find_map(Operand::lead)
}

/// Runs a step that computes in type `compute`.
pub(crate) fn evaluate<'s>(
    kernel: &Kernel,
    compute: DType,
    definitions: &Definitions,
    args: &[Operand<'s>],
    target: &mut Target,
    work: &mut Workspace<'s>,
) -> Result<()> {
    match kernel {
        Kernel::Operation(operation) => match operation {
            Operation::Argmax(argmax) => {
                let out = numbers_mut(target.bytes)?;
                dispatch!(compute, T => rows::argmax::<T>(argmax, &args[0], out, work))
            }
            Operation::ArgmaxPool(pool) => {
                let out = numbers_mut(target.bytes)?;
                dispatch!(compute, T => windows::argmax::<T>(&pool.0, &args[0], out, work))
            }
            Operation::Custom(operation) => custom(&**operation, compute, definitions, args, target),
            // The operand may hold indices, whose type is not `compute`.
            Operation::Reshape(_) => args[0].numbers.copy_to(target.bytes, target.dtype),
            _ => dispatch!(compute, T => operation_in::<T>(operation, args, target, work)),
        },
        Kernel::Chain(chain) => dispatch!(compute, T => chain_in::<T>(chain, args, target, work)),
        Kernel::TwoConvolutions(convolution) => dispatch!(compute, T => {
            convolution::evaluate::<T>(convolution, args, numbers_mut(target.bytes)?, work)
        }),
        Kernel::TwoProducts(_) => Err(Error::unsupported("two products in one step on the CPU")),
        Kernel::Scan(_) => Err(Error::unsupported("a scan without the plan of its body")),
    }
}

/// Adds y to x in place.
pub(crate) fn add_onto(x: &mut [u8], y: &Operand) -> Result<()> {
    dispatch!(y.numbers.dtype, T => {
        kernels::add_onto::<T>(numbers_mut(x)?, &y.view()?);
        Ok(())
    })
}

fn operation_in<'s, T: Element>(
    operation: &Operation,
    args: &[Operand<'s>],
    target: &mut Target,
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (dims, out) = (target.dims, numbers_mut::<T>(target.bytes)?);
    match operation {
        Operation::Add(_) => kernels::add(&args[0].view()?, &args[1].view()?, out),
        Operation::Concat(concat) => moved::concat(concat, args, dims, out)?,
        Operation::Conv2d(convolution) => convolution::evaluate(convolution, args, out, work)?,
        Operation::Differences(_) => rows::differences(args, out, work)?,
        Operation::DifferencesTranspose(_) => rows::differences_transpose(args, out, work)?,
        Operation::MatMul(axes) => matmul::evaluate(axes, &args[0], &args[1], out, work)?,
        Operation::Function(function) => function::evaluate(*function, args[0].view()?, out),
        Operation::Gather(_) => rows::gather(args, out, work)?,
        Operation::Literal(literal) => moved::literal(literal, out),
        Operation::Matrix(matrix) => moved::matrix(matrix, out),
        Operation::Mul(_) => kernels::mul(&args[0].view()?, &args[1].view()?, out),
        Operation::Pad(pad) => moved::pad(pad, &args[0], out)?,
        Operation::PutRows(put) => rows::put(put, args, out, work)?,
        Operation::Scale(scale) => {
            // Adding zero turns −0 into +0.
            let factor = T::from_f64(scale.factor.0);
            kernels::map(&args[0].view()?, out, |x| x * factor + T::zero());
        }
        Operation::ScatterAdd(_) => rows::scatter_add(args, dims, out, work)?,
        Operation::Sum(sum) => {
            let axes: Vec<usize> = sum.axes.iter().map(|axis| axis + args[0].shift()).collect();
            kernels::sum(args[0].view()?, &axes, out, work);
        }
        Operation::SumPool(pool) => windows::sum(&pool.0, &args[0], out, work)?,
        Operation::SumPoolTranspose(pool) => windows::sum_transpose(&pool.0, &args[0], out, work)?,
        Operation::Take(_) => rows::take(args, out, work)?,
        other => {
            return Err(Error::unsupported(format!("{} that is computed", other.rules().name())));
        }
    }
    Ok(())
}

fn chain_in<T: Element>(
    chain: &Chain,
    args: &[Operand],
    target: &mut Target,
    work: &mut Workspace,
) -> Result<()> {
    let lead = common_lead(args);
    let dims: Vec<usize> = lead.into_iter().chain(chain.shape.iter().copied()).collect();
    let operands: Vec<View<'_, T>> = args.iter().map(Operand::view).collect::<Result<_>>()?;
    let out = numbers_mut(target.bytes)?;
    match &chain.sum {
        None => kernels::fused(&chain.code, &operands, &dims, out),
        Some(axes) => {
            let axes: Vec<usize> = axes.iter().map(|axis| axis + usize::from(lead.is_some())).collect();
            kernels::fused_sum(&chain.code, &operands, (&dims, &axes), out, work);
        }
    }
    Ok(())
}

/// Evaluates a plugin operation by its definition.
fn custom(
    operation: &dyn Primitive,
    compute: DType,
    definitions: &Definitions,
    args: &[Operand],
    target: &mut Target,
) -> Result<()> {
    let tensor = |operand: &Operand| -> Result<Tensor> {
        let Stored { dtype, layout, .. } = operand.numbers;
        let mut numbers = Numbers::new(dtype, layout.elements())?;
        operand.numbers.copy_to(numbers.bytes_mut(), dtype)?;
        numbers.into_tensor(&layout.dims)
    };
    let tensors: Vec<Tensor> = args.iter().map(tensor).collect::<Result<_>>()?;
    let operands: Vec<(&Tensor, bool)> = tensors.iter().zip(args).map(|(x, arg)| (x, arg.led)).collect();
    let result =
        each(operation, &operands, compute, |args, result| definitions.evaluate(operation, args, result))?;
    let (storage, layout) = result.storage_and_layout();
    let (bytes, _) = of_tensor(&storage, layout)?;
    target.bytes.copy_from_slice(bytes);
    Ok(())
}
