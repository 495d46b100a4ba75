//! Conversion of images \[sample, channel, height, width\] to the interleaved layout, and back.

use std::ops::{Deref, Range};

use pulp::Arch;

use super::{super::part, PaddedPositions, Widths};
use crate::kernels::{
    Element, Workspace,
    parallel::for_each_chunk,
    transpose::{Matrices, Transposes},
    workspace::Taken,
};

/// Samples per task.
const BLOCK: usize = 16;

/// An operand in the interleaved layout, converted once if all rounds share it.
pub(super) struct SideBySide<'a, 'w, T, F> {
    operand: &'a [T],
    /// Numbers of a round of the operand.
    size: usize,
    /// Numbers of a round in the interleaved layout.
    len: usize,
    make: F,
    shared: Option<Taken<'w, T>>,
}

/// One round of an interleaved operand.
pub(super) enum Round<'s, 'w, T> {
    /// Shared by all rounds.
    Shared(&'s [T]),
    /// Converted for this round.
    Own(Taken<'w, T>),
}

impl<T> Deref for Round<'_, '_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Shared(shared) => shared,
            Self::Own(own) => own,
        }
    }
}

impl<'a, 'w, T: Element, F: Fn(&'a [T], &mut [T])> SideBySide<'a, 'w, T, F> {
    /// `make` interleaves the required samples of a round into `len` numbers.
    pub fn new(operand: &'a [T], size: usize, len: usize, make: F, work: &mut Workspace<'w>) -> Self {
        let mut new = Self { operand, size, len, make, shared: None };
        if operand.len() == size {
            new.shared = Some(new.laid(operand, work));
        }
        new
    }

    /// The interleaved samples of a round.
    pub fn round<'r>(&self, round: usize, work: &mut Workspace<'r>) -> Round<'_, 'r, T> {
        match &self.shared {
            Some(shared) => Round::Shared(shared),
            None => Round::Own(self.laid(part(self.operand, self.size, round), work)),
        }
    }

    fn laid<'r>(&self, operand: &'a [T], work: &mut Workspace<'r>) -> Taken<'r, T> {
        let mut laid = work.take(self.len);
        (self.make)(operand, &mut laid);
        laid
    }
}

/// The number of transposes per channel, and the pixels of each: row by row if there is padding
/// between the rows, else the whole channel.
fn rows(padded: &PaddedPositions) -> [usize; 2] {
    let g = &padded.g;
    if g.padding == 0 { [1, g.height * g.width] } else { [g.height, g.width] }
}

/// Zeros the unused lanes of every pixel, beyond the last sample.
fn clear_empty_lanes<T: Element>(pixels: &mut [T], step: usize, samples: usize) {
    if samples < step {
        pixels.chunks_exact_mut(step).for_each(|pixel| pixel[samples..].fill(T::zero()));
    }
}

/// Writes padded images \[channel, height, width, sample\] from `x` \[sample, channel, height,
/// width\].
pub(super) fn interleave_images<T: Element>(arch: Arch, padded: &PaddedPositions, x: &[T], out: &mut [T]) {
    let (g, image) = (&padded.g, padded.g.image());
    let (samples, step) = (x.len() / image, Widths::new::<T>(arch).whole(x.len() / image));
    let [count, columns] = rows(padded);
    for_each_chunk(out, (padded.plane() * step).max(1), &|channel, out| {
        if g.padding == 0 {
            clear_empty_lanes(out, step, samples);
        } else {
            out.fill(T::zero());
        }
        let first = g.padding * padded.width + g.padding;
        let from = &x[channel * g.height * g.width..];
        Transposes {
            count,
            sizes: [samples, columns],
            from: Matrices { data: from, stride: image, step: g.width },
            to: Matrices { data: &mut out[first * step..], stride: step, step: padded.width * step },
        }
        .run(arch);
    });
}

/// The inverse of [`interleave_images`]; the padding is dropped.
pub(super) fn separate_images<T: Element>(arch: Arch, padded: &PaddedPositions, x: &[T], out: &mut [T]) {
    let (g, image) = (&padded.g, padded.g.image());
    let step = x.len() / (g.channels * padded.plane()).max(1);
    let [count, columns] = rows(padded);
    for_each_chunk(out, BLOCK * image, &|block, out| {
        let samples = out.len() / image;
        for channel in 0..g.channels {
            let first = (channel * padded.height + g.padding) * padded.width + g.padding;
            let from = &x[first * step + block * BLOCK..];
            let to = &mut out[channel * g.height * g.width..];
            Transposes {
                count,
                sizes: [columns, samples],
                from: Matrices { data: from, stride: step, step: padded.width * step },
                to: Matrices { data: to, stride: image, step: g.width },
            }
            .run(arch);
        }
    });
}

/// Writes outputs \[position, channel, sample\] from `y` \[sample, channel, position\].
pub(super) fn interleave_outputs<T: Element>(arch: Arch, padded: &PaddedPositions, y: &[T], out: &mut [T]) {
    /// Positions per task.
    const POSITIONS: usize = 16;
    let g = &padded.g;
    let samples = y.len() / g.out_image();
    let pixel = g.out_channels * Widths::new::<T>(arch).whole(samples);
    for_each_chunk(out, POSITIONS * pixel, &|block, out| {
        let first = block * POSITIONS;
        interleave_positions(arch, padded, y, first..first + out.len() / pixel, out);
    });
}

/// Writes some positions of [`interleave_outputs`].
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
    Transposes {
        count: g.out_channels,
        sizes: [samples, positions.len()],
        from: Matrices { data: &y[positions.start..], stride: image, step: padded.positions.len() },
        to: Matrices { data: out, stride: g.out_channels * step, step },
    }
    .run(arch);
}
