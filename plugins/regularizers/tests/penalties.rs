//! Every penalty equals its formula, and its derived gradient agrees with finite differences.

#![expect(clippy::unwrap_used, reason = "a test")]

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Random, Registry, Regularizer, registry::Environment};
use eigenscape_curvature::{KnownLoss, Objective, Penalty, Point};
use eigenscape_losses::{cross_entropy, mean_squared_error};
use eigenscape_program::{ConvSettings, Loss, Mode, Network, PoolSettings, Scope, Value, nn};

const SAMPLES: usize = 4;
const CLASSES: usize = 3;

/// A regularizer's name and its keys.
type Keys = (&'static str, &'static str);
type Build = fn(&mut Scope, Value) -> eigenscape_program::Result<Value>;

fn tanh(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    let x = nn::flatten(scope, x)?;
    let x = nn::linear(&mut scope.at("0"), x, 4, true)?;
    let x = nn::activation(&mut scope.at("act"), x, nn::Activation::Tanh)?;
    nn::linear(&mut scope.at("1"), x, CLASSES, true)
}

fn lenet(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    let x = nn::conv2d(&mut scope.at("conv"), x, 3, 3, ConvSettings::default(), true)?;
    let x = nn::activation(scope, x, nn::Activation::Relu)?;
    let x = nn::max_pool2d(scope, x, PoolSettings { kernel: 2, stride: 2, padding: 0 })?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("fc"), x, CLASSES, true)
}

fn batch_norm(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    let x = nn::conv2d(&mut scope.at("conv"), x, 2, 3, ConvSettings::default(), false)?;
    let x = nn::batch_norm(&mut scope.at("bn"), x)?;
    let x = nn::activation(scope, x, nn::Activation::Relu)?;
    let x = nn::global_avg_pool(scope, x)?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("fc"), x, CLASSES, true)
}

struct Case {
    network: Network,
    point: Point,
}

fn wave(shape: &[usize], phase: f64) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    let value = |i: u32| 2.0 * (phase + f64::from(i + 1) * 0.618_033_988_749_895).fract() - 1.0;
    Tensor::from_iter((0..count).map(value), &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn case(build: Build, mode: Mode) -> Case {
    let network = Network::with_mode(&[1, 5, 6], mode, build).unwrap();
    let parameters = network.parameters().iter().enumerate().map(|(i, p)| wave(&p.shape, 0.3 * i as f64));
    let buffers = network.buffers().iter().map(|b| wave(&b.shape, 0.1).affine(0.4, 1.0).unwrap());
    let hot = |n: usize, c: usize| f64::from(u8::from(n % CLASSES == c));
    let targets = (0..SAMPLES).flat_map(|n| (0..CLASSES).map(move |c| hot(n, c)));
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: parameters.collect(),
        buffers: buffers.collect(),
        inputs: wave(&[SAMPLES, 1, 5, 6], 0.7),
        targets: Tensor::from_iter(targets, &Device::Cpu).unwrap().reshape((SAMPLES, CLASSES)).unwrap(),
        masks: vec![],
    };
    Case { network, point }
}

fn regularizer(name: &str, keys: &str) -> Box<dyn Regularizer> {
    let mut registry = Registry::default();
    eigenscape_regularizers::register(&mut registry);
    let built = registry.regularizers.build(name, toml::from_str(keys).unwrap(), &Environment::default());
    built.unwrap().plugin
}

fn numbers(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(|t| t.flatten_all().unwrap().to_vec1::<f64>().unwrap()).collect()
}

fn dot(x: &[Tensor], y: &[Tensor]) -> f64 {
    numbers(x).iter().zip(numbers(y)).map(|(x, y)| x * y).sum()
}

impl Case {
    fn moved(&self, direction: &[Tensor], step: f64) -> Point {
        let pairs = self.point.parameters.iter().zip(direction);
        let parameters = pairs.map(|(p, v)| (p + (v * step).unwrap()).unwrap()).collect();
        Point { parameters, ..self.point.clone() }
    }

