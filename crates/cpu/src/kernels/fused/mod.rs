//! Chains of element-wise operations in one pass, a block at a time: only operands and the result
//! go through main memory.

mod machine;
mod reduction;

use eigenscape_runtime::{ElementWise, Instruction, arch};
use rayon::prelude::*;

use self::{
    machine::{Blocks, Machine, Stack, Sums},
    reduction::Reduction,
};
use super::{Element, View, Workspace, parallel::for_each_chunk, strided::Strided};
use crate::bounds::{partial_sums, separate_sums};

/// Elements per block: a few blocks fit into the L1 cache.
const BLOCK: usize = 1 << 11;

/// Elements per task.
const CHUNK: usize = 1 << 15;

/// Evaluates `code` on `operands`, which are broadcast to shape `dims`; an operand may lack the
/// leading axis.
pub(crate) fn fused<T: Element>(
    code: &[Instruction],
    operands: &[View<'_, T>],
    dims: &[usize],
    out: &mut [T],
) {
    let operands = strided(operands, dims);
    let machine = &Machine::new(code, &operands);
    out.par_chunks_mut(CHUNK).enumerate().for_each_init(Stack::default, |stack, (i, out)| {
        arch().dispatch(Blocks { machine, start: i * CHUNK, out, stack });
    });
}

/// Applies one operation to one operand.
pub(crate) fn element_wise<T: Element>(operation: ElementWise, x: View<'_, T>, out: &mut [T]) {
    fused(&[Instruction::Operand(0), Instruction::Apply(operation)], &[x], x.dims, out);
}

/// The result of [`fused`], summed over `axes`, which keep size 1. The order of summation depends
/// on the shapes alone.
pub(crate) fn fused_sum<T: Element>(
    code: &[Instruction],
    operands: &[View<'_, T>],
    (dims, axes): (&[usize], &[usize]),
    out: &mut [T],
    work: &mut Workspace,
) {
    let (elements, kept) = (dims.iter().product::<usize>(), out.len());
    let (operands, reduction) = (strided(operands, dims), Reduction::new(dims, axes));
    let machine = &Machine::new(code, &operands);
    let mut partials = work.zeros::<f64>(partial_sums(dims, axes) * kept);
    if let Some(rows) = separate_sums(dims, axes) {
        let [terms, sums_of_row] = [elements, kept].map(|count| count / rows);
        let together = CHUNK.div_ceil(terms.max(1));
        for_each_chunk(&mut partials, (together * sums_of_row).max(1), &|i, sums| {
            let (first, count) = (i * together, sums.len() / sums_of_row);
            let (range, before) = (first * terms..(first + count) * terms, first * sums_of_row);
            arch().dispatch(Sums { machine, range, reduction: &reduction, before, sums });
        });
    } else {
        let count = partials.len() / kept.max(1);
        // Ranges of about equal size.
        let range = |i: usize| i * elements / count..(i + 1) * elements / count;
        for_each_chunk(&mut partials, kept.max(1), &|i, sums| {
            arch().dispatch(Sums { machine, range: range(i), reduction: &reduction, before: 0, sums });
        });
    }
    for (i, out) in out.iter_mut().enumerate() {
        *out = T::from_f64(partials.iter().skip(i).step_by(kept).sum());
    }
}

fn strided<'a, T: Element>(operands: &[View<'a, T>], dims: &[usize]) -> Vec<Strided<'a, T>> {
    operands.iter().map(|operand| operand.onto(dims)).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use eigenscape_program::Real;
    use eigenscape_runtime::ElementWise::{Add, Mul, Scale};

    use super::{Instruction::*, *};
    use crate::{
        Result,
        kernels::testing::{Stored, made},
    };

    fn random(dims: &[usize]) -> Result<Tensor> {
        Ok(Tensor::randn(0.0_f64, 1.0, dims, &Device::Cpu)?)
    }

    /// Operands that are contiguous, broadcast, transposed, sliced, and without the leading axis.
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
        let stored = x.iter().map(Stored::<f64>::of).collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = stored.iter().map(Stored::view).collect();
        let found = made(&[3, 40, 70], |out| fused(&CODE, &views, &[3, 40, 70], out))?;
        assert_eq!(largest(&(found - expected(&x)?)?)?, 0.0);
        Ok(())
    }

    #[test]
    fn sums_agree_with_candle_on_every_choice_of_axes() -> Result<()> {
        let x = operands()?;
        let stored = x.iter().map(Stored::<f64>::of).collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = stored.iter().map(Stored::view).collect();
        for mask in 0_usize..8 {
            let axes: Vec<usize> = (0..3).filter(|axis| mask >> axis & 1 == 1).collect();
            let expected = expected(&x)?.sum_keepdim(axes.as_slice())?;
            let found = made(expected.dims(), |out| {
                fused_sum(&CODE, &views, (&[3, 40, 70], &axes), out, &mut Workspace::on_heap());
            })?;
            assert_eq!(found.dims(), expected.dims());
            assert!(largest(&(found - expected)?)? < 1e-11, "axes {axes:?}");
        }
        Ok(())
    }

    /// Enough rows that each task computes some of the sums alone.
    #[test]
    fn sums_of_many_rows_agree_with_candle() -> Result<()> {
        let x = Tensor::randn(0.0_f64, 1.0, (70, 3, 5, 211), &Device::Cpu)?;
        let stored = Stored::<f64>::of(&x)?;
        for axes in [&[3][..], &[2], &[2, 3], &[1, 3], &[1]] {
            let expected = x.sum_keepdim(axes)?;
            let found = made(expected.dims(), |out| {
                let view = &[stored.view()];
                fused_sum(&[Operand(0)], view, (x.dims(), axes), out, &mut Workspace::on_heap());
            })?;
            assert!(largest(&(found - expected)?)? < 1e-12, "axes {axes:?}");
        }
        Ok(())
    }

    #[test]
    fn large_sums_are_the_same_on_any_number_of_threads() -> Result<()> {
        let x = Tensor::randn(0.0_f32, 1.0, (40, 16, 1000), &Device::Cpu)?;
        let sum = |threads: usize, axes: &[usize]| -> Result<Vec<f32>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (stored, mut sum) = (Stored::of(&x)?, vec![0.0; x.sum_keepdim(axes)?.elem_count()]);
            pool.install(|| {
                let (axes, work) = ((x.dims(), axes), &mut Workspace::on_heap());
                fused_sum(&[Operand(0)], &[stored.view()], axes, &mut sum, work);
            });
            Ok(sum)
        };
        for axes in [&[0, 2][..], &[0], &[1, 2], &[2], &[0, 1, 2]] {
            assert_eq!(sum(1, axes)?, sum(3, axes)?);
            let expected = x.to_dtype(candle_core::DType::F64)?.sum_keepdim(axes)?.flatten_all()?;
            for (found, expected) in sum(2, axes)?.into_iter().zip(expected.to_vec1::<f64>()?) {
                // Rounded at the end, and in the f32 lanes of each block.
                assert!((f64::from(found) - expected).abs() < 2e-3, "{found} {expected}");
            }
        }
        Ok(())
    }
}
