//! A sum of one or two convolutions on an emulated card, compared with the definition in f64.
#![allow(clippy::unwrap_used, reason = "for tests alone")]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Plain;
use eigenscape_program::{
    Graph, Value,
    operations::{Conv2d, ConvArgument, ConvShapes},
};
use eigenscape_runtime::Executable;

use crate::{Cuda, Folders, Settings};

/// The size of the leading axis: more than fits into one block in some cases.
pub const LEAD: usize = 4;

pub const ALL: [ConvArgument; 3] = [ConvArgument::Y, ConvArgument::X, ConvArgument::W];

pub fn cuda() -> Cuda {
    let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries().unwrap()));
    Cuda::open(&Settings { folders, ..Settings::default() }).unwrap()
}

/// The shapes of the operands.
pub fn operands(convolution: &Conv2d) -> [[usize; 4]; 2] {
    let ConvShapes { x, w, y, .. } = convolution.shapes;
    match convolution.of {
        ConvArgument::Y => [x, w],
        ConvArgument::X => [y, w],
        ConvArgument::W => [x, y],
    }
}

/// Numbers that look random.
pub fn noise(shape: &[usize], stream: usize) -> Tensor {
    let number = |i: usize| (((i * i) as f64).mul_add(0.7, (i * stream) as f64) + stream as f64).sin();
    let numbers = (0..shape.iter().product::<usize>()).map(number);
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// The kernels that a sum of one or two convolutions launched, each with the number of its
/// launches, and ‖found − defined‖ / ‖defined‖. The bits of `led` are the operands with the
/// leading axis.
pub fn run(
    cuda: &Cuda,
    convolution: &Conv2d,
    terms: usize,
    led: usize,
    dtype: DType,
) -> (Vec<(String, usize)>, f64) {
    let mut graph = Graph::default();
    let (mut inputs, mut at) = (Vec::new(), Vec::new());
    for (i, shape) in operands(convolution).into_iter().cycle().take(2 * terms).enumerate() {
        inputs.push(graph.input("operand", &shape));
        let lead = (led >> i & 1 == 1).then_some(LEAD);
        let shape: Vec<usize> = lead.into_iter().chain(shape).collect();
        at.push(noise(&shape, i).to_dtype(dtype).unwrap());
    }
    let mut term = |args: &[Value]| graph.emit(convolution.clone(), args).unwrap();
    let first = term(&inputs[..2]);
    let sum = if terms == 1 {
        first
    } else {
        let second = term(&inputs[2..]);
        graph.add(first, second).unwrap()
    };
    let program = Executable::new(&graph, &inputs, &[sum]).unwrap();
    let mut found = None;
    let spent = cuda.profiled(|| {
        found = Some(program.run(cuda, at.clone(), dtype)?.remove(0));
        Ok(())
    });
    let names = spent.unwrap().into_iter().map(|(name, spent)| (name, spent.count)).collect();
    let exact = at.iter().map(|x| x.to_dtype(DType::F64).unwrap()).collect();
    let defined = program.run(&Plain::default(), exact, DType::F64).unwrap().remove(0);
    let found = found.unwrap().to_dtype(DType::F64).unwrap();
    assert_eq!(found.dims(), defined.dims());
    let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
    (names, norm(&(found - &defined).unwrap()) / norm(&defined))
}

/// How often a kernel was launched.
pub fn count(names: &[(String, usize)], kernel: &str) -> usize {
    names.iter().find(|(name, _)| name == kernel).map_or(0, |(_, count)| *count)
}
