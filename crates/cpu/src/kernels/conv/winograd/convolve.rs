//! The convolution, which also serves as the transpose with respect to the input.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::{current_num_threads, prelude::*};

use super::{
    Filters, POINTS, Sides,
    layout::{ChannelsLast, Planes, load_points, store_points, whole_vectors},
    transform,
};
use crate::kernels::{
    Element,
    panel::{Layout, Left, Out, Panel, Product, Steps},
    scratch::{sized, with_buffers, zeroed},
};

/// One term of a sum of convolutions: images and filters.
pub(in super::super) struct Term<'a, 'w, T> {
    /// \[B, inner, height, width\].
    pub images: &'a [T],
    /// V filters.
    pub filters: Vec<Filters<'w, T>>,
}

/// y\[v, b\] = Σ x\[b\] ∗ w\[v\] over `terms`, which all have the same numbers of images and of
/// filters: `out` \[V, B, outer, ...\].
///
/// The sum over inner channels is taken by `panel`, in an order that does not depend on the
/// distribution of work.
pub(in super::super) fn convolve<T: Element>(
    arch: Arch,
    sides: &Sides,
    terms: &[Term<'_, '_, T>],
    out: &mut [T],
) {
    let Some((images_of_all, first)) =
        terms.first().and_then(|term| Some((term.images, term.filters.first()?)))
    else {
        return;
    };
    let samples = images_of_all.len() / sides.image();
    let (panels, width) = (sides.outer.div_ceil(first.width()), first.width());
    let groups = samples.div_ceil(sides.images::<T>(sides.inner + sides.outer)).max(1);
    let images = samples.div_ceil(groups).max(1);
    // If there are few tiles, the outer channels are distributed over tasks, too; each of these
    // tasks transforms the tiles again.
    let shares = (2 * current_num_threads()).div_ceil(groups).min(panels);
    let panels_a_share = panels.div_ceil(shares);
    let shares = panels.div_ceil(panels_a_share);
    let mut tasks: Vec<Vec<&mut [T]>> = Vec::new();
    tasks.resize_with(samples.div_ceil(images) * shares, Vec::new);
    for out in out.chunks_mut((samples * sides.out_image()).max(1)) {
        for (b, image) in out.chunks_mut(sides.out_image()).enumerate() {
            let parts = image.chunks_mut(panels_a_share * width * sides.positions());
            parts.enumerate().for_each(|(share, part)| tasks[b / images * shares + share].push(part));
        }
    }
    tasks.into_par_iter().enumerate().for_each(|(task, outs)| {
        let (group, share) = (task / shares, task % shares);
        let start = group * images;
        let images = start..samples.min(start + images);
        let first_panel = share * panels_a_share;
        with_buffers(|scratch| arch.dispatch(Task { sides, terms, images, first_panel, outs, scratch }));
    });
}

/// A task: some images with some outer channels.
struct Task<'a, 'b, T> {
    sides: &'a Sides,
    terms: &'a [Term<'a, 'a, T>],
    images: Range<usize>,
    first_panel: usize,
    /// The task's outer channels, for each filter and image.
    outs: Vec<&'a mut [T]>,
    /// Padded images, transformed tiles, their products, channels-last outputs.
    scratch: &'b mut [Vec<T>; 4],
}

impl<T: Element> WithSimd for Task<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Some(first) = self.outs.first() else { return };
        let (images, terms) = (self.images.len(), self.terms);
        let channels = first.len() / self.sides.positions();
        let width = whole_vectors::<T, S>(channels);
        for v in 0..self.outs.len() / images {
            for (i, term) in terms.iter().enumerate() {
                // With a single term, the transformed tiles serve all filters.
                if v == 0 || terms.len() > 1 {
                    self.transform_tiles(simd, term.images);
                }
                self.multiply(simd, &term.filters[v], images * self.sides.tiles(), width, i > 0);
            }
            self.transform_products(simd, v, images, channels, width);
        }
    }
}

