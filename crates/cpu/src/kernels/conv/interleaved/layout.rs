//! Images \[sample, channel, height, width\] with the samples side by side, and back.

use std::{borrow::Cow, ops::Range};

use pulp::Arch;
use rayon::prelude::*;

use super::{super::part, PaddedPositions, Widths};
use crate::kernels::{
    Element,
    recycle::{buffer, give_back},
    transpose::{Matrices, Transposes},
};

/// Samples that are written at a time.
const BLOCK: usize = 16;

/// An operand of some samples with these side by side: made once where all rounds have the same.
pub(super) struct SideBySide<'a, T, F> {
    operand: &'a [T],
    /// Numbers of a round.
    size: usize,
    make: F,
    shared: Option<Vec<T>>,
}

impl<'a, T: Element, F: Fn(&'a [T]) -> Vec<T>> SideBySide<'a, T, F> {
    /// `make` lays the wanted samples of a round side by side.
    pub fn new(operand: &'a [T], size: usize, make: F) -> Self {
        let shared = (operand.len() == size).then(|| make(operand));
        Self { operand, size, make, shared }
    }

    /// Those of a round, which [`done`] takes back.
    pub fn round(&self, round: usize) -> Cow<'_, [T]> {
        match &self.shared {
            Some(shared) => Cow::Borrowed(shared),
            None => Cow::Owned((self.make)(part(self.operand, self.size, round))),
        }
    }

    /// Keeps its memory for another use.
    pub fn give_back(self) {
        self.shared.into_iter().for_each(give_back);
    }
}

/// Keeps the memory of what a round had for itself.
pub(super) fn done<T: Element>(round: Cow<'_, [T]>) {
    if let Cow::Owned(own) = round {
        give_back(own);
    }
}

/// How often a channel of so many numbers is transposed, and how many at a time: row by row where
/// padding lies between the rows.
fn rows(padded: &PaddedPositions) -> [usize; 2] {
    let g = &padded.g;
    if g.padding == 0 { [1, g.height * g.width] } else { [g.height, g.width] }
}

/// Zeros in the lanes of no sample, of every pixel.
fn clear_empty_lanes<T: Element>(pixels: &mut [T], step: usize, samples: usize) {
    if samples < step {
        pixels.chunks_exact_mut(step).for_each(|pixel| pixel[samples..].fill(T::zero()));
    }
}

/// Padded images \[channel, height, width, sample\], from `x` \[sample, channel, height, width\].
pub(super) fn interleave_images<T: Element>(arch: Arch, padded: &PaddedPositions, x: &[T]) -> Vec<T> {
    let (g, image) = (&padded.g, padded.g.image());
    let (samples, step) = (x.len() / image, Widths::new::<T>(arch).whole(x.len() / image));
    let [count, columns] = rows(padded);
    let mut out = buffer(g.channels * padded.plane() * step);
    out.par_chunks_mut((padded.plane() * step).max(1)).enumerate().for_each(|(channel, out)| {
        if g.padding == 0 {
            clear_empty_lanes(out, step, samples);
        } else {
            out.fill(T::zero());
        }
        let first = g.padding * padded.width + g.padding;
        let from = &x[channel * g.height * g.width..];
        arch.dispatch(Transposes {
            count,
            sizes: [samples, columns],
            from: Matrices { data: from, stride: image, step: g.width },
            to: Matrices { data: &mut out[first * step..], stride: step, step: padded.width * step },
        });
    });
    out
}

/// The inverse of [`interleave_images`]: what lies on the padding is dropped.
pub(super) fn separate_images<T: Element>(arch: Arch, padded: &PaddedPositions, x: &[T], out: &mut [T]) {
    let (g, image) = (&padded.g, padded.g.image());
    let step = x.len() / (g.channels * padded.plane()).max(1);
    let [count, columns] = rows(padded);
    out.par_chunks_mut(BLOCK * image).enumerate().for_each(|(block, out)| {
        let samples = out.len() / image;
        for channel in 0..g.channels {
            let first = (channel * padded.height + g.padding) * padded.width + g.padding;
            let from = &x[first * step + block * BLOCK..];
            let to = &mut out[channel * g.height * g.width..];
            arch.dispatch(Transposes {
                count,
                sizes: [columns, samples],
                from: Matrices { data: from, stride: step, step: padded.width * step },
                to: Matrices { data: to, stride: image, step: g.width },
            });
        }
    });
}

/// Outputs \[position, channel, sample\], from `y` \[sample, channel, position\].
pub(super) fn interleave_outputs<T: Element>(arch: Arch, padded: &PaddedPositions, y: &[T]) -> Vec<T> {
    /// Positions that are written at a time.
    const POSITIONS: usize = 16;
    let (g, positions) = (&padded.g, padded.positions.len());
    let samples = y.len() / g.out_image();
    let pixel = g.out_channels * Widths::new::<T>(arch).whole(samples);
    let mut out = buffer(positions * pixel);
    out.par_chunks_mut(POSITIONS * pixel).enumerate().for_each(|(block, out)| {
        let first = block * POSITIONS;
        interleave_positions(arch, padded, y, first..first + out.len() / pixel, out);
    });
    out
}

/// Some positions of them.
pub(super) fn interleave_positions<T: Element>(
    arch: Arch,
    padded: &PaddedPositions,
    y: &[T],
    positions: Range<usize>,
    out: &mut [T],
) {
    let (g, image) = (&padded.g, padded.g.out_image());
    let (samples, step) = (y.len() / image, Widths::new::<T>(arch).whole(y.len() / image));
    clear_empty_lanes(out, step, samples);
    arch.dispatch(Transposes {
        count: g.out_channels,
        sizes: [samples, positions.len()],
        from: Matrices { data: &y[positions.start..], stride: image, step: padded.positions.len() },
        to: Matrices { data: out, stride: g.out_channels * step, step },
    });
}
