//! Random small networks of tokens: the checks of `random_networks.rs`, with outputs per sample or
//! per token.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{
    CLASSES, Case, affinity_is_honest, derivatives_agree, factors_agree, losses, modes, streams_agree,
    traces_agree,
};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{
    ConvSettings, Loss, Mode, Scope, Value,
    nn::{self, Activation, AttentionSettings, Projections},
};
use eigenscape_runtime::Result;
use proptest::{prelude::*, test_runner::RngSeed};

const WIDTH: usize = 4;

/// A layer from tokens to tokens of the same width.
#[derive(Debug, Clone)]
enum Block {
    Attention(AttentionSettings),
    Swiglu { bias: bool },
    Positions { rows: Option<usize> },
    Waves,
    ClassToken,
    LayerNorm,
    RmsNorm,
    LayerScale,
    Softmax { axis: usize },
    Dropout,
    Conv,
    ScaledResidual(Activation),
}

/// How tokens become outputs.
#[derive(Debug, Clone, Copy)]
enum Head {
    Mean,
    First,
    EachToken,
}

fn attention() -> impl Strategy<Value = Block> {
    let projections =
        prop::sample::select(vec![Projections::Fused, Projections::Separate, Projections::Torch]);
    let heads = prop::sample::select(vec![1, 2, 4]);
    let dropout = prop::sample::select(vec![0.0, 0.4]);
    (heads, any::<bool>(), any::<bool>(), projections, dropout).prop_map(
        |(heads, causal, bias, projections, dropout)| {
            Block::Attention(AttentionSettings { heads, causal, bias, projections, dropout })
        },
    )
}

fn layers() -> impl Strategy<Value = Vec<Block>> {
    let activations =
        prop::sample::select(vec![Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Mish]);
    let layer = prop_oneof![
        3 => attention(),
        1 => any::<bool>().prop_map(|bias| Block::Swiglu { bias }),
        1 => prop::sample::select(vec![None, Some(9)]).prop_map(|rows| Block::Positions { rows }),
        1 => Just(Block::Waves),
        1 => Just(Block::ClassToken),
        1 => Just(Block::LayerNorm),
        1 => Just(Block::RmsNorm),
        1 => Just(Block::LayerScale),
        1 => (1..3_usize).prop_map(|axis| Block::Softmax { axis }),
        1 => Just(Block::Dropout),
        1 => Just(Block::Conv),
        2 => activations.prop_map(Block::ScaledResidual),
    ];
    prop::collection::vec(layer, 1..4)
}

fn heads() -> impl Strategy<Value = Head> {
    prop::sample::select(vec![Head::Mean, Head::First, Head::EachToken])
}

impl Block {
    fn emit(&self, scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
        match *self {
            Self::Attention(settings) => nn::attention_with(scope, x, &settings),
            Self::Swiglu { bias } => nn::swiglu(scope, x, 5, bias),
            Self::Positions { rows } => nn::positional_embedding(scope, x, rows),
            Self::Waves => nn::sinusoidal_embedding(scope, x),
            Self::ClassToken => nn::class_token(scope, x),
            Self::LayerNorm => nn::layer_norm(scope, x),
            Self::RmsNorm => nn::rms_norm(scope, x),
            Self::LayerScale => nn::layer_scale(scope, x, 2, 0.1),
            Self::Softmax { axis } => nn::softmax(scope, x, axis),
            Self::Dropout => nn::dropout(scope, x, 0.3),
            Self::Conv => {
                let x = scope.graph().permute(x, &[0, 2, 1])?;
                let settings = ConvSettings { padding: 1, ..ConvSettings::default() };
                let x = nn::conv1d(scope, x, WIDTH, 3, settings, true)?;
                scope.graph().permute(x, &[0, 2, 1])
            }
            Self::ScaledResidual(kind) => {
                let body = nn::linear(scope, x, WIDTH, true)?;
                let body = nn::activation(scope, body, kind)?;
                let body = scope.graph().scale(body, 0.5)?;
                scope.graph().add(x, body)
            }
        }
    }
}

fn set_up(seed: u64, layers: &[Block], head: Head, loss: &Loss, mode: Mode) -> Result<Case> {
    let layers = layers.to_vec();
    common::set_up(seed, loss, mode, &[1, 4, 2], move |scope, x| {
        let mut x = nn::patch_embed(&mut scope.at("patches"), x, 2, WIDTH, true)?;
        for (i, layer) in layers.iter().enumerate() {
            x = layer.emit(&mut scope.at(i), x)?;
        }
        x = match head {
            Head::Mean => nn::token_mean(scope, x)?,
            Head::First => nn::token(scope, x, 0)?,
            Head::EachToken => x,
        };
        nn::linear(&mut scope.at("head"), x, CLASSES, true)
    })
}

proptest! {
    // The seed is fixed, as in `random_networks.rs`.
    #![proptest_config(ProptestConfig { cases: 60, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn derivatives_agree_with_finite_differences(
        seed in any::<u64>(), layers in layers(), head in heads(), loss in losses(), mode in modes(),
    ) {
        let case = set_up(seed, &layers, head, &loss, mode)?;
        derivatives_agree(&case)?;
    }

    #[test]
    fn the_factor_and_the_jacobian_give_the_gauss_newton_matrix(
        seed in any::<u64>(), layers in layers(), head in heads(), loss in losses(), mode in modes(),
    ) {
        let case = set_up(seed, &layers, head, &loss, mode)?;
        factors_agree(&case)?;
    }

    #[test]
    fn a_proof_of_affinity_means_that_the_residual_block_vanishes(
        seed in any::<u64>(), layers in layers(), head in heads(), mode in modes(),
    ) {
        let case = set_up(seed, &layers, head, &cross_entropy(), mode)?;
        affinity_is_honest(&case)?;
    }

    #[test]
    fn the_split_into_micro_batches_does_not_matter(
        seed in any::<u64>(), layers in layers(), head in heads(), loss in losses(), mode in modes(),
    ) {
        streams_agree(&set_up(seed, &layers, head, &loss, mode)?)?;
    }

    #[test]
    fn traces_and_their_gradients_agree(
        seed in any::<u64>(), layers in layers(), head in heads(), loss in losses(), mode in modes(),
    ) {
        traces_agree(&set_up(seed, &layers, head, &loss, mode)?)?;
    }
}
