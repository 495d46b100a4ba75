//! Pooling.

use eigenscape_program::{PoolSettings, Result, Scope, Value, nn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    layer::Emit,
    sides::{Sides, Size},
};

fn yes() -> bool {
    true
}

/// The keys of `max_pool2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// The window's side, or \[height, width\].
    kernel: Sides<Size>,
    /// Step between windows; the kernel's side by default.
    #[serde(default)]
    stride: Option<Sides<Size>>,
    /// Width of the border of −∞ around the image.
    #[serde(default = "Sides::zero")]
    padding: Sides<usize>,
}

impl Emit for MaxPool {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        nn::max_pool2d(scope, x, windows(self.kernel, self.stride, self.padding))
    }
}

/// The keys of `avg_pool2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// The window's side, or \[height, width\].
    kernel: Sides<Size>,
    /// Step between windows; the kernel's side by default.
    #[serde(default)]
    stride: Option<Sides<Size>>,
    /// Width of the border of zeros around the image.
    #[serde(default = "Sides::zero")]
    padding: Sides<usize>,
    /// Whether the zeros of the border count in the mean.
    #[serde(default = "yes")]
    count_include_pad: bool,
}

impl Emit for AvgPool {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let windows = windows(self.kernel, self.stride, self.padding);
        if self.count_include_pad {
            nn::avg_pool2d(scope, x, windows)
        } else {
            nn::avg_pool2d_inside(scope, x, windows)
        }
    }
}

fn windows(kernel: Sides<Size>, stride: Option<Sides<Size>>, padding: Sides<usize>) -> [PoolSettings; 2] {
    let (kernel, stride, padding) = (kernel.pair(), stride.unwrap_or(kernel).pair(), padding.pair());
    [0, 1].map(|axis| PoolSettings {
        kernel: kernel[axis].get(),
        stride: stride[axis].get(),
        padding: padding[axis],
    })
}

/// The keys of `adaptive_avg_pool2d` and `adaptive_max_pool2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adaptive {
    /// The output's side, or \[height, width\].
    pub(super) out: Sides<Size>,
}
