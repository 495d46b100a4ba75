//! Winograd's filtering on an emulated card, compared with the definition of convolutions in f64.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Plain;
use eigenscape_program::{
    ConvSettings, Graph, Value,
    operations::{Conv2d, ConvArgument, ConvShapes},
};
use eigenscape_runtime::Executable;

use super::Work;
use crate::{Cuda, Folders, Settings};

/// The size of the leading axis: more than fits into one block in some cases.
const LEAD: usize = 4;

const ALL: [ConvArgument; 3] = [ConvArgument::Y, ConvArgument::X, ConvArgument::W];

fn cuda() -> Cuda {
    let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries().unwrap()));
    Cuda::open(&Settings { folders, ..Settings::default() }).unwrap()
}

fn convolution(of: ConvArgument, x: [usize; 4], outputs: usize, padding: usize) -> Conv2d {
    let settings = ConvSettings { padding, ..ConvSettings::default() };
    Conv2d { of, shapes: ConvShapes::new(&x, &[outputs, x[1], 3, 3], settings).unwrap() }
}

/// The shapes of the operands.
fn operands(convolution: &Conv2d) -> [[usize; 4]; 2] {
    let ConvShapes { x, w, y, .. } = convolution.shapes;
    match convolution.of {
        ConvArgument::Y => [x, w],
        ConvArgument::X => [y, w],
        ConvArgument::W => [x, y],
    }
}

/// Numbers that look random.
fn noise(shape: &[usize], stream: usize) -> Tensor {
    let number = |i: usize| (((i * i) as f64).mul_add(0.7, (i * stream) as f64) + stream as f64).sin();
    let numbers = (0..shape.iter().product::<usize>()).map(number);
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// The kernels that a sum of one or two convolutions launched, each with the number of its
/// launches, and ‖found − defined‖ / ‖defined‖. The bits of `led` are the operands with the
/// leading axis.
fn run(
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
fn count(names: &[(String, usize)], kernel: &str) -> usize {
    names.iter().find(|(name, _)| name == kernel).map_or(0, |(_, count)| *count)
}

/// The kernel that writes the results, which shows that tiles of this side were used.
fn last(of: ConvArgument, tile: usize, dtype: DType) -> String {
    let name = if of == ConvArgument::W { "filters_transpose" } else { "outputs" };
    format!("{}_winograd{tile}_{name}", dtype.as_str())
}

#[test]
fn all_three_results_are_those_of_the_definition() {
    let cuda = cuda();
    // x, O, the padding, and the sides of tiles for Y (and W) and for X.
    let cases = [
        ([3, 16, 5, 7], 18, 1, [4, 4]),
        ([3, 16, 5, 7], 18, 0, [4, 4]),
        ([2, 17, 5, 7], 16, 2, [4, 4]),
        ([4, 16, 4, 4], 16, 1, [4, 4]),
        ([5, 19, 2, 2], 16, 1, [2, 2]),
        ([3, 16, 2, 2], 16, 2, [4, 2]),
        ([2, 16, 4, 5], 16, 0, [2, 4]),
        ([9, 16, 6, 5], 20, 1, [2, 2]),
        ([1, 20, 13, 9], 24, 1, [4, 4]),
    ];
    for (x, outputs, padding, [tile, tile_of_x]) in cases {
        for of in ALL {
            let convolution = convolution(of, x, outputs, padding);
            let tile = if of == ConvArgument::X { tile_of_x } else { tile };
            for (dtype, bound) in [(DType::F64, 4e-15), (DType::F32, 1e-6)] {
                for led in 0..4 {
                    let (names, error) = run(&cuda, &convolution, 1, led, dtype);
                    assert!(error < bound, "{of:?} {x:?} {padding} {led:b} {dtype:?}: {error:e}");
                    assert!(count(&names, &last(of, tile, dtype)) > 0, "{of:?} {x:?} {padding}: {names:?}");
                }
            }
        }
    }
}

#[test]
fn two_terms_are_summed_whichever_operands_have_the_leading_axis() {
    let cuda = cuda();
    for (x, tile, dtype, bound) in
        [([3, 16, 5, 7], 4, DType::F32, 1e-6), ([3, 16, 2, 2], 2, DType::F64, 4e-15)]
    {
        for of in ALL {
            let convolution = convolution(of, x, 17, 1);
            for led in 0..16 {
                let (names, error) = run(&cuda, &convolution, 2, led, dtype);
                assert!(error < bound, "{of:?} {x:?} {led:04b}: {error:e}");
                assert!(count(&names, &last(of, tile, dtype)) > 0, "{of:?} {x:?}: {names:?}");
                assert!(!names.iter().any(|(name, _)| name.starts_with("chain")), "added: {names:?}");
            }
        }
    }
}

/// In tests, the scratch memory is so small that some samples and vectors are a part of their own.
#[test]
fn samples_and_vectors_are_processed_in_several_parts() {
    let cuda = cuda();
    let (x, dtype) = ([11, 16, 8, 7], DType::F64);
    for of in ALL {
        let convolution = convolution(of, x, 16, 1);
        let (alone, error) = run(&cuda, &convolution, 1, 0, dtype);
        assert!(error < 4e-15, "{error:e}");
        assert!(count(&alone, "f64_winograd4_pixels") > 1, "several samples: {alone:?}");
        let (many, error) = run(&cuda, &convolution, 1, 3, dtype);
        assert!(error < 4e-15, "{error:e}");
        let twice = if of == ConvArgument::W { "filters_transpose" } else { "filters" };
        assert!(count(&many, &format!("f64_winograd4_{twice}")) > 1, "several blocks: {many:?}");
    }
}

#[test]
fn the_same_bits_each_time() {
    let cuda = cuda();
    let convolution = convolution(ConvArgument::W, [9, 16, 5, 7], 16, 1);
    let errors = [0, 1].map(|_| run(&cuda, &convolution, 2, 6, DType::F32).1.to_bits());
    assert_eq!(errors[0], errors[1]);
}

#[test]
fn other_convolutions_use_patches() {
    let tile = |convolution: &Conv2d, tf32| {
        let work = Work { of: convolution.of, shapes: &convolution.shapes, lead: 1, dtype: DType::F32 };
        super::tile(&work, &[], tf32)
    };
    let usual = convolution(ConvArgument::Y, [2, 16, 8, 8], 16, 1);
    assert_eq!((tile(&usual, false), tile(&usual, true)), (Some(4), Some(2)));
    let few = convolution(ConvArgument::Y, [2, 15, 8, 8], 16, 1);
    let one_pixel = convolution(ConvArgument::Y, [2, 16, 1, 1], 16, 1);
    let one_row = convolution(ConvArgument::Y, [2, 16, 1, 9], 16, 1);
    let wide = convolution(ConvArgument::Y, [2, 16, 8, 8], 16, 3);
    let mut strided = usual.clone();
    strided.shapes = ConvShapes::new(
        &[2, 16, 8, 8],
        &[16, 16, 3, 3],
        ConvSettings { stride: 2, padding: 1, ..ConvSettings::default() },
    )
    .unwrap();
    for other in [few, one_pixel, one_row, wide, strided] {
        assert_eq!(tile(&other, false), None, "{other:?}");
    }
}
