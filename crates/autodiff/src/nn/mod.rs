//! Layers as compositions of primitives, with PyTorch's parameter names, shapes and initialisation.

mod activation;
mod attention;
mod linear;
mod norm;
mod pool;

pub use activation::{Activation, activation};
pub use attention::{attend, attention, embedding};
pub use linear::{conv2d, linear};
pub use norm::{LayerNormSettings, batch_norm, group_norm, layer_norm, layer_norm_with, rms_norm};
pub use pool::{avg_pool2d, flatten, global_avg_pool, max_pool2d};
