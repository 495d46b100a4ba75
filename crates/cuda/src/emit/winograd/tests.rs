//! Winograd's filtering on an emulated card, compared with the definition of convolutions in f64.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use candle_core::DType;
use eigenscape_program::{
    ConvSettings,
    operations::{Conv2d, ConvArgument, ConvShapes},
};

use super::{
    super::compared::{ALL, count, cuda, run},
    Work,
};

fn convolution(of: ConvArgument, x: [usize; 4], outputs: usize, padding: usize) -> Conv2d {
    let settings = ConvSettings { padding, ..ConvSettings::default() };
    Conv2d { of, shapes: ConvShapes::new(&x, &[outputs, x[1], 3, 3], settings).unwrap() }
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
