//! The sum of two matrix products, one step on a card, compared with its definition.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Plain;
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_program::{Graph, operations::MatMul};
use eigenscape_runtime::{Backend, Executable};

const LEAD: usize = 3;

/// Numbers that look random.
fn noise(shape: &[usize], stream: usize) -> Tensor {
    let number = |i: usize| (((i * i) as f64).mul_add(0.7, (i * stream) as f64) + stream as f64).sin();
    let numbers = (0..shape.iter().product::<usize>()).map(number);
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// Every choice of operands with a leading axis, with and without batches and contracted numbers;
/// of factors in f64, and of factors in f32 that are multiplied in f64, with sizes for which
/// scratch memory is not aligned.
#[test]
fn two_products_are_added_in_one_step() {
    let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries().unwrap()));
    let cuda = Cuda::open(&Settings { folders, ..Settings::default() }).unwrap();
    let cases: [([&[usize]; 2], MatMul); 5] = [
        ([&[9, 7], &[7, 3]], MatMul { batch: vec![], contract: vec![[1, 0]] }),
        ([&[4, 5], &[5, 6]], MatMul { batch: vec![], contract: vec![[1, 0]] }),
        ([&[5, 4], &[6, 5]], MatMul { batch: vec![], contract: vec![[0, 1]] }),
        ([&[2, 4, 5], &[2, 6, 5]], MatMul { batch: vec![[0, 0]], contract: vec![[2, 2]] }),
        ([&[4, 0], &[0, 6]], MatMul { batch: vec![], contract: vec![[1, 0]] }),
    ];
    for (shapes, axes) in &cases {
        for led in 0..16_usize {
            let mut graph = Graph::default();
            let inputs = [0, 1, 0, 1].map(|side| graph.input("factor", shapes[side]));
            let terms = [0, 2].map(|i| graph.matmul(inputs[i], inputs[i + 1], axes.clone()).unwrap());
            let sum = graph.add(terms[0], terms[1]).unwrap();
            let program = Executable::new(&graph, &inputs, &[sum]).unwrap();
            let names: Vec<&str> = program.lowered(cuda.planning()).operations().collect();
            assert_eq!(names, ["two products"]);
            let factor = |i: usize| {
                let lead = (led >> i & 1 == 1).then_some(LEAD);
                noise(&lead.into_iter().chain(shapes[i % 2].iter().copied()).collect::<Vec<_>>(), i)
            };
            let factors: Vec<Tensor> = (0..4).map(factor).collect();
            for dtype in [DType::F64, DType::F32] {
                let factors: Vec<Tensor> = factors.iter().map(|x| x.to_dtype(dtype).unwrap()).collect();
                let run = |backend: &dyn Backend| {
                    let factors = factors.clone();
                    program.run_rounded(backend, factors, DType::F64, DType::F64).unwrap().remove(0)
                };
                let (found, defined) = (run(&cuda), run(&Plain::default()));
                assert_eq!(found.dims(), defined.dims(), "{shapes:?}, led: {led:b}");
                let error = (found - defined).unwrap().abs().unwrap().max_all().unwrap();
                let error = error.to_scalar::<f64>().unwrap();
                assert!(error < 1e-14, "{shapes:?}, led: {led:b}, {dtype:?}: {error:e}");
            }
        }
    }
}
