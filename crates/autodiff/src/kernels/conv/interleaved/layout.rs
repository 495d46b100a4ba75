//! Images \[sample, channel, height, width\] with the samples side by side, and back.

use pulp::Arch;
use rayon::prelude::*;

use super::{Plan, Widths};
use crate::kernels::{
    Element,
    recycle::buffer,
    transpose::{Matrices, Transposes},
};

/// Samples that are written at a time.
const BLOCK: usize = 16;

/// Padded images \[channel, height, width, sample\], from `x` \[sample, channel, height, width\].
pub(super) fn interleave_images<T: Element>(arch: Arch, plan: &Plan, x: &[T]) -> Vec<T> {
    let (g, image) = (&plan.g, plan.g.image());
    let (samples, step) = (x.len() / image, Widths::new::<T>(arch).whole(x.len() / image));
    let mut out = buffer(g.channels * plan.plane() * step);
    out.par_chunks_mut((plan.plane() * step).max(1)).enumerate().for_each(|(channel, out)| {
        out.fill(T::zero());
        let first = g.padding * plan.width + g.padding;
        let from = &x[channel * g.height * g.width..];
        arch.dispatch(Transposes {
            count: g.height,
            sizes: [samples, g.width],
            from: Matrices { data: from, stride: image, step: g.width },
            to: Matrices { data: &mut out[first * step..], stride: step, step: plan.width * step },
        });
    });
    out
}

/// The inverse of [`interleave_images`]: what lies on the padding is dropped.
pub(super) fn separate_images<T: Element>(arch: Arch, plan: &Plan, x: &[T], out: &mut [T]) {
    let (g, image) = (&plan.g, plan.g.image());
    let step = x.len() / (g.channels * plan.plane()).max(1);
    out.par_chunks_mut(BLOCK * image).enumerate().for_each(|(block, out)| {
        let samples = out.len() / image;
        for channel in 0..g.channels {
            let first = (channel * plan.height + g.padding) * plan.width + g.padding;
            let from = &x[first * step + block * BLOCK..];
            let to = &mut out[channel * g.height * g.width..];
            arch.dispatch(Transposes {
                count: g.height,
                sizes: [g.width, samples],
                from: Matrices { data: from, stride: step, step: plan.width * step },
                to: Matrices { data: to, stride: image, step: g.width },
            });
        }
    });
}

/// Outputs \[position, channel, sample\], from `y` \[sample, channel, position\].
pub(super) fn interleave_outputs<T: Element>(arch: Arch, plan: &Plan, y: &[T]) -> Vec<T> {
    /// Positions that are written at a time.
    const POSITIONS: usize = 16;
    let (g, image, positions) = (&plan.g, plan.g.out_image(), plan.positions.len());
    let (samples, step) = (y.len() / image, Widths::new::<T>(arch).whole(y.len() / image));
    let pixel = g.out_channels * step;
    let mut out = buffer(positions * pixel);
    out.par_chunks_mut(POSITIONS * pixel).enumerate().for_each(|(block, out)| {
        out.fill(T::zero());
        arch.dispatch(Transposes {
            count: g.out_channels,
            sizes: [samples, out.len() / pixel],
            from: Matrices { data: &y[block * POSITIONS..], stride: image, step: positions },
            to: Matrices { data: out, stride: pixel, step },
        });
    });
    out
}

/// The inverse of [`interleave_outputs`].
pub(super) fn separate_outputs<T: Element>(arch: Arch, plan: &Plan, y: &[T], out: &mut [T]) {
    let (g, image, positions) = (&plan.g, plan.g.out_image(), plan.positions.len());
    let step = y.len() / image;
    out.par_chunks_mut(BLOCK * image).enumerate().for_each(|(block, out)| {
        let samples = out.len() / image;
        arch.dispatch(Transposes {
            count: g.out_channels,
            sizes: [positions, samples],
            from: Matrices { data: &y[block * BLOCK..], stride: g.out_channels * step, step },
            to: Matrices { data: out, stride: image, step: positions },
        });
    });
}
