//! The transpose with respect to the weights: for each sample, its patches times its outputs in
//! channels-last layout.

use std::ops::Range;

use pulp::Arch;

use super::{
    super::{Terms, by_rounds},
    PaddedPositions, Widths, narrow_weights,
};
use crate::kernels::{
    Element, Workspace,
    conv::{
        Geometry,
        limits::{SUMS, TASKS},
    },
    panel::{Layout, Left, Out, Panel, Product, Steps},
    parallel::for_each_chunk,
    scratch::{with_buffers, zeroed},
    transpose::{Matrices, Transposes},
};

/// The fewest terms of a running sum. The running sums are then added up: in one long f32 sum, each
/// term would be rounded at the magnitude of the total.
const TERMS: usize = 512;

/// w\[r\] = Σ Σ_b y\[r, b\] x\[r, b\]ᵀ over terms, in rounds r of `samples` samples: \[R, O,
/// C/groups, kH, kW\].
pub(in super::super) fn weight_transpose<T: Element>(
    arch: Arch,
    g: &Geometry,
    samples: usize,
    terms: Terms<'_, T>,
    out: &mut [T],
    work: &mut Workspace,
) {
    let padded = PaddedPositions::new(g);
    let widths = Widths::new::<T>(arch);
    if narrow_weights::is_narrow(&padded, widths, samples) {
        return narrow_weights::weight_transpose(arch, &padded, samples, terms, out, work);
    }
    let (rounds, sizes) = (out.len() / g.weight().max(1), [samples * g.image(), samples * g.out_image()]);
    by_rounds(terms, rounds, sizes, out, |terms, out| {
        one_round(arch, &padded, samples, terms, out, work.rest());
    });
}

fn one_round<T: Element>(
    arch: Arch,
    padded: &PaddedPositions,
    samples: usize,
    terms: Terms<'_, T>,
    out: &mut [T],
    mut work: Workspace<'_>,
) {
    let (g, widths) = (&padded.g, Widths::new::<T>(arch));
    // [group, tap, output channel], with the channels padded to whole vectors.
    let step = widths.whole(padded.out_channels());
    let count = g.groups * g.patch() * step;
    let at_once = TERMS.div_ceil(padded.positions.len().max(1));
    let tasks = (SUMS / count.max(1)).clamp(2, TASKS).min(samples.max(1));
    let mut sums = work.zeros(tasks * count);
    for_each_chunk(&mut sums, count.max(1), &|task, sums| {
        let samples = task * samples / tasks..(task + 1) * samples / tasks;
        with_buffers(|[image, outputs, block]: &mut [Vec<T>; 3]| {
            for (term, first) in
                terms.iter().flat_map(|t| samples.clone().step_by(at_once).map(move |f| (t, f)))
            {
                let samples = first..samples.end.min(first + at_once);
                let block = zeroed(block, count);
                add_samples(arch, padded, widths, *term, samples, [image, outputs], block);
                add_onto(sums, block);
            }
        });
    });
    let (total, others) = sums.split_at_mut(count);
    others.chunks(count.max(1)).for_each(|more| add_onto(total, more));
    for (sums, out) in total.chunks(g.patch() * step).zip(out.chunks_mut(g.group_weight())) {
        Transposes {
            count: 1,
            sizes: [g.patch(), padded.out_channels()],
            from: Matrices { data: sums, stride: step, step: 0 },
            to: Matrices { data: out, stride: g.patch(), step: 0 },
        }
        .run(arch);
    }
}

/// Adds the products of some samples to `sums`.
fn add_samples<T: Element>(
    arch: Arch,
    padded: &PaddedPositions,
    widths: Widths,
    [x, y]: [&[T]; 2],
    samples: Range<usize>,
    [image, outputs]: [&mut Vec<T>; 2],
    sums: &mut [T],
) {
    let g = &padded.g;
    let (positions, rows) = (padded.positions.len(), padded.out_channels());
    let step = widths.whole(rows);
    let image = zeroed(image, if g.padding > 0 { g.channels * padded.plane() } else { 0 });
    let outputs = zeroed(outputs, positions * step);
    let span = padded.positions.last().map_or(0, |last| last + 1);
    for sample in samples {
        let x = &x[sample * g.image()..][..g.image()];
        let x = if g.padding > 0 {
            pad(padded, x, image);
            &*image
        } else {
            x
        };
        for group in 0..g.groups {
            let y = &y[sample * g.out_image() + group * g.group_out()..][..g.group_out()];
            Transposes {
                count: 1,
                sizes: [rows, positions],
                from: Matrices { data: y, stride: positions, step: 0 },
                to: Matrices { data: &mut *outputs, stride: step, step: 0 },
            }
            .run(arch);
            let left = Left {
                data: &x[group * padded.channels() * padded.plane()..],
                rows: g.patch(),
                layout: Layout::Table { rows: &padded.taps, columns: &padded.positions, span },
            };
            let sums = &mut sums[group * g.patch() * step..][..g.patch() * step];
            for (column, width) in widths.panels(rows) {
                Product {
                    depth: positions,
                    left,
                    panel: Panel { data: &outputs[column..], steps: Steps::Even(step), width },
                    out: Out { data: &mut sums[column..], steps: Steps::Even(step), accumulate: true },
                }
                .run(arch);
            }
        }
    }
}

fn add_onto<T: Element>(total: &mut [T], more: &[T]) {
    total.iter_mut().zip(more).for_each(|(total, x)| *total += *x);
}

/// Writes an image into the middle of a padded one.
fn pad<T: Copy>(padded: &PaddedPositions, x: &[T], image: &mut [T]) {
    let g = &padded.g;
    for (row, x) in x.chunks_exact(g.width).enumerate() {
        let (channel, y) = (row / g.height, row % g.height);
        let first = (channel * padded.height + y + g.padding) * padded.width + g.padding;
        image[first..][..g.width].copy_from_slice(x);
    }
}