impl<T: Element> Task<'_, '_, T> {
    /// Computes Bᵀ d B of every tile: \[point, tile, inner\].
    #[inline(always)]
    fn transform_tiles<S: Simd>(&mut self, simd: S, x: &[T]) {
        let [padded, tiles, ..] = &mut *self.scratch;
        let x = &x[self.images.start * self.sides.image()..self.images.end * self.sides.image()];
        transform_tiles(simd, self.sides, x, self.images.len(), padded, tiles);
    }

    /// Computes one product per point: \[point, tile, width\].
    #[inline(always)]
    fn multiply<S: Simd>(
        &mut self,
        simd: S,
        filters: &Filters<'_, T>,
        tiles: usize,
        width: usize,
        accumulate: bool,
    ) {
        let depth = whole_vectors::<T, S>(self.sides.inner);
        let [_, transformed, products, _] = &mut *self.scratch;
        let products = sized(products, POINTS * tiles * width);
        for (i, column) in (0..width).step_by(filters.width()).enumerate() {
            for point in 0..POINTS {
                let data = &transformed[point * tiles * depth..][..tiles * depth];
                Product {
                    depth: self.sides.inner,
                    left: Left { data, rows: tiles, layout: Layout::Rows(depth) },
                    panel: Panel {
                        data: filters.panel(self.first_panel + i, point),
                        steps: Steps::Even(filters.width()),
                        width: filters.width().min(width - column),
                    },
                    out: Out {
                        data: &mut products[point * tiles * width + column..],
                        steps: Steps::Even(width),
                        accumulate,
                    },
                }
                .run_with(simd);
            }
        }
    }

    /// Computes Aᵀ m A of every product m, and writes it to the images of one filter.
    #[inline(always)]
    fn transform_products<S: Simd>(
        &mut self,
        simd: S,
        v: usize,
        images: usize,
        channels: usize,
        width: usize,
    ) {
        let [.., products, outputs] = &mut *self.scratch;
        let [rows, columns] = self.sides.grid();
        let plane = images * rows * columns * width;
        let last = ChannelsLast { height: 2 * rows, width: 2 * columns, channels: width };
        let outputs = sized(outputs, images * last.image());
        last.for_tiles(
            images,
            [rows, columns],
            #[inline(always)]
            |start, tile| {
                for channel in (0..width).step_by(T::lanes::<S>()) {
                    let points = load_points::<T, S>(products, tile * width + channel, plane);
                    let pixels = transform::outputs_transpose::<T, S>(simd, points);
                    last.store::<T, S, 2>(outputs, start + channel, pixels);
                }
            },
        );
        let planes = Planes { channels, height: self.sides.out_height, width: self.sides.out_width };
        for (out, from) in self.outs[v * images..].iter_mut().zip(outputs.chunks_exact(last.image())) {
            last.put(simd, from, out, planes);
        }
    }
}

/// Computes Bᵀ d B of every tile of some images, in channels-last layout with the channels padded
/// with zeros: \[point, tile, inner\].
#[inline(always)]
pub(super) fn transform_tiles<T: Element, S: Simd>(
    simd: S,
    sides: &Sides,
    x: &[T],
    images: usize,
    padded: &mut Vec<T>,
    tiles: &mut Vec<T>,
) {
    let ([rows, columns], channels) = (sides.grid(), whole_vectors::<T, S>(sides.inner));
    let last = ChannelsLast { height: 2 * rows + 2, width: 2 * columns + 2, channels };
    let padded = zeroed(padded, images * last.image());
    let planes = Planes { channels: sides.inner, height: sides.height, width: sides.width };
    for (x, padded) in x.chunks_exact(sides.image()).zip(padded.chunks_exact_mut(last.image())) {
        last.take(simd, x, planes, padded, sides.padding);
    }
    let plane = images * rows * columns * channels;
    let tiles = sized(tiles, POINTS * plane);
    last.for_tiles(
        images,
        [rows, columns],
        #[inline(always)]
        |start, tile| {
            for channel in (0..channels).step_by(T::lanes::<S>()) {
                let pixels = last.load::<T, S, 4>(padded, start + channel);
                let points = transform::pixels::<T, S>(simd, pixels);
                store_points::<T, S>(tiles, tile * channels + channel, plane, points);
            }
        },
    );
}
