//! Sums of more than 10⁵ terms in f32 are as accurate as those of a few hundred: they are made in
//! two levels.

use candle_core::{DType, Device, Tensor};

use super::{Axis, Geometry, View, conv2d_weight_transpose, matmul, put_rows};
use crate::Result;

/// Of positive terms, so that every partial sum is rounded at the size of the result. One running
/// sum of 10⁵ terms is off by 1e-5 and more.
const BOUND: f64 = 2e-6;

fn random(dims: &[usize]) -> Result<Tensor> {
    Ok(Tensor::rand(0.0_f32, 1.0, dims, &Device::Cpu)?)
}

/// The largest relative error of f(operands) in f32.
fn error(operands: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<f64> {
    let wide: Vec<Tensor> = operands.iter().map(in_f64).collect::<Result<_>>()?;
    let (found, exact) = (in_f64(&f(operands)?)?, f(&wide)?);
    Ok(((found - &exact)? / exact)?.abs()?.max_all()?.to_scalar()?)
}

fn in_f64(x: &Tensor) -> Result<Tensor> {
    Ok(if x.dtype() == DType::F32 { x.to_dtype(DType::F64)? } else { x.clone() })
}

#[test]
fn matrix_products() -> Result<()> {
    const TERMS: usize = 120_000;
    for (m, n) in [(1, 1), (1, 7), (5, 1), (3, 150), (40, 40)] {
        // Either side with the summed axis inside and outside.
        for layout in 0..4 {
            let stored =
                |rows: usize, inside: bool| random(&if inside { [rows, TERMS] } else { [TERMS, rows] });
            let (left, right) = (layout & 1 == 1, layout & 2 == 2);
            let operands = [stored(m, left)?, stored(n, right)?];
            let axes = |rows: usize, inside: bool| {
                let (row, term) = if inside { (TERMS, 1) } else { (1, rows) };
                [Axis { size: rows, stride: row }, Axis { size: TERMS, stride: term }]
            };
            let error = error(&operands, |operands| {
                let ([rows, terms], [columns, inner]) = (axes(m, left), axes(n, right));
                matmul(
                    &[],
                    &View { tensor: &operands[0], batch: vec![], rows, columns: terms },
                    &View { tensor: &operands[1], batch: vec![], rows: inner, columns },
                )
            })?;
            assert!(error < BOUND, "{m} x {n}, layout {layout}: {error:e}");
        }
    }
    Ok(())
}

#[test]
fn weights_of_convolutions() -> Result<()> {
    // Samples, channels, side, output channels, kernel, groups: many samples of few positions and
    // few samples of many, by each way to the weights' cotangent.
    for (samples, channels, side, outputs, kernel, groups) in [
        (30_000, 2, 2, 3, 1, 1),
        (30_000, 2, 2, 40, 1, 1),
        (2, 3, 320, 4, 5, 1),
        (1, 3, 330, 40, 5, 1),
        (20, 4, 90, 4, 5, 4),
        (140, 16, 28, 16, 3, 1),
        (2, 16, 230, 16, 3, 1),
    ] {
        let g = Geometry {
            channels,
            height: side,
            width: side,
            out_channels: outputs,
            out_height: side,
            out_width: side,
            kernel: (kernel, kernel),
            stride: 1,
            padding: kernel / 2,
            dilation: 1,
            groups,
        };
        let operands =
            [random(&[1, samples, channels, side, side])?, random(&[1, samples, outputs, side, side])?];
        let error =
            error(&operands, |operands| conv2d_weight_transpose(&[[&operands[0], &operands[1]]], &g))?;
        assert!(error < BOUND, "{samples} samples of side {side}, {channels} -> {outputs}: {error:e}");
    }
    Ok(())
}

#[test]
fn rows_of_tables() -> Result<()> {
    const TERMS: usize = 120_000;
    let index = Tensor::from_iter((0..TERMS as u32).map(|i| i % 3 % 2), &Device::Cpu)?.unsqueeze(0)?;
    let error = error(&[random(&[1, TERMS, 5])?], |x| {
        // A row that nothing is put into stays 0.
        Ok(put_rows(&x[0], &index, 3)?.narrow(1, 0, 2)?)
    })?;
    assert!(error < BOUND, "{error:e}");
    Ok(())
}
