//! Random small networks: every derivative against finite differences of the one before it, and the exact factor against
//! the Gauss-Newton matrix.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use candle_core::{DType, Device, Tensor};
use eigenscape_autodiff::{
    ConvSettings, Factor, Loss, Network, Objective, Point, PoolSettings, Result, Scope, Value,
    nn::{self, Activation},
};
use proptest::{prelude::*, test_runner::RngSeed};

const SAMPLES: usize = 3;
const CLASSES: usize = 3;
const STEP: f64 = 1e-5;

/// A layer that keeps an image an image; each pads by one, so that all fit one after the other.
#[derive(Debug, Clone)]
enum Layer {
    Conv { kernel: usize, stride: usize },
    Activation(Activation),
    BatchNorm,
    MaxPool,
    AveragePool,
    Residual(Activation),
    Concat,
}

fn activations() -> impl Strategy<Value = Activation> {
    use Activation::{Elu, Gelu, LeakyRelu, Relu, Sigmoid, Silu, Softplus, Tanh};
    prop::sample::select(vec![Relu, LeakyRelu, Tanh, Sigmoid, Gelu, Silu, Elu, Softplus])
}

fn layers() -> impl Strategy<Value = Layer> {
    prop_oneof![
        (1..4_usize, 1..3_usize).prop_map(|(kernel, stride)| Layer::Conv { kernel, stride }),
        activations().prop_map(Layer::Activation),
        Just(Layer::BatchNorm),
        Just(Layer::MaxPool),
        Just(Layer::AveragePool),
        activations().prop_map(Layer::Residual),
        Just(Layer::Concat),
    ]
}

fn conv(scope: &mut Scope, x: Value, kernel: usize, stride: usize) -> Result<Value> {
    nn::conv2d(scope, x, 2, kernel, ConvSettings { padding: 1, stride, ..ConvSettings::default() }, true)
}

impl Layer {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let window = PoolSettings { kernel: 2, stride: 1, padding: 1 };
        match *self {
            Self::Conv { kernel, stride } => conv(scope, x, kernel, stride),
            Self::Activation(kind) => nn::activation(scope, x, kind),
            Self::BatchNorm => nn::batch_norm(scope, x),
            Self::MaxPool => nn::max_pool2d(scope, x, window),
            Self::AveragePool => nn::avg_pool2d(scope, x, window),
            Self::Residual(kind) => {
                let body = nn::activation(scope, x, kind)?;
                let body = nn::batch_norm(&mut scope.at("norm"), body)?;
                scope.graph().add(x, body)
            }
            Self::Concat => {
                let branch = conv(&mut scope.at("branch"), x, 3, 1)?;
                scope.graph().concat(&[x, branch], 1)
            }
        }
    }
}

/// A deterministic stream of numbers in (−1, 1): a linear congruential generator (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        let data: Vec<f64> = (0..shape.iter().product()).map(|_| next()).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }

    fn like(&mut self, tensors: &[Tensor]) -> Vec<Tensor> {
        tensors.iter().map(|t| self.tensor(t.dims())).collect()
    }
}

fn set_up(seed: u64, layers: &[Layer], loss: Loss) -> Result<(Objective, Point)> {
    let layers = layers.to_vec();
    let network = Network::new(&[1, 6, 6], move |scope, x| {
        let mut x = x;
        for (i, layer) in layers.iter().enumerate() {
            x = layer.emit(&mut scope.at(i), x)?;
        }
        x = nn::flatten(scope, x)?;
        nn::linear(&mut scope.at("head"), x, CLASSES, true)
    })?;
    let mut numbers = Numbers(seed);
    let parameters = network.parameters().iter().map(|p| numbers.tensor(&p.shape)).collect();
    // Means are any numbers, variances positive ones.
    let buffers = network.buffers().iter().map(|b| numbers.tensor(&b.shape).affine(0.4, 1.0));
    let buffers = buffers.collect::<candle_core::Result<_>>()?;
    let inputs = numbers.tensor(&[SAMPLES, 1, 6, 6]);
    let targets = Tensor::eye(SAMPLES, DType::F64, &Device::Cpu)?;
    Ok((Objective::new(&network, loss, SAMPLES)?, Point { parameters, buffers, inputs, targets }))
}

fn moved(point: &Point, direction: &[Tensor], step: f64) -> Point {
    let parameters = point.parameters.iter().zip(direction).map(|(p, v)| (p + (v * step).unwrap()).unwrap());
    Point { parameters: parameters.collect(), ..point.clone() }
}

