//! What the plan knows of each operation: where its result is stored, whether it works on single
//! numbers, and what it costs.

use candle_core::DType;
use eigenscape_program::{ElementwiseFunction, Operation, Program, operations::Conv2d};

use crate::kernel::{ElementWise, Kernel};

/// Where the elements of a result are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In memory of their own.
    New,
    /// Where those of the operand are, in the same order; copied where these are not in order.
    Same,
    /// Where those of the operand are, by other strides.
    Strided,
    /// Nowhere: one number that is repeated.
    Nowhere,
}

pub(crate) fn storage(operation: &Operation) -> Storage {
    match operation {
        Operation::Reshape(_) | Operation::Detach(_) => Storage::Same,
        Operation::Permute(_) | Operation::Broadcast(_) | Operation::Slice(_) => Storage::Strided,
        Operation::Fill(_) => Storage::Nowhere,
        _ => Storage::New,
    }
}

/// The operation on single numbers, where each element of the result is made of the operands'
/// elements at the same place by one of these.
pub(crate) fn element_wise(operation: &Operation) -> Option<ElementWise> {
    match operation {
        Operation::Add(_) => Some(ElementWise::Add),
        Operation::Mul(_) => Some(ElementWise::Mul),
        Operation::Scale(scale) => Some(ElementWise::Scale(scale.factor)),
        Operation::Function(ElementwiseFunction::Relu) => Some(ElementWise::Relu),
        Operation::Function(ElementwiseFunction::Step { slope }) => Some(ElementWise::Step(*slope)),
        _ => None,
    }
}

/// The axes that the operation sums over, if that is all it does.
pub(crate) fn summed_axes(operation: &Operation) -> Option<&[usize]> {
    match operation {
        Operation::Sum(sum) => Some(&sum.axes),
        _ => None,
    }
}

/// Whether the result is of indices, of type `u32`.
fn finds_indices(operation: &Operation) -> bool {
    matches!(operation, Operation::Argmax(_) | Operation::ArgmaxPool(_))
}

/// The type of a result from its operands' and that of floating-point numbers.
pub(crate) fn dtype(kernel: &Kernel, args: &[DType], float: DType) -> DType {
    let Kernel::Operation(operation) = kernel else { return float };
    match (storage(operation), args) {
        _ if finds_indices(operation) => DType::U32,
        // What only moves elements moves indices, too.
        (Storage::Same | Storage::Strided, [moved]) if !moved.is_float() => *moved,
        _ => float,
    }
}

/// Floating-point operations of one evaluation without a leading axis.
pub(crate) fn flops(operation: &Operation, args: &[&[usize]], output: &[usize]) -> usize {
    match operation {
        Operation::Reshape(_)
        | Operation::Detach(_)
        | Operation::Permute(_)
        | Operation::Broadcast(_)
        | Operation::Slice(_)
        | Operation::Pad(_)
        | Operation::Concat(_) => 0,
        Operation::Sum(_) => elements(args[0]),
        Operation::Conv2d(Conv2d { shapes, .. }) => 2 * elements(&shapes.y) * elements(&shapes.w[1..]),
        Operation::MatMul(dot) => {
            let inner: usize = dot.contract.iter().map(|[l, _]| args[0][*l]).product();
            2 * inner * elements(output)
        }
        Operation::Scan(scan) => scan.length * program_flops(&scan.body),
        _ => elements(output),
    }
}

/// Floating-point operations of one evaluation of a program without a leading axis.
pub(crate) fn program_flops(program: &Program) -> usize {
    let shapes = program.shapes();
    let results = &shapes[program.inputs()..];
    let of_steps = program.steps().iter().zip(results).map(|(step, result)| {
        let args: Vec<&[usize]> = step.args.iter().map(|&slot| shapes[slot].as_slice()).collect();
        flops(&step.operation, &args, result)
    });
    of_steps.sum()
}

fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}
