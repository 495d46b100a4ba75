//! The transpose with respect to the input: for each output position, adds the contribution of all
//! samples' outputs to their patches.

use pulp::Arch;

use super::{
    super::{Terms, part},
    PaddedPositions, Widths,
    layout::{SideBySide, interleave_outputs, separate_images},
    samples_at_once,
};
use crate::kernels::{
    Element, Workspace,
    conv::Geometry,
    panel::{Layout, Left, Out, Panel, Product, Steps},
    parallel::for_each_chunk,
};

/// x\[r, b\] = Σ Σ w\[r\]ᵀ y\[r, b\] over terms, in rounds r of `samples` samples. The order of
/// summation depends on the shapes alone.
pub(in super::super) fn input_transpose<T: Element>(
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
        let (mut work, len) = (work.rest(), padded.outputs::<T>(arch, count));
        let interleave = |y: &[T], to: &mut [T]| {
            interleave_outputs(arch, &padded, &y[first * g.out_image()..][..count * g.out_image()], to);
        };
        let size = samples * g.out_image();
        let outputs = terms.iter().map(|[y, _]| SideBySide::new(y, size, len, interleave, &mut work));
        let outputs: Vec<_> = outputs.collect();
        let mut images = work.take(padded.images::<T>(arch, count));
        for (round, out) in out.chunks_mut(samples * g.image()).enumerate() {
            let out = &mut out[first * g.image()..][..count * g.image()];
            for (i, ([_, w], outputs)) in terms.iter().zip(&outputs).enumerate() {
                let w = part(w, g.weight(), round);
                let mut work = work.rest();
                let outputs = outputs.round(round, &mut work);
                products(arch, &padded, count, &outputs, w, &mut images, i > 0);
            }
            separate_images(arch, &padded, &images, out);
        }
    }
}

/// The contribution of interleaved outputs to the padded images \[channel, height, width, sample\];
/// added to `images` if `accumulate`.
fn products<T: Element>(
    arch: Arch,
    padded: &PaddedPositions,
    samples: usize,
    outputs: &[T],
    w: &[T],
    images: &mut [T],
    accumulate: bool,
) {
    let (g, widths) = (&padded.g, Widths::new::<T>(arch));
    let step = widths.whole(samples);
    let taps = g.kernel.0 * g.kernel.1;
    let places: Vec<usize> = padded.taps[..taps].iter().map(|tap| tap * step).collect();
    for_each_chunk(images, (padded.plane() * step).max(1), &|channel, image| {
        if !accumulate {
            image.fill(T::zero());
        }
        let (group, channel) = (channel / padded.channels(), channel % padded.channels());
        let left = Left {
            data: &w[group * g.group_weight() + channel * taps..],
            rows: taps,
            layout: Layout::Columns(g.patch()),
        };
        // The pixels of a panel in a few rows stay in the L1 cache.
        for (column, width) in widths.panels(samples) {
            for (i, position) in padded.positions.iter().enumerate() {
                let first = (i * g.out_channels + group * padded.out_channels()) * step;
                let out = &mut image[position * step + column..];
                Product {
                    depth: padded.out_channels(),
                    left,
                    panel: Panel { data: &outputs[first + column..], steps: Steps::Even(step), width },
                    out: Out { data: out, steps: Steps::Table(&places), accumulate: true },
                }
                .run(arch);
            }
        }
    });
}
