//! The convolution itself: for each position, filters times the patches of all samples there.

use pulp::Arch;
use rayon::prelude::*;

use super::{
    Plan, Widths,
    layout::{interleave_images, separate_outputs},
    zeros,
};
use crate::kernels::{
    Element,
    conv::Geometry,
    panel::{Layout, Left, Out, Panel, Product, Steps},
};

/// y\[v, b\] = x\[b\] ∗ w\[v\]. Each number is one running sum over a filter's taps.
pub(in super::super) fn convolve<T: Element>(arch: Arch, g: &Geometry, x: &[T], w: &[T], out: &mut [T]) {
    let plan = Plan::new(g);
    let images = interleave_images(arch, &plan, x);
    let samples = x.len() / g.image();
    let widths = Widths::new::<T>(arch);
    let step = widths.whole(samples);
    let taps: Vec<usize> = plan.taps.iter().map(|tap| tap * step).collect();
    let mut outputs = zeros(plan.positions.len() * g.out_channels * step);
    for (w, out) in w.chunks(g.weight()).zip(out.chunks_mut((samples * g.out_image()).max(1))) {
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
                    arch.dispatch(Product {
                        depth: g.patch(),
                        left,
                        panel: Panel { data, steps: Steps::Table(&taps), width },
                        out: Out {
                            data: &mut out[group * plan.out_channels() * step + column..],
                            steps: Steps::Even(step),
                            accumulate: false,
                        },
                    });
                }
            }
        });
        separate_outputs(arch, &plan, &outputs, out);
    }
}
