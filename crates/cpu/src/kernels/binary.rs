//! Element-wise functions of two operands, of one shape up to repetition.

use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor};
use rayon::prelude::*;

use super::{Element, cpu_slice, dispatch, recycle::buffer};
use crate::Result;

/// Below this many elements threads cost more than they save.
const CHUNK: usize = 1 << 15;

/// x + y; either may lack the other's leading axis.
pub(crate) fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    dispatch!(x, T => binary::<T>(x, y, |x, y| x + y))
}

/// x + y of one shape in the memory of x, which is in order and which nothing else needs.
pub(crate) fn add_onto(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    struct AddOnto;
    impl InplaceOp2 for AddOnto {
        fn name(&self) -> &'static str {
            "add-onto"
        }

        fn cpu_fwd(
            &self,
            x: &mut CpuStorage,
            x_layout: &Layout,
            y: &CpuStorage,
            y_layout: &Layout,
        ) -> candle_core::Result<()> {
            let count = x_layout.shape().elem_count();
            let (x_start, y_start) = (x_layout.start_offset(), y_layout.start_offset());
            match (x, y) {
                (CpuStorage::F32(x), CpuStorage::F32(y)) => {
                    add_to(&mut x[x_start..][..count], &y[y_start..][..count]);
                }
                (CpuStorage::F64(x), CpuStorage::F64(y)) => {
                    add_to(&mut x[x_start..][..count], &y[y_start..][..count]);
                }
                _ => candle_core::bail!("sums run in f32 or f64"),
            }
            Ok(())
        }
    }
    x.inplace_op2(&y.contiguous()?, &AddOnto)?;
    Ok(x.clone())
}

fn add_to<T: Element>(x: &mut [T], y: &[T]) {
    let chunks = x.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK));
    chunks.for_each(|(x, y)| x.iter_mut().zip(y).for_each(|(x, y)| *x += *y));
}

/// x ∘ y; either may lack the other's leading axis.
pub(crate) fn mul(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    dispatch!(x, T => binary::<T>(x, y, |x, y| x * y))
}

fn binary<T: Element>(x: &Tensor, y: &Tensor, f: impl Fn(T, T) -> T + Sync) -> Result<Tensor> {
    let longer = if x.rank() >= y.rank() { x } else { y };
    let dims = longer.dims().to_vec();
    let (x, y) = (x.broadcast_as(dims.as_slice())?, y.broadcast_as(dims.as_slice())?);
    let ((x_data, x_layout), (y_data, y_layout)) = (x.storage_and_layout(), y.storage_and_layout());
    let x_data = &cpu_slice::<T>(&x_data)?[x_layout.start_offset()..];
    let y_data = &cpu_slice::<T>(&y_data)?[y_layout.start_offset()..];
    let axes = merged(&dims, x_layout.stride(), y_layout.stride());
    let (outer, inner) = match axes.split_last() {
        Some((inner, outer)) => (outer, *inner),
        None => (&[][..], Walk { size: 1, x: 0, y: 0 }),
    };
    let mut out = buffer::<T>(longer.elem_count());
    if out.is_empty() {
        return Ok(Tensor::from_vec(out, dims, longer.device())?);
    }
    if outer.is_empty() {
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, out)| {
            let start = i * CHUNK;
            run(out, &x_data[start * inner.x..], &y_data[start * inner.y..], inner, &f);
        });
    } else {
        let rows = CHUNK.div_ceil(inner.size);
        out.par_chunks_mut(inner.size * rows).enumerate().for_each(|(i, out)| {
            for (j, out) in out.chunks_mut(inner.size).enumerate() {
                let (x_start, y_start) = offsets(i * rows + j, outer);
                run(out, &x_data[x_start..], &y_data[y_start..], inner, &f);
            }
        });
    }
    Ok(Tensor::from_vec(out, dims, longer.device())?)
}

/// An axis with the step that each operand takes along it.
#[derive(Debug, Clone, Copy)]
struct Walk {
    size: usize,
    x: usize,
    y: usize,
}

/// The axes, with neighbours merged where one step walks both operands.
fn merged(dims: &[usize], x: &[usize], y: &[usize]) -> Vec<Walk> {
    let mut axes: Vec<Walk> = Vec::new();
    for ((&size, &x), &y) in dims.iter().zip(x).zip(y).filter(|((size, _), _)| **size != 1) {
        match axes.last_mut() {
            Some(last) if last.x == x * size && last.y == y * size => {
                *last = Walk { size: last.size * size, x, y };
            }
            _ => axes.push(Walk { size, x, y }),
        }
    }
    axes
}

/// Where the `index`-th row of each operand starts.
fn offsets(mut index: usize, outer: &[Walk]) -> (usize, usize) {
    let (mut x, mut y) = (0, 0);
    for axis in outer.iter().rev() {
        x += index % axis.size * axis.x;
        y += index % axis.size * axis.y;
        index /= axis.size;
    }
    (x, y)
}

/// One row; the common steps have loops of their own, which vectorise.
fn run<T: Element>(out: &mut [T], x: &[T], y: &[T], inner: Walk, f: &impl Fn(T, T) -> T) {
    match (inner.x, inner.y) {
        (1, 1) => out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = f(*x, *y)),
        (1, 0) => out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x, y[0])),
        (0, 1) => out.iter_mut().zip(y).for_each(|(out, y)| *out = f(x[0], *y)),
        (sx, sy) => out.iter_mut().enumerate().for_each(|(i, out)| *out = f(x[i * sx], y[i * sy])),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;

    #[test]
    fn a_sum_takes_the_place_of_an_operand() -> Result<()> {
        let x = Tensor::randn(0.0_f32, 1.0, (300, 200), &Device::Cpu)?;
        let y = Tensor::randn(0.0_f32, 1.0, (200, 300), &Device::Cpu)?.t()?;
        let expected = (&x + &y)?.to_vec2::<f32>()?;
        let sum = add_onto(&x, &y)?;
        assert_eq!(sum.to_vec2::<f32>()?, expected);
        assert_eq!(x.to_vec2::<f32>()?, expected);
        Ok(())
    }

    #[test]
    fn agrees_with_candle_on_views() -> Result<()> {
        let x = Tensor::randn(0.0_f64, 1.0, (3, 4, 5), &Device::Cpu)?;
        let views = [
            Tensor::randn(0.0_f64, 1.0, (3, 4, 5), &Device::Cpu)?,
            Tensor::randn(0.0_f64, 1.0, (4, 5), &Device::Cpu)?,
            Tensor::randn(0.0_f64, 1.0, (3, 1, 5), &Device::Cpu)?.broadcast_as((3, 4, 5))?,
            Tensor::randn(0.0_f64, 1.0, (1, 4, 1), &Device::Cpu)?.broadcast_as((3, 4, 5))?,
            Tensor::randn(0.0_f64, 1.0, (5, 3, 4), &Device::Cpu)?.permute((1, 2, 0))?,
            Tensor::ones((), DType::F64, &Device::Cpu)?.broadcast_as((3, 4, 5))?,
            Tensor::randn(0.0_f64, 1.0, (6, 4, 5), &Device::Cpu)?.narrow(0, 2, 3)?,
        ];
        for y in &views {
            let expected = x.broadcast_mul(y)?;
            for ours in [mul(&x, y)?, mul(y, &x)?] {
                let error = (ours - &expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error == 0.0, "{y:?}");
            }
        }
        Ok(())
    }
}
