//! The layers of `sequential`.

use eigenscape_program::{
    Scope, Value,
    nn::{self, Activation},
};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{
    activation, attention, branches, conv, norm, pool, recurrent, shape, sides::Size, tokens, windows,
};

/// The keys of a layer, which emit the layer.
pub(super) trait Emit {
    /// Emits the layer on x \[N, ...\].
    ///
    /// # Errors
    /// When the layer does not fit its input.
    fn emit(&self, scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value>;
}

/// One layer, chosen by `op`. Sizes of the input (`in`, `features`, `dim`) are optional, and
/// checked if they are given. Shapes are those of a batch: images \[N, C, H, W\], tokens
/// \[N, T, D\], vectors \[N, D\].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(remote = "Self", tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Layer")]
pub enum Layer {
    /// y = x Wᵀ + b on the last axis.
    Linear(conv::Linear),
    /// A convolution of a sequence \[N, C, L\].
    #[serde(rename = "conv1d")]
    Conv1d(conv::UniformConv),
    /// A convolution of an image.
    #[serde(rename = "conv2d")]
    Conv2d(conv::Conv2d),
    /// A convolution of a volume \[N, C, D, H, W\].
    #[serde(rename = "conv3d")]
    Conv3d(conv::UniformConv),
    /// A transposed convolution of an image, which makes it larger.
    #[serde(rename = "conv_transpose2d")]
    ConvTranspose2d(conv::ConvTranspose2d),
    /// Batch normalisation of images, by the running statistics or in training mode by the batch's.
    #[serde(rename = "batch_norm2d")]
    BatchNorm2d(norm::BatchNorm),
    /// Batch normalisation of vectors, by the running statistics or in training mode by the
    /// batch's.
    #[serde(rename = "batch_norm1d")]
    BatchNorm1d(norm::BatchNorm),
    /// Layer normalisation over the last axis, or several last axes.
    LayerNorm(norm::LayerNorm),
    /// Root-mean-square normalisation over the last axis.
    RmsNorm(norm::RmsNorm),
    /// Normalisation of groups of channels.
    GroupNorm(norm::GroupNorm),
    /// A learned vector for each index.
    Embedding(tokens::Embedding),
    /// A learned vector per position, added to the tokens; parameter `weight` \[num, D\].
    PositionalEmbedding(tokens::PositionalEmbedding),
    /// Sines and cosines of the position, added to the tokens; no parameters.
    SinusoidalEmbedding(tokens::Tokens),
    /// The patches of an image as tokens, row by row, by a convolution `proj`.
    PatchEmbed(tokens::PatchEmbed),
    /// A learned token before the others; parameter `cls_token`.
    ClassToken(tokens::Tokens),
    /// One token: \[N, T, D\] to \[N, D\].
    Token(tokens::Token),
    /// The mean over the tokens: \[N, T, D\] to \[N, D\].
    TokenMean(tokens::Tokens),
    /// Multi-head self-attention of tokens.
    Attention(attention::Attention),
    /// The gated feed-forward layer w2(silu(w1 x) ∘ w3 x) on the last axis.
    Swiglu(attention::Swiglu),
    /// Elman's recurrent layer: the states \[N, T, H\] of \[N, T, I\]; parameters as
    /// torch.nn.RNN's.
    Rnn(recurrent::Rnn),
    /// Long short-term memory: the states \[N, T, H\] of \[N, T, I\]; parameters as
    /// torch.nn.LSTM's.
    Lstm(recurrent::Recurrent),
    /// Gated recurrent units: the states \[N, T, H\] of \[N, T, I\]; parameters as torch.nn.GRU's.
    Gru(recurrent::Recurrent),
    /// A learned factor per feature; parameter `gamma`.
    LayerScale(norm::LayerScale),
    /// exp(x) / Σ exp(x) over an axis.
    Softmax(activation::Softmax),
    /// The logarithm of softmax.
    LogSoftmax(activation::Softmax),
    /// In training mode drops elements and scales the others up; otherwise the identity.
    Dropout(activation::Dropout),
    /// In training mode drops whole channels and scales the others up; otherwise the identity.
    #[serde(rename = "dropout2d")]
    Dropout2d(activation::Dropout),
    /// The largest element of each window.
    #[serde(rename = "max_pool2d")]
    MaxPool2d(pool::MaxPool),
    /// The mean of each window.
    #[serde(rename = "avg_pool2d")]
    AvgPool2d(pool::AvgPool),
    /// The mean of each window, for a given number of windows that cover the image.
    #[serde(rename = "adaptive_avg_pool2d")]
    AdaptiveAvgPool2d(pool::Adaptive),
    /// The largest element of each window, for a given number of windows that cover the image.
    #[serde(rename = "adaptive_max_pool2d")]
    AdaptiveMaxPool2d(pool::Adaptive),
    /// The largest element of each window of a sequence \[N, C, L\].
    #[serde(rename = "max_pool1d")]
    MaxPool1d(windows::MaxPool),
    /// The largest element of each window of a volume \[N, C, D, H, W\].
    #[serde(rename = "max_pool3d")]
    MaxPool3d(windows::MaxPool),
    /// The mean of each window of a sequence \[N, C, L\].
    #[serde(rename = "avg_pool1d")]
    AvgPool1d(windows::AvgPool),
    /// The mean of each window of a volume \[N, C, D, H, W\].
    #[serde(rename = "avg_pool3d")]
    AvgPool3d(windows::AvgPool),
    /// The mean of each of so many windows that cover the sequence, whatever its length.
    #[serde(rename = "adaptive_avg_pool1d")]
    AdaptiveAvgPool1d(windows::Adaptive),
    /// The mean of each of so many windows a side that cover the volume, whatever its size.
    #[serde(rename = "adaptive_avg_pool3d")]
    AdaptiveAvgPool3d(windows::Adaptive),
    /// A sequence, image or volume made larger.
    Upsample(windows::Upsample),
    /// The mean over the image: \[N, C, H, W\] to \[N, C, 1, 1\].
    GlobalAvgPool {},
    /// \[N, ...\] to \[N, D\].
    Flatten {},
    /// The same numbers in another shape.
    Reshape(shape::Reshape),
    /// x
    Identity {},
    /// max(x, 0)
    Relu {},
    /// min(max(x, 0), 6)
    Relu6 {},
    /// x for x > 0, otherwise slope·x.
    LeakyRelu(activation::LeakyRelu),
    /// x for x > 0, otherwise a·x with learned a; parameter `weight`.
    Prelu(activation::Prelu),
    /// x limited to the range between two bounds.
    Hardtanh(activation::Hardtanh),
    /// tanh(x)
    Tanh {},
    /// 1 / (1 + e^−x)
    Sigmoid {},
    /// relu6(x + 3) / 6
    Hardsigmoid {},
    /// x·Φ(x)
    Gelu(activation::Gelu),
    /// x·sigmoid(x)
    Silu {},
    /// x·hardsigmoid(x)
    Hardswish {},
    /// x·tanh(softplus(x))
    Mish {},
    /// x for x > 0, otherwise alpha·(e^x − 1).
    Elu(activation::Elu),
    /// Scaled elu, which preserves mean and variance.
    Selu {},
    /// log(1 + e^(beta·x)) / beta; x where beta·x > 20.
    Softplus(activation::Softplus),
    /// scale·body(x) + shortcut(x); an empty shortcut is the identity.
    Residual(branches::Residual),
    /// The branches' results, concatenated along axis 1; an empty branch is the identity.
    Concat(branches::Concat),
}

/// Nested lists of layers are read directly from the map, so that an error has the path of the
/// nested layer: serde buffers the contents of enums with a tag, and loses the paths in them.
impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

/// Reads a layer's table.
struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = Layer;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a table with `op` and the layer's keys")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Layer, M::Error> {
        let (mut table, mut lists) = (toml::Table::new(), branches::Lists::default());
        while let Some(key) = map.next_key::<String>()? {
            // An empty list replaces a list that was read, so that serde still checks whether the
            // layer has this key.
            let value =
                if lists.read(&key, &mut map)? { toml::Value::Array(Vec::new()) } else { map.next_value()? };
            table.insert(key, value);
        }
        let mut layer = Layer::deserialize(table).map_err(|error| M::Error::custom(error.message()))?;
        match &mut layer {
            Layer::Residual(residual) => residual.fill(lists),
            Layer::Concat(concat) => concat.fill(lists),
            _ => {}
        }
        Ok(layer)
    }
}

