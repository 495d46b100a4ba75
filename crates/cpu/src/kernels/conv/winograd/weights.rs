//! The transpose with respect to the weights.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{
    super::Terms,
    POINTS, Sides,
    convolve::transform_tiles,
    layout::{ChannelsLast, Planes, load_points, store_points, whole_vectors},
    transform,
};
use crate::kernels::{
    Element, Workspace,
    conv::limits::{TASKS, TRANSFORMED_SUMS},
    panel::{self, Layout, Left, Out, Panel, Product, Steps},
    parallel::{for_each_chunk, for_each_pair},
    scratch::{sized, with_buffers, zeroed},
    simd::MOST_LANES,
};

/// w = Σ Σ_b y\[b\] x\[b\]ᵀ over terms of images x \[B, inner, ...\] and y \[B, outer, ...\]:
/// \[outer, inner, 3, 3\].
pub(in super::super) fn weight_transpose<T: Element>(
    arch: Arch,
    sides: &Sides,
    terms: Terms<'_, T>,
    out: &mut [T],
    mut work: Workspace<'_>,
) {
    let samples = terms.first().map_or(0, |[x, _]| x.len() / sides.image());
    let sums = POINTS * sides.outer * sides.inner * size_of::<T>();
    let shares = sums.div_ceil(TRANSFORMED_SUMS).clamp(1, TASKS);
    let channels = sides.outer.div_ceil(shares);
    let shares = sides.outer.div_ceil(channels);
    let parts = (TASKS / shares).clamp(1, samples.max(1));
    let part_sums = POINTS * channels * sides.inner.next_multiple_of(MOST_LANES);
    let mut sums = work.take(shares * parts * part_sums);
    for_each_chunk(&mut sums, part_sums, &|task, sums| {
        let (share, part) = (task / parts, task % parts);
        let outer = share * channels..sides.outer.min((share + 1) * channels);
        let samples = part * samples / parts..(part + 1) * samples / parts;
        with_buffers(|scratch| arch.dispatch(Task { sides, terms, outer, samples, sums, scratch }));
    });
    let weights = channels * sides.inner * 9;
    for_each_pair((out, weights), (&sums, parts * part_sums), &|out, sums| {
        let parts: Vec<&[T]> = sums.chunks(part_sums).collect();
        arch.dispatch(Finish { inner: sides.inner, parts: &parts, out });
    });
}

/// A task: some samples with some outer channels.
struct Task<'a, 'b, T> {
    sides: &'a Sides,
    terms: Terms<'a, T>,
    outer: Range<usize>,
    samples: Range<usize>,
    /// Σ (A e Aᵀ)ᵀ (Bᵀ d B) over the tiles: \[point, outer, inner\], with the inner channels padded
    /// to whole vectors.
    sums: &'a mut [T],
    /// Padded images, transformed tiles, padded outputs, transformed outputs.
    scratch: &'b mut [Vec<T>; 4],
}

impl<T: Element> WithSimd for Task<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sides, terms, outer, samples, sums, scratch } = self;
        let [inner, width] = [sides.inner, outer.len()].map(whole_vectors::<T, S>);
        if samples.is_empty() {
            sums.fill(T::zero());
        }
        let images = sides.images::<T>(inner + width);
        let [padded, tiles, padded_outputs, outputs] = scratch;
        for (i, [x, y]) in terms.iter().enumerate() {
            for first in samples.clone().step_by(images) {
                let count = images.min(samples.end - first);
                let x = &x[first * sides.image()..][..count * sides.image()];
                transform_tiles(simd, sides, x, count, padded, tiles);
                let y = &y[first * sides.out_image()..][..count * sides.out_image()];
                transform_outputs(simd, sides, y, &outer, padded_outputs, outputs);
                let depth = count * sides.tiles();
                let operands = Operands { tiles, outputs, inner, outer: outer.len(), width, depth };
                operands.multiply(simd, sums, i > 0 || first > samples.start);
            }
        }
    }
}

