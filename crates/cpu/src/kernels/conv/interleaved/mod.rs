//! Convolutions of many samples, of any kernel, stride and dilation, in an interleaved layout with
//! the samples innermost. One SIMD vector holds the same pixel of several samples, so that nothing
//! is unfolded and short image rows still fill the vectors.

mod convolve;
mod input_transpose;
mod layout;
mod narrow_weights;
mod weights;

use pulp::Arch;

pub(super) use self::{convolve::convolve, input_transpose::input_transpose, weights::weight_transpose};
use super::{
    Geometry,
    limits::{INTERLEAVED, INTERLEAVED_BYTES},
};
use crate::kernels::{panel::Widths, simd::Lanes};

/// Whether the interleaved layout is the fastest for this many samples.
pub(super) fn applies(samples: usize) -> bool {
    samples >= INTERLEAVED[0]
}

/// A convolution on padded images \[channel, height, width, sample\].
#[derive(Debug, Clone)]
struct PaddedPositions {
    g: Geometry,
    /// Sides of a padded image.
    height: usize,
    width: usize,
    /// The offset of each tap of a group's filter, \[channel, kH, kW\], from the patch's first
    /// pixel, in pixels.
    taps: Vec<usize>,
    /// The offset of the first pixel of each output position's patch.
    positions: Vec<usize>,
}

impl PaddedPositions {
    fn new(g: &Geometry) -> Self {
        let (height, width) = (g.height + 2 * g.padding, g.width + 2 * g.padding);
        let at = |channel: usize, y: usize, x: usize| (channel * height + y) * width + x;
        let (rows, columns) = g.kernel;
        let tap = |i: usize| {
            let (channel, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
            at(channel, y * g.dilation, x * g.dilation)
        };
        let position = |i: usize| at(0, i / g.out_width * g.stride, i % g.out_width * g.stride);
        Self {
            g: *g,
            height,
            width,
            taps: (0..g.patch()).map(tap).collect(),
            positions: (0..g.positions()).map(position).collect(),
        }
    }

    /// Pixels of a padded plane.
    fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Numbers in `samples` padded images, with the samples rounded up to whole vectors.
    fn images<T: Lanes>(&self, arch: Arch, samples: usize) -> usize {
        self.g.channels * self.plane() * Widths::new::<T>(arch).whole(samples)
    }

    /// Numbers in `samples` outputs, with the samples rounded up to whole vectors.
    fn outputs<T: Lanes>(&self, arch: Arch, samples: usize) -> usize {
        self.positions.len() * self.g.out_channels * Widths::new::<T>(arch).whole(samples)
    }

    /// Input channels of a group.
    fn channels(&self) -> usize {
        self.g.channels / self.g.groups
    }

    /// Output channels of a group.
    fn out_channels(&self) -> usize {
        self.g.out_channels / self.g.groups
    }
}

/// The number of samples that are interleaved at a time: enough to fill the vectors, with bounded
/// copies of images and outputs.
fn samples_at_once<T>(g: &Geometry, samples: usize) -> usize {
    let [fewest, most] = INTERLEAVED;
    let fit = INTERLEAVED_BYTES / ((g.image() + g.out_image()) * size_of::<T>()).max(1);
    let rounds = samples.div_ceil(fit.clamp(fewest, most)).max(1);
    samples.div_ceil(rounds).max(1)
}

#[cfg(test)]
mod tests;
