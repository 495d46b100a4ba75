//! Linear and convolutional layers.

use eigenscape_program::{ConvSettings, Result, Scope, Value, nn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    layer::Emit,
    shape::{check, last},
    sides::{Sides, Size},
};

fn yes() -> bool {
    true
}

fn one() -> Size {
    Size::MIN
}

/// The keys of `linear`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Units of the input.
    #[serde(default, rename = "in")]
    inputs: Option<usize>,
    /// Units of the output.
    #[serde(rename = "out")]
    outputs: Size,
    /// Whether a bias b is added.
    #[serde(default = "yes")]
    bias: bool,
}

impl Emit for Linear {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, last(scope, x), "in", self.inputs)?;
        nn::linear(scope, x, self.outputs.get(), self.bias)
    }
}

/// The keys of `conv1d` and `conv3d`; each stands for all sides.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniformConv {
    /// Channels of the input.
    #[serde(default, rename = "in")]
    inputs: Option<usize>,
    /// Channels of the output.
    #[serde(rename = "out")]
    outputs: Size,
    /// The kernel's side.
    kernel: Size,
    /// Step between output positions.
    #[serde(default = "one")]
    stride: Size,
    /// Zeros around the sequence or volume.
    #[serde(default)]
    padding: usize,
    /// Step between the kernel's taps.
    #[serde(default = "one")]
    dilation: Size,
    /// The number of groups of channels that are convolved separately.
    #[serde(default = "one")]
    groups: Size,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    bias: bool,
}

impl UniformConv {
    /// Emits the convolution of sequences \[N, C, L\].
    pub(super) fn emit_1d(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "in", self.inputs)?;
        nn::conv1d(scope, x, self.outputs.get(), self.kernel.get(), self.settings(), self.bias)
    }

    /// Emits the convolution of volumes \[N, C, D, H, W\].
    pub(super) fn emit_3d(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "in", self.inputs)?;
        nn::conv3d(scope, x, self.outputs.get(), [self.kernel.get(); 3], self.settings(), self.bias)
    }

    fn settings(&self) -> ConvSettings {
        settings(self.stride, self.padding, self.dilation, self.groups)
    }
}

/// The keys of `conv2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Channels of the input.
    #[serde(default, rename = "in")]
    inputs: Option<usize>,
    /// Channels of the output.
    #[serde(rename = "out")]
    outputs: Size,
    /// The kernel's side, or \[height, width\].
    kernel: Sides<Size>,
    /// Step between output positions.
    #[serde(default = "one")]
    stride: Size,
    /// Zeros around the image, or \[above and below, left and right\].
    #[serde(default = "Sides::zero")]
    padding: Sides<usize>,
    /// Step between the kernel's taps.
    #[serde(default = "one")]
    dilation: Size,
    /// The number of groups of channels that are convolved separately; as many as channels for a
    /// depthwise convolution.
    #[serde(default = "one")]
    groups: Size,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    bias: bool,
}

impl Emit for Conv2d {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "in", self.inputs)?;
        let settings = settings(self.stride, 0, self.dilation, self.groups);
        let (kernel, padding) = (self.kernel.pair().map(Size::get), self.padding.pair());
        nn::rectangular_conv2d(scope, x, self.outputs.get(), kernel, padding, settings, self.bias)
    }
}

/// The keys of `conv_transpose2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Channels of the input.
    #[serde(default, rename = "in")]
    inputs: Option<usize>,
    /// Channels of the output.
    #[serde(rename = "out")]
    outputs: Size,
    /// The kernel's side, or \[height, width\].
    kernel: Sides<Size>,
    /// Step between the input's pixels in the output.
    #[serde(default = "one")]
    stride: Size,
    /// Pixels cut off around the output.
    #[serde(default)]
    padding: usize,
    /// Pixels added below and on the right of the output.
    #[serde(default)]
    output_padding: usize,
    /// Step between the kernel's taps.
    #[serde(default = "one")]
    dilation: Size,
    /// The number of groups of channels that are convolved separately.
    #[serde(default = "one")]
    groups: Size,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    bias: bool,
}

impl Emit for ConvTranspose2d {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "in", self.inputs)?;
        let settings = settings(self.stride, self.padding, self.dilation, self.groups);
        let (outputs, kernel) = (self.outputs.get(), self.kernel.pair().map(Size::get));
        nn::conv_transpose2d(scope, x, outputs, kernel, settings, self.output_padding, self.bias)
    }
}

fn settings(stride: Size, padding: usize, dilation: Size, groups: Size) -> ConvSettings {
    ConvSettings { stride: stride.get(), padding, dilation: dilation.get(), groups: groups.get() }
}