    fn at(&self, regularizer: &dyn Regularizer, point: &Point, seed: u64) -> Penalty {
        let program = regularizer.program(&self.network, &cross_entropy(), SAMPLES).unwrap();
        let objective = Objective::new(&self.network, &cross_entropy(), SAMPLES).unwrap();
        let step = objective.training_step().unwrap().at(point, &[]).unwrap();
        let known = KnownLoss { loss: &step[0], gradient: &step[2..2 + self.point.parameters.len()] };
        regularizer.evaluate(&program, point, known, &mut Random::new(seed).stream("test", 0)).unwrap()
    }

    fn loss(&self, point: &Point) -> f64 {
        let objective = Objective::new(&self.network, &cross_entropy(), SAMPLES).unwrap();
        objective.loss().unwrap().at(point, &[]).unwrap()[0].to_scalar().unwrap()
    }

    fn gradient(&self) -> Vec<Tensor> {
        let objective = Objective::new(&self.network, &cross_entropy(), SAMPLES).unwrap();
        let all: Vec<usize> = (0..self.point.parameters.len()).collect();
        objective.gradient(&all).unwrap().at(&self.point, &[]).unwrap().split_off(2)
    }

    /// The trace of the Hessian of all parameters, from its matrix.
    fn trace(&self) -> f64 {
        let objective = Objective::new(&self.network, &cross_entropy(), SAMPLES).unwrap();
        let all: Vec<usize> = (0..self.point.parameters.len()).collect();
        let identity = Tensor::eye(self.network.dimension(), DType::F64, &Device::Cpu).unwrap();
        let product = objective.hessian(&self.point, &all).unwrap().apply_rows(&identity).unwrap();
        (product * identity).unwrap().sum_all().unwrap().to_scalar().unwrap()
    }
}

/// Compares a slope with central differences of `f` for two steps: one may cross a kink, two seldom
/// do.
fn agrees(what: &str, ours: f64, f: impl Fn(f64) -> f64) {
    let error = |step: f64| {
        let slope = (f(step) - f(-step)) / (2.0 * step);
        (ours - slope).abs() / slope.abs().max(1e-2)
    };
    let errors = [1e-5, 1e-6].map(error);
    assert!(errors.iter().any(|error| *error < 1e-6), "{what}: {ours} is off by {errors:?}");
}

const ANYWHERE: [Keys; 8] = [
    ("hessian-trace", "probes = 3"),
    ("hessian-trace", "groups = 'middle'\nprobe = 'gaussian'\nprobes = 2\nkeep = 0.5"),
    ("gradient-norm", ""),
    ("gradient-norm", "groups = ['*.bias', 'layers']"),
    ("fisher-trace", "estimator = 'output-space'\nprobes = 2"),
    ("jacobian", "probes = 2"),
    ("l2", ""),
    ("l2", "groups = 'layers'"),
];

const BY_SAMPLE: [Keys; 3] = [
    ("fisher-trace", ""),
    ("fisher-trace", "labels = 'data'"),
    ("fisher-trace", "groups = 'layers'\nprobes = 2"),
];

const WHERE_TRACES_ARE_EQUAL: [Keys; 5] = [
    ("hessian-trace", "estimator = 'output-space'"),
    ("hessian-trace", "estimator = 'per-sample'\nprobes = 2"),
    ("hessian-trace", "estimator = 'per-sample'\nsamples = 2"),
    ("hessian-trace", "estimator = 'exact'"),
    ("hessian-trace", "estimator = 'exact'\ngroups = 'outer'"),
];

#[test]
fn gradients_are_those_of_finite_differences() {
    let cases: [(&str, Build, Mode, Vec<Keys>); 4] = [
        ("tanh", tanh, Mode::Eval, [&ANYWHERE[..], &BY_SAMPLE].concat()),
        ("lenet", lenet, Mode::Eval, [&ANYWHERE[..], &BY_SAMPLE, &WHERE_TRACES_ARE_EQUAL].concat()),
        (
            "BatchNorm in eval mode",
            batch_norm,
            Mode::Eval,
            [&BY_SAMPLE[..], &WHERE_TRACES_ARE_EQUAL].concat(),
        ),
        ("BatchNorm in train mode", batch_norm, Mode::Train, ANYWHERE.to_vec()),
    ];
    for (network, build, mode, penalties) in cases {
        let case = case(build, mode);
        let w: Vec<Tensor> = case.point.parameters.iter().map(|p| wave(p.dims(), 0.5)).collect();
        for (name, keys) in penalties {
            let regularizer = regularizer(name, keys);
            let ours = dot(&case.at(&*regularizer, &case.point, 1).gradient, &w);
            let value = |step: f64| case.at(&*regularizer, &case.moved(&w, step), 1).mean();
            agrees(&format!("{name} {{ {keys} }} of {network}"), ours, value);
        }
    }
}

