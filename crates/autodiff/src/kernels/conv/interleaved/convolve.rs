//! The convolution itself: for each position, filters times the patches of all samples there.

use pulp::Arch;
use rayon::prelude::*;

use super::{
    super::{Terms, part},
    Plan, Widths,
    layout::{SideBySide, interleave_images, separate_outputs},
    samples_at_once,
};
use crate::kernels::{
    Element,
    conv::Geometry,
    panel::{Layout, Left, Out, Panel, Product, Steps},
    recycle::{buffer, give_back},
};

/// y\[r, b\] = Σ x\[r, b\] ∗ w\[r\] over terms, in rounds r of so many samples. Each number is one running sum over the filters' taps.
pub(in super::super) fn convolve<T: Element>(
    arch: Arch,
    g: &Geometry,
    samples: usize,
    terms: Terms<'_, T>,
    out: &mut [T],
) {
    let plan = Plan::new(g);
    let at_once = samples_at_once::<T>(g, samples);
    for first in (0..samples).step_by(at_once) {
        let count = at_once.min(samples - first);
        let interleave =
            |x: &[T]| interleave_images(arch, &plan, &x[first * g.image()..][..count * g.image()]);
        let images = terms.iter().map(|[x, _]| SideBySide::new(x, samples * g.image(), interleave));
        let images: Vec<_> = images.collect();
        for (round, out) in out.chunks_mut(samples * g.out_image()).enumerate() {
            let out = &mut out[first * g.out_image()..][..count * g.out_image()];
            let mut outputs = buffer(plan.positions.len() * g.out_channels * step::<T>(arch, count));
            for (i, ([_, w], images)) in terms.iter().zip(&images).enumerate() {
                let w = part(w, g.weight(), round);
                images.with(round, |images| products(arch, &plan, count, images, w, &mut outputs, i > 0));
            }
            separate_outputs(arch, &plan, &outputs, out);
            give_back(outputs);
        }
        images.into_iter().for_each(SideBySide::give_back);
    }
}

/// Numbers between two pixels of so many samples.
fn step<T: Element>(arch: Arch, samples: usize) -> usize {
    Widths::new::<T>(arch).whole(samples)
}

/// The outputs \[position, channel, sample\] of interleaved images.
fn products<T: Element>(
    arch: Arch,
    plan: &Plan,
    samples: usize,
    images: &[T],
    w: &[T],
    outputs: &mut [T],
    accumulate: bool,
) {
    let (g, widths) = (&plan.g, Widths::new::<T>(arch));
    let step = step::<T>(arch, samples);
    let taps: Vec<usize> = plan.taps.iter().map(|tap| tap * step).collect();
    let pixels = outputs.par_chunks_mut(g.out_channels * step).zip(&plan.positions);
    pixels.for_each(|(out, position)| {
        for group in 0..g.groups {
            let first = group * plan.channels() * plan.plane() + position;
            let left = Left {
                data: &w[group * g.group_weight()..][..g.group_weight()],
                rows: plan.out_channels(),
                layout: Layout::Rows(g.patch()),
            };
            for (column, width) in widths.panels(samples) {
                let data = &images[first * step + column..];
                let out = &mut out[group * plan.out_channels() * step + column..];
                arch.dispatch(Product {
                    depth: g.patch(),
                    left,
                    panel: Panel { data, steps: Steps::Table(&taps), width },
                    out: Out { data: out, steps: Steps::Even(step), accumulate },
                });
            }
        }
    });
}
