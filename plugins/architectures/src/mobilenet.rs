//! MobileNet for 32x32 images (Howard et al. 2017), with the names of the paper's code.

use eigenscape_core::Architecture;
use eigenscape_program::{
    Result, Scope, Value,
    nn::{Activation, activation, flatten, global_avg_pool, linear},
};

use crate::conv_norm::Conv;

/// (channels, stride) of each block.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// A 3x3 convolution to 32 channels (`conv1`, `bn1`), 13 blocks (`layers.0`, ...), global average
/// pooling and a linear layer (`linear`). A block is a depthwise 3x3 convolution (`conv1`, `bn1`)
/// and a 1x1 convolution (`conv2`, `bn2`), each with BatchNorm and ReLU. All layers have PyTorch's
/// default initialisation.
///
/// The published code ends with pooling over windows of 2x2, which for 32x32 images cover the whole
/// feature map: this is global pooling here, for any image size.
#[derive(Debug, Clone, Copy)]
pub struct MobileNet;

impl Architecture for MobileNet {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let mut x = conv_norm_relu(scope, 1, x, Conv::dense(32, 3, 1))?;
        for (i, (channels, stride)) in BLOCKS.into_iter().enumerate() {
            x = block(&mut scope.at("layers").at(i), x, channels, stride)?;
        }
        x = global_avg_pool(scope, x)?;
        x = flatten(scope, x)?;
        linear(&mut scope.at("linear"), x, outputs, true)
    }

    fn description(&self) -> String {
        format!("mobilenet: {} blocks of a depthwise and a 1x1 convolution", BLOCKS.len())
    }
}

fn block(scope: &mut Scope, x: Value, channels: usize, stride: usize) -> Result<Value> {
    let inputs = scope.shape(x)[1];
    let depthwise = Conv { channels: inputs, kernel: 3, stride, groups: inputs };
    let x = conv_norm_relu(scope, 1, x, depthwise)?;
    conv_norm_relu(scope, 2, x, Conv::dense(channels, 1, 1))
}

fn conv_norm_relu(scope: &mut Scope, suffix: usize, x: Value, conv: Conv) -> Result<Value> {
    let x = conv.then_norm(scope, suffix, x)?;
    activation(scope, x, Activation::Relu)
}
