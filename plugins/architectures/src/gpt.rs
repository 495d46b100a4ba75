//! GPT (Radford et al. 2019), with nanoGPT's layout and names.

use eigenscape_core::{Architecture, Error as InputError};
use eigenscape_program::{
    Error, InitRule, InitRules, Result, Scope, Value,
    nn::{
        Activation, AttentionSettings, NormSettings, activation, embedding, layer_norm_with, linear,
        positional_embedding, scaled_dot_product_attention,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `gpt`; by default GPT-2's smallest size.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The number of blocks, each of attention and a perceptron with one hidden layer.
    #[serde(default = "gpt2_layers")]
    pub n_layer: usize,
    /// The number of attention heads, a divisor of `n_embd`.
    #[serde(default = "gpt2_heads")]
    pub n_head: usize,
    /// The width of the network: the length of a token's vector.
    #[serde(default = "gpt2_width")]
    pub n_embd: usize,
    /// The number of learned positions; by default the length of the data's sequences. Needed only
    /// for a checkpoint of a network for longer sequences.
    #[serde(default)]
    pub block_size: Option<usize>,
    /// Whether linear layers and LayerNorms have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// How GELU is computed: "exact" (default) as in nanoGPT, or "tanh" as in GPT-2 and in Hugging
    /// Face's models of it (`gelu_new`).
    #[serde(default)]
    pub gelu: Gelu,
}

/// How GELU is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gelu {
    /// By the error function.
    #[default]
    Exact,
    /// By a hyperbolic tangent.
    Tanh,
}

fn gpt2_layers() -> usize {
    12
}

fn gpt2_heads() -> usize {
    12
}

fn gpt2_width() -> usize {
    768
}

fn yes() -> bool {
    true
}

/// The largest number of blocks: each is built, operation by operation, before the size of the
/// network is known.
const MOST_LAYERS: usize = 1_000;

/// The standard deviation of initial weights.
const STD: f64 = 0.02;

const INIT: InitRules = InitRules {
    linear_weight: InitRule::normal(STD),
    linear_bias: InitRule::ZEROS,
    embedding: InitRule::normal(STD),
    position: InitRule::normal(STD),
    ..InitRules::PYTORCH
};

/// A decoder-only transformer from tokens \[N, T\], integers below V, to logits \[N, T, V\] of the
/// next token at each position.
///
/// The embeddings of tokens (`transformer.wte`) and of positions (`transformer.wpe`) are added.
/// Blocks follow (`transformer.h.0`, ...): x + attn(ln_1(x)), then x + mlp(ln_2(x)), with causal
/// attention (`c_attn`, `c_proj`) and GELU (`c_fc`, `c_proj`). Then come LayerNorm
/// (`transformer.ln_f`) and the product with the table of token embeddings. `lm_head.weight` is
/// another name of this table, so that both are one parameter. Weights are initialised normally
/// with standard deviation 0.02, those that write into the residual stream (`c_proj`) with
/// 0.02/√(2·n_layer); biases are 0.
#[derive(Debug, Clone)]
pub struct Gpt {
    settings: Parameters,
}

impl Gpt {
    /// The network with these settings.
    ///
    /// # Errors
    /// When a size is zero, the heads do not divide the width, or there are more than 1000 blocks.
    pub fn new(settings: Parameters) -> Result<Self, InputError> {
        let Parameters { n_layer, n_head, n_embd, block_size, .. } = settings;
        let sizes = [
            ("n_layer", n_layer),
            ("n_head", n_head),
            ("n_embd", n_embd),
            ("block_size", block_size.unwrap_or(1)),
        ];
        for (key, size) in sizes {
            if size == 0 {
                return Err(InputError::input(format!("model.{key}"), "is zero", "give a positive number"));
            }
        }
        if n_layer > MOST_LAYERS {
            let remedy = format!("use at most {MOST_LAYERS}");
            return Err(InputError::input("model.n_layer", format!("is {n_layer}"), remedy));
        }
        if !n_embd.is_multiple_of(n_head) {
            let problem = format!("{n_head} heads do not divide a width of {n_embd} (model.n_embd)");
            return Err(InputError::input("model.n_head", problem, "make n_embd a multiple of n_head"));
        }
        Ok(Self { settings })
    }