/// Transformed tiles \[point, tile, inner\] and outputs \[point, tile, width\].
struct Operands<'a, T> {
    tiles: &'a [T],
    outputs: &'a [T],
    inner: usize,
    outer: usize,
    width: usize,
    /// The number of tiles.
    depth: usize,
}

impl<T: Element> Operands<'_, T> {
    /// Computes one product per point.
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, sums: &mut [T], accumulate: bool) {
        let Self { inner, outer, width, depth, .. } = *self;
        for point in 0..POINTS {
            let tiles = &self.tiles[point * depth * inner..][..depth * inner];
            let outputs = &self.outputs[point * depth * width..][..depth * width];
            let sums = &mut sums[point * outer * inner..][..outer * inner];
            for column in (0..inner).step_by(panel::columns::<T, S>()) {
                let panel = panel::columns::<T, S>().min(inner - column);
                Product {
                    depth,
                    left: Left { data: outputs, rows: outer, layout: Layout::Columns(width) },
                    panel: Panel { data: &tiles[column..], steps: Steps::Even(inner), width: panel },
                    out: Out { data: &mut sums[column..], steps: Steps::Even(inner), accumulate },
                }
                .run_with(simd);
            }
        }
    }
}

/// Computes A e Aᵀ of the outputs of some images, for some of their channels: \[point, tile,
/// channel\].
#[inline(always)]
fn transform_outputs<T: Element, S: Simd>(
    simd: S,
    sides: &Sides,
    y: &[T],
    outer: &Range<usize>,
    padded: &mut Vec<T>,
    outputs: &mut Vec<T>,
) {
    let images = y.len() / sides.out_image();
    let ([rows, columns], channels) = (sides.grid(), whole_vectors::<T, S>(outer.len()));
    let last = ChannelsLast { height: 2 * rows, width: 2 * columns, channels };
    let padded = zeroed(padded, images * last.image());
    let planes = Planes { channels: outer.len(), height: sides.out_height, width: sides.out_width };
    for (y, padded) in y.chunks_exact(sides.out_image()).zip(padded.chunks_exact_mut(last.image())) {
        last.take(simd, &y[outer.start * sides.positions()..], planes, padded, 0);
    }
    let plane = images * rows * columns * channels;
    let outputs = sized(outputs, POINTS * plane);
    last.for_tiles(
        images,
        [rows, columns],
        #[inline(always)]
        |start, tile| {
            for channel in (0..channels).step_by(T::lanes::<S>()) {
                let points = transform::outputs::<T, S>(simd, last.load::<T, S, 2>(padded, start + channel));
                store_points::<T, S>(outputs, tile * channels + channel, plane, points);
            }
        },
    );
}

/// Computes Gᵀ m G of the sum of all parts' products m: \[outer, inner, 3, 3\].
struct Finish<'a, T> {
    inner: usize,
    parts: &'a [&'a [T]],
    out: &'a mut [T],
}

impl<T: Element> WithSimd for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { inner, parts, out } = self;
        let (lanes, width) = (T::lanes::<S>(), whole_vectors::<T, S>(inner));
        let plane = out.len() / 9 / inner * width;
        let half = T::splat(simd, T::from_f64(0.5));
        for (row, out) in out.chunks_exact_mut(9 * inner).enumerate() {
            for (column, out) in (0..inner).step_by(lanes).zip(out.chunks_mut(9 * lanes)) {
                let start = row * width + column;
                let mut points = load_points::<T, S>(parts[0], start, plane);
                for part in &parts[1..] {
                    let more = load_points::<T, S>(part, start, plane);
                    points = transform::sum::<T, S>(simd, points, more);
                }
                let taps = transform::filter_transpose::<T, S>(simd, half, points);
                for (tap, vector) in taps.as_flattened().iter().enumerate() {
                    let mut lanes_of_tap = [T::zero(); MOST_LANES];
                    T::vectors_mut::<S>(&mut lanes_of_tap[..lanes]).0[0] = *vector;
                    out.chunks_exact_mut(9).zip(lanes_of_tap).for_each(|(out, x)| out[tap] = x);
                }
            }
        }
    }
}
