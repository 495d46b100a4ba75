//! Convolutional layers.

use super::{
    convolution::{Convolution, convolution},
    linear::add_bias,
};
use crate::{
    Scope, Value,
    error::{Error, Result},
    init::Init,
    operations::ConvSettings,
};

/// A convolution of x \[N, C, H, W\]; parameters `weight` \[O, C/groups, k, k\] and, with `bias`,
/// `bias` \[O\].
///
/// # Errors
/// When the kernel does not fit the input.
pub fn conv2d(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: usize,
    settings: ConvSettings,
    bias: bool,
) -> Result<Value> {
    rectangular_conv2d(scope, x, channels, [kernel; 2], [settings.padding; 2], settings, bias)
}

/// As [`conv2d`], with a kernel and a padding of \[height, width\]; the padding in `settings` is
/// ignored.
///
/// # Errors
/// When the kernel does not fit the input.
pub fn rectangular_conv2d(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: [usize; 2],
    padding: [usize; 2],
    settings: ConvSettings,
    bias: bool,
) -> Result<Value> {
    let [_, inputs, _, _] = image(scope, "conv2d", x)?;
    let inputs = inputs / settings.groups.max(1);
    let [init, bias_init] = inits(scope, inputs, channels, kernel[0].saturating_mul(kernel[1]));
    let weight = scope.parameter("weight", &[channels, inputs, kernel[0], kernel[1]], init)?;
    let bias = bias.then(|| scope.parameter("bias", &[channels], bias_init)).transpose()?;
    let padding = padding.map(|padding| [padding; 2]).to_vec();
    convolution(scope, x, weight, bias, &Convolution { padding, ..Convolution::uniform(2, settings) })
}

/// A convolution of x \[N, C, L\]; parameters `weight` \[O, C/groups, k\] and, with `bias`, `bias`
/// \[O\].
///
/// # Errors
/// When the kernel does not fit the input.
pub fn conv1d(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: usize,
    settings: ConvSettings,
    bias: bool,
) -> Result<Value> {
    let &[_, inputs, _] = scope.shape(x).as_slice() else {
        return Err(Error::shape("conv1d", format!("needs an input [N, C, L], not {:?}", scope.shape(x))));
    };
    let group = inputs / settings.groups.max(1);
    let [init, bias_init] = inits(scope, group, channels, kernel);
    let weight = scope.parameter("weight", &[channels, group, kernel], init)?;
    let bias = bias.then(|| scope.parameter("bias", &[channels], bias_init)).transpose()?;
    convolution(scope, x, weight, bias, &Convolution::uniform(1, settings))
}

/// A convolution of x \[N, C, D, H, W\]; parameters `weight` \[O, C/groups, k...\] and, with `bias`,
/// `bias` \[O\].
///
/// # Errors
/// When the kernel does not fit the input.
pub fn conv3d(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: [usize; 3],
    settings: ConvSettings,
    bias: bool,
) -> Result<Value> {
    let &[_, inputs, _, _, _] = scope.shape(x).as_slice() else {
        let problem = format!("needs an input [N, C, D, H, W], not {:?}", scope.shape(x));
        return Err(Error::shape("conv3d", problem));
    };
    let group = inputs / settings.groups.max(1);
    let taps = kernel.iter().fold(1, |taps: usize, side| taps.saturating_mul(*side));
    let [init, bias_init] = inits(scope, group, channels, taps);
    let [depth, height, width] = kernel;
    let weight = scope.parameter("weight", &[channels, group, depth, height, width], init)?;
    let bias = bias.then(|| scope.parameter("bias", &[channels], bias_init)).transpose()?;
    convolution(scope, x, weight, bias, &Convolution::uniform(3, settings))
}

/// A transposed convolution of x \[N, C, H, W\] to O = `channels` channels of side (H − 1)·stride −
/// 2·padding + dilation·(k − 1) + `output_padding` + 1; parameters `weight` \[C, O/groups, k, k\]
/// and, with `bias`, `bias` \[O\].
///
/// # Errors
/// When x is not an image, the groups do not divide the channels, or the result would be empty.
pub fn conv_transpose2d(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: [usize; 2],
    settings: ConvSettings,
    output_padding: usize,
    bias: bool,
) -> Result<Value> {
    let [_, inputs, _, _] = image(scope, "conv_transpose2d", x)?;
    let groups = settings.groups.max(1);
    if !channels.is_multiple_of(groups) || !inputs.is_multiple_of(groups) {
        let problem = format!("{groups} groups do not divide {inputs} channels in and {channels} out");
        return Err(Error::shape("conv_transpose2d", problem));
    }
    let group = channels / groups;
    // As in PyTorch, the fan-in counts axis 1 of the weight here, too.
    let [init, bias_init] = inits(scope, group, inputs, kernel[0].saturating_mul(kernel[1]));
    let weight = scope.parameter("weight", &[inputs, group, kernel[0], kernel[1]], init)?;
    let y = scope.graph().conv_transpose2d(x, weight, settings, output_padding)?;
    if bias { add_bias(scope, y, 1, channels, bias_init) } else { Ok(y) }
}

/// The patches of x \[N, C, H, W\] as tokens \[N, T, D\], row by row; child `proj`, a convolution
/// with kernel and stride `patch` (Dosovitskiy et al. 2021).
///
/// # Errors
/// When the patches do not divide the image.
pub fn patch_embed(scope: &mut Scope, x: Value, patch: usize, width: usize, bias: bool) -> Result<Value> {
    let [n, _, h, w] = image(scope, "patch_embed", x)?;
    if patch == 0 || h % patch != 0 || w % patch != 0 {
        return Err(Error::shape(
            "patch_embed",
            format!("patches of side {patch} do not divide an image {h}x{w}"),
        ));
    }
    let settings = ConvSettings { stride: patch, ..ConvSettings::default() };
    let y = conv2d(&mut scope.at("proj"), x, width, patch, settings, bias)?;
    let graph = scope.graph();
    let y = graph.reshape(y, &[n, width, (h / patch) * (w / patch)])?;
    graph.permute(y, &[0, 2, 1])
}

/// The initial distributions of weight and bias, for a kernel of `taps` positions, `inputs`
/// channels that one output depends on and `outputs` channels that one input contributes to.
fn inits(scope: &Scope, inputs: usize, outputs: usize, taps: usize) -> [Init; 2] {
    let rules = scope.init_rules();
    [rules.conv_weight, rules.conv_bias]
        .map(|rule| rule.at(inputs.saturating_mul(taps), outputs.saturating_mul(taps)))
}

fn image(scope: &Scope, layer: &str, x: Value) -> Result<[usize; 4]> {
    let shape = scope.shape(x);
    shape
        .as_slice()
        .try_into()
        .map_err(|_| Error::shape(layer, format!("needs an input [N, C, H, W], not {shape:?}")))
}