/// The gradient of sharpness-aware minimisation is that at the moved point: the move is held fixed.
#[test]
fn sam_is_the_loss_at_a_moved_point() {
    const RHO: f64 = 0.2;
    for (build, mode) in [(tanh as Build, Mode::Eval), (lenet, Mode::Eval), (batch_norm, Mode::Train)] {
        let case = case(build, mode);
        let gradient = case.gradient();
        let length = RHO / dot(&gradient, &gradient).sqrt();
        let w: Vec<Tensor> = case.point.parameters.iter().map(|p| wave(p.dims(), 0.5)).collect();
        let rise = |step: f64| {
            let here = case.moved(&w, step);
            let there = Case { network: case.network.clone(), point: here.clone() }.moved(&gradient, length);
            case.loss(&there) - case.loss(&here)
        };
        let ours = case.at(&*regularizer("sam", &format!("rho = {RHO}")), &case.point, 1);
        assert!((ours.mean() - rise(0.0)).abs() < 1e-12, "{} {}", ours.mean(), rise(0.0));
        agrees("sam", dot(&ours.gradient, &w), rise);
    }
}

/// SAM costs one gradient beyond that of the training step.
#[test]
fn sam_takes_two_gradients_a_step() {
    for (build, mode) in [(tanh as Build, Mode::Eval), (lenet, Mode::Eval), (batch_norm, Mode::Train)] {
        let case = case(build, mode);
        let objective = Objective::new(&case.network, &cross_entropy(), SAMPLES).unwrap();
        let all: Vec<usize> = (0..case.point.parameters.len()).collect();
        let gradient = objective.gradient(&all).unwrap().flops();
        let sam = regularizer("sam", "").program(&case.network, &cross_entropy(), SAMPLES).unwrap().flops();
        let moves = 10 * case.network.dimension();
        assert!(sam <= gradient + moves, "{sam} operations, and a gradient takes {gradient}");
    }
}

#[test]
fn values_are_those_of_the_formulas() {
    let case = case(lenet, Mode::Eval);
    let value = |name: &str, keys: &str| case.at(&*regularizer(name, keys), &case.point, 1).mean();
    let close = |what: &str, ours: f64, expected: f64| {
        // The unit probes of the exact trace are drawn in f32.
        assert!((ours / expected - 1.0).abs() < 1e-6, "{what}: {ours}, not {expected}");
    };
    let parameters = &case.point.parameters;
    close("l2", value("l2", ""), dot(parameters, parameters));
    close("l2 of a layer", value("l2", "groups = 'conv.weight'"), dot(&parameters[..1], &parameters[..1]));
    let gradient = case.gradient();
    close("gradient-norm", value("gradient-norm", ""), dot(&gradient, &gradient));
    close("exact trace", value("hessian-trace", "estimator = 'exact'"), case.trace());
}

