//! Chains of element-wise operations in one pass: a block at a time, so that only operands and
//! result travel through memory.

mod machine;
mod reduction;
mod strided;

use std::ops::Range;

use candle_core::{Tensor, WithDType};
use eigenscape_runtime::{ElementWise, Instruction};
use pulp::Arch;
use rayon::prelude::*;

use self::{
    machine::{Blocks, Machine, Stack, Sums},
    reduction::Reduction,
    strided::Strided,
};
use super::{Element, cpu_slice, dispatch, recycle::buffer};
use crate::Result;

/// Elements of a block: a few blocks fit into a core's first cache.
const BLOCK: usize = 1 << 11;

/// Elements of a task.
const CHUNK: usize = 1 << 15;

/// The result of `code` on `operands` of shape `dims`, up to repetition; an operand may lack the
/// leading axis.
pub(crate) fn fused(code: &[Instruction], operands: &[&Tensor], dims: &[usize]) -> Result<Tensor> {
    dispatch!(operands[0], T => {
        let mut out = buffer::<T>(dims.iter().product());
        with_machine::<T, _>(code, operands, dims, |machine| {
            let chunks = out.par_chunks_mut(CHUNK).enumerate();
            chunks.for_each_init(Stack::default, |stack, (i, out)| {
                Arch::new().dispatch(Blocks { machine, start: i * CHUNK, out, stack });
            });
        })?;
        Ok(Tensor::from_vec(out, dims, operands[0].device())?)
    })
}

/// One operation of one operand.
pub(crate) fn element_wise(operation: ElementWise, x: &Tensor) -> Result<Tensor> {
    fused(&[Instruction::Operand(0), Instruction::Apply(operation)], &[x], x.dims())
}

/// The sum of that result over `axes`, which keep the size 1. The order of summation depends on the
/// shapes alone.
pub(crate) fn fused_sum(
    code: &[Instruction],
    operands: &[&Tensor],
    dims: &[usize],
    axes: &[usize],
) -> Result<Tensor> {
    let mut kept = dims.to_vec();
    axes.iter().for_each(|&axis| kept[axis] = 1);
    let count: usize = kept.iter().product();
    let reduction = Reduction::new(dims, axes);
    dispatch!(operands[0], T => {
        let partials = with_machine::<T, _>(code, operands, dims, |machine| {
            let partial = |range: Range<usize>| {
                Arch::new().dispatch(Sums { machine, range, reduction: &reduction, sums: vec![0.0; count] })
            };
            let ranges = ranges(dims.iter().product(), count);
            ranges.into_par_iter().map(partial).collect::<Vec<Vec<f64>>>()
        })?;
        let total = |i: usize| T::from_f64(partials.iter().map(|partial| partial[i]).sum());
        let out: Vec<T> = (0..count).map(total).collect();
        Ok(Tensor::from_vec(out, kept, operands[0].device())?)
    })
}

/// Ranges of about equal size, so few that partial results of `kept` numbers each are cheap.
fn ranges(elements: usize, kept: usize) -> Vec<Range<usize>> {
    const MOST: usize = 16;
    let count = (elements / CHUNK.max(4 * kept)).clamp(1, MOST);
    (0..count).map(|i| i * elements / count..(i + 1) * elements / count).collect()
}

fn with_machine<T: Element, R>(
    code: &[Instruction],
    operands: &[&Tensor],
    dims: &[usize],
    f: impl FnOnce(&Machine<'_, T>) -> R,
) -> Result<R> {
    let views = operands.iter().map(|x| x.broadcast_as(dims));
    let views: Vec<Tensor> = views.collect::<candle_core::Result<_>>()?;
    let stored: Vec<_> = views.iter().map(Tensor::storage_and_layout).collect();
    let operands = stored.iter().map(|(storage, layout)| {
        Ok(Strided::new(&cpu_slice::<T>(storage)?[layout.start_offset()..], dims, layout.stride()))
    });
    let operands: Vec<Strided<'_, T>> = operands.collect::<Result<_>>()?;
    Ok(f(&Machine::new(code, &operands)))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use eigenscape_program::Real;
    use eigenscape_runtime::ElementWise::{Add, Mul, Scale};

    use super::{Instruction::*, *};

    fn random(dims: &[usize]) -> Result<Tensor> {
        Ok(Tensor::randn(0.0_f64, 1.0, dims, &Device::Cpu)?)
    }

    /// Operands stored in order, repeated, transposed, a part of something, and without the leading
    /// axis.
    fn operands() -> Result<[Tensor; 5]> {
        Ok([
            random(&[3, 40, 70])?,
            random(&[1, 40, 1])?.broadcast_as((3, 40, 70))?,
            random(&[70, 3, 40])?.permute((1, 2, 0))?,
            random(&[3, 50, 70])?.narrow(1, 5, 40)?,
            random(&[40, 70])?,
        ])
    }

    const CODE: [Instruction; 10] = [
        Operand(0),
        Operand(1),
        Apply(Mul),
        Operand(4),
        Operand(2),
        Operand(3),
        Apply(Scale(Real(-0.5))),
        Apply(Add),
        Apply(Mul),
        Apply(Add),
    ];

    fn expected(x: &[Tensor; 5]) -> candle_core::Result<Tensor> {
        let inner = (&x[2] + x[3].affine(-0.5, 0.0)?)?;
        (&x[0] * &x[1])? + x[4].broadcast_as((3, 40, 70))?.mul(&inner)?
    }

    fn largest(x: &Tensor) -> Result<f64> {
        Ok(x.abs()?.max_all()?.to_scalar()?)
    }

    #[test]
    fn agrees_with_candle_on_views() -> Result<()> {
        let x = operands()?;
        let refs: Vec<&Tensor> = x.iter().collect();
        let found = fused(&CODE, &refs, &[3, 40, 70])?;
        assert_eq!(largest(&(found - expected(&x)?)?)?, 0.0);
        Ok(())
    }

    #[test]
    fn sums_agree_with_candle_on_every_choice_of_axes() -> Result<()> {
        let x = operands()?;
        let refs: Vec<&Tensor> = x.iter().collect();
        for mask in 0_usize..8 {
            let axes: Vec<usize> = (0..3).filter(|axis| mask >> axis & 1 == 1).collect();
            let found = fused_sum(&CODE, &refs, &[3, 40, 70], &axes)?;
            let expected = expected(&x)?.sum_keepdim(axes.as_slice())?;
            assert_eq!(found.dims(), expected.dims());
            assert!(largest(&(found - expected)?)? < 1e-11, "axes {axes:?}");
        }
        Ok(())
    }

    #[test]
    fn large_sums_are_the_same_on_any_number_of_threads() -> Result<()> {
        let x = Tensor::randn(0.0_f32, 1.0, (40, 16, 1000), &Device::Cpu)?;
        let sum = |threads: usize, axes: &[usize]| -> Result<Vec<f32>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let sum = pool.install(|| fused_sum(&[Operand(0)], &[&x], x.dims(), axes))?;
            Ok(sum.flatten_all()?.to_vec1()?)
        };
        for axes in [&[0, 2][..], &[0], &[1, 2], &[0, 1, 2]] {
            assert_eq!(sum(1, axes)?, sum(3, axes)?);
            let expected = x.to_dtype(candle_core::DType::F64)?.sum_keepdim(axes)?.flatten_all()?;
            for (found, expected) in sum(2, axes)?.into_iter().zip(expected.to_vec1::<f64>()?) {
                // Rounded once, and within lanes of a block.
                assert!((f64::from(found) - expected).abs() < 2e-3, "{found} {expected}");
            }
        }
        Ok(())
    }
}