fn flat(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(|t| t.flatten_all().unwrap().to_vec1::<f64>().unwrap()).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The central difference quotient of `f` along `direction`.
fn quotient(f: impl Fn(&Point) -> Vec<f64>, point: &Point, direction: &[Tensor]) -> Vec<f64> {
    let (after, before) = (f(&moved(point, direction, STEP)), f(&moved(point, direction, -STEP)));
    after.iter().zip(before).map(|(a, b)| (a - b) / (2.0 * STEP)).collect()
}

fn assert_close(what: &str, ours: &[f64], expected: &[f64]) {
    let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    let error = ours.iter().zip(expected).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs())) / scale;
    assert!(error < 2e-6, "{what} is off by {error:e}");
}

fn matrix(factor: &Factor) -> Result<Tensor> {
    let parts = factor.tensors.iter().map(|rows| rows.explicit(DType::F64)).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&parts, 1)?)
}

proptest! {
    // The seed is fixed: a difference quotient across a kink of a ReLU is wrong, and one in some thousand cases has one.
    #![proptest_config(ProptestConfig { cases: 40, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn derivatives_agree_with_finite_differences(
        seed in any::<u64>(),
        layers in prop::collection::vec(layers(), 1..5),
        loss in prop::sample::select(vec![Loss::CrossEntropy, Loss::MeanSquaredError, Loss::BinaryCrossEntropy]),
    ) {
        let (objective, point) = set_up(seed, &layers, loss)?;
        let mut numbers = Numbers(seed ^ 0x5eed);
        let all: Vec<usize> = (0..point.parameters.len()).collect();
        let (v, w) = (numbers.like(&point.parameters), numbers.like(&point.parameters));
        let (flat_v, flat_w) = (flat(&v), flat(&w));

        let value = objective.loss()?;
        let gradient = objective.gradient(&all)?;
        let gradient_at = |point: &Point| flat(&gradient.at(point, &[]).unwrap()[2..]);
        let slope = quotient(|p| flat(&value.at(p, &[]).unwrap()[..1]), &point, &v);
        assert_close("gradient", &[dot(&gradient_at(&point), &flat_v)], &slope);

        let hv = flat(&objective.hessian(&point, &all)?.apply(&v)?);
        assert_close("Hv", &hv, &quotient(gradient_at, &point, &v));

        let along = objective.curvature_along(&all, &all)?;
        let form = along.at(&point, &v)?;
        assert_close("vᵀHv", &flat(&form[..1]), &[dot(&hv, &flat_v)]);
        let expected = quotient(|p| flat(&along.at(p, &v).unwrap()[..1]), &point, &w);
        assert_close("∇vᵀHv", &[dot(&flat(&form[1..]), &flat_w)], &expected);
    }

    #[test]
    fn the_factor_and_the_jacobian_give_the_gauss_newton_matrix(
        seed in any::<u64>(),
        layers in prop::collection::vec(layers(), 1..5),
        loss in prop::sample::select(vec![Loss::CrossEntropy, Loss::MeanSquaredError, Loss::BinaryCrossEntropy]),
    ) {
        let (objective, point) = set_up(seed, &layers, loss)?;
        let all: Vec<usize> = (0..point.parameters.len()).collect();
        let mut numbers = Numbers(seed ^ 0x5eed);
        let v = numbers.like(&point.parameters);
        let column = Tensor::from_vec(flat(&v), (flat(&v).len(), 1), &Device::Cpu)?;
        let gv = flat(&objective.gauss_newton(&point, &all)?.apply(&v)?);

        let phi = matrix(&objective.factor(&point, &all)?)?;
        assert_close("ΦᵀΦv", &flat(&[phi.t()?.matmul(&phi.matmul(&column)?)?]), &gv);

        // Row c·N + n of the Jacobian, as the derivative of output c of sample n along v.
        let value = objective.loss()?;
        let outputs = |p: &Point| flat(&[value.at(p, &[]).unwrap()[1].t().unwrap().contiguous().unwrap()]);
        let jv = matrix(&objective.jacobian(&point, &all)?)?.matmul(&column)?;
        assert_close("Jv", &flat(&[jv]), &quotient(outputs, &point, &v));
    }

    #[test]
    fn a_proof_of_affinity_means_that_the_residual_block_vanishes(
        seed in any::<u64>(),
        layers in prop::collection::vec(layers(), 1..5),
    ) {
        let (objective, point) = set_up(seed, &layers, Loss::CrossEntropy)?;
        let mut numbers = Numbers(seed ^ 0x5eed);
        for i in 0..point.parameters.len() {
            let v = [numbers.tensor(point.parameters[i].dims())];
            let residual = flat(&objective.residual(&point, &[i])?.apply(&v)?);
            let (level, _) = objective.affinity(&[i])?;
            if level.is_affine() {
                prop_assert!(residual.iter().all(|r| r.abs() < 1e-12), "{level:?} in parameter {i}");
            }
        }
    }
}
