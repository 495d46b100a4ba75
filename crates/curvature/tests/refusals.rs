//! What cannot be computed is an error that says why: no panic, and no wrong number.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Cpu;
use eigenscape_curvature::{MeanLoss, Objective, Point, Rows};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{
    ConvSettings, Graph, Network, PoolSettings, Program, Value, nn,
    transforms::{affinity, linearize, substitute, transpose},
};
use eigenscape_runtime::{Executable, Result};
use proptest::prelude::*;

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::zeros(dims, DType::F64, &Device::Cpu).unwrap()
}

#[track_caller]
fn refused<T, E: std::fmt::Display>(result: Result<T, E>, words: &str) {
    let message = result.err().expect("must be refused").to_string();
    assert!(message.contains(words), "{message}");
}

/// Two linear layers on 4 inputs: weights \[5, 4\], \[5\], \[3, 5\], \[3\].
fn network() -> Network {
    Network::new(&[4], |scope, x| {
        let x = nn::linear(&mut scope.at("fc1"), x, 5, true)?;
        let x = nn::activation(scope, x, nn::Activation::Tanh)?;
        nn::linear(&mut scope.at("fc2"), x, 3, true)
    })
    .unwrap()
}

fn point(samples: usize) -> Point {
    let shapes: [&[usize]; 4] = [&[5, 4], &[5], &[3, 5], &[3]];
    let targets = zeros(&[samples, 3]);
    let parameters = shapes.map(zeros).to_vec();
    Point {
        backend: Cpu::shared(),
        parameters,
        buffers: vec![],
        inputs: zeros(&[samples, 4]),
        targets,
        masks: vec![],
    }
}

#[test]
fn leading_axes_have_one_size() {
    let mut graph = Graph::default();
    let (x, y) = (graph.input("x", &[3]), graph.input("y", &[3]));
    let product = graph.mul(x, y).unwrap();
    let program = Executable::new(&graph, &[x, y], &[product]).unwrap();
    let evaluate =
        |a: usize, b: usize| program.run(&Cpu::default(), vec![zeros(&[a, 3]), zeros(&[b, 3])], DType::F64);
    assert_eq!(evaluate(2, 2).unwrap()[0].dims(), [2, 3]);
    for (a, b) in [(4, 2), (2, 4), (1, 2), (3, 1)] {
        refused(evaluate(a, b), "leading axes differ");
    }
    refused(evaluate(0, 0), "is empty");
    refused(evaluate(0, 2), "is empty");

    let product = Objective::new(&network(), &cross_entropy(), 2).unwrap();
    let product = product.hessian(&point(2), &[0, 1]).unwrap();
    refused(product.apply(&[zeros(&[2, 5, 4]), zeros(&[3, 5])]), "leading axes differ");
    refused(product.apply(&[zeros(&[5, 4])]), "inputs");
    refused(product.apply_rows(&zeros(&[0, 25])), "needs a vector");
    refused(product.apply_rows(&zeros(&[2, 24])), "length 24");
}

#[test]
fn a_group_has_parameters_of_the_network_each_once() {
    let (network, point) = (network(), point(2));
    let objective = Objective::new(&network, &cross_entropy(), 2).unwrap();
    let mean = MeanLoss::new(&network, &cross_entropy(), point.clone(), usize::MAX).unwrap();
    for (group, words) in
        [(vec![4], "no parameter 4"), (vec![0, usize::MAX], "no parameter"), (vec![1, 0, 1], "twice")]
    {
        refused(objective.gradient(&group), words);
        refused(objective.hessian(&point, &group), words);
        refused(objective.gauss_newton(&point, &group), words);
        refused(objective.residual(&point, &group), words);
        refused(objective.curvature_along(&group, &[0]), words);
        refused(objective.curvature_along(&[0], &group), words);
        refused(objective.factor(&point, &group), words);
        refused(objective.jacobian(&point, &group), words);
        refused(objective.affinity(&group), words);
        refused(mean.hessian(&group), words);
        refused(mean.factor(&group), words);
        refused(mean.gradient(&group), words);
        refused(mean.affinity(&group), words);
    }
}

#[test]
fn no_samples_have_no_mean() {
    let network = network();
    refused(Objective::new(&network, &cross_entropy(), 0), "no samples");
    refused(MeanLoss::new(&network, &cross_entropy(), point(0), usize::MAX), "no samples");
    let rows = Rows::Explicit(zeros(&[6, 2]));
    refused(rows.narrow(0..0, 0), "no samples");
    assert!(rows.narrow(0..4, 3).is_err());
    assert!(rows.narrow(0..1, 4).is_err());
    let outer = Rows::Outer { left: zeros(&[2, 3, 1, 2]), right: zeros(&[3, 1, 2]) };
    refused(outer.narrow(0..0, 0), "no samples");
    for rows in [rows, outer] {
        assert_eq!(rows.narrow(1..1, 3).unwrap().explicit(DType::F64).unwrap().dims()[0], 0);
    }
}

