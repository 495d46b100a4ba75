//! Direct convolutions on an emulated card, compared with the definition of convolutions in f64.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use candle_core::DType;
use eigenscape_cpu::Plain;
use eigenscape_program::{
    ConvSettings, Graph,
    operations::{Conv2d, ConvArgument, ConvShapes},
};
use eigenscape_runtime::Executable;

use super::super::compared::{ALL, cuda, noise, operands, run};

/// Bounds of the relative error.
const TYPES: [(DType, f64); 2] = [(DType::F64, 4e-15), (DType::F32, 5e-7)];

fn shapes(x: [usize; 4], [outputs, kh, kw]: [usize; 3], settings: ConvSettings) -> ConvShapes {
    ConvShapes::new(&x, &[outputs, x[1], kh, kw], settings).unwrap()
}

fn padded(padding: usize, dilation: usize) -> ConvSettings {
    ConvSettings { padding, dilation, ..ConvSettings::default() }
}

/// Whether a direct kernel was launched.
fn direct(names: &[(String, usize)], of: ConvArgument) -> bool {
    let kernel = match of {
        ConvArgument::X => "direct_x",
        ConvArgument::W => "direct_w",
        ConvArgument::Y => "direct_y",
    };
    names.iter().any(|(name, _)| name.starts_with(kernel))
}

#[test]
fn all_three_results_are_those_of_the_definition() {
    let cuda = cuda();
    let cases = [
        // Rows that are read number by number, or as vectors of four and of two.
        shapes([3, 2, 7, 9], [5, 3, 3], padded(1, 1)),
        shapes([2, 1, 12, 12], [6, 5, 5], padded(0, 1)),
        shapes([2, 6, 10, 14], [16, 5, 5], padded(0, 1)),
        // The last tile has fewer rows.
        shapes([2, 1, 16, 9], [2, 3, 2], padded(0, 1)),
        // Taps apart from one another, and kernels that are not square.
        shapes([2, 3, 9, 8], [4, 2, 3], padded(2, 2)),
        shapes([1, 2, 9, 8], [3, 7, 7], padded(3, 1)),
        // Several tiles in a row; the last one is narrower.
        shapes([1, 2, 5, 40], [3, 3, 3], padded(1, 1)),
        shapes([1, 1, 3, 33], [2, 2, 3], padded(1, 2)),
        // More padding than the kernel reaches.
        shapes([2, 1, 4, 37], [2, 2, 2], padded(3, 1)),
        shapes([2, 2, 3, 4], [2, 2, 2], padded(2, 1)),
        // More outputs than one thread adds up for the weight's cotangent.
        shapes([2, 15, 4, 5], [23, 3, 3], padded(1, 1)),
    ];
    for shapes in cases {
        for of in ALL {
            let convolution = Conv2d { of, shapes: shapes.clone() };
            for (dtype, bound) in TYPES {
                for led in 0..4 {
                    let (names, error) = run(&cuda, &convolution, 1, led, dtype);
                    assert!(error < bound, "{convolution:?} {led:b} {dtype:?}: {error:e}");
                    assert!(direct(&names, of), "{convolution:?}: {names:?}");
                }
            }
        }
    }
}

#[test]
fn two_terms_are_one_pass_whichever_operands_have_the_leading_axis() {
    let cuda = cuda();
    for shapes in
        [shapes([3, 2, 7, 9], [5, 3, 3], padded(1, 1)), shapes([2, 3, 6, 8], [4, 2, 3], padded(0, 1))]
    {
        for of in ALL {
            let convolution = Conv2d { of, shapes: shapes.clone() };
            for (dtype, bound) in TYPES {
                for led in 0..16 {
                    let (names, error) = run(&cuda, &convolution, 2, led, dtype);
                    assert!(error < bound, "{convolution:?} {led:04b} {dtype:?}: {error:e}");
                    let launches = names.iter().filter(|(name, _)| name.starts_with("direct"));
                    assert_eq!(launches.map(|(_, count)| count).sum::<usize>(), 1, "{names:?}");
                }
            }
        }
    }
}

/// What begins within a vector is read number by number.
#[test]
fn operands_may_begin_anywhere() {
    let cuda = cuda();
    let shapes = shapes([2, 1, 8, 8], [4, 3, 3], padded(1, 1));
    for of in ALL {
        let convolution = Conv2d { of, shapes: shapes.clone() };
        let mut graph = Graph::default();
        let (mut inputs, mut args, mut at) = (Vec::new(), Vec::new(), Vec::new());
        for (stream, shape) in operands(&convolution).into_iter().enumerate() {
            let elements: usize = shape.iter().product();
            let input = graph.input("operand", &[elements + 1]);
            let behind = graph.slice(input, 0, 1, elements).unwrap();
            args.push(graph.reshape(behind, &shape).unwrap());
            inputs.push(input);
            at.push(noise(&[elements + 1], stream));
        }
        let result = graph.emit(convolution, &args).unwrap();
        let program = Executable::new(&graph, &inputs, &[result]).unwrap();
        let found = program.run(&cuda, at.clone(), DType::F64).unwrap().remove(0);
        let defined = program.run(&Plain::default(), at, DType::F64).unwrap().remove(0);
        let error = (found - defined).unwrap().abs().unwrap().max_all().unwrap();
        assert!(error.to_scalar::<f64>().unwrap() < 1e-13, "{of:?}: {error}");
    }
}

#[test]
fn the_same_bits_each_time() {
    let cuda = cuda();
    let convolution = Conv2d { of: ConvArgument::W, shapes: shapes([9, 2, 5, 7], [5, 3, 3], padded(1, 1)) };
    let errors = [0, 1].map(|_| run(&cuda, &convolution, 2, 6, DType::F32).1.to_bits());
    assert_eq!(errors[0], errors[1]);
}

#[test]
fn other_convolutions_use_patches() {
    let cuda = cuda();
    let strided = ConvSettings { stride: 2, padding: 1, ..ConvSettings::default() };
    let others = [
        shapes([3, 2, 7, 9], [5, 3, 3], strided),
        shapes([3, 2, 4, 5], [5, 1, 1], padded(0, 1)),
        shapes([3, 2, 4, 5], [5, 3, 1], padded(1, 2)),
        shapes([1, 1, 9, 9], [2, 8, 8], padded(1, 1)),
        shapes([2, 2, 4, 4], [65, 2, 2], padded(1, 1)),
        shapes([1, 65, 4, 4], [2, 2, 2], padded(1, 1)),
    ];
    for shapes in others {
        for of in ALL {
            let convolution = Conv2d { of, shapes: shapes.clone() };
            for (dtype, bound) in TYPES {
                for led in 0..16 {
                    let (names, error) = run(&cuda, &convolution, 2, led, dtype);
                    assert!(error < bound, "{convolution:?} {led:04b} {dtype:?}: {error:e}");
                    assert!(!direct(&names, of), "{convolution:?}: {names:?}");
                }
            }
        }
    }
}
