//! Products in TF32, on an emulated card that rounds factors as a card does.

use candle_core::{DType, Device, Tensor};
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_program::{Graph, operations::MatMul};
use eigenscape_runtime::Executable;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Numbers that do not repeat.
fn wave(shape: [usize; 2], phase: f64) -> Fallible<Tensor> {
    let number = |i: usize| ((i as f64 * 0.7 + phase).sin()) as f32;
    let count: usize = shape.iter().product();
    Ok(Tensor::from_iter((0..count).map(number), &Device::Cpu)?.reshape(shape.as_slice())?)
}

/// The error of a product in f32 or TF32, relative to its largest number.
fn error(tf32: bool) -> Fallible<f64> {
    let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries()?));
    let cuda = Cuda::open(&Settings { folders, tf32, ..Settings::default() })?;
    let shapes = [[30, 50], [50, 40]];
    let mut graph = Graph::default();
    let inputs = shapes.map(|shape| graph.input("factor", &shape));
    let product = graph.matmul(inputs[0], inputs[1], MatMul { batch: vec![], contract: vec![[1, 0]] })?;
    let program = Executable::new(&graph, &inputs, &[product])?;
    let factors = [wave(shapes[0], 0.1)?, wave(shapes[1], 0.5)?];
    let found = program.run(&cuda, factors.to_vec(), DType::F32)?.remove(0).to_dtype(DType::F64)?;
    let wide = factors.iter().map(|factor| factor.to_dtype(DType::F64)).collect::<Result<Vec<_>, _>>()?;
    // Products in f64 are never rounded.
    let expected = program.run(&cuda, wide, DType::F64)?.remove(0);
    let largest = |x: &Tensor| x.abs()?.max_all()?.to_scalar::<f64>();
    Ok(largest(&(found - &expected)?)? / largest(&expected)?)
}

#[test]
fn factors_lose_thirteen_bits_on_request_alone() -> Fallible<()> {
    let (plain, rounded) = (error(false)?, error(true)?);
    assert!(plain < 1e-6, "f32: {plain:e}");
    assert!((1e-5..1e-2).contains(&rounded), "TF32: {rounded:e}");
    Ok(())
}
