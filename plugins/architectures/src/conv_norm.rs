//! Convolution followed by batch normalisation, as in residual networks and MobileNet.

use eigenscape_program::{
    ConvSettings, Result, Scope, Value,
    nn::{batch_norm, conv2d},
};

/// A convolution without bias that keeps the image's size at stride 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conv {
    pub channels: usize,
    /// The kernel's side, an odd number.
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
}

impl Conv {
    /// A convolution in one group: every output channel depends on every input channel.
    pub(crate) fn dense(channels: usize, kernel: usize, stride: usize) -> Self {
        Self { channels, kernel, stride, groups: 1 }
    }

    /// The convolution as the module `conv{suffix}`, then batch normalisation as `bn{suffix}`.
    pub(crate) fn then_norm(self, scope: &mut Scope, suffix: usize, x: Value) -> Result<Value> {
        self.named(scope, (&format!("conv{suffix}"), &format!("bn{suffix}")), x)
    }

    /// The convolution and its batch normalisation under these names.
    pub(crate) fn named(self, scope: &mut Scope, (conv, norm): (&str, &str), x: Value) -> Result<Value> {
        let Self { channels, kernel, stride, groups } = self;
        let settings = ConvSettings { stride, groups, padding: kernel / 2, ..ConvSettings::default() };
        let x = conv2d(&mut scope.at(conv), x, channels, kernel, settings, false)?;
        batch_norm(&mut scope.at(norm), x)
    }
}
