//! Layers as compositions of primitives, with PyTorch's parameter names, shapes and initialisation.

mod activation;
mod attend;
mod attention;
mod conv;
mod conv_transpose;
mod convolution;
mod dropout;
mod embedding;
mod feed_forward;
mod layer_scale;
mod linear;
mod norm;
mod pool;
mod recurrent;
mod softmax;
mod strided;
mod upsample;
mod windows;

pub use activation::{Activation, activation, elu, hardtanh, leaky_relu, prelu, prelu_by, softplus};
pub use attend::{Attention, attend};
pub use attention::{
    AttentionSettings, Projections, attention, attention_with, scaled_dot_product_attention,
};
pub use conv::{conv_transpose2d, conv1d, conv2d, conv3d, patch_embed, rectangular_conv2d};
pub use conv_transpose::conv_transpose;
pub use convolution::{Convolution, convolution};
pub use dropout::{channel_dropout, dropout};
pub use embedding::{class_token, embedding, positional_embedding, sinusoidal_embedding, token, token_mean};
pub use feed_forward::swiglu;
pub use layer_scale::layer_scale;
pub use linear::linear;
pub use norm::{
    NormSettings, Normalisation, Running, batch_norm, batch_norm_by, batch_norm_with, group_norm,
    group_norm_by, group_norm_with, layer_norm, layer_norm_by, layer_norm_with, rms_norm, rms_norm_by,
    rms_norm_with,
};
pub use pool::{
    adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, avg_pool2d_inside, flatten, global_avg_pool,
    max_pool2d,
};
pub use recurrent::{
    Cell, CellWeights, Nonlinearity, Recurred, RecurrentSettings, gru, lstm, recurrent_by, recurrent_step,
    rnn,
};
pub use softmax::{log_softmax, softmax};
pub use upsample::{
    Interpolation, Placement, upsample_cubic, upsample_linear, upsample_nearest, upsample_nearest_exact,
    upsample_smooth,
};
pub use windows::{Divisor, Window, adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool};
