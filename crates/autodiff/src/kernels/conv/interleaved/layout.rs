//! Images \[sample, channel, height, width\] with the samples side by side, and back.

use pulp::Arch;
use rayon::prelude::*;

use super::{Plan, Widths};
use crate::kernels::{Element, recycle::zeros, transpose::transpose};

/// Samples that are written at a time.
const BLOCK: usize = 16;

/// Padded images \[channel, height, width, sample\], from `x` \[sample, channel, height, width\].
pub(super) fn interleave_images<T: Element>(arch: Arch, plan: &Plan, x: &[T]) -> Vec<T> {
    let (g, image) = (&plan.g, plan.g.image());
    let (samples, step) = (x.len() / image, Widths::new::<T>(arch).whole(x.len() / image));
    let mut out = zeros(g.channels * plan.plane() * step);
    out.par_chunks_mut((plan.plane() * step).max(1)).enumerate().for_each(|(channel, out)| {
        arch.dispatch(
            #[inline(always)]
            || {
                for y in 0..g.height {
                    let first = (y + g.padding) * plan.width + g.padding;
                    let from = &x[(channel * g.height + y) * g.width..];
                    transpose([samples, g.width], from, image, &mut out[first * step..], step);
                }
            },
        );
    });
    out
}

/// The inverse of [`interleave_images`]: what lies on the padding is dropped.
pub(super) fn separate_images<T: Element>(arch: Arch, plan: &Plan, x: &[T], out: &mut [T]) {
    let (g, image) = (&plan.g, plan.g.image());
    let step = x.len() / (g.channels * plan.plane()).max(1);
    out.par_chunks_mut(BLOCK * image).enumerate().for_each(|(block, out)| {
        let samples = out.len() / image;
        arch.dispatch(
            #[inline(always)]
            || {
                for row in 0..g.channels * g.height {
                    let (channel, y) = (row / g.height, row % g.height);
                    let first = (channel * plan.height + y + g.padding) * plan.width + g.padding;
                    let from = &x[first * step + block * BLOCK..];
                    transpose([g.width, samples], from, step, &mut out[row * g.width..], image);
                }
            },
        );
    });
}

/// Outputs \[position, channel, sample\], from `y` \[sample, channel, position\].
pub(super) fn interleave_outputs<T: Element>(arch: Arch, plan: &Plan, y: &[T]) -> Vec<T> {
    /// Positions that are written at a time.
    const POSITIONS: usize = 16;
    let (g, image, positions) = (&plan.g, plan.g.out_image(), plan.positions.len());
    let (samples, step) = (y.len() / image, Widths::new::<T>(arch).whole(y.len() / image));
    let pixel = g.out_channels * step;
    let mut out = zeros(positions * pixel);
    out.par_chunks_mut(POSITIONS * pixel).enumerate().for_each(|(block, out)| {
        arch.dispatch(
            #[inline(always)]
            || {
                for channel in 0..g.out_channels {
                    let from = &y[channel * positions + block * POSITIONS..];
                    let to = &mut out[channel * step..];
                    transpose([samples, out_positions(to.len(), pixel)], from, image, to, pixel);
                }
            },
        );
    });
    out
}

/// Positions of which the first number of a channel is among `len` numbers.
fn out_positions(len: usize, pixel: usize) -> usize {
    len.div_ceil(pixel)
}

/// The inverse of [`interleave_outputs`].
pub(super) fn separate_outputs<T: Element>(arch: Arch, plan: &Plan, y: &[T], out: &mut [T]) {
    let (g, image, positions) = (&plan.g, plan.g.out_image(), plan.positions.len());
    let step = y.len() / image;
    out.par_chunks_mut(BLOCK * image).enumerate().for_each(|(block, out)| {
        let samples = out.len() / image;
        arch.dispatch(
            #[inline(always)]
            || {
                for channel in 0..g.out_channels {
                    let from = &y[channel * step + block * BLOCK..];
                    let to = &mut out[channel * positions..];
                    transpose([positions, samples], from, g.out_channels * step, to, image);
                }
            },
        );
    });
}
