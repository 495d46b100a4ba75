//! Convolutional layers.

use super::linear::add_bias;
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
    let graph = scope.graph();
    // The convolution pads both axes equally; the extra padding of one axis is added before it.
    let common = padding[0].min(padding[1]);
    let x = graph.pad(x, 2, padding[0] - common, padding[0] - common)?;
    let x = graph.pad(x, 3, padding[1] - common, padding[1] - common)?;
    let y = graph.conv2d(x, weight, ConvSettings { padding: common, ..settings })?;
    if bias { add_bias(scope, y, 1, channels, bias_init) } else { Ok(y) }
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
    let &[n, inputs, length] = scope.shape(x).as_slice() else {
        return Err(Error::shape("conv1d", format!("needs an input [N, C, L], not {:?}", scope.shape(x))));
    };
    let group = inputs / settings.groups.max(1);
    let [init, bias_init] = inits(scope, group, channels, kernel);
    let weight = scope.parameter("weight", &[channels, group, kernel], init)?;
    let graph = scope.graph();
    // As an image of height 1, padded along its width only.
    let x = graph.reshape(x, &[n, inputs, 1, length])?;
    let x = graph.pad(x, 3, settings.padding, settings.padding)?;
    let weight = graph.reshape(weight, &[channels, group, 1, kernel])?;
    let y = graph.conv2d(x, weight, ConvSettings { padding: 0, ..settings })?;
    let &[_, _, _, length] = graph.shape(y) else {
        return Err(Error::shape("conv1d", "the convolution gave no image"));
    };
    let y = graph.reshape(y, &[n, channels, length])?;
    if bias { add_bias(scope, y, 1, channels, bias_init) } else { Ok(y) }
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
