//! Two-dimensional convolution and its two transposes: unfolded patches of a block of samples, then a matrix product.
//!
//! A block is as large as its patches fit into a core's cache, so that unfolding costs no memory traffic; blocks run in
//! parallel.

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

    /// Samples whose patches together stay in a core's own cache: one product then serves them all.
    fn block<T>(&self) -> usize {
        const CACHE: usize = 1 << 19;
        (CACHE / (self.patch() * self.positions() * size_of::<T>()).max(1)).clamp(1, 16)
    }

    /// Writes the patches of one group's image into the columns `place.offset ..` of a matrix [C/groups·kH·kW, `place.columns`].
    /// What the padding leaves out must be zero already.
    fn unfold<T: Element>(&self, image: &[T], patches: &mut [T], place: Columns) {
        self.for_runs(|row, output, input, len| {
            let out = &mut patches[row * place.columns + place.offset + output..][..len];
            if self.stride == 1 {
                out.copy_from_slice(&image[input..input + len]);
            } else {
                let image = image[input..].iter().step_by(self.stride);
                out.iter_mut().zip(image).for_each(|(out, x)| *out = *x);
            }
        });
    }

    /// The transpose of [`Self::unfold`]: adds patches back onto the image.
    fn fold<T: Element>(&self, patches: &[T], image: &mut [T], place: Columns) {
        self.for_runs(|row, output, input, len| {
            let patches = &patches[row * place.columns + place.offset + output..][..len];
            let image = image[input..].iter_mut().step_by(self.stride);
            image.zip(patches).for_each(|(image, x)| *image += *x);
        });
    }

    /// The rows of one group of an output image, each of `positions` elements.
    fn out_rows<'a, T>(&self, image: &'a [T], group: usize) -> std::slice::Chunks<'a, T> {
        image[group * self.group_out()..][..self.group_out()].chunks(self.positions())
    }
}

/// Where one sample's columns stand in a matrix of `columns` columns.
#[derive(Debug, Clone, Copy)]
struct Columns {
    columns: usize,
    offset: usize,
}

/// Scratch memory of one thread.
#[derive(Debug)]
struct Scratch<T> {
    patches: Vec<T>,
    outputs: Vec<T>,
}

impl<T: Element> Scratch<T> {
    fn new() -> Self {
        Self { patches: Vec::new(), outputs: Vec::new() }
    }

    /// The patches [C/groups·kH·kW, B·oH·oW] of one group of a block of B images.
    fn unfold<'a>(&mut self, g: &Geometry, group: usize, images: impl ExactSizeIterator<Item = &'a [T]>) {
        let columns = images.len() * g.positions();
        // Every block of one size writes the same places, so that what the padding leaves at zero stays zero.
        if self.patches.len() != g.patch() * columns {
            self.patches.clear();
            self.patches.resize(g.patch() * columns, T::zero());
        }
        for (b, image) in images.enumerate() {
            let image = &image[group * g.group_image()..][..g.group_image()];
            g.unfold(image, &mut self.patches, Columns { columns, offset: b * g.positions() });
        }
    }

    /// The rows [O/groups, B·oH·oW] of one group of a block of B output images.
    fn gather_outputs<'a>(
        &mut self,
        g: &Geometry,
        group: usize,
        outs: impl ExactSizeIterator<Item = &'a [T]>,
    ) {
        let columns = outs.len() * g.positions();
        self.outputs.resize(g.out_channels / g.groups * columns, T::zero());
        for (b, out) in outs.enumerate() {
            for (row, out) in g.out_rows(out, group).enumerate() {
                self.outputs[row * columns + b * g.positions()..][..g.positions()].copy_from_slice(out);
            }
        }
    }

    /// The transpose of [`Self::gather_outputs`]: writes the rows back to a block of output images.
    fn spread_outputs(&self, g: &Geometry, group: usize, outs: &mut [&mut [T]]) {
        let columns = outs.len() * g.positions();
        for (b, out) in outs.iter_mut().enumerate() {
            let out = &mut out[group * g.group_out()..][..g.group_out()];
            for (row, out) in out.chunks_mut(g.positions()).enumerate() {
                out.copy_from_slice(&self.outputs[row * columns + b * g.positions()..][..g.positions()]);
            }
        }
    }
}

