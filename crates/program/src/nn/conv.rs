//! Convolutional layers.

use super::convolution::{Convolution, convolution, with_bias};
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
    image(scope, "conv2d", x)?;
    let padding = padding.map(|padding| [padding; 2]).to_vec();
    declared(scope, x, channels, &kernel, &Convolution { padding, ..Convolution::uniform(2, settings) }, bias)
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
    if scope.shape(x).len() != 3 {
        return Err(Error::shape("conv1d", format!("needs an input [N, C, L], not {:?}", scope.shape(x))));
    }
    declared(scope, x, channels, &[kernel], &Convolution::uniform(1, settings), bias)
}

/// A convolution of x \[N, C, D, H, W\]; parameters `weight` \[O, C/groups, kD, kH, kW\] and, with
/// `bias`, `bias` \[O\].
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
    if scope.shape(x).len() != 5 {
        let problem = format!("needs an input [N, C, D, H, W], not {:?}", scope.shape(x));
        return Err(Error::shape("conv3d", problem));
    }
    declared(scope, x, channels, &kernel, &Convolution::uniform(3, settings), bias)
}

/// The convolution of x \[N, C, sides...\] by the parameters `weight` \[O, C/groups, kernel...\]
/// and, with `bias`, `bias` \[O\], which it declares.
fn declared(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: &[usize],
    settings: &Convolution,
    bias: bool,
) -> Result<Value> {
    let group = scope.shape(x)[1] / settings.groups.max(1);
    let taps = kernel.iter().fold(1, |taps: usize, side| taps.saturating_mul(*side));
    let [init, bias_init] = inits(scope, group, channels, taps);
    let weight = scope.parameter("weight", &[&[channels, group], kernel].concat(), init)?;
    let bias = bias.then(|| scope.parameter("bias", &[channels], bias_init)).transpose()?;
    convolution(scope, x, weight, bias, settings)
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
    let bias = bias.then(|| scope.parameter("bias", &[channels], bias_init)).transpose()?;
    let y = scope.graph().conv_transpose2d(x, weight, settings, output_padding)?;
    with_bias(scope.graph(), y, bias)
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
