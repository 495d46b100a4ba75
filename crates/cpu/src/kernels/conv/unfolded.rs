//! Convolutions of any kind, as matrix products with the unfolded patches (im2col) of a block of
//! samples.
//!
//! The patches of a block fit into a core's cache, so that unfolding causes no memory traffic.
//! Blocks run in parallel.

use rayon::prelude::*;

use super::Geometry;
use crate::kernels::{
    Element,
    gemm::{Matrix, gemm},
};

impl Geometry {
    /// The range of outputs o with `o·stride + k·dilation − padding` in `0..size`, and the input
    /// position of the first.
    fn overlap(&self, k: usize, size: usize, out_size: usize) -> (std::ops::Range<usize>, usize) {
        let shift = k * self.dilation;
        let first = self.padding.saturating_sub(shift).div_ceil(self.stride);
        let end = (size + self.padding).saturating_sub(shift).div_ceil(self.stride).min(out_size);
        let first = first.min(end);
        (first..end, (first * self.stride + shift).saturating_sub(self.padding))
    }

    /// Calls `f(row of the patch matrix, first output position, first input position, length)` for
    /// each run of outputs of one row whose tap lies inside the image; consecutive outputs read
    /// inputs `stride` apart.
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

    /// The number of samples whose patches fit into a core's cache together; one product handles
    /// them all.
    fn block<T>(&self) -> usize {
        const CACHE: usize = 1 << 19;
        (CACHE / (self.patch() * self.positions() * size_of::<T>()).max(1)).clamp(1, 16)
    }

    /// Writes the patches of one group's image into the columns `place.offset ..` of a matrix
    /// [C/groups·kH·kW, `place.columns`]. Elements in the padding are not written and must be zero
    /// already.
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

/// The position of one sample's columns in a matrix of `columns` columns.
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
        // Blocks of the same size write the same elements, so the zeros of the padding persist.
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

/// y\[v, b\] = x\[b\] ∗ w\[v\].
pub(super) fn convolve<T: Element>(g: &Geometry, x: &[T], w: &[T], out: &mut [T]) {
    let (samples, vectors) = (x.len() / g.image(), w.len() / g.weight());
    let block = g.block::<T>();
    // For each block of samples, one list of output images per filter.
    let mut blocks: Vec<Vec<Vec<&mut [T]>>> = Vec::new();
    blocks.resize_with(samples.div_ceil(block), || (0..vectors).map(|_| Vec::new()).collect());
    for (i, out) in out.chunks_mut(g.out_image()).enumerate() {
        blocks[i % samples / block][i / samples].push(out);
    }
    let jobs = blocks.into_par_iter().zip(x.par_chunks(block * g.image()));
    jobs.for_each_init(Scratch::new, |scratch, (outs, x)| forward_block(g, x, w, outs, scratch));
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

/// The transpose with respect to x: x\[b\] = Σ wᵀ y\[b\].
pub(super) fn input_transpose<T: Element>(g: &Geometry, y: &[T], w: &[T], out: &mut [T]) {
    let block = g.block::<T>();
    let images = out.par_chunks_mut(block * g.image()).zip(y.par_chunks(block * g.out_image()));
    images.for_each_init(Scratch::new, |scratch, (out, y)| input_transpose_block(g, y, w, out, scratch));
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
    out.fill(T::zero());
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