/// y\[v, b\] = x\[b\] ∗ w\[v\] for x \[B, C, H, W\] and w \[V, O, C/groups, kH, kW\]: \[V, B, O, oH, oW\].
pub(crate) fn conv2d(x: &Tensor, w: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let g = *geometry;
    let (samples, vectors) = (x.elem_count() / g.image(), w.elem_count() / g.weight());
    dispatch!(x, T => {
        let mut out = vec![T::zero(); vectors * samples * g.out_image()];
        let block = g.block::<T>();
        with_slice::<T, _>(x, |x| with_slice::<T, _>(w, |w| {
            // For each block of samples its output images, one list a weight.
            let mut blocks: Vec<Vec<Vec<&mut [T]>>> = Vec::new();
            blocks.resize_with(samples.div_ceil(block), || (0..vectors).map(|_| Vec::new()).collect());
            for (i, out) in out.chunks_mut(g.out_image()).enumerate() {
                blocks[i % samples / block][i / samples].push(out);
            }
            let jobs = blocks.into_par_iter().zip(x.par_chunks(block * g.image()));
            jobs.for_each_init(Scratch::new, |scratch, (outs, x)| forward_block(&g, x, w, outs, scratch));
            Ok(())
        }))?;
        let dims = (vectors, samples, g.out_channels, g.out_height, g.out_width);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

fn forward_block<T: Element>(
    g: &Geometry,
    x: &[T],
    w: &[T],
    mut outs: Vec<Vec<&mut [T]>>,
    scratch: &mut Scratch<T>,
) {
    let rows = g.out_channels / g.groups;
    let columns = x.len() / g.image() * g.positions();
    for group in 0..g.groups {
        scratch.unfold(g, group, x.chunks(g.image()));
        for (outs, w) in outs.iter_mut().zip(w.chunks(g.weight())) {
            let w = Matrix::row_major(&w[group * g.group_weight()..][..g.group_weight()], rows, g.patch());
            let patches = Matrix::row_major(&scratch.patches, g.patch(), columns);
            if let [out] = outs.as_mut_slice() {
                gemm(&mut out[group * g.group_out()..][..g.group_out()], w, patches, false, false);
            } else {
                scratch.outputs.resize(rows * columns, T::zero());
                gemm(&mut scratch.outputs, w, patches, false, false);
                scratch.spread_outputs(g, group, outs);
            }
        }
    }
}

/// The transpose in x: x\[l, b\] = Σ w\[l\]ᵀ y\[l, b\] for y \[L, B, O, oH, oW\] and w \[L, O, C/groups, kH, kW\], either L being
/// 1 (repeated): \[L, B, C, H, W\].
pub(crate) fn conv2d_input_transpose(y: &Tensor, w: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let g = *geometry;
    let (y_lead, w_lead, samples) = (y.dims()[0], w.dims()[0], y.dims()[1]);
    let lead = y_lead.max(w_lead);
    dispatch!(y, T => {
        let mut out = vec![T::zero(); lead * samples * g.image()];
        let block = g.block::<T>();
        with_slice::<T, _>(y, |y| with_slice::<T, _>(w, |w| {
            let images = out.par_chunks_mut((samples * g.image()).max(1)).enumerate().flat_map(|(l, out)| {
                out.par_chunks_mut(block * g.image()).enumerate().map(move |(i, out)| (l, i, out))
            });
            images.for_each_init(Scratch::new, |scratch, (l, i, out)| {
                let first = l % y_lead * samples + i * block;
                let y = &y[first * g.out_image()..][..out.len() / g.image() * g.out_image()];
                let w = &w[l % w_lead * g.weight()..][..g.weight()];
                input_transpose_block(&g, y, w, out, scratch);
            });
            Ok(())
        }))?;
        let dims = (lead, samples, g.channels, g.height, g.width);
        Ok(Tensor::from_vec(out, dims, y.device())?)
    })
}

fn input_transpose_block<T: Element>(
    g: &Geometry,
    y: &[T],
    w: &[T],
    out: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let rows = g.out_channels / g.groups;
    let columns = y.len() / g.out_image() * g.positions();
    for group in 0..g.groups {
        scratch.gather_outputs(g, group, y.chunks(g.out_image()));
        scratch.patches.resize(g.patch() * columns, T::zero());
        let w = Matrix::row_major(&w[group * g.group_weight()..][..g.group_weight()], rows, g.patch());
        let y = Matrix::row_major(&scratch.outputs, rows, columns);
        gemm(&mut scratch.patches, w.t(), y, false, false);
        for (b, out) in out.chunks_mut(g.image()).enumerate() {
            let image = &mut out[group * g.group_image()..][..g.group_image()];
            g.fold(&scratch.patches, image, Columns { columns, offset: b * g.positions() });
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
            let images = |l: usize| &x[l % x_lead * samples * g.image()..][..samples * g.image()];
            let cotangents = |l: usize| &y[l % y_lead * samples * g.out_image()..][..samples * g.out_image()];
            if x_lead > 1 {
                Ok(weights_one_by_one(&g, lead, images, cotangents))
            } else {
                let cotangents: Vec<&[T]> = (0..lead).map(cotangents).collect();
                Ok(weights_together(&g, samples, x, &cotangents))
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
    images: impl Fn(usize) -> &'a [T] + Sync,
    cotangents: impl Fn(usize) -> &'a [T] + Sync,
) -> Vec<T> {
    let mut out = vec![T::zero(); lead * g.weight()];
    out.par_chunks_mut(g.weight()).enumerate().for_each_init(Scratch::new, |scratch, (l, out)| {
        add_weights(g, images(l), &[cotangents(l)], out, scratch);
    });
    out
}

/// All weights from the same images, whose patches are unfolded once; a fixed number of partial sums in parallel.
fn weights_together<T: Element>(g: &Geometry, samples: usize, x: &[T], cotangents: &[&[T]]) -> Vec<T> {
    // The split depends on the sizes only, so that the sum rounds alike for any number of threads.
    const PARTIAL_ELEMENTS: usize = 1 << 24;
    let weights = cotangents.len() * g.weight();
    let parts = (PARTIAL_ELEMENTS / weights.max(1)).clamp(2, 8).min(samples.max(1));
    let partial = |part: usize| {
        let samples = part * samples / parts..(part + 1) * samples / parts;
        let images = &x[samples.start * g.image()..samples.end * g.image()];
        let outputs = samples.start * g.out_image()..samples.end * g.out_image();
        let cotangents: Vec<&[T]> = cotangents.iter().map(|y| &y[outputs.clone()]).collect();
        let mut out = vec![T::zero(); weights];
        add_weights(g, images, &cotangents, &mut out, &mut Scratch::new());
        out
    };
    let partials: Vec<Vec<T>> = (0..parts).into_par_iter().map(partial).collect();
    let sum = |mut total: Vec<T>, partial: Vec<T>| {
        total.iter_mut().zip(partial).for_each(|(total, x)| *total += x);
        total
    };
    partials.into_iter().reduce(sum).unwrap_or_default()
}

/// Adds Σ_b y\[l, b\] x\[b\]ᵀ onto the l-th weight of `out`, for each cotangent y\[l\], a block of samples at a time.
fn add_weights<T: Element>(
    g: &Geometry,
    x: &[T],
    cotangents: &[&[T]],
    out: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let (block, rows) = (g.block::<T>(), g.out_channels / g.groups);
    for (i, x) in x.chunks(block * g.image()).enumerate() {
        let samples = x.len() / g.image();
        let columns = samples * g.positions();
        for group in 0..g.groups {
            scratch.unfold(g, group, x.chunks(g.image()));
            for (out, y) in out.chunks_mut(g.weight()).zip(cotangents) {
                let y = &y[i * block * g.out_image()..][..samples * g.out_image()];
                scratch.gather_outputs(g, group, y.chunks(g.out_image()));
                let y = Matrix::row_major(&scratch.outputs, rows, columns);
                let patches = Matrix::row_major(&scratch.patches, g.patch(), columns);
                let out = &mut out[group * g.group_weight()..][..g.group_weight()];
                gemm(out, y, patches.t(), true, false);
            }
        }
    }
}
