//! Two-dimensional convolution and its two transposes: unfolded patches of one sample at a time, then a matrix product.
//!
//! Patches of one sample stay in cache, so that unfolding costs no memory traffic; samples run in parallel.

use candle_core::Tensor;
use num_traits::Zero;
use rayon::prelude::*;

use super::{
    Element, dispatch,
    gemm::{Matrix, gemm},
    with_slice,
};
use crate::error::Result;

/// The sizes of a convolution of one sample: \[C, H, W\] with \[O, C/groups, kH, kW\] to \[O, oH, oW\].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub out_channels: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

impl Geometry {
    fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    fn out_image(&self) -> usize {
        self.out_channels * self.positions()
    }

    /// Rows of the patch matrix of one group.
    fn patch(&self) -> usize {
        self.channels / self.groups * self.kernel.0 * self.kernel.1
    }

    fn weight(&self) -> usize {
        self.out_channels * self.patch()
    }

    fn group_image(&self) -> usize {
        self.image() / self.groups
    }

    fn group_out(&self) -> usize {
        self.out_image() / self.groups
    }

    fn group_weight(&self) -> usize {
        self.weight() / self.groups
    }

    /// Whether the patches are the image itself.
    fn is_pointwise(&self) -> bool {
        self.kernel == (1, 1) && self.stride == 1 && self.padding == 0
    }

    /// The outputs o with `o·stride + k·dilation − padding` in `0..size`, and the input position of the first.
    fn overlap(&self, k: usize, size: usize, out_size: usize) -> (std::ops::Range<usize>, usize) {
        let shift = k * self.dilation;
        let first = self.padding.saturating_sub(shift).div_ceil(self.stride);
        let end = (size + self.padding).saturating_sub(shift).div_ceil(self.stride).min(out_size);
        let first = first.min(end);
        (first..end, (first * self.stride + shift).saturating_sub(self.padding))
    }

    /// Calls `f(row of the patch matrix, first output position, first input position, length)` for each run of
    /// outputs of one row that see the image; consecutive outputs see inputs `stride` apart.
    fn for_runs(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let mut row = 0;
        for channel in 0..self.channels / self.groups {
            for ky in 0..self.kernel.0 {
                let (rows, first_y) = self.overlap(ky, self.height, self.out_height);
                for kx in 0..self.kernel.1 {
                    let (columns, first_x) = self.overlap(kx, self.width, self.out_width);
                    let rows = if columns.is_empty() { 0..0 } else { rows.clone() };
                    for (i, oy) in rows.enumerate() {
                        let y = first_y + i * self.stride;
                        let input = (channel * self.height + y) * self.width + first_x;
                        f(row, oy * self.out_width + columns.start, input, columns.len());
                    }
                    row += 1;
                }
            }
        }
    }

    /// The patches \[C/groups·kH·kW, oH·oW\] of one group's image.
    fn unfold<'a, T: Element>(&self, image: &'a [T], buffer: &'a mut Vec<T>) -> &'a [T] {
        if self.is_pointwise() {
            return image;
        }
        // Runs write the same positions for every sample, so that what the padding leaves at zero stays zero.
        buffer.resize(self.patch() * self.positions(), T::zero());
        let positions = self.positions();
        self.for_runs(|row, output, input, len| {
            let out = &mut buffer[row * positions + output..][..len];
            if self.stride == 1 {
                out.copy_from_slice(&image[input..input + len]);
            } else {
                let image = image[input..].iter().step_by(self.stride);
                out.iter_mut().zip(image).for_each(|(out, x)| *out = *x);
            }
        });
        buffer
    }

    /// The transpose of [`Self::unfold`]: adds patches back onto the image.
    fn fold<T: Element>(&self, patches: &[T], image: &mut [T]) {
        let positions = self.positions();
        self.for_runs(|row, output, input, len| {
            let patches = &patches[row * positions + output..][..len];
            let image = image[input..].iter_mut().step_by(self.stride);
            image.zip(patches).for_each(|(image, x)| *image += *x);
        });
    }
}

