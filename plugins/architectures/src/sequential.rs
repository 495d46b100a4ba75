//! Networks written as a list of layers, in PyTorch's terms.

use eigenscape_autodiff::{ConvSettings, Error, PoolSettings, Result, Scope, Value, nn};
use eigenscape_core::Architecture;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `sequential`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The layers, in order; the i-th one's parameters are named `i.weight`, `i.bias`, ...
    pub layers: Vec<Layer>,
}

/// One layer; `in` and `features` may be left out, and are checked against the input where they are given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// y = x Wᵀ + b on the last axis.
    Linear {
        /// Units of the input.
        #[serde(default, rename = "in")]
        inputs: Option<usize>,
        /// Units of the output.
        #[serde(rename = "out")]
        outputs: usize,
        /// Whether b is there.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// A convolution with a square kernel.
    Conv2d {
        /// Channels of the input.
        #[serde(default, rename = "in")]
        inputs: Option<usize>,
        /// Channels of the output.
        #[serde(rename = "out")]
        outputs: usize,
        /// The kernel's side.
        kernel: usize,
        /// Step between output positions.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros around the image.
        #[serde(default)]
        padding: usize,
        /// Step between the kernel's taps.
        #[serde(default = "one")]
        dilation: usize,
        /// Groups of channels that do not see each other.
        #[serde(default = "one")]
        groups: usize,
        /// Whether a bias is added.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Batch normalisation of images: by the running statistics, or in train mode by the batch's.
    #[serde(rename = "batch_norm2d")]
    BatchNorm2d {
        /// Channels.
        #[serde(default)]
        features: Option<usize>,
    },
    /// Batch normalisation of vectors: by the running statistics, or in train mode by the batch's.
    #[serde(rename = "batch_norm1d")]
    BatchNorm1d {
        /// Units.
        #[serde(default)]
        features: Option<usize>,
    },
    /// Layer normalisation over the last axis.
    LayerNorm {
        /// Units.
        #[serde(default)]
        features: Option<usize>,
    },
    /// Root-mean-square normalisation over the last axis.
    RmsNorm {
        /// Units.
        #[serde(default)]
        features: Option<usize>,
    },
    /// Normalisation of groups of channels.
    GroupNorm {
        /// Groups.
        groups: usize,
        /// Channels.
        #[serde(default)]
        features: Option<usize>,
    },
    /// A vector for each index.
    Embedding {
        /// Rows of the table.
        num: usize,
        /// Length of a row.
        dim: usize,
    },
    /// Multi-head self-attention of \[N, T, D\] with a fused `qkv` and an output projection `proj`.
    Attention {
        /// D.
        #[serde(default)]
        dim: Option<usize>,
        /// Heads.
        heads: usize,
        /// Whether no position sees a later one.
        #[serde(default)]
        causal: bool,
    },
    /// The largest element of each window.
    #[serde(rename = "max_pool2d")]
    MaxPool2d {
        /// The window's side.
        kernel: usize,
        /// Step between windows; the kernel's side by default.
        #[serde(default)]
        stride: Option<usize>,
        /// Border of −∞ around the image.
        #[serde(default)]
        padding: usize,
    },
    /// The mean of each window.
    #[serde(rename = "avg_pool2d")]
    AvgPool2d {
        /// The window's side.
        kernel: usize,
        /// Step between windows; the kernel's side by default.
        #[serde(default)]
        stride: Option<usize>,
        /// Border of zeros around the image.
        #[serde(default)]
        padding: usize,
    },
    /// The mean over the image.
    GlobalAvgPool {},
    /// \[N, ...\] to \[N, D\].
    Flatten {},
    /// max(x, 0)
    Relu {},
    /// x for x > 0, otherwise 0.01·x
    LeakyRelu {},
    /// tanh(x)
    Tanh {},
    /// 1 / (1 + e^−x)
    Sigmoid {},
    /// x·Φ(x), the erf form
    Gelu {},
    /// x·sigmoid(x)
    Silu {},
    /// x for x > 0, otherwise e^x − 1
    Elu {},
    /// log(1 + e^x)
    Softplus {},
    /// body(x) + shortcut(x); an empty shortcut is the identity.
    Residual {
        /// The layers of the body.
        body: Vec<Layer>,
        /// The layers of the shortcut.
        #[serde(default)]
        shortcut: Vec<Layer>,
    },
    /// The branches' results joined on axis 1; an empty branch is the identity.
    Concat {
        /// The branches.
        branches: Vec<Vec<Layer>>,
    },
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

/// A network written as a list of layers.
#[derive(Debug, Clone)]
pub struct Sequential {
    layers: Vec<Layer>,
}

impl Sequential {
    /// The network of these layers.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers }
    }
}

impl Architecture for Sequential {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let y = chain(scope, x, &self.layers)?;
        match scope.shape(y).last() {
            Some(&last) if last == outputs => Ok(y),
            last => {
                let problem = format!("its last layer gives {last:?} outputs where the data has {outputs}");
                Err(Error::Shape { operation: "sequential".to_owned(), problem })
            }
        }
    }

    fn description(&self) -> String {
        format!("a sequence of {} layers", self.layers.len())
    }
}

