//! The two parts of a transformer block: attention and a feed-forward layer.

use eigenscape_program::{
    Result, Scope, Value,
    nn::{self, AttentionSettings},
};
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

/// The keys of `attention`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// D, the width of a token.
    #[serde(default)]
    dim: Option<usize>,
    /// The number of heads, which must divide D.
    heads: Size,
    /// Whether each position attends only to itself and to earlier ones.
    #[serde(default)]
    causal: bool,
    /// Whether the projections have biases.
    #[serde(default = "yes")]
    bias: bool,
    /// How queries, keys and values are computed, and the names of the parameters.
    #[serde(default)]
    projections: Projections,
    /// The probability with which training mode drops an attention weight.
    #[serde(default)]
    dropout: f64,
}

/// How queries, keys and values are computed, and the names of the parameters.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projections {
    /// One linear layer `qkv`, and `proj` after the heads.
    #[default]
    Fused,
    /// Linear layers `q_proj`, `k_proj`, `v_proj`, and `o_proj` after the heads.
    Separate,
    /// As torch.nn.MultiheadAttention: `in_proj_weight`, `in_proj_bias`, and `out_proj` after the
    /// heads.
    Torch,
}

impl Emit for Attention {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, last(scope, x), "dim", self.dim)?;
        let Self { causal, bias, dropout, .. } = *self;
        let projections = match self.projections {
            Projections::Fused => nn::Projections::Fused,
            Projections::Separate => nn::Projections::Separate,
            Projections::Torch => nn::Projections::Torch,
        };
        nn::attention_with(
            scope,
            x,
            &AttentionSettings { heads: self.heads.get(), causal, bias, projections, dropout },
        )
    }
}

/// The keys of `swiglu`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swiglu {
    /// D, the width of a token.
    #[serde(default)]
    dim: Option<usize>,
    /// Units of the hidden layer.
    hidden: Size,
    /// Whether the linear layers have biases.
    #[serde(default)]
    bias: bool,
}

impl Emit for Swiglu {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, last(scope, x), "dim", self.dim)?;
        nn::swiglu(scope, x, self.hidden.get(), self.bias)
    }
}
