//! Slices of parameters as groups: their blocks are parts of the whole parameter's blocks.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use eigenscape_curvature::{MeanLoss, Point, class_targets};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{Network, Slice, Variables, nn};

const SAMPLES: usize = 3;
const WIDTH: usize = 4;

/// Self-attention of two heads whose projections of queries, keys and values are one matrix.
fn network() -> Network {
    let built = Network::new(&[3, WIDTH], |scope, x| {
        let x = nn::attention(&mut scope.at("attn"), x, 2, false)?;
        let x = nn::flatten(scope, x)?;
        nn::linear(&mut scope.at("head"), x, 3, true)
    });
    built.unwrap()
}

fn wave(shape: &[usize], phase: f64) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| (i as f64 * 0.7 + phase).sin());
    Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn mean_loss(network: &Network) -> MeanLoss {
    let parameters = network.parameters().iter().zip(0_u32..);
    let labels = Tensor::new(&[0_i64, 2, 1], &Device::Cpu).unwrap();
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: parameters.map(|(p, i)| wave(&p.shape, f64::from(i))).collect(),
        buffers: Vec::new(),
        inputs: wave(&[SAMPLES, 3, WIDTH], 0.3),
        targets: class_targets(&labels, 3, 0.0, None).unwrap().to_dtype(DType::F64).unwrap(),
        masks: Vec::new(),
    };
    MeanLoss::new(network, &cross_entropy(), point, usize::MAX).unwrap()
}

/// The weight with all projections, its shape, and the slice of it.
fn projections(network: &Network, axis: usize, range: Range<usize>) -> (usize, Vec<usize>, Variables) {
    let all = network.parameters();
    let parameter = all.iter().position(|p| p.shape == [3 * WIDTH, WIDTH]).unwrap();
    (parameter, all[parameter].shape.clone(), Variables::Slice(Slice { parameter, axis, range }))
}

/// The places of the slice's elements in the flattened parameter.
fn places(shape: &[usize], axis: usize, range: &Range<usize>) -> Vec<usize> {
    let inside = |place: &usize| range.contains(&[place / shape[1], place % shape[1]][axis]);
    (0..shape[0] * shape[1]).filter(inside).collect()
}

/// A matrix by its products with the unit vectors.
fn dense(products: impl Fn(&Tensor) -> Tensor, dimension: usize) -> Vec<Vec<f64>> {
    products(&Tensor::eye(dimension, DType::F64, &Device::Cpu).unwrap()).to_vec2().unwrap()
}

fn assert_close(ours: &[Vec<f64>], whole: &[Vec<f64>], places: &[usize]) {
    assert_eq!(ours.len(), places.len());
    for (row, &i) in ours.iter().zip(places) {
        for (value, &j) in row.iter().zip(places) {
            assert!((value - whole[i][j]).abs() < 1e-13, "{value} and {}", whole[i][j]);
        }
    }
}

#[test]
fn blocks_of_slices_are_parts_of_the_whole_parameters_blocks() {
    let network = network();
    let loss = mean_loss(&network);
    for (axis, range) in [(0, 0..4), (0, 4..8), (0, 8..12), (1, 1..3), (0, 0..12)] {
        let (parameter, shape, slice) = projections(&network, axis, range.clone());
        let (whole, places) = (Variables::from(&[parameter]), places(&shape, axis, &range));
        let all = shape.iter().product();
        let block = |group: &Variables, count| {
            let product = loss.hessian(group).unwrap();
            dense(|vectors| product.apply_rows(vectors).unwrap(), count)
        };
        assert_close(&block(&slice, places.len()), &block(&whole, all), &places);
        let block = |group: &Variables, count| {
            let product = loss.gauss_newton(group).unwrap();
            dense(|vectors| product.apply_rows(vectors).unwrap(), count)
        };
        let gauss_newton = block(&slice, places.len());
        assert_close(&gauss_newton, &block(&whole, all), &places);
        // ΦᵀΦ of the factor by rows.
        let factor = loss.factor(&slice).unwrap().rows(0..SAMPLES, usize::MAX).unwrap();
        let [rows] = factor.tensors.as_slice() else { panic!("one variable") };
        let rows = rows.explicit(DType::F64).unwrap();
        let product = rows.t().unwrap().matmul(&rows).unwrap().to_vec2::<f64>().unwrap();
        assert_close(&product, &gauss_newton, &(0..places.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_slice_is_affine_where_its_parameter_is() {
    let network = network();
    let loss = mean_loss(&network);
    let head = network.parameters().iter().position(|p| p.name == "head.weight").unwrap();
    let of_head = Variables::Slice(Slice { parameter: head, axis: 0, range: 1..3 });
    assert!(loss.affinity(&of_head).unwrap().0.is_affine());
    let (.., of_queries) = projections(&network, 0, 0..4);
    assert!(!loss.affinity(&of_queries).unwrap().0.is_affine());
}

#[test]
fn a_slice_that_does_not_exist_is_refused() {
    let network = network();
    let loss = mean_loss(&network);
    for (axis, range) in [(0, 4..13), (2, 0..1), (0, 4..4)] {
        let (.., slice) = projections(&network, axis, range);
        assert!(loss.hessian(&slice).is_err());
    }
}
