//! The transpose in the input: for each position, what all samples' outputs there add to the patches that they saw.

use pulp::Arch;
use rayon::prelude::*;

use super::{
    Plan, Widths,
    layout::{interleave_outputs, separate_images},
    samples_at_once,
};
use crate::kernels::{
    Element,
    conv::Geometry,
    panel::{Layout, Left, Out, Panel, Product, Steps},
    recycle::{give_back, zeros},
};

/// x\[b\] = Σ wᵀ y\[b\]. The order of summation depends on the shapes alone.
pub(in super::super) fn input_transpose<T: Element>(
    arch: Arch,
    g: &Geometry,
    y: &[T],
    w: &[T],
    out: &mut [T],
) {
    let plan = Plan::new(g);
    let samples = samples_at_once::<T>(g, y.len() / g.out_image());
    let batches = out.chunks_mut(samples * g.image()).zip(y.chunks(samples * g.out_image()));
    for (out, y) in batches {
        let outputs = interleave_outputs(arch, &plan, y);
        let images = images(arch, &plan, y.len() / g.out_image(), &outputs, w);
        separate_images(arch, &plan, &images, out);
        give_back(outputs);
        give_back(images);
    }
}

/// The padded images \[channel, height, width, sample\] to interleaved outputs.
fn images<T: Element>(arch: Arch, plan: &Plan, samples: usize, outputs: &[T], w: &[T]) -> Vec<T> {
    let (g, widths) = (&plan.g, Widths::new::<T>(arch));
    let step = widths.whole(samples);
    let taps = g.kernel.0 * g.kernel.1;
    let places: Vec<usize> = plan.taps[..taps].iter().map(|tap| tap * step).collect();
    let mut images = zeros(g.channels * plan.plane() * step);
    images.par_chunks_mut((plan.plane() * step).max(1)).enumerate().for_each(|(channel, image)| {
        let (group, channel) = (channel / plan.channels(), channel % plan.channels());
        let left = Left {
            data: &w[group * g.group_weight() + channel * taps..],
            rows: taps,
            layout: Layout::Columns(g.patch()),
        };
        for (i, position) in plan.positions.iter().enumerate() {
            let first = (i * g.out_channels + group * plan.out_channels()) * step;
            for (column, width) in widths.panels(samples) {
                let out = &mut image[position * step + column..];
                arch.dispatch(Product {
                    depth: plan.out_channels(),
                    left,
                    panel: Panel { data: &outputs[first + column..], steps: Steps::Even(step), width },
                    out: Out { data: out, steps: Steps::Table(&places), accumulate: true },
                });
            }
        }
    });
    images
}