/// The layers one after the other, each in the child scope of its index.
fn chain(scope: &mut Scope, x: Value, layers: &[Layer]) -> Result<Value> {
    layers.iter().enumerate().try_fold(x, |x, (i, layer)| layer.emit(&mut scope.at(i), x))
}

impl Layer {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let mut activation = |kind| nn::activation(scope, x, kind);
        match self {
            Self::Linear { inputs, outputs, bias } => {
                check(scope, x, last_axis(scope, x), *inputs)?;
                nn::linear(scope, x, *outputs, *bias)
            }
            Self::Conv2d { inputs, outputs, kernel, stride, padding, dilation, groups, bias } => {
                check(scope, x, 1, *inputs)?;
                let settings =
                    ConvSettings { stride: *stride, padding: *padding, dilation: *dilation, groups: *groups };
                nn::conv2d(scope, x, *outputs, *kernel, settings, *bias)
            }
            Self::BatchNorm2d { features } | Self::BatchNorm1d { features } => {
                check(scope, x, 1, *features)?;
                nn::batch_norm(scope, x)
            }
            Self::LayerNorm { features } => {
                check(scope, x, last_axis(scope, x), *features)?;
                nn::layer_norm(scope, x)
            }
            Self::RmsNorm { features } => {
                check(scope, x, last_axis(scope, x), *features)?;
                nn::rms_norm(scope, x)
            }
            Self::GroupNorm { groups, features } => {
                check(scope, x, 1, *features)?;
                nn::group_norm(scope, x, *groups)
            }
            Self::Embedding { num, dim } => nn::embedding(scope, x, *num, *dim),
            Self::Attention { dim, heads, causal } => {
                check(scope, x, 2, *dim)?;
                nn::attention(scope, x, *heads, *causal)
            }
            Self::MaxPool2d { kernel, stride, padding } => {
                nn::max_pool2d(scope, x, pool(*kernel, *stride, *padding))
            }
            Self::AvgPool2d { kernel, stride, padding } => {
                nn::avg_pool2d(scope, x, pool(*kernel, *stride, *padding))
            }
            Self::GlobalAvgPool {} => nn::global_avg_pool(scope, x),
            Self::Flatten {} => nn::flatten(scope, x),
            Self::Relu {} => activation(nn::Activation::Relu),
            Self::LeakyRelu {} => activation(nn::Activation::LeakyRelu),
            Self::Tanh {} => activation(nn::Activation::Tanh),
            Self::Sigmoid {} => activation(nn::Activation::Sigmoid),
            Self::Gelu {} => activation(nn::Activation::Gelu),
            Self::Silu {} => activation(nn::Activation::Silu),
            Self::Elu {} => activation(nn::Activation::Elu),
            Self::Softplus {} => activation(nn::Activation::Softplus),
            Self::Residual { body, shortcut } => {
                let body = chain(&mut scope.at("body"), x, body)?;
                let shortcut = chain(&mut scope.at("shortcut"), x, shortcut)?;
                scope.graph().add(body, shortcut)
            }
            Self::Concat { branches } => {
                let mut scope = scope.at("branches");
                let branch = |(i, layers): (usize, &Vec<Self>)| chain(&mut scope.at(i), x, layers);
                let parts = branches.iter().enumerate().map(branch).collect::<Result<Vec<_>>>()?;
                scope.graph().concat(&parts, 1)
            }
        }
    }
}

fn last_axis(scope: &Scope, x: Value) -> usize {
    scope.shape(x).len().saturating_sub(1)
}

fn pool(kernel: usize, stride: Option<usize>, padding: usize) -> PoolSettings {
    PoolSettings { kernel, stride: stride.unwrap_or(kernel), padding }
}

/// Checks a stated size against the input's.
fn check(scope: &Scope, x: Value, axis: usize, stated: Option<usize>) -> Result<()> {
    match (stated, scope.shape(x).get(axis)) {
        (Some(stated), Some(&size)) if stated != size => {
            let problem = format!("it states {stated} inputs, and its input has {size}");
            Err(Error::Shape { operation: "layer".to_owned(), problem })
        }
        _ => Ok(()),
    }
}