/// y\[v, b\] = x\[b\] ∗ w\[v\] for x \[B, C, H, W\] and w \[V, O, C/groups, kH, kW\]: \[V, B, O, oH, oW\].
pub(crate) fn conv2d(x: &Tensor, w: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let g = *geometry;
    let (samples, vectors) = (x.elem_count() / g.image(), w.elem_count() / g.weight());
    dispatch!(x, T => {
        let mut out = vec![T::zero(); vectors * samples * g.out_image()];
        with_slice::<T, _>(x, |x| with_slice::<T, _>(w, |w| {
            let mut by_sample: Vec<Vec<&mut [T]>> = (0..samples).map(|_| Vec::with_capacity(vectors)).collect();
            for (i, out) in out.chunks_mut(g.out_image()).enumerate() {
                by_sample[i % samples].push(out);
            }
            let jobs = by_sample.into_par_iter().zip(x.par_chunks(g.image()));
            jobs.for_each_init(Vec::new, |buffer, (outs, x)| forward_sample(&g, x, w, outs, buffer));
            Ok(())
        }))?;
        let dims = (vectors, samples, g.out_channels, g.out_height, g.out_width);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

fn forward_sample<T: Element>(g: &Geometry, x: &[T], w: &[T], mut outs: Vec<&mut [T]>, buffer: &mut Vec<T>) {
    let rows = g.out_channels / g.groups;
    for group in 0..g.groups {
        let patches = g.unfold(&x[group * g.group_image()..][..g.group_image()], buffer);
        let patches = Matrix::row_major(patches, g.patch(), g.positions());
        for (out, w) in outs.iter_mut().zip(w.chunks(g.weight())) {
            let w = Matrix::row_major(&w[group * g.group_weight()..][..g.group_weight()], rows, g.patch());
            gemm(&mut out[group * g.group_out()..][..g.group_out()], w, patches, false, false);
        }
    }
}

/// The transpose in x: x\[l, b\] = Σ w\[l\]ᵀ y\[l, b\] for y \[L, B, O, oH, oW\] and w \[L, O, C/groups, kH, kW\], either L being
/// 1 (repeated): \[L, B, C, H, W\].
pub(crate) fn conv2d_input_transpose(y: &Tensor, w: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let g = *geometry;
    let (y_lead, samples) = (y.dims()[0], y.dims()[1]);
    let w_lead = w.dims()[0];
    let lead = y_lead.max(w_lead);
    dispatch!(y, T => {
        let mut out = vec![T::zero(); lead * samples * g.image()];
        with_slice::<T, _>(y, |y| with_slice::<T, _>(w, |w| {
            out.par_chunks_mut(g.image()).enumerate().for_each_init(Vec::new, |buffer, (i, out)| {
                let y = &y[i % (y_lead * samples) * g.out_image()..][..g.out_image()];
                let w = &w[i / samples % w_lead * g.weight()..][..g.weight()];
                input_transpose_sample(&g, y, w, out, buffer);
            });
            Ok(())
        }))?;
        let dims = (lead, samples, g.channels, g.height, g.width);
        Ok(Tensor::from_vec(out, dims, y.device())?)
    })
}

fn input_transpose_sample<T: Element>(g: &Geometry, y: &[T], w: &[T], out: &mut [T], buffer: &mut Vec<T>) {
    let rows = g.out_channels / g.groups;
    for group in 0..g.groups {
        let y = Matrix::row_major(&y[group * g.group_out()..][..g.group_out()], rows, g.positions());
        let w = Matrix::row_major(&w[group * g.group_weight()..][..g.group_weight()], rows, g.patch());
        let out = &mut out[group * g.group_image()..][..g.group_image()];
        if g.is_pointwise() {
            gemm(out, w.t(), y, false, false);
        } else {
            buffer.resize(g.patch() * g.positions(), T::zero());
            gemm(buffer, w.t(), y, false, false);
            g.fold(buffer, out);
        }
    }
}

/// The transpose in w: w\[l\] = Σ_b y\[l, b\] x\[l, b\]ᵀ for x \[L, B, C, H, W\] and y \[L, B, O, oH, oW\], either L being 1
/// (repeated): \[L, O, C/groups, kH, kW\].
pub(crate) fn conv2d_weight_transpose(x: &Tensor, y: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let g = *geometry;
    let (x_lead, y_lead, samples) = (x.dims()[0], y.dims()[0], x.dims()[1]);
    let lead = x_lead.max(y_lead);
    dispatch!(x, T => {
        let out = with_slice::<T, _>(x, |x| with_slice::<T, _>(y, |y| {
            let image = |l: usize, b: usize| &x[(l % x_lead * samples + b) * g.image()..][..g.image()];
            let cotangent = |l: usize, b: usize| &y[(l % y_lead * samples + b) * g.out_image()..][..g.out_image()];
            if x_lead > 1 {
                Ok(weights_one_by_one(&g, lead, samples, image, cotangent))
            } else {
                Ok(weights_together(&g, lead, samples, |b| image(0, b), cotangent))
            }
        }))?;
        let dims = (lead, g.out_channels, g.channels / g.groups, g.kernel.0, g.kernel.1);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// Each of the `lead` weights by itself, in parallel.
fn weights_one_by_one<'a, T: Element>(
    g: &Geometry,
    lead: usize,
    samples: usize,
    image: impl Fn(usize, usize) -> &'a [T] + Sync,
    cotangent: impl Fn(usize, usize) -> &'a [T] + Sync,
) -> Vec<T> {
    let mut out = vec![T::zero(); lead * g.weight()];
    out.par_chunks_mut(g.weight()).enumerate().for_each_init(Vec::new, |buffer, (l, out)| {
        for b in 0..samples {
            add_weight_sample(g, image(l, b), &std::iter::once(cotangent(l, b)), out, buffer);
        }
    });
    out
}

/// All `lead` weights from the same images, whose patches are unfolded once; a fixed number of partial sums in parallel.
fn weights_together<'a, T: Element>(
    g: &Geometry,
    lead: usize,
    samples: usize,
    image: impl Fn(usize) -> &'a [T] + Sync,
    cotangent: impl Fn(usize, usize) -> &'a [T] + Sync,
) -> Vec<T> {
    // The split depends on the sizes only, so that the sum rounds alike for any number of threads.
    const PARTIAL_ELEMENTS: usize = 1 << 24;
    let parts = (PARTIAL_ELEMENTS / (lead * g.weight()).max(1)).clamp(2, 16).min(samples.max(1));
    let partial = |part: usize| {
        let (mut out, mut buffer) = (vec![T::zero(); lead * g.weight()], Vec::new());
        for b in part * samples / parts..(part + 1) * samples / parts {
            add_weight_sample(g, image(b), &(0..lead).map(|l| cotangent(l, b)), &mut out, &mut buffer);
        }
        out
    };
    let partials: Vec<Vec<T>> = (0..parts).into_par_iter().map(partial).collect();
    let sum = |mut total: Vec<T>, partial: Vec<T>| {
        total.iter_mut().zip(partial).for_each(|(total, x)| *total += x);
        total
    };
    partials.into_iter().reduce(sum).unwrap_or_default()
}

/// Adds y\[l\] xᵀ of one sample onto the l-th weight of `out`, for each cotangent y\[l\].
fn add_weight_sample<'a, T: Element>(
    g: &Geometry,
    x: &[T],
    cotangents: &(impl Iterator<Item = &'a [T]> + Clone),
    out: &mut [T],
    buffer: &mut Vec<T>,
) {
    let rows = g.out_channels / g.groups;
    for group in 0..g.groups {
        let patches = g.unfold(&x[group * g.group_image()..][..g.group_image()], buffer);
        let patches = Matrix::row_major(patches, g.patch(), g.positions());
        for (out, y) in out.chunks_mut(g.weight()).zip(cotangents.clone()) {
            let y = Matrix::row_major(&y[group * g.group_out()..][..g.group_out()], rows, g.positions());
            let out = &mut out[group * g.group_weight()..][..g.group_weight()];
            gemm(out, y, patches.t(), true, false);
        }
    }
}
