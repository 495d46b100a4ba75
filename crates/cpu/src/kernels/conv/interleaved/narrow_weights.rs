//! The transpose with respect to the weights, for too few output channels to fill the vectors
//! (depthwise filters, for example). The vectors hold samples instead, which are summed at the end.

use std::ops::Range;

use candle_core::WithDType;
use pulp::{Arch, Simd, WithSimd};

use super::{
    super::{Terms, part},
    PaddedPositions, Widths, applies,
    layout::{SideBySide, interleave_images, interleave_positions},
    samples_at_once,
};
use crate::kernels::{
    Element, Workspace,
    conv::limits::TASKS,
    parallel::for_each_chunk,
    scratch::{sized, with_buffers},
    simd::Lanes,
};

/// Taps per tile of sums in registers.
const TAPS: usize = 4;

/// Whether the samples fill vectors better than the output channels of a group do.
pub(super) fn is_narrow(padded: &PaddedPositions, widths: Widths, samples: usize) -> bool {
    applies(samples) && 2 * padded.out_channels() <= widths.lanes
}

/// Like [`weight_transpose`](super::weight_transpose).
pub(super) fn weight_transpose<T: Element>(
    arch: Arch,
    padded: &PaddedPositions,
    samples: usize,
    terms: Terms<'_, T>,
    out: &mut [T],
    work: &mut Workspace,
) {
    let (g, widths) = (&padded.g, Widths::new::<T>(arch));
    let at_once = samples_at_once::<T>(g, samples);
    let (count, tasks) = (g.weight() * widths.lanes, TASKS.min(g.out_height));
    let mut sums = work.zeros(out.len() * widths.lanes * tasks);
    for first in (0..samples).step_by(at_once) {
        let samples_now = at_once.min(samples - first);
        for [x, y] in terms {
            let (mut work, len) = (work.rest(), padded.images::<T>(arch, samples_now));
            let interleave = |x: &[T], to: &mut [T]| {
                interleave_images(arch, padded, &x[first * g.image()..][..samples_now * g.image()], to);
            };
            let images = SideBySide::new(x, samples * g.image(), len, interleave, &mut work);
            for (round, sums) in sums.chunks_mut(tasks * count).enumerate() {
                let y = part(y, samples * g.out_image(), round);
                let y = &y[first * g.out_image()..][..samples_now * g.out_image()];
                let mut work = work.rest();
                let images = images.round(round, &mut work);
                for_each_chunk(sums, count.max(1), &|task, sums| {
                    let rows = task * g.out_height / tasks..(task + 1) * g.out_height / tasks;
                    add_rows(arch, padded, rows, &images, y, sums);
                });
            }
        }
    }
    for (sums, out) in sums.chunks(tasks * count).zip(out.chunks_mut(g.weight())) {
        for (i, out) in out.iter_mut().enumerate() {
            let lanes = sums.chunks(count).flat_map(|sums| &sums[i * widths.lanes..][..widths.lanes]);
            *out = T::from_f64(lanes.map(|x| WithDType::to_f64(*x)).sum());
        }
    }
}

/// Adds the contribution of some output rows to the sums \[output channel, tap, lane\].
fn add_rows<T: Element>(
    arch: Arch,
    padded: &PaddedPositions,
    rows: Range<usize>,
    images: &[T],
    y: &[T],
    sums: &mut [T],
) {
    let g = &padded.g;
    let step = Widths::new::<T>(arch).whole(y.len() / g.out_image());
    with_buffers(|[outputs]: &mut [Vec<T>; 1]| {
        let outputs = sized(outputs, g.out_width * g.out_channels * step);
        for row in rows {
            let start = row * g.out_width;
            interleave_positions(arch, padded, y, start..start + g.out_width, outputs);
            arch.dispatch(Row { padded, images, outputs, step, start, sums });
        }
    });
}

/// Adds the contribution of one output row to the sums.
struct Row<'a, T> {
    padded: &'a PaddedPositions,
    images: &'a [T],
    /// The row's outputs \[position, channel, sample\].
    outputs: &'a [T],
    /// The stride between pixels, in numbers.
    step: usize,
    /// The row's first position.
    start: usize,
    sums: &'a mut [T],
}

impl<T: Element> WithSimd for Row<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Blocks of output channels of nearly equal size, small enough that their sums fit into
        // registers.
        let most = if S::REGISTER_COUNT >= 32 { 6 } else { 2 };
        let channels = self.padded.out_channels();
        // The pixels of one vector of samples stay in the L1 cache.
        for lane in (0..self.step).step_by(T::lanes::<S>()) {
            for group in 0..self.padded.g.groups {
                let (mut channel, end) = (group * channels, (group + 1) * channels);
                while channel < end {
                    let rest = end - channel;
                    let count = rest.div_ceil(rest.div_ceil(most));
                    match count {
                        6 if const { S::REGISTER_COUNT >= 32 } => self.channels::<S, 6>(simd, lane, channel),
                        5 if const { S::REGISTER_COUNT >= 32 } => self.channels::<S, 5>(simd, lane, channel),
                        4 if const { S::REGISTER_COUNT >= 32 } => self.channels::<S, 4>(simd, lane, channel),
                        3 if const { S::REGISTER_COUNT >= 32 } => self.channels::<S, 3>(simd, lane, channel),
                        2 => self.channels::<S, 2>(simd, lane, channel),
                        _ => self.channels::<S, 1>(simd, lane, channel),
                    }
                    channel += count;
                }
            }
        }
    }
}

impl<T: Element> Row<'_, T> {
    /// Adds all taps of O output channels.
    #[inline(always)]
    fn channels<S: Simd, const O: usize>(&mut self, simd: S, lane: usize, channel: usize) {
        let patch = self.padded.g.patch();
        let whole = patch / TAPS * TAPS;
        for tap in (0..whole).step_by(TAPS) {
            self.tile::<S, O, TAPS>(simd, lane, channel, tap);
        }
        for tap in whole..patch {
            self.tile::<S, O, 1>(simd, lane, channel, tap);
        }
    }

    /// Adds R taps of O output channels.
    #[inline(always)]
    fn tile<S: Simd, const O: usize, const R: usize>(
        &mut self,
        simd: S,
        lane: usize,
        channel: usize,
        tap: usize,
    ) {
        let PaddedPositions { g, positions, taps, .. } = self.padded;
        let lanes = T::lanes::<S>();
        let group = channel / self.padded.out_channels();
        let image = &self.images[group * self.padded.channels() * self.padded.plane() * self.step + lane..];
        let mut sums = [[T::splat(simd, T::zeroed()); R]; O];
        for (i, position) in positions[self.start..][..g.out_width].iter().enumerate() {
            let first = (i * g.out_channels + channel) * self.step + lane;
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
            for (stored, sum) in T::vectors_mut::<S>(stored).0.iter_mut().zip(sums) {
                *stored = <T as Lanes>::add(simd, *stored, *sum);
            }
        }
    }
}