/// Means over many draws are within five standard errors of the true values.
#[test]
fn estimates_are_unbiased() {
    let case = case(lenet, Mode::Eval);
    // For the cross-entropy the Fisher information is the Gauss-Newton matrix, which has the
    // Hessian's trace here.
    let trace = case.trace();
    for (name, keys) in [
        ("hessian-trace", "probes = 2000"),
        ("hessian-trace", "probes = 2000\nprobe = 'gaussian'"),
        ("hessian-trace", "probes = 4000\nkeep = 0.2"),
        ("hessian-trace", "probes = 2000\nestimator = 'output-space'\nprobe = 'gaussian'"),
        ("hessian-trace", "probes = 500\nestimator = 'per-sample'"),
        ("fisher-trace", "probes = 500"),
        ("fisher-trace", "probes = 2000\nestimator = 'output-space'"),
    ] {
        let penalty = case.at(&*regularizer(name, keys), &case.point, 5);
        let (mean, error) = (penalty.mean(), penalty.standard_error().unwrap());
        assert!((mean - trace).abs() < 5.0 * error, "{name} {keys}: {mean} ± {error}, not {trace}");
        assert!(error < 0.2 * trace, "{name} {keys}: the standard error {error} says nothing");
    }
    // ‖J‖²_F from finite differences in the inputs.
    let objective = Objective::new(&case.network, &cross_entropy(), SAMPLES).unwrap();
    let outputs = |inputs: Tensor| {
        let point = Point { inputs, ..case.point.clone() };
        numbers(&objective.loss().unwrap().at(&point, &[]).unwrap()[1..2])
    };
    let (mut square, shape) = (0.0, case.point.inputs.dims().to_vec());
    let count = case.point.inputs.elem_count();
    for i in 0..count {
        let unit = Tensor::from_iter((0..count).map(|j| if i == j { 1e-6 } else { 0.0 }), &Device::Cpu);
        let unit = unit.unwrap().reshape(shape.as_slice()).unwrap();
        let (after, before) =
            (outputs((&case.point.inputs + &unit).unwrap()), outputs((&case.point.inputs - &unit).unwrap()));
        square += after.iter().zip(before).map(|(a, b)| ((a - b) / 2e-6).powi(2)).sum::<f64>();
    }
    let penalty = case.at(&*regularizer("jacobian", "probes = 2000"), &case.point, 5);
    let (mean, error) = (penalty.mean(), penalty.standard_error().unwrap());
    assert!((mean - square / SAMPLES as f64).abs() < 5.0 * error, "{mean} ± {error}, not {square}");
}

#[test]
fn what_cannot_be_used_says_why_and_what_to_use_instead() {
    let refused = |name: &str, keys: &str, build: Build, mode: Mode, loss: &Loss| {
        let case = case(build, mode);
        regularizer(name, keys).program(&case.network, loss, SAMPLES).unwrap_err().to_string()
    };
    for estimator in ["output-space", "per-sample", "exact"] {
        let keys = format!("estimator = '{estimator}'");
        let message = refused("hessian-trace", &keys, tanh, Mode::Eval, &cross_entropy());
        assert!(message.contains("tanh in act") && message.contains("hutchinson"), "{message}");
        let message = refused("hessian-trace", &keys, batch_norm, Mode::Train, &cross_entropy());
        assert!(message.contains("in bn") && message.contains("hutchinson"), "{message}");
    }
    let message = refused("fisher-trace", "", batch_norm, Mode::Train, &cross_entropy());
    assert!(message.contains("in bn") && message.contains("output-space"), "{message}");
    let message = refused("fisher-trace", "", tanh, Mode::Eval, &mean_squared_error());
    assert!(message.contains("labels = \"data\""), "{message}");
    let message = refused("l2", "groups = 'fc9.*'", lenet, Mode::Eval, &cross_entropy());
    assert!(message.starts_with("groups: ") && message.contains("fc9"), "{message}");
}

#[test]
fn settings_out_of_range_are_refused_with_their_key() {
    let mut registry = Registry::default();
    eigenscape_regularizers::register(&mut registry);
    for (name, keys, key) in [
        ("hessian-trace", "keep = 0.0", "keep"),
        ("hessian-trace", "keep = 0.5\nestimator = 'per-sample'", "keep"),
        ("hessian-trace", "probes = 2\nestimator = 'exact'", "probes"),
        ("fisher-trace", "labels = 'data'\nestimator = 'output-space'", "estimator"),
        ("fisher-trace", "labels = 'data'\nprobes = 2", "probes"),
        ("sam", "rho = -1.0", "rho"),
    ] {
        let built = registry.regularizers.build(name, toml::from_str(keys).unwrap(), &Environment::default());
        let message = format!("{:?}", built.err().unwrap());
        assert!(message.contains(&format!("subject: \"{key}\"")), "{message}");
    }
    let names: Vec<&str> = registry.regularizers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["fisher-trace", "gradient-norm", "hessian-trace", "jacobian", "l2", "sam"]);
    for name in names {
        let built = registry.regularizers.build(name, toml::Table::new(), &Environment::default()).unwrap();
        assert!(!built.plugin.description().contains('\n'));
    }
}
