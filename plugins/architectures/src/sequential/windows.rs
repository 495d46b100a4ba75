//! Pooling of sequences and volumes, and upsampling of images.

use eigenscape_program::{
    Error, Result, Scope, Value,
    nn::{self, Divisor, Placement, Window},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{layer::Emit, sides::Size};

fn yes() -> bool {
    true
}

/// The keys of `max_pool1d` and `max_pool3d`; each value applies to all sides.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// The length of the window's sides.
    kernel: Size,
    /// Step between windows; by default the length of the window's sides.
    #[serde(default)]
    stride: Option<Size>,
    /// Border of −∞.
    #[serde(default)]
    padding: usize,
    /// Whether the last window may extend beyond the border.
    #[serde(default)]
    ceil_mode: bool,
}

impl MaxPool {
    pub(super) fn emit(&self, scope: &mut Scope, x: Value, sides: usize) -> Result<Value> {
        let Self { kernel, stride, padding, ceil_mode } = *self;
        nn::max_pool(scope, x, &vec![window([kernel, stride.unwrap_or(kernel)], padding, ceil_mode); sides])
    }
}

/// The keys of `avg_pool1d` and `avg_pool3d`; each value applies to all sides.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// The length of the window's sides.
    kernel: Size,
    /// Step between windows; by default the length of the window's sides.
    #[serde(default)]
    stride: Option<Size>,
    /// Border of zeros.
    #[serde(default)]
    padding: usize,
    /// Whether the last window may extend beyond the border.
    #[serde(default)]
    ceil_mode: bool,
    /// Whether the zeros of the border count in the mean.
    #[serde(default = "yes")]
    count_include_pad: bool,
}

impl AvgPool {
    pub(super) fn emit(&self, scope: &mut Scope, x: Value, sides: usize) -> Result<Value> {
        let Self { kernel, stride, padding, ceil_mode, count_include_pad } = *self;
        let divisor = if count_include_pad { Divisor::WithBorder } else { Divisor::Inside };
        let windows = vec![window([kernel, stride.unwrap_or(kernel)], padding, ceil_mode); sides];
        nn::avg_pool(scope, x, &windows, divisor)
    }
}

fn window([kernel, stride]: [Size; 2], padding: usize, ceil_mode: bool) -> Window {
    Window { kernel: kernel.get(), stride: stride.get(), padding, dilation: 1, ceil_mode }
}

/// The keys of `adaptive_avg_pool1d` and `adaptive_avg_pool3d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adaptive {
    /// The length of the output's sides.
    pub(super) out: Size,
}

/// The keys of `upsample`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upsample {
    /// The factor by which each side is multiplied.
    scale: Size,
    /// How new pixels are interpolated.
    #[serde(default)]
    mode: Interpolation,
    /// Whether the centres of the corner pixels are aligned, instead of the edges; "nearest"
    /// ignores it.
    #[serde(default)]
    align_corners: bool,
}

/// How new pixels are interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Interpolation {
    /// Copies the nearest pixel at or before each position: PyTorch's nearest.
    #[default]
    Nearest,
    /// Interpolates linearly along each side: PyTorch's linear, bilinear and trilinear.
    Linear,
}

impl Emit for Upsample {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let shape = scope.shape(x);
        let too_large = || Error::shape("upsample", format!("{shape:?} times {} is too large", self.scale));
        let place = |side: &usize| -> Result<Placement> {
            let out = side.checked_mul(self.scale.get()).ok_or_else(too_large)?;
            Ok(Placement { out, scale: None, align_corners: self.align_corners })
        };
        let places = shape.get(2..).unwrap_or_default().iter().map(place).collect::<Result<Vec<_>>>()?;
        match self.mode {
            Interpolation::Nearest => nn::upsample_nearest(scope, x, &places),
            Interpolation::Linear => nn::upsample_linear(scope, x, &places),
        }
    }
}
