//! Outputs are rounded as soon as no later step needs them.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Cpu;
use eigenscape_program::{ElementwiseFunction, Graph};
use eigenscape_runtime::{Executable, Result};

/// Runs a program in f64, with outputs rounded to f32.
fn rounded(program: &Executable, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    program.run_rounded(&Cpu::default(), inputs.to_vec(), DType::F64, DType::F32)
}

/// The outputs include values that later steps use, values with views that are outputs too, and
/// values that no step uses. They are large enough to be recycled.
#[test]
fn are_what_rounding_at_the_end_gives() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[64, 128]);
    let exp = graph.function(ElementwiseFunction::Exp, x)?;
    let view = graph.reshape(exp, &[128, 64])?;
    let flipped = graph.permute(exp, &[1, 0])?;
    let square = graph.mul(view, flipped)?;
    let mut last = square;
    for _ in 0..4 {
        last = graph.function(ElementwiseFunction::Tanh, last)?;
    }
    let outputs = [exp, view, x, square, last];
    let program = Executable::new(&graph, &[x], &outputs)?;
    let inputs = [Tensor::randn(0.0_f32, 1.0, (64, 128), &Device::Cpu)?];
    let at_the_end = program.run(&Cpu::default(), vec![inputs[0].to_dtype(DType::F64)?], DType::F64)?;
    for _ in 0..2 {
        let found = rounded(&program, &inputs)?;
        for (found, expected) in found.iter().zip(&at_the_end) {
            let expected = expected.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            assert_eq!((found.dtype(), found.flatten_all()?.to_vec1::<f32>()?), (DType::F32, expected));
        }
    }
    Ok(())
}

#[test]
fn are_rounded_once() -> Result<()> {
    // 1 + 1e-8 − 1 is 0 in f32.
    let mut graph = Graph::default();
    let x = graph.input("x", &[]);
    let (one, small) = (graph.fill(1.0, &[])?, graph.scale(x, 1e-8)?);
    let sum = graph.add(small, one)?;
    let rest = graph.sub(sum, one)?;
    let program = Executable::new(&graph, &[x], &[rest])?;
    let inputs = [Tensor::new(1_f32, &Device::Cpu)?];
    let rest = rounded(&program, &inputs)?.remove(0);
    assert_eq!(rest.dtype(), DType::F32);
    assert!((rest.to_scalar::<f32>()? - 1e-8).abs() < 1e-15);
    Ok(())
}