    /// The sum of the embeddings of tokens and positions \[N, T, D\], and the table of token
    /// embeddings \[V, D\].
    fn embed(&self, scope: &mut Scope, x: Value, vocabulary: usize) -> Result<(Value, Value)> {
        let &[_, length] = scope.shape(x).as_slice() else {
            return Err(error(format!("needs tokens [N, T], not {:?}", scope.shape(x))));
        };
        let (positions, width) = (self.settings.block_size.unwrap_or(length), self.settings.n_embd);
        if length > positions {
            return Err(error(format!(
                "sequences of {length} tokens are longer than block_size = {positions}"
            )));
        }
        let wte = &mut scope.at("wte");
        let tokens = embedding(wte, x, vocabulary, width)?;
        // Declaring a name again gives the same parameter.
        let table = wte.parameter("weight", &[vocabulary, width], INIT.embedding.at(vocabulary, width))?;
        let placed = positional_embedding(&mut scope.at("wpe"), tokens, Some(positions))?;
        Ok((placed, table))
    }

    fn block(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let y = self.norm(&mut scope.at("ln_1"), x)?;
        let y = self.attention(&mut scope.at("attn"), y)?;
        let x = scope.graph().add(x, y)?;
        let y = self.norm(&mut scope.at("ln_2"), x)?;
        let y = self.perceptron(&mut scope.at("mlp"), y)?;
        scope.graph().add(x, y)
    }

    fn attention(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        // Checkpoints may contain the causal mask: nanoGPT stores it as a buffer where PyTorch has
        // no fused attention, and older files of Hugging Face store it with the value for minus
        // infinity.
        scope.unused("bias");
        scope.unused("masked_bias");
        let Parameters { n_head, n_embd, bias, .. } = self.settings;
        let qkv = linear(&mut scope.at("c_attn"), x, 3 * n_embd, bias)?;
        let graph = scope.graph();
        let parts = [
            graph.slice(qkv, 2, 0, n_embd)?,
            graph.slice(qkv, 2, n_embd, n_embd)?,
            graph.slice(qkv, 2, 2 * n_embd, n_embd)?,
        ];
        let settings = AttentionSettings { causal: true, ..AttentionSettings::new(n_head) };
        let mixed = scaled_dot_product_attention(scope, parts, &settings)?;
        self.project(scope, mixed)
    }

    fn perceptron(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let Parameters { n_embd, bias, gelu, .. } = self.settings;
        let y = linear(&mut scope.at("c_fc"), x, 4 * n_embd, bias)?;
        let gelu = match gelu {
            Gelu::Exact => Activation::Gelu,
            Gelu::Tanh => Activation::GeluTanh,
        };
        let y = activation(scope, y, gelu)?;
        self.project(scope, y)
    }

    /// The linear layer that writes into the residual stream, which is the sum of 2·n_layer of
    /// them.
    fn project(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let Parameters { n_layer, n_embd, bias, .. } = self.settings;
        let std = STD / (2.0 * n_layer as f64).sqrt();
        let init = InitRules { linear_weight: InitRule::normal(std), ..INIT };
        linear(&mut scope.at("c_proj").with_init(init), x, n_embd, bias)
    }

    fn norm(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        layer_norm_with(scope, x, 1, NormSettings { bias: self.settings.bias, ..NormSettings::default() })
    }
}

impl Architecture for Gpt {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let scope = &mut scope.with_init(INIT);
        let transformer = &mut scope.at("transformer");
        let (mut x, table) = self.embed(transformer, x, outputs)?;
        for i in 0..self.settings.n_layer {
            x = self.block(&mut transformer.at("h").at(i), x)?;
        }
        x = self.norm(&mut transformer.at("ln_f"), x)?;
        let head = &mut scope.at("lm_head");
        head.alias("weight", table)?;
        head.graph().linear(x, table)
    }

    fn description(&self) -> String {
        let Parameters { n_layer, n_head, n_embd, .. } = self.settings;
        format!("gpt: causal transformer, {n_layer} blocks, width {n_embd}, {n_head} heads, tied embeddings")
    }
}

fn error(problem: String) -> Error {
    Error::Shape { operation: "gpt".to_owned(), problem }
}
