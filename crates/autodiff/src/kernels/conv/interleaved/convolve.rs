//! The convolution itself: for each position, filters times the patches of all samples there.

use pulp::Arch;
use rayon::prelude::*;

use super::{
    Plan, Widths,
    layout::{interleave_images, separate_outputs},
    samples_at_once,
};
use crate::kernels::{
    Element,
    conv::Geometry,
    panel::{Layout, Left, Out, Panel, Product, Steps},
    recycle::{buffer, give_back},
};

/// y\[v, b\] = x\[b\] ∗ w\[v\]. Each number is one running sum over a filter's taps.
pub(in super::super) fn convolve<T: Element>(arch: Arch, g: &Geometry, x: &[T], w: &[T], out: &mut [T]) {
    let plan = Plan::new(g);
    let samples = x.len() / g.image();
    let at_once = samples_at_once::<T>(g, samples);
    for first in (0..samples).step_by(at_once) {
        let count = at_once.min(samples - first);
        let images = interleave_images(arch, &plan, &x[first * g.image()..][..count * g.image()]);
        for (w, out) in w.chunks(g.weight()).zip(out.chunks_mut(samples * g.out_image())) {
            let out = &mut out[first * g.out_image()..][..count * g.out_image()];
            let outputs = products(arch, &plan, count, &images, w);
            separate_outputs(arch, &plan, &outputs, out);
            give_back(outputs);
        }
        give_back(images);
    }
}

/// The outputs \[position, channel, sample\] of interleaved images.
fn products<T: Element>(arch: Arch, plan: &Plan, samples: usize, images: &[T], w: &[T]) -> Vec<T> {
    let (g, widths) = (&plan.g, Widths::new::<T>(arch));
    let step = widths.whole(samples);
    let taps: Vec<usize> = plan.taps.iter().map(|tap| tap * step).collect();
    let mut outputs = buffer(plan.positions.len() * g.out_channels * step);
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
                    out: Out { data: out, steps: Steps::Even(step), accumulate: false },
                });
            }
        }
    });
    outputs
}
