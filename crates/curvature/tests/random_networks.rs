//! Random small networks of images: every derivative against finite differences of the one before
//! it, the exact factor against the Gauss-Newton matrix, proofs of affinity against the residual.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{
    CLASSES, Case, affinity_is_honest, derivatives_agree, factors_agree, losses, modes, streams_agree,
    traces_agree,
};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{
    ConvSettings, Loss, Mode, PoolSettings, Scope, Value,
    nn::{self, Activation, NormSettings},
};
use eigenscape_runtime::Result;
use proptest::{prelude::*, test_runner::RngSeed};

/// A layer from images to images. Each layer takes images of any size, so that layers compose in
/// any order.
#[derive(Debug, Clone)]
enum Block {
    Conv { kernel: usize, stride: usize },
    RectangularConv,
    DepthwiseConv { stride: usize },
    ConvTranspose { kernel: usize, stride: usize },
    Activation(Activation),
    LeakyRelu,
    Elu,
    Softplus,
    Hardtanh,
    Prelu { by_channel: bool },
    BatchNorm(NormSettings),
    LayerNorm { axes: usize, settings: NormSettings },
    RmsNorm,
    GroupNorm,
    LayerScale,
    Softmax { axis: usize },
    LogSoftmax { axis: usize },
    MaxPool,
    AveragePool,
    AveragePoolInside,
    AdaptiveMax([usize; 2]),
    AdaptiveAverage([usize; 2]),
    Dropout,
    ChannelDropout,
    Residual(Activation),
    Concat,
}

fn activations() -> impl Strategy<Value = Activation> {
    use Activation::{
        Elu, Gelu, GeluTanh, Hardsigmoid, Hardswish, Hardtanh, Identity, LeakyRelu, Mish, Relu, Relu6, Selu,
        Sigmoid, Silu, Softplus, Tanh,
    };
    prop::sample::select(vec![
        Relu,
        LeakyRelu,
        Tanh,
        Sigmoid,
        Gelu,
        Silu,
        Elu,
        Softplus,
        GeluTanh,
        Hardsigmoid,
        Hardswish,
        Hardtanh,
        Identity,
        Mish,
        Relu6,
        Selu,
    ])
}

fn settings() -> impl Strategy<Value = NormSettings> {
    (any::<bool>(), any::<bool>()).prop_map(|(weight, bias)| NormSettings { epsilon: 1e-3, weight, bias })
}

fn sides() -> impl Strategy<Value = [usize; 2]> {
    [1..4_usize, 1..4_usize]
}

fn layers() -> impl Strategy<Value = Vec<Block>> {
    let layer = prop_oneof![
        3 => (1..4_usize, 1..3_usize).prop_map(|(kernel, stride)| Block::Conv { kernel, stride }),
        1 => Just(Block::RectangularConv),
        1 => (1..3_usize).prop_map(|stride| Block::DepthwiseConv { stride }),
        2 => (2..4_usize, 1..3_usize).prop_map(|(kernel, stride)| Block::ConvTranspose { kernel, stride }),
        4 => activations().prop_map(Block::Activation),
        1 => Just(Block::LeakyRelu),
        1 => Just(Block::Elu),
        1 => Just(Block::Softplus),
        1 => Just(Block::Hardtanh),
        1 => any::<bool>().prop_map(|by_channel| Block::Prelu { by_channel }),
        2 => settings().prop_map(Block::BatchNorm),
        2 => (1..4_usize, settings()).prop_map(|(axes, settings)| Block::LayerNorm { axes, settings }),
        1 => Just(Block::RmsNorm),
        1 => Just(Block::GroupNorm),
        1 => Just(Block::LayerScale),
        1 => (1..4_usize).prop_map(|axis| Block::Softmax { axis }),
        1 => (1..4_usize).prop_map(|axis| Block::LogSoftmax { axis }),
        1 => Just(Block::MaxPool),
        1 => Just(Block::AveragePool),
        1 => Just(Block::AveragePoolInside),
        1 => sides().prop_map(Block::AdaptiveMax),
        1 => sides().prop_map(Block::AdaptiveAverage),
        2 => Just(Block::Dropout),
        1 => Just(Block::ChannelDropout),
        2 => activations().prop_map(Block::Residual),
        1 => Just(Block::Concat),
    ];
    prop::collection::vec(layer, 1..5)
}

fn conv(scope: &mut Scope, x: Value, kernel: usize, stride: usize) -> eigenscape_program::Result<Value> {
    nn::conv2d(scope, x, 2, kernel, ConvSettings { padding: 1, stride, ..ConvSettings::default() }, true)
}