impl Layer {
    /// Emits the layer, whose path is `path`.
    pub(super) fn emit(&self, scope: &mut Scope, x: Value, path: &str) -> eigenscape_program::Result<Value> {
        let shape = scope.shape(x);
        let mut activation = |kind| nn::activation(scope, x, kind);
        let result = match self {
            // These contain layers, and add paths to errors themselves.
            Self::Residual(residual) => return residual.emit(scope, x, path),
            Self::Concat(concat) => return concat.emit(scope, x, path),
            Self::Linear(layer) => layer.emit(scope, x),
            Self::Conv1d(layer) => layer.emit_1d(scope, x),
            Self::Conv2d(layer) => layer.emit(scope, x),
            Self::Conv3d(layer) => layer.emit_3d(scope, x),
            Self::ConvTranspose2d(layer) => layer.emit(scope, x),
            Self::BatchNorm2d(layer) | Self::BatchNorm1d(layer) => layer.emit(scope, x),
            Self::LayerNorm(layer) => layer.emit(scope, x),
            Self::RmsNorm(layer) => layer.emit(scope, x),
            Self::GroupNorm(layer) => layer.emit(scope, x),
            Self::Embedding(layer) => layer.emit(scope, x),
            Self::PositionalEmbedding(layer) => layer.emit(scope, x),
            Self::SinusoidalEmbedding(layer) => layer.emit(scope, x, nn::sinusoidal_embedding),
            Self::PatchEmbed(layer) => layer.emit(scope, x),
            Self::ClassToken(layer) => layer.emit(scope, x, nn::class_token),
            Self::Token(layer) => layer.emit(scope, x),
            Self::TokenMean(layer) => layer.emit(scope, x, nn::token_mean),
            Self::Attention(layer) => layer.emit(scope, x),
            Self::Swiglu(layer) => layer.emit(scope, x),
            Self::Rnn(layer) => layer.emit(scope, x),
            Self::Lstm(layer) => layer.emit(scope, x, nn::lstm),
            Self::Gru(layer) => layer.emit(scope, x, nn::gru),
            Self::LayerScale(layer) => layer.emit(scope, x),
            Self::Softmax(layer) => layer.emit(scope, x, nn::softmax),
            Self::LogSoftmax(layer) => layer.emit(scope, x, nn::log_softmax),
            Self::Dropout(layer) => nn::dropout(scope, x, layer.p),
            Self::Dropout2d(layer) => nn::channel_dropout(scope, x, layer.p),
            Self::MaxPool2d(layer) => layer.emit(scope, x),
            Self::AvgPool2d(layer) => layer.emit(scope, x),
            Self::AdaptiveAvgPool2d(layer) => {
                nn::adaptive_avg_pool2d(scope, x, layer.out.pair().map(Size::get))
            }
            Self::AdaptiveMaxPool2d(layer) => {
                nn::adaptive_max_pool2d(scope, x, layer.out.pair().map(Size::get))
            }
            Self::MaxPool1d(layer) => layer.emit(scope, x, 1),
            Self::MaxPool3d(layer) => layer.emit(scope, x, 3),
            Self::AvgPool1d(layer) => layer.emit(scope, x, 1),
            Self::AvgPool3d(layer) => layer.emit(scope, x, 3),
            Self::AdaptiveAvgPool1d(layer) => nn::adaptive_avg_pool(scope, x, &[layer.out.get()]),
            Self::AdaptiveAvgPool3d(layer) => nn::adaptive_avg_pool(scope, x, &[layer.out.get(); 3]),
            Self::Upsample(layer) => layer.emit(scope, x),
            Self::GlobalAvgPool {} => nn::global_avg_pool(scope, x),
            Self::Flatten {} => nn::flatten(scope, x),
            Self::Reshape(layer) => layer.emit(scope, x),
            Self::Identity {} => activation(Activation::Identity),
            Self::Relu {} => activation(Activation::Relu),
            Self::Relu6 {} => activation(Activation::Relu6),
            Self::LeakyRelu(layer) => nn::leaky_relu(scope, x, layer.slope),
            Self::Prelu(layer) => nn::prelu(scope, x, layer.num.get()),
            Self::Hardtanh(layer) => nn::hardtanh(scope, x, layer.min, layer.max),
            Self::Tanh {} => activation(Activation::Tanh),
            Self::Sigmoid {} => activation(Activation::Sigmoid),
            Self::Hardsigmoid {} => activation(Activation::Hardsigmoid),
            Self::Gelu(layer) => activation(layer.activation()),
            Self::Silu {} => activation(Activation::Silu),
            Self::Hardswish {} => activation(Activation::Hardswish),
            Self::Mish {} => activation(Activation::Mish),
            Self::Elu(layer) => nn::elu(scope, x, layer.alpha),
            Self::Selu {} => activation(Activation::Selu),
            Self::Softplus(layer) => nn::softplus(scope, x, layer.beta),
        };
        result.map_err(|error| branches::located(path, &shape, &error))
    }
}
