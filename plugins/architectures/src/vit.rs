//! Vision transformers (Dosovitskiy et al. 2021; the small sizes of Touvron et al. 2021), with
//! timm's names.

use std::num::NonZeroUsize;

use eigenscape_core::{Architecture, Error as InputError, registry::Catalog};
use eigenscape_program::{
    Error, Init, InitRule, InitRules, Result, Scope, Value,
    nn::{Activation, NormSettings, activation, attention, layer_norm_with, linear, patch_embed, token},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `vit-tiny` and `vit-small`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The number of blocks, each of attention and a perceptron with one hidden layer; 12 by
    /// default.
    #[serde(default = "twelve")]
    pub depth: NonZeroUsize,
    /// The side of a patch in pixels, which must divide the image's sides; by default 4 for images
    /// below 64x64, otherwise 16.
    #[serde(default)]
    pub patch: Option<usize>,
}

fn twelve() -> NonZeroUsize {
    const { NonZeroUsize::new(12).unwrap() }
}

/// The largest number of blocks: each is built, operation by operation, before the size of the
/// network is known.
const MOST_BLOCKS: usize = 1_000;

/// Units of the perceptron's hidden layer as a multiple of the width.
const EXPANSION: usize = 4;

/// timm truncates at ±2, a hundred standard deviations.
const SMALL: Init = Init::TruncatedNormal { std: 0.02, bound: 2.0 };

/// The convolution that embeds the patches has PyTorch's default initialisation.
const INIT: InitRules =
    InitRules { linear_weight: InitRule::Fixed(SMALL), linear_bias: InitRule::ZEROS, ..InitRules::PYTORCH };

/// A vision transformer that classifies by a class token.
///
/// Each patch of the image becomes a token (`patch_embed.proj`, a convolution whose stride is its
/// kernel), a class token (`cls_token`) is put before them, and position embeddings (`pos_embed`)
/// are added. Blocks follow (`blocks.0`, ...): x + attn(norm1(x)), then x + mlp(norm2(x)),
/// with the exact GELU and LayerNorm at ε = 1e-6. A linear layer (`head`) computes the outputs from
/// the normalised (`norm`) class token. Linear weights and position embeddings are initialised
/// normally with standard deviation 0.02, the class token with 1e-6; biases are 0.
#[derive(Debug, Clone)]
pub struct Vit {
    name: &'static str,
    width: usize,
    heads: usize,
    depth: usize,
    patch: Option<usize>,
}

/// Adds vit-tiny and vit-small.
pub fn register(architectures: &mut Catalog<dyn Architecture>) {
    for (name, summary, width, heads) in [
        ("vit-tiny", "vision transformer of 12 blocks, width 192, 3 heads", 192, 3),
        ("vit-small", "vision transformer of 12 blocks, width 384, 6 heads", 384, 6),
    ] {
        architectures.add(name, summary, move |Parameters { depth, patch }, _| {
            if patch == Some(0) {
                return Err(InputError::input(
                    "model.patch",
                    "a patch has no pixels",
                    "give a positive size",
                ));
            }
            let depth = depth.get();
            if depth > MOST_BLOCKS {
                let remedy = format!("use at most {MOST_BLOCKS}");
                return Err(InputError::input("model.depth", format!("is {depth}"), remedy));
            }
            Ok(Box::new(Vit { name, width, heads, depth, patch }))
        });
    }
}

impl Architecture for Vit {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let scope = &mut scope.with_init(INIT);
        let mut x = self.tokens(scope, x)?;
        for i in 0..self.depth {
            x = self.block(&mut scope.at("blocks").at(i), x)?;
        }
        x = norm(&mut scope.at("norm"), x)?;
        let class = token(scope, x, 0)?;
        linear(&mut scope.at("head"), class, outputs, true)
    }

    fn description(&self) -> String {
        let Self { name, width, heads, depth, .. } = self;
        let patch = self.patch.map_or_else(String::new, |patch| format!(", patches {patch}x{patch}"));
        format!("{name}: vision transformer, {depth} blocks, width {width}, {heads} heads{patch}")
    }
}

impl Vit {
    /// \[N, C, H, W\] to \[N, 1 + HW/p², D\]: the class token and the patches, with position
    /// embeddings added.
    fn tokens(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let shape = scope.shape(x);
        let &[samples, _, height, width] = shape.as_slice() else {
            return Err(self.error(format!("needs images [N, C, H, W], not {shape:?}")));
        };
        let patch = self.patch.unwrap_or(if height.max(width) < 64 { 4 } else { 16 });
        if !height.is_multiple_of(patch) || !width.is_multiple_of(patch) {
            return Err(
                self.error(format!("patches of {patch}x{patch} do not divide {height}x{width} pixels"))
            );
        }
        let (count, d) = (height / patch * (width / patch), self.width);
        let class = scope.parameter("cls_token", &[1, 1, d], Init::Normal { std: 1e-6 })?;
        let positions = scope.parameter("pos_embed", &[1, 1 + count, d], SMALL)?;
        let patches = patch_embed(&mut scope.at("patch_embed"), x, patch, d, true)?;
        let graph = scope.graph();
        let class = graph.broadcast(class, &[samples, 1, d])?;
        let tokens = graph.concat(&[class, patches], 1)?;
        let positions = graph.broadcast(positions, &[samples, 1 + count, d])?;
        graph.add(tokens, positions)
    }

    fn block(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let y = norm(&mut scope.at("norm1"), x)?;
        let y = attention(&mut scope.at("attn"), y, self.heads, false)?;
        let x = scope.graph().add(x, y)?;
        let y = norm(&mut scope.at("norm2"), x)?;
        let mlp = &mut scope.at("mlp");
        let y = linear(&mut mlp.at("fc1"), y, EXPANSION * self.width, true)?;
        let y = activation(mlp, y, Activation::Gelu)?;
        let y = linear(&mut mlp.at("fc2"), y, self.width, true)?;
        scope.graph().add(x, y)
    }

    fn error(&self, problem: String) -> Error {
        Error::Shape { operation: self.name.to_owned(), problem }
    }
}

fn norm(scope: &mut Scope, x: Value) -> Result<Value> {
    layer_norm_with(scope, x, 1, NormSettings { epsilon: 1e-6, ..NormSettings::default() })
}