impl Block {
    fn emit(&self, scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
        let window = PoolSettings { kernel: 2, stride: 1, padding: 1 };
        let channels = scope.shape(x)[1];
        let plain = ConvSettings::default();
        match *self {
            Self::Conv { kernel, stride } => conv(scope, x, kernel, stride),
            Self::RectangularConv => nn::rectangular_conv2d(scope, x, 2, [3, 1], [1, 2], plain, true),
            Self::DepthwiseConv { stride } => {
                let settings = ConvSettings { stride, padding: 2, dilation: 2, groups: channels };
                nn::conv2d(scope, x, 2 * channels, 3, settings, false)
            }
            Self::ConvTranspose { kernel, stride } => {
                let settings = ConvSettings { stride, ..plain };
                nn::conv_transpose2d(scope, x, 2, [kernel, 2], settings, stride - 1, true)
            }
            Self::Activation(kind) => nn::activation(scope, x, kind),
            Self::LeakyRelu => nn::leaky_relu(scope, x, 0.3),
            Self::Elu => nn::elu(scope, x, 0.5),
            Self::Softplus => nn::softplus(scope, x, 2.0),
            Self::Hardtanh => nn::hardtanh(scope, x, -0.5, 0.75),
            Self::Prelu { by_channel } => nn::prelu(scope, x, if by_channel { channels } else { 1 }),
            Self::BatchNorm(settings) => nn::batch_norm_with(scope, x, settings),
            Self::LayerNorm { axes, settings } => nn::layer_norm_with(scope, x, axes, settings),
            Self::RmsNorm => nn::rms_norm(scope, x),
            Self::GroupNorm => nn::group_norm(scope, x, channels / 2),
            Self::LayerScale => nn::layer_scale(scope, x, 1, 0.1),
            Self::Softmax { axis } => nn::softmax(scope, x, axis),
            Self::LogSoftmax { axis } => nn::log_softmax(scope, x, axis),
            Self::MaxPool => nn::max_pool2d(scope, x, window),
            Self::AveragePool => nn::avg_pool2d(scope, x, window),
            Self::AveragePoolInside => nn::avg_pool2d_inside(scope, x, window),
            Self::AdaptiveMax(out) => nn::adaptive_max_pool2d(scope, x, out),
            Self::AdaptiveAverage(out) => nn::adaptive_avg_pool2d(scope, x, out),
            Self::Dropout => nn::dropout(scope, x, 0.3),
            Self::ChannelDropout => nn::channel_dropout(scope, x, 0.5),
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

fn set_up(seed: u64, layers: &[Block], loss: &Loss, mode: Mode) -> Result<Case> {
    let layers = layers.to_vec();
    common::set_up(seed, loss, mode, &[1, 6, 6], move |scope, x| {
        let mut x = conv(&mut scope.at("stem"), x, 3, 2)?;
        for (i, layer) in layers.iter().enumerate() {
            x = layer.emit(&mut scope.at(i), x)?;
        }
        x = nn::flatten(scope, x)?;
        nn::linear(&mut scope.at("head"), x, CLASSES, true)
    })
}

proptest! {
    // The seed is fixed, since a difference quotient is wrong across a kink of a ReLU, which
    // happens in one of some thousand cases.
    #![proptest_config(ProptestConfig { cases: 120, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn derivatives_agree_with_finite_differences(
        seed in any::<u64>(), layers in layers(), loss in losses(), mode in modes(),
    ) {
        let case = set_up(seed, &layers, &loss, mode)?;
        derivatives_agree(&case)?;
    }

    #[test]
    fn the_factor_and_the_jacobian_give_the_gauss_newton_matrix(
        seed in any::<u64>(), layers in layers(), loss in losses(), mode in modes(),
    ) {
        let case = set_up(seed, &layers, &loss, mode)?;
        factors_agree(&case)?;
    }

    #[test]
    fn a_proof_of_affinity_means_that_the_residual_block_vanishes(
        seed in any::<u64>(), layers in layers(), mode in modes(),
    ) {
        let case = set_up(seed, &layers, &cross_entropy(), mode)?;
        affinity_is_honest(&case)?;
    }

    #[test]
    fn the_split_into_micro_batches_does_not_matter(
        seed in any::<u64>(), layers in layers(), loss in losses(), mode in modes(),
    ) {
        streams_agree(&set_up(seed, &layers, &loss, mode)?)?;
    }

    #[test]
    fn traces_and_their_gradients_agree(
        seed in any::<u64>(), layers in layers(), loss in losses(), mode in modes(),
    ) {
        traces_agree(&set_up(seed, &layers, &loss, mode)?)?;
    }
}
