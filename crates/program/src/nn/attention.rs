//! Multi-head self-attention.

use super::{
    attend::{Attention, attend},
    linear,
};
use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    init::Init,
};

/// The projections of attention to queries, keys and values, and their parameters' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Projections {
    /// One linear layer `qkv` to 3D, and one `proj` after the heads.
    #[default]
    Fused,
    /// Linear layers `q_proj`, `k_proj`, `v_proj`, and `o_proj` after the heads.
    Separate,
    /// `torch.nn.MultiheadAttention`: `in_proj_weight` \[3D, D\] and `in_proj_bias`, and a linear
    /// layer `out_proj`.
    Torch,
}

/// The settings of attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionSettings {
    /// The number of heads, which must divide D.
    pub heads: usize,
    /// Whether a position attends only to itself and to earlier ones.
    pub causal: bool,
    /// Whether the projections have biases.
    pub bias: bool,
    /// The projections.
    pub projections: Projections,
    /// The probability of dropping an attention weight in train mode.
    pub dropout: f64,
}

impl AttentionSettings {
    /// Settings for this number of heads, without a causal mask, with biases, a fused projection
    /// and no dropout.
    #[must_use]
    pub fn new(heads: usize) -> Self {
        Self { heads, causal: false, bias: true, projections: Projections::Fused, dropout: 0.0 }
    }
}

/// Multi-head self-attention of x \[N, T, D\]: softmax(q kᵀ / √(D/heads)) v for each head, with a
/// causal mask if `causal` (Vaswani et al. 2017); children `qkv` (a linear layer to 3D: queries,
/// keys, values) and `proj` (a linear layer).
///
/// # Errors
/// When the heads do not divide D.
pub fn attention(scope: &mut Scope, x: Value, heads: usize, causal: bool) -> Result<Value> {
    attention_with(scope, x, &AttentionSettings { causal, ..AttentionSettings::new(heads) })
}

/// As [`attention`], with all settings.
///
/// # Errors
/// When x is not \[N, T, D\], or the heads do not divide D.
pub fn attention_with(scope: &mut Scope, x: Value, settings: &AttentionSettings) -> Result<Value> {
    let &[_, _, d] = scope.shape(x).as_slice() else {
        return Err(Error::shape("attention", format!("needs an input [N, T, D], not {:?}", scope.shape(x))));
    };
    let AttentionSettings { bias, projections, .. } = *settings;
    let ([q, k, v], output) = match projections {
        Projections::Separate => {
            let mut project = |name: &str| linear(&mut scope.at(name), x, d, bias);
            ([project("q_proj")?, project("k_proj")?, project("v_proj")?], "o_proj")
        }
        Projections::Fused => {
            let qkv = linear(&mut scope.at("qkv"), x, 3 * d, bias)?;
            (thirds(scope.graph(), qkv, d)?, "proj")
        }
        Projections::Torch => {
            let qkv = torch_projection(scope, x, d, bias)?;
            (thirds(scope.graph(), qkv, d)?, "out_proj")
        }
    };
    let mixed = scaled_dot_product_attention(scope, [q, k, v], settings)?;
    linear(&mut scope.at(output), mixed, d, bias)
}

/// softmax(q kᵀ / √(D/heads)) v for each head, with queries, keys and values \[N, T, D\] whose D
/// axis is split into heads; the result is \[N, T, D\]. There are no parameters. Only `heads`,
/// `causal` and `dropout` of `settings` are used.
///
/// # Errors
/// When the shapes differ, or the heads do not divide D.
pub fn scaled_dot_product_attention(
    scope: &mut Scope,
    [q, k, v]: [Value; 3],
    settings: &AttentionSettings,
) -> Result<Value> {
    let AttentionSettings { heads, causal, dropout, .. } = *settings;
    let &[n, t, d] = scope.shape(q).as_slice() else {
        let problem = format!("needs queries [N, T, D], not {:?}", scope.shape(q));
        return Err(Error::shape("attention", problem));
    };
    if heads == 0 || d % heads != 0 {
        return Err(Error::shape("attention", format!("{heads} heads do not divide {d}")));
    }
    let graph = scope.graph();
    let split = |graph: &mut Graph, part: Value| {
        let part = graph.reshape(part, &[n, t, heads, d / heads])?;
        graph.permute(part, &[0, 2, 1, 3])
    };
    let heads = [split(graph, q)?, split(graph, k)?, split(graph, v)?];
    let mixed = attend(scope, heads, &Attention { scale: None, causal, mask: None, dropout })?;
    let graph = scope.graph();
    let mixed = graph.permute(mixed, &[0, 2, 1, 3])?;
    graph.reshape(mixed, &[n, t, d])
}

/// Splits \[N, T, 3D\] into queries, keys and values.
fn thirds(graph: &mut Graph, qkv: Value, d: usize) -> Result<[Value; 3]> {
    Ok([graph.slice(qkv, 2, 0, d)?, graph.slice(qkv, 2, d, d)?, graph.slice(qkv, 2, 2 * d, d)?])
}

/// The fused projection as parameters of the module itself, with PyTorch's initialisation
/// (Glorot's, over all three at once).
fn torch_projection(scope: &mut Scope, x: Value, d: usize, bias: bool) -> Result<Value> {
    let bound = (6.0 / (4 * d) as f64).sqrt();
    let weight = scope.parameter("in_proj_weight", &[3 * d, d], Init::Uniform { bound })?;
    let qkv = scope.graph().linear(x, weight)?;
    if !bias {
        return Ok(qkv);
    }
    let bias = scope.parameter("in_proj_bias", &[3 * d], Init::Zeros)?;
    let shape = scope.shape(qkv);
    let bias = scope.graph().broadcast_along(bias, 2, &shape)?;
    scope.graph().add(qkv, bias)
}
