//! Benchmarks of the operations at the sizes of LeNet, VGG11 and ResNet18 on 100 images, and
//! of a GPT (256 wide, 8 heads) on 8 sequences of 128 tokens, in f32.
//! Rates are numbers per second for element-wise operations and reductions, and floating-point
//! operations per second for convolutions and matrix products.
//!
//! `cargo bench -p eigenscape-cpu -- conv2d` runs the groups whose names contain `conv2d`; all
//! groups run by default.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Cpu;
use eigenscape_program::{
    ConvSettings, ElementwiseFunction, Graph, PoolSettings, Result, Value, operations::MatMul,
    transforms::transpose,
};
use eigenscape_runtime::Executable;

/// A name, images \[N, C, H, W\], kernels \[O, C, k, k\], padding and stride.
type Convolution = (&'static str, [usize; 4], [usize; 4], usize, usize);

const CONVOLUTIONS: [Convolution; 9] = [
    ("lenet 1->6@32 5x5", [100, 1, 32, 32], [6, 1, 5, 5], 0, 1),
    ("lenet 6->16@14 5x5", [100, 6, 14, 14], [16, 6, 5, 5], 0, 1),
    ("vgg 64->128@16", [100, 64, 16, 16], [128, 64, 3, 3], 1, 1),
    ("vgg 256->256@8", [100, 256, 8, 8], [256, 256, 3, 3], 1, 1),
    ("vgg 512->512@4", [100, 512, 4, 4], [512, 512, 3, 3], 1, 1),
    ("vgg 512->512@2", [100, 512, 2, 2], [512, 512, 3, 3], 1, 1),
    ("resnet 64->64@32", [100, 64, 32, 32], [64, 64, 3, 3], 1, 1),
    ("resnet 64->128@32 /2", [100, 64, 32, 32], [128, 64, 3, 3], 1, 2),
    ("resnet 64->128@32 1x1 /2", [100, 64, 32, 32], [128, 64, 1, 1], 0, 2),
];

/// Names of linear layers, with batch size N, inputs and outputs.
const LINEAR: [(&str, [usize; 3]); 3] = [
    ("lenet 400->120", [100, 400, 120]),
    ("vgg 512->4096", [100, 512, 4096]),
    ("vgg 4096->4096", [100, 4096, 4096]),
];

/// Activations of LeNet's and ResNet18's first layers.
const IMAGES: [(&str, [usize; 4]); 2] =
    [("lenet 6@28", [100, 6, 28, 28]), ("resnet 64@32", [100, 64, 32, 32])];

/// A graph under construction, with random tensors for its inputs.
struct Case {
    graph: Graph,
    inputs: Vec<Value>,
    at: Vec<Tensor>,
}

impl Case {
    fn new(shapes: &[&[usize]]) -> Self {
        let mut graph = Graph::default();
        let inputs = shapes.iter().map(|shape| graph.input("x", shape)).collect();
        let random = |shape: &&[usize]| Tensor::randn(0.0_f32, 1.0, *shape, &Device::Cpu).unwrap();
        Self { graph, inputs, at: shapes.iter().map(random).collect() }
    }

    /// Prints the median time of the program that `emit` builds, and its rate for `work` units per
    /// run.
    fn bench(
        mut self,
        group: &str,
        name: &str,
        work: usize,
        emit: impl FnOnce(&mut Graph, &[Value]) -> Result<Value>,
    ) {
        if std::env::args().nth(1).is_some_and(|filter| !filter.starts_with("--") && !group.contains(&filter))
        {
            return;
        }
        let output = emit(&mut self.graph, &self.inputs).unwrap();
        let program = Executable::new(&self.graph, &self.inputs, &[output]).unwrap();
        let cpu = Cpu::default();
        let seconds = median(|| {
            black_box(program.run(&cpu, self.at.clone(), DType::F32).unwrap());
        });
        let (micros, rate) = (seconds * 1e6, work as f64 / seconds / 1e9);
        println!("{group:32} {name:28} {micros:10.1} us {rate:8.2} G/s");
    }
}

/// The median time of a run in seconds, after a warm-up: over at least ten runs and one second.
fn median(mut run: impl FnMut()) -> f64 {
    let mut time = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    for _ in 0..3 {
        time();
    }
    let (mut times, whole) = (Vec::new(), Instant::now());
    while times.len() < 10 || whole.elapsed() < Duration::from_secs(1) {
        times.push(time());
    }
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// The cotangent of input `wrt` of a bilinear operation on the first two inputs, given the third
/// input as the output's cotangent.
fn cotangent(graph: &mut Graph, inputs: &[Value], wrt: usize, output: Value) -> Result<Value> {
    let cotangents = transpose(graph, &[(output, inputs[2])], &[inputs[wrt]])?;
    Ok(cotangents[0].unwrap())
}

const TRANSPOSES: [(&str, usize); 2] = [("transposed in the input", 0), ("transposed in the weight", 1)];

fn convolutions() {
    for (name, x, w, padding, stride) in CONVOLUTIONS {
        let settings = ConvSettings { padding, stride, ..ConvSettings::default() };
        let side = (x[2] + 2 * padding - w[2]) / stride + 1;
        let y = [x[0], w[0], side, side];
        let flops = 2 * y.iter().product::<usize>() * w[1..].iter().product::<usize>();
        Case::new(&[&x, &w])
            .bench("conv2d", name, flops, |graph, inputs| graph.conv2d(inputs[0], inputs[1], settings));
        for (which, wrt) in TRANSPOSES {
            Case::new(&[&x, &w, &y]).bench(&format!("conv2d {which}"), name, flops, |graph, inputs| {
                let output = graph.conv2d(inputs[0], inputs[1], settings)?;
                cotangent(graph, inputs, wrt, output)
            });
        }
    }
}

fn dots() {
    for (name, [n, inputs, outputs]) in LINEAR {
        let (x, w, y) = ([n, inputs], [outputs, inputs], [n, outputs]);
        let flops = 2 * n * inputs * outputs;
        Case::new(&[&x, &w]).bench("dot", name, flops, |graph, inputs| graph.linear(inputs[0], inputs[1]));
        for (which, wrt) in TRANSPOSES {
            Case::new(&[&x, &w, &y]).bench(&format!("dot {which}"), name, flops, |graph, inputs| {
                let output = graph.linear(inputs[0], inputs[1])?;
                cotangent(graph, inputs, wrt, output)
            });
        }
    }
}

/// Inputs and outputs of a GPT's linear layers on 1024 tokens.
const TOKENS: [[usize; 2]; 4] = [[256, 1024], [1024, 256], [256, 768], [256, 256]];

fn linear_layers() {
    for [inputs, outputs] in TOKENS {
        let (x, w, y) = ([1024, inputs], [outputs, inputs], [1024, outputs]);
        let (name, flops) = (format!("{inputs}->{outputs}"), 2 * 1024 * inputs * outputs);
        let contract = |sides: [[usize; 2]; 2], pair: [usize; 2], kind: &str| {
            Case::new(&[&sides[0], &sides[1]]).bench(kind, &name, flops, |graph, x| {
                graph.matmul(x[0], x[1], MatMul { batch: vec![], contract: vec![pair] })
            });
        };
        contract([x, w], [1, 1], "linear");
        contract([y, w], [1, 0], "linear, of the input");
        contract([y, x], [0, 0], "linear, of the weight");
    }
}

/// A name, two operands and the axis of each that is summed.
type Heads = (&'static str, [usize; 4], [usize; 4], [usize; 2]);

/// Products of all heads of attention: queries and keys, weights and values, and their transposes.
const ATTENTION: [Heads; 4] = [
    ("128x32 by 32x128", [8, 8, 128, 32], [8, 8, 128, 32], [3, 3]),
    ("128x128 by 128x32", [8, 8, 128, 128], [8, 8, 128, 32], [3, 2]),
    ("128x128 (turned) by 128x32", [8, 8, 128, 128], [8, 8, 128, 32], [2, 2]),
    ("32x128 by 128x128", [8, 8, 128, 32], [8, 8, 128, 128], [2, 2]),
];

fn attention() {
    for (name, lhs, rhs, contracted) in ATTENTION {
        let free = |shape: [usize; 4], axis: usize| shape[5 - axis];
        let flops = 128 * lhs[contracted[0]] * free(lhs, contracted[0]) * free(rhs, contracted[1]);
        Case::new(&[&lhs, &rhs]).bench("attention", name, flops, |graph, x| {
            let axes = MatMul { batch: vec![[0, 0], [1, 1]], contract: vec![contracted] };
            graph.matmul(x[0], x[1], axes)
        });
    }
}

const FUNCTIONS: [ElementwiseFunction; 5] = [
    ElementwiseFunction::Exp,
    ElementwiseFunction::Log,
    ElementwiseFunction::NormalCdf,
    ElementwiseFunction::Sigmoid,
    ElementwiseFunction::Tanh,
];

fn tokens() {
    let shape = [8, 128, 1024];
    let numbers = shape.iter().product();
    for function in FUNCTIONS {
        Case::new(&[&shape])
            .bench("function", &format!("{function:?}"), numbers, |graph, x| graph.function(function, x[0]));
    }
    Case::new(&[&shape]).bench("sum of tokens", "gpt", numbers, |graph, x| graph.sum(x[0], &[0, 1]));
    Case::new(&[&[8, 8, 128, 128]])
        .bench("sum of the last axis", "gpt", numbers, |graph, x| graph.sum(x[0], &[3]));
}

type Emit = fn(&mut Graph, &[Value]) -> Result<Value>;

const REDUCTIONS: [(&str, Emit); 5] = [
    ("sum to channels", |graph, x| graph.sum(x[0], &[0, 2, 3])),
    ("sum of the last axis", |graph, x| graph.sum(x[0], &[3])),
    ("max pool", |graph, x| graph.max_pool2d(x[0], PoolSettings { kernel: 2, stride: 2, padding: 0 })),
    ("average pool", |graph, x| graph.avg_pool2d(x[0], PoolSettings { kernel: 2, stride: 2, padding: 0 })),
    ("average pool, transposed", |graph, x| {
        let output = graph.avg_pool2d(x[0], PoolSettings { kernel: 2, stride: 2, padding: 0 })?;
        let shape = graph.shape(output).to_vec();
        let seed = graph.slice(x[0], 2, 0, shape[2])?;
        let seed = graph.slice(seed, 3, 0, shape[3])?;
        let cotangents = transpose(graph, &[(output, seed)], &[x[0]])?;
        Ok(cotangents[0].unwrap())
    }),
];

const ELEMENTWISE: [(&str, Emit); 4] = [
    ("add", |graph, x| graph.add(x[0], x[1])),
    ("mul", |graph, x| graph.mul(x[0], x[1])),
    ("relu", |graph, x| graph.function(ElementwiseFunction::Relu, x[0])),
    ("exp", |graph, x| graph.function(ElementwiseFunction::Exp, x[0])),
];

fn images() {
    for (size, shape) in IMAGES {
        let numbers = shape.iter().product();
        for (name, emit) in REDUCTIONS {
            Case::new(&[&shape]).bench(name, size, numbers, emit);
        }
        for (name, emit) in ELEMENTWISE {
            Case::new(&[&shape, &shape]).bench(name, size, numbers, emit);
        }
        Case::new(&[&shape, &[1, shape[1], 1, 1]]).bench("bias", size, numbers, |graph, x| {
            let wide = graph.broadcast(x[1], &shape)?;
            graph.add(x[0], wide)
        });
    }
}

fn main() {
    convolutions();
    dots();
    linear_layers();
    attention();
    tokens();
    images();
}