#[test]
fn values_belong_to_one_graph() {
    let mut graph = Graph::default();
    let (x, v) = (graph.input("x", &[3]), graph.input("v", &[3]));
    let y = graph.mul(x, x).unwrap();
    let mut other = Graph::default();
    // One more value than the first graph has.
    let mut foreign = other.input("z", &[3]);
    for _ in 0..4 {
        const WORDS: &str = "another graph";
        refused(graph.add(x, foreign), WORDS);
        refused(graph.sum_all(foreign), WORDS);
        refused(graph.scale(foreign, 1.0), WORDS);
        refused(graph.linear(foreign, x), "linear");
        refused(Program::new(&graph, &[foreign], &[y]), WORDS);
        refused(Program::new(&graph, &[x], &[foreign]), WORDS);
        refused(linearize(&mut graph, &[foreign], &[(x, v)]), WORDS);
        refused(linearize(&mut graph, &[y], &[(foreign, v)]), WORDS);
        refused(linearize(&mut graph, &[y], &[(x, foreign)]), WORDS);
        refused(transpose(&mut graph, &[(y, foreign)], &[x]), WORDS);
        refused(transpose(&mut graph, &[(foreign, v)], &[x]), WORDS);
        refused(substitute(&mut graph, &[y], &[(x, foreign)]), WORDS);
        assert!(affinity(&graph, foreign, &[x]).1.unwrap().node.contains(WORDS));
        assert!(graph.operation(foreign).is_none() && graph.args(foreign).is_empty());
        assert!(graph.shape(foreign).is_empty() && graph.describe(foreign).contains(WORDS));
        foreign = other.scale(foreign, 0.5).unwrap();
    }
    // A clone shares the values emitted before it was made, and none of those emitted later.
    let mut clone = graph.clone();
    let late = graph.scale(y, 3.0).unwrap();
    let unlike = clone.scale(y, 5.0).unwrap();
    assert!(clone.add(y, unlike).is_ok() && clone.add(y, late).is_err() && graph.add(y, unlike).is_err());
}

type Emit = fn(&mut Graph, [Value; 2], [usize; 4]) -> eigenscape_program::Result<Value>;

/// Emitters of every kind, with arbitrary sizes.
const EMITTERS: [Emit; 22] = [
    |g, [x, y], _| g.add(x, y),
    |g, [x, y], _| g.sub(x, y),
    |g, [x, y], _| g.mul(x, y),
    |g, [x, y], _| g.linear(x, y),
    |g, [x, y], _| g.take(x, y),
    |g, [x, _], [a, b, ..]| g.sum(x, &[a, b]),
    |g, [x, _], [a, b, ..]| g.mean(x, &[a, b]),
    |g, [x, _], _| g.sum_all(x),
    |g, [x, _], [a, b, c, _]| g.reshape(x, &[a, b, c]),
    |g, [x, _], [a, b, c, d]| g.broadcast(x, &[a, b, c, d]),
    |g, [x, _], [a, b, c, d]| g.broadcast_along(x, a, &[b, c, d]),
    |g, [x, _], [a, ..]| g.flatten_from(x, a),
    |g, [x, _], [a, b, c, _]| g.permute(x, &[a, b, c]),
    |g, [x, y], [a, ..]| g.concat(&[x, y], a),
    |g, [x, _], [a, b, c, _]| g.slice(x, a, b, c),
    |g, [x, _], [a, b, c, _]| g.pad(x, a, b, c),
    |g, [x, y], [stride, padding, dilation, groups]| {
        g.conv2d(x, y, ConvSettings { stride, padding, dilation, groups })
    },
    |g, [x, y], [stride, padding, dilation, output_padding]| {
        g.conv_transpose2d(x, y, ConvSettings { stride, padding, dilation, groups: 1 }, output_padding)
    },
    |g, [x, _], [kernel, stride, padding, _]| g.max_pool2d(x, PoolSettings { kernel, stride, padding }),
    |g, [x, _], [kernel, stride, padding, _]| {
        g.avg_pool2d_inside(x, PoolSettings { kernel, stride, padding })
    },
    |g, [x, _], [a, b, ..]| g.adaptive_avg_pool2d(x, [a, b]),
    |g, [x, _], _| g.softmax(x),
];

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0_usize..5, 1 => Just(usize::MAX), 1 => Just(usize::MAX / 2)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, ..ProptestConfig::default() })]
    /// Everything emitted can be evaluated and differentiated; everything else is refused.
    #[test]
    fn any_sizes_are_computed_with_or_refused(
        which in 0..EMITTERS.len(),
        shapes in prop::array::uniform2(prop::collection::vec(0_usize..5, 0..5)),
        sizes in prop::array::uniform4(size()),
    ) {
        let mut graph = Graph::default();
        let values = [0, 1].map(|i| graph.input("x", &shapes[i]));
        let Ok(value) = EMITTERS[which](&mut graph, values, sizes) else { return Ok(()) };
        let elements: usize = graph.shape(value).iter().product();
        prop_assume!(elements < 1 << 16);
        let inputs: Vec<Tensor> = shapes.iter().map(|shape| zeros(shape)).collect();
        let outputs = Executable::new(&graph, &values, &[value])?.run(&Cpu::default(), inputs, DType::F64);
        if let Ok(outputs) = outputs {
            prop_assert_eq!(outputs[0].dims(), graph.shape(value));
        }
        let seed = graph.input("v", &shapes[0]);
        let tangent = linearize(&mut graph, &[value], &[(values[0], seed)])?[0];
        if let Some(tangent) = tangent {
            let shape = graph.shape(tangent).to_vec();
            let cotangent = graph.input("u", &shape);
            transpose(&mut graph, &[(tangent, cotangent)], &[seed])?;
        }
    }
}
