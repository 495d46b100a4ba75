//! Element-wise functions of two operands, with broadcasting.

use rayon::prelude::*;

use super::{Element, View, parallel::for_each_chunk};

/// Elements per task: for fewer, threads cost more than they save.
const CHUNK: usize = 1 << 15;

/// x + y; either operand may lack the leading axis.
pub(crate) fn add<T: Element>(x: &View<'_, T>, y: &View<'_, T>, out: &mut [T]) {
    binary(x, y, out, |x, y| x + y);
}

/// Adds y to x in place; both have the same shape.
pub(crate) fn add_onto<T: Element>(x: &mut [T], y: &View<'_, T>) {
    let y = y.onto(y.dims);
    let chunks = x.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each_init(Vec::new, |copy, (i, x)| {
        let y = y.in_order(i * CHUNK, x.len()).unwrap_or_else(|| {
            copy.resize(x.len(), T::zero());
            y.copy(i * CHUNK, copy);
            copy
        });
        x.iter_mut().zip(y).for_each(|(x, y)| *x += *y);
    });
}

/// x ∘ y; either operand may lack the leading axis.
pub(crate) fn mul<T: Element>(x: &View<'_, T>, y: &View<'_, T>, out: &mut [T]) {
    binary(x, y, out, |x, y| x * y);
}

fn binary<T: Element>(x: &View<'_, T>, y: &View<'_, T>, out: &mut [T], f: impl Fn(T, T) -> T + Sync) {
    if out.is_empty() {
        return;
    }
    let dims = if x.dims.len() >= y.dims.len() { x.dims } else { y.dims };
    let axes = merged(dims, &x.strides_onto(dims), &y.strides_onto(dims));
    let (outer, inner) = match axes.split_last() {
        Some((inner, outer)) => (outer, *inner),
        None => (&[][..], Walk { size: 1, x: 0, y: 0 }),
    };
    if outer.is_empty() {
        for_each_chunk(out, CHUNK, &|i, out| {
            let start = i * CHUNK;
            run(out, &x.data[start * inner.x..], &y.data[start * inner.y..], inner, &f);
        });
    } else {
        let rows = CHUNK.div_ceil(inner.size);
        for_each_chunk(out, inner.size * rows, &|i, out| {
            for (j, out) in out.chunks_mut(inner.size).enumerate() {
                let (x_start, y_start) = offsets(i * rows + j, outer);
                run(out, &x.data[x_start..], &y.data[y_start..], inner, &f);
            }
        });
    }
}

/// An axis with the stride of each operand.
#[derive(Debug, Clone, Copy)]
struct Walk {
    size: usize,
    x: usize,
    y: usize,
}

/// The axes; neighbouring axes that one stride covers in both operands are merged.
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

/// The offset of the `index`-th row in each operand.
fn offsets(mut index: usize, outer: &[Walk]) -> (usize, usize) {
    let (mut x, mut y) = (0, 0);
    for axis in outer.iter().rev() {
        x += index % axis.size * axis.x;
        y += index % axis.size * axis.y;
        index /= axis.size;
    }
    (x, y)
}

/// Computes one row. The common strides have separate loops, which the compiler vectorises.
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
    use crate::{
        Result,
        kernels::testing::{Stored, made},
    };

    #[test]
    fn a_sum_takes_the_place_of_an_operand() -> Result<()> {
        let x = Tensor::randn(0.0_f32, 1.0, (300, 200), &Device::Cpu)?;
        let y = Tensor::randn(0.0_f32, 1.0, (200, 300), &Device::Cpu)?.t()?;
        let mut sum = x.flatten_all()?.to_vec1::<f32>()?;
        add_onto(&mut sum, &Stored::of(&y)?.view());
        assert_eq!(sum, (&x + &y)?.flatten_all()?.to_vec1::<f32>()?);
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
        let x_stored = Stored::<f64>::of(&x)?;
        for y in &views {
            let expected = x.broadcast_mul(y)?;
            let (x, y_stored) = (x_stored.view(), Stored::of(y)?);
            let ours = [
                made(&[3, 4, 5], |out| mul(&x, &y_stored.view(), out))?,
                made(&[3, 4, 5], |out| mul(&y_stored.view(), &x, out))?,
            ];
            for ours in ours {
                let error = (ours - &expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error == 0.0, "{y:?}");
            }
        }
        Ok(())
    }
}
