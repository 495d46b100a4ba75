//! Layers as compositions of primitives, with PyTorch's parameter names, shapes and initialisation.

mod activation;
mod attention;
mod conv;
mod dropout;
mod embedding;
mod feed_forward;
mod layer_scale;
mod linear;
mod norm;
mod pool;
mod recurrent;
mod softmax;

pub use activation::{Activation, activation, elu, hardtanh, leaky_relu, prelu, softplus};
pub use attention::{
    AttentionSettings, Projections, attention, attention_with, scaled_dot_product_attention,
};
pub use conv::{conv_transpose2d, conv1d, conv2d, patch_embed, rectangular_conv2d};
pub use dropout::{channel_dropout, dropout};
pub use embedding::{class_token, embedding, positional_embedding, sinusoidal_embedding, token, token_mean};
pub use feed_forward::swiglu;
pub use layer_scale::layer_scale;
pub use linear::linear;
pub use norm::{
    NormSettings, batch_norm, batch_norm_with, group_norm, group_norm_with, layer_norm, layer_norm_with,
    rms_norm, rms_norm_with,
};
pub use pool::{
    adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, avg_pool2d_inside, flatten, global_avg_pool,
    max_pool2d,
};
pub use recurrent::{Nonlinearity, RecurrentSettings, gru, lstm, rnn};
pub use softmax::{log_softmax, softmax};
