//! The convolution: for each output position, the filters times the patches of all samples.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::{current_num_threads, prelude::*};

use super::{
    super::{Terms, part},
    PaddedPositions, Widths,
    layout::{SideBySide, interleave_images},
    samples_at_once,
};
use crate::kernels::{
    Element, Workspace,
    conv::Geometry,
    panel::{Layout, Left, Out, Panel, Product, Steps},
    scratch::{sized, with_buffers},
    transpose::transpose_with,
};

/// Output positions per block; their outputs stay in a core's cache until they are copied to the
/// output images.
const POSITIONS: usize = 16;

/// y\[r, b\] = Σ x\[r, b\] ∗ w\[r\] over terms, in rounds r of `samples` samples. The sum over a
/// filter's taps is taken by `panel`, in an order that does not depend on the distribution of work.
pub(in super::super) fn convolve<T: Element>(
    arch: Arch,
    g: &Geometry,
    samples: usize,
    terms: Terms<'_, T>,
    out: &mut [T],
    work: &mut Workspace,
) {
    let padded = PaddedPositions::new(g);
    let at_once = samples_at_once::<T>(g, samples);
    for first in (0..samples).step_by(at_once) {
        let count = at_once.min(samples - first);
        let (mut work, len) = (work.rest(), padded.images::<T>(arch, count));
        let interleave = |x: &[T], to: &mut [T]| {
            interleave_images(arch, &padded, &x[first * g.image()..][..count * g.image()], to);
        };
        let images =
            terms.iter().map(|[x, _]| SideBySide::new(x, samples * g.image(), len, interleave, &mut work));
        let images: Vec<_> = images.collect();
        for (round, out) in out.chunks_mut(samples * g.out_image()).enumerate() {
            let out = &mut out[first * g.out_image()..][..count * g.out_image()];
            let mut work = work.rest();
            let images: Vec<_> = images.iter().map(|images| images.round(round, &mut work)).collect();
            let terms = images.iter().zip(terms);
            let terms = terms.map(|(images, [_, w])| (&**images, part(w, g.weight(), round)));
            share_out(arch, &padded, &terms.collect::<Vec<_>>(), out);
        }
    }
}

/// Interleaved images and a filter.
type Term<'a, T> = (&'a [T], &'a [T]);

/// Distributes the output positions over tasks; each task handles all samples and channels. The
/// number of tasks does not affect the results.
fn share_out<T: Element>(arch: Arch, padded: &PaddedPositions, terms: &[Term<'_, T>], out: &mut [T]) {
    let (positions, samples) = (padded.positions.len(), out.len() / padded.g.out_image());
    let blocks = positions.div_ceil(POSITIONS);
    let count = blocks.min(2 * current_num_threads());
    let bound = |task: usize| (task * blocks / count * POSITIONS).min(positions);
    let mut tasks: Vec<(Range<usize>, Vec<&mut [T]>)> = (0..count)
        .map(|task| (bound(task)..bound(task + 1), Vec::with_capacity(samples * padded.g.out_channels)))
        .collect();
    for mut channel in out.chunks_mut(positions.max(1)) {
        for (range, outs) in &mut tasks {
            let (own, rest) = channel.split_at_mut(range.len());
            outs.push(own);
            channel = rest;
        }
    }
    let step = Widths::new::<T>(arch).whole(samples);
    let taps: Vec<usize> = padded.taps.iter().map(|tap| tap * step).collect();
    let round = Round { arch, padded, terms, samples, step, taps };
    tasks.into_par_iter().for_each(|(range, mut outs)| round.positions(range, &mut outs));
}

/// The convolutions of one round.
struct Round<'a, T: Element> {
    arch: Arch,
    padded: &'a PaddedPositions,
    terms: &'a [Term<'a, T>],
    samples: usize,
    /// The stride between pixels, in numbers.
    step: usize,
    /// The offset of each tap of a filter from the first, in numbers.
    taps: Vec<usize>,
}

impl<T: Element> Round<'_, T> {
    /// Computes some positions of all samples and channels; `outs` holds these positions for each
    /// channel of each sample.
    fn positions(&self, range: Range<usize>, outs: &mut [&mut [T]]) {
        let Self { arch, padded, samples, .. } = *self;
        with_buffers(|[outputs]: &mut [Vec<T>; 1]| {
            for (column, width) in Widths::new::<T>(arch).panels(samples) {
                let outputs = sized(outputs, POSITIONS * padded.g.out_channels * width);
                for start in range.clone().step_by(POSITIONS) {
                    let positions = start..range.end.min(start + POSITIONS);
                    for (i, term) in self.terms.iter().enumerate() {
                        self.products(term, positions.clone(), column, outputs, i > 0);
                    }
                    arch.dispatch(Separate {
                        padded,
                        outputs,
                        positions: positions.len(),
                        samples: column..samples.min(column + width),
                        outs,
                        offset: start - range.start,
                    });
                }
            }
        });
    }

    /// Computes the outputs \[position, channel, sample\] of some positions, for the panel of
    /// samples from `column` on.
    fn products(
        &self,
        (images, w): &Term<'_, T>,
        positions: Range<usize>,
        column: usize,
        outputs: &mut [T],
        accumulate: bool,
    ) {
        let (padded, g) = (self.padded, &self.padded.g);
        let width = outputs.len() / (POSITIONS * g.out_channels);
        let pixels = outputs.chunks_mut(g.out_channels * width).zip(&padded.positions[positions]);
        for (out, position) in pixels {
            for (group, out) in out.chunks_mut(padded.out_channels() * width).enumerate() {
                let first = group * padded.channels() * padded.plane() + position;
                let left = Left {
                    data: &w[group * g.group_weight()..][..g.group_weight()],
                    rows: padded.out_channels(),
                    layout: Layout::Rows(g.patch()),
                };
                let data = &images[first * self.step + column..];
                Product {
                    depth: g.patch(),
                    left,
                    panel: Panel { data, steps: Steps::Table(&self.taps), width },
                    out: Out { data: out, steps: Steps::Even(width), accumulate },
                }
                .run(self.arch);
            }
        }
    }
}

/// Copies the outputs \[position, channel, sample\] of some samples to their images.
struct Separate<'a, 'b, T> {
    padded: &'a PaddedPositions,
    outputs: &'a [T],
    positions: usize,
    samples: Range<usize>,
    /// The task's positions in each channel of each sample.
    outs: &'a mut [&'b mut [T]],
    /// The index of the first position within each element of `outs`.
    offset: usize,
}

impl<T: Element> WithSimd for Separate<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { padded, outputs, positions, samples, outs, offset } = self;
        let channels = padded.g.out_channels;
        let width = outputs.len() / (POSITIONS * channels);
        for channel in 0..channels {
            transpose_with(
                simd,
                [positions, samples.len()],
                &outputs[channel * width..],
                #[inline(always)]
                |position| position * channels * width,
                #[inline(always)]
                |position, sample, pixels| {
                    let out = &mut outs[(samples.start + sample) * channels + channel];
                    out[offset + position..][..pixels.len()].copy_from_slice(pixels);
                },
            );
        }
    }
}
