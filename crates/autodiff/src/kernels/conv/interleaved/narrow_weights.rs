//! The transpose in the weights for so few output channels that they would leave the vectors mostly empty (depthwise filters among them): the
//! samples lie side by side instead, and are added up at last.

use std::ops::Range;

use candle_core::WithDType;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    super::Terms,
    Plan, TASKS, Widths, applies,
    layout::{interleave_images, interleave_outputs},
    samples_at_once,
};
use crate::kernels::{
    Element,
    recycle::{give_back, zeros},
    simd::Lanes,
};

/// Taps whose sums are in registers together.
const TAPS: usize = 4;

/// Whether the samples fill vectors better than the output channels of a group do.
pub(super) fn is_narrow(plan: &Plan, widths: Widths, samples: usize) -> bool {
    applies(samples) && 2 * plan.out_channels() <= widths.lanes
}

/// w = Σ Σ_b y\[b\] x\[b\]ᵀ over terms: \[O, C/groups, kH, kW\].
pub(super) fn weight_transpose<T: Element>(arch: Arch, plan: &Plan, terms: Terms<'_, T>, out: &mut [T]) {
    let (g, widths) = (&plan.g, Widths::new::<T>(arch));
    let samples = terms.first().map_or(0, |[x, _]| x.len() / g.image());
    let at_once = samples_at_once::<T>(g, samples);
    let (count, tasks) = (g.weight() * widths.lanes, TASKS.min(g.out_height));
    let mut sums = zeros(tasks * count);
    for first in (0..samples).step_by(at_once) {
        let samples = at_once.min(samples - first);
        for [x, y] in terms {
            let images = interleave_images(arch, plan, &x[first * g.image()..][..samples * g.image()]);
            let outputs =
                interleave_outputs(arch, plan, &y[first * g.out_image()..][..samples * g.out_image()]);
            let step = widths.whole(samples);
            sums.par_chunks_mut(count.max(1)).enumerate().for_each(|(task, sums)| {
                let rows = task * g.out_height / tasks..(task + 1) * g.out_height / tasks;
                arch.dispatch(Rows { plan, images: &images, outputs: &outputs, step, rows, sums });
            });
            give_back(images);
            give_back(outputs);
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        let lanes = sums.chunks(count).flat_map(|sums| &sums[i * widths.lanes..][..widths.lanes]);
        *out = T::from_f64(lanes.map(|x| WithDType::to_f64(*x)).sum());
    }
    give_back(sums);
}

/// What some rows of the outputs add to the sums \[output channel, tap, lane\].
struct Rows<'a, T> {
    plan: &'a Plan,
    images: &'a [T],
    outputs: &'a [T],
    /// Numbers between two pixels.
    step: usize,
    rows: Range<usize>,
    sums: &'a mut [T],
}

impl<T: Element> WithSimd for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // As many output channels at a time as the registers hold sums of, shared out evenly.
        let most = if S::REGISTER_COUNT >= 32 { 6 } else { 2 };
        let channels = self.plan.out_channels();
        for row in self.rows.clone() {
            // A row's pixels of one vector of samples stay in a core's first cache.
            for lane in (0..self.step).step_by(T::lanes::<S>()) {
                for group in 0..self.plan.g.groups {
                    let (mut channel, end) = (group * channels, (group + 1) * channels);
                    while channel < end {
                        let rest = end - channel;
                        let count = rest.div_ceil(rest.div_ceil(most));
                        match count {
                            6 if S::REGISTER_COUNT >= 32 => self.channels::<S, 6>(simd, row, lane, channel),
                            5 if S::REGISTER_COUNT >= 32 => self.channels::<S, 5>(simd, row, lane, channel),
                            4 if S::REGISTER_COUNT >= 32 => self.channels::<S, 4>(simd, row, lane, channel),
                            3 if S::REGISTER_COUNT >= 32 => self.channels::<S, 3>(simd, row, lane, channel),
                            2 => self.channels::<S, 2>(simd, row, lane, channel),
                            _ => self.channels::<S, 1>(simd, row, lane, channel),
                        }
                        channel += count;
                    }
                }
            }
        }
    }
}

impl<T: Element> Rows<'_, T> {
    /// All taps of O output channels.
    #[inline(always)]
    fn channels<S: Simd, const O: usize>(&mut self, simd: S, row: usize, lane: usize, channel: usize) {
        let patch = self.plan.g.patch();
        let whole = patch / TAPS * TAPS;
        for tap in (0..whole).step_by(TAPS) {
            self.tile::<S, O, TAPS>(simd, row, lane, channel, tap);
        }
        for tap in whole..patch {
            self.tile::<S, O, 1>(simd, row, lane, channel, tap);
        }
    }

    /// R taps of O output channels.
    #[inline(always)]
    fn tile<S: Simd, const O: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        lane: usize,
        channel: usize,
        tap: usize,
    ) {
        let Plan { g, positions, taps, .. } = self.plan;
        let lanes = T::lanes::<S>();
        let group = channel / self.plan.out_channels();
        let image = &self.images[group * self.plan.channels() * self.plan.plane() * self.step + lane..];
        let mut sums = [[T::splat(simd, T::zeroed()); R]; O];
        for (o, sums) in sums.iter_mut().enumerate() {
            let stored = &self.sums[((channel + o) * g.patch() + tap) * lanes..][..R * lanes];
            sums.copy_from_slice(T::vectors::<S>(stored).0);
        }
        let start = row * g.out_width;
        for (i, position) in positions[start..][..g.out_width].iter().enumerate() {
            let first = ((start + i) * g.out_channels + channel) * self.step + lane;
            let mut y = [T::splat(simd, T::zeroed()); O];
            for (o, y) in y.iter_mut().enumerate() {
                *y = T::vectors::<S>(&self.outputs[first + o * self.step..][..lanes]).0[0];
            }
            for r in 0..R {
                let pixel = position + taps[tap + r];
                let x = T::vectors::<S>(&image[pixel * self.step..][..lanes]).0[0];
                for o in 0..O {
                    sums[o][r] = <T as Lanes>::mul_add(simd, x, y[o], sums[o][r]);
                }
            }
        }
        for (o, sums) in sums.iter().enumerate() {
            let stored = &mut self.sums[((channel + o) * g.patch() + tap) * lanes..][..R * lanes];
            T::vectors_mut::<S>(stored).0.copy_from_slice(sums);
        }
    }
}
