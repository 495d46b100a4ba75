//! Each step of a plan as commands: one file per family of operations.

mod aligned;
#[cfg(test)]
mod compared;
mod convolution;
mod direct;
mod element_wise;
mod matmul;
mod rows;
mod scan;
mod sum;
mod walk;
mod windows;
mod winograd;

use std::sync::Arc;

use eigenscape_program::Operation;
use eigenscape_runtime::{Error, Kernel, Layout};

use self::element_wise::Code;
pub(crate) use self::{element_wise::copy, scan::emit as scan};
use crate::{
    Result,
    builder::{Builder, Home, View},
    command::{Command, HostStep, Place},
};

/// Emits a step that is no view; the result lies in row-major order.
pub(crate) fn step(builder: &mut Builder, kernel: &Kernel, args: &[View], out: &View) -> Result<()> {
    let operation = match kernel {
        Kernel::Chain(chain) => {
            let code = element_wise::of_chain(&chain.code);
            return match &chain.sum {
                None => element_wise::emit(builder, &code, args, out),
                Some(axes) => sum::emit(builder, &code, args, &behind(args, &chain.shape), axes, out),
            };
        }
        Kernel::Operation(operation) => operation,
        Kernel::TwoConvolutions(convolution) => return convolution::emit(builder, convolution, args, out),
        Kernel::TwoProducts(dot) => return matmul::emit(builder, dot, args, out),
        Kernel::Scan(_) => return Err(Error::unsupported("a scan without the plan of its body")),
    };
    match operation {
        Operation::Add(_) => add(builder, args, out),
        Operation::Mul(_) => element_wise::emit(builder, &Code::mul(), args, out),
        Operation::Scale(scale) => element_wise::emit(builder, &Code::scale(scale.factor), args, out),
        Operation::Function(function) => element_wise::emit(builder, &Code::function(*function), args, out),
        Operation::Reshape(_) | Operation::Detach(_) => {
            let source = &args[0];
            // The shape that the elements have in the source, in row-major order.
            copy(builder, source, &out.by(Layout::in_order(&source.layout.dims)))
        }
        Operation::Broadcast(_) | Operation::Permute(_) | Operation::Slice(_) => {
            Err(Error::unsupported(format!("{} that is no view", operation.rules().name())))
        }
        Operation::Sum(sum) => {
            sum::emit(builder, &Code::operand(), args, &args[0].layout.dims, &sum.axes, out)
        }
        Operation::Pad(pad) => {
            builder.zero(place(out)?, out.layout.elements() * out.dtype.size_in_bytes());
            let axis = pad.axis + usize::from(out.led);
            let inside = out.layout.narrow(axis, pad.before, args[0].layout.dims[axis]);
            copy(builder, &args[0], &out.by(inside))
        }
        Operation::Concat(concat) => {
            let axis = concat.axis + usize::from(out.led);
            let mut start = 0;
            for arg in args {
                let len = arg.declared()[concat.axis];
                copy(builder, arg, &out.by(out.layout.narrow(axis, start, len)))?;
                start += len;
            }
            Ok(())
        }
        Operation::MatMul(dot) => matmul::emit(builder, dot, args, out),
        Operation::Conv2d(convolution) => convolution::emit(builder, convolution, args, out),
        Operation::Argmax(argmax) => rows::argmax(builder, argmax, &args[0], out),
        Operation::Differences(_) => rows::differences(builder, args, out),
        Operation::DifferencesTranspose(_) => rows::differences_transpose(builder, args, out),
        Operation::Gather(_) => rows::gather(builder, args, out),
        Operation::ScatterAdd(scatter) => rows::scatter_add(builder, scatter, args, out),
        Operation::Take(_) => rows::take(builder, args, out),
        Operation::PutRows(put) => rows::put(builder, put, args, out),
        Operation::ArgmaxPool(pool) => windows::emit(builder, "argmax_pool", &pool.0, &args[0], out),
        Operation::SumPool(pool) => windows::emit(builder, "sum_pool", &pool.0, &args[0], out),
        Operation::SumPoolTranspose(pool) => {
            windows::emit(builder, "sum_pool_transpose", &pool.0, &args[0], out)
        }
        Operation::Custom(operation) => {
            let compute = builder.compute();
            let mut placed = Vec::new();
            for arg in args {
                placed.push((builder.in_order(arg, compute)?, arg.layout.dims.clone(), arg.led));
            }
            let (operation, result) = (Arc::clone(operation), place(out)?);
            let step = HostStep { operation, args: placed, dtype: compute, result };
            builder.command(Command::OnHost(Box::new(step)));
            Ok(())
        }
        Operation::Scan(_) => Err(Error::unsupported("a scan that was not lowered")),
        Operation::Fill(_) | Operation::Literal(_) | Operation::Matrix(_) => {
            Err(Error::unsupported("a constant that is computed"))
        }
    }
}

/// Whether the kernels of a step read operands of any type, so that nothing is converted before.
pub(crate) fn reads_any_type(kernel: &Kernel) -> bool {
    match kernel {
        Kernel::Chain(_) => true,
        Kernel::Operation(operation) => matches!(
            operation,
            Operation::Add(_)
                | Operation::Concat(_)
                | Operation::Detach(_)
                | Operation::Function(_)
                | Operation::Mul(_)
                | Operation::Pad(_)
                | Operation::Reshape(_)
                | Operation::Scale(_)
                | Operation::Sum(_)
        ),
        _ => false,
    }
}

/// Emits x + y.
fn add(builder: &mut Builder, args: &[View], out: &View) -> Result<()> {
    element_wise::emit(builder, &Code::add(), args, out)
}

/// `shape` behind the leading axis of the operands, if any operand has one.
fn behind(args: &[View], shape: &[usize]) -> Vec<usize> {
    args.iter().find_map(View::lead).into_iter().chain(shape.iter().copied()).collect()
}

/// Where a result lies.
fn place(out: &View) -> Result<Place> {
    match out.home {
        Home::At(place) => Ok(place),
        Home::Repeated(_) => Err(Error::unsupported("a result that is nowhere")),
    }
}
