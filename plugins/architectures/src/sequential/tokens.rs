//! Tokens: where they come from, where they stand, how they become one vector.

use eigenscape_program::{Error, Result, Scope, Value, nn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    layer::Emit,
    shape::{check, last},
    sides::Size,
};

fn yes() -> bool {
    true
}

/// The keys of `embedding`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Rows of the table.
    num: Size,
    /// Length of a row.
    dim: Size,
}

impl Emit for Embedding {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        nn::embedding(scope, x, self.num.get(), self.dim.get())
    }
}

/// The keys of `positional_embedding`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PositionalEmbedding {
    /// Positions that have a vector; as many as the input's by default.
    #[serde(default)]
    num: Option<Size>,
    /// D.
    #[serde(default)]
    dim: Option<usize>,
}

impl Emit for PositionalEmbedding {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, last(scope, x), "dim", self.dim)?;
        nn::positional_embedding(scope, x, self.num.map(Size::get))
    }
}

/// The keys of layers of tokens that need none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// D.
    #[serde(default)]
    dim: Option<usize>,
}

impl Tokens {
    pub(super) fn emit(
        &self,
        scope: &mut Scope,
        x: Value,
        layer: impl Fn(&mut Scope, Value) -> Result<Value>,
    ) -> Result<Value> {
        check(scope, x, last(scope, x), "dim", self.dim)?;
        layer(scope, x)
    }
}

/// The keys of `patch_embed`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchEmbed {
    /// Channels of the image.
    #[serde(default, rename = "in")]
    inputs: Option<usize>,
    /// D, the width of a token.
    dim: Size,
    /// The side of a patch, which divides those of the image.
    patch: Size,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    bias: bool,
}

impl Emit for PatchEmbed {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "in", self.inputs)?;
        nn::patch_embed(scope, x, self.patch.get(), self.dim.get(), self.bias)
    }
}

/// The keys of `token`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Which one, from the end where it is negative; 0, the default, is the class token where there
    /// is one, and −1 is the last time of a recurrent layer.
    #[serde(default)]
    index: isize,
}

impl Emit for Token {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let tokens = scope.shape(x).get(1).copied().unwrap_or_default();
        let index = self.index;
        let found = if index < 0 { tokens.checked_add_signed(index) } else { usize::try_from(index).ok() };
        let found = found.filter(|found| *found < tokens).ok_or_else(|| {
            let problem = format!("is {index}, and there are {tokens} tokens: from 0, or from −1, the last");
            Error::shape("`index`", problem)
        })?;
        nn::token(scope, x, found)
    }
}
