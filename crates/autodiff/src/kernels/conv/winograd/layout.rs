//! Images with their channels side by side, and the tiles in them.

use std::array::from_fn;

use pulp::Simd;

use super::transform::Square;
use crate::kernels::{simd::Lanes, transpose::transpose};

/// Images \[height, width, channels\], one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelsLast {
    pub height: usize,
    pub width: usize,
    /// A multiple of the lanes.
    pub channels: usize,
}

/// Where a row of pixels \[channels, width\] comes from or goes to: channels lie `plane` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// The number of channels, rounded up to whole vectors.
pub(super) fn whole_vectors<T: Lanes, S: Simd>(channels: usize) -> usize {
    channels.next_multiple_of(T::lanes::<S>())
}

impl ChannelsLast {
    pub fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Writes an image \[channels, height, width\] into one of these, `offset` pixels from the upper left corner.
    #[inline(always)]
    pub fn take<T: Lanes + Default>(&self, from: &[T], planes: Planes, to: &mut [T], offset: usize) {
        let Planes { channels, height, width } = planes;
        for y in 0..height {
            let to = &mut to[(y + offset) * self.row() + offset * self.channels..];
            transpose([channels, width], &from[y * width..], height * width, to, self.channels);
        }
    }

    /// Writes the upper left corner of one of these images to an image \[channels, height, width\].
    #[inline(always)]
    pub fn put<T: Lanes + Default>(&self, from: &[T], to: &mut [T], planes: Planes) {
        let Planes { channels, height, width } = planes;
        for y in 0..height {
            let from = &from[y * self.row()..];
            transpose([width, channels], from, self.channels, &mut to[y * width..], height * width);
        }
    }

    /// Calls `f(where a tile starts, its number)` for the tiles of `images` images, each two pixels from the last.
    #[inline(always)]
    pub fn for_tiles(&self, images: usize, [rows, columns]: [usize; 2], mut f: impl FnMut(usize, usize)) {
        let mut tile = 0;
        for image in 0..images {
            for y in 0..rows {
                for x in 0..columns {
                    f(image * self.image() + 2 * y * self.row() + 2 * x * self.channels, tile);
                    tile += 1;
                }
            }
        }
    }

    /// The N×N pixels from `start` on, one vector of channels each.
    #[inline(always)]
    pub fn load<T: Lanes, S: Simd, const N: usize>(
        &self,
        data: &[T],
        start: usize,
    ) -> Square<T::Vector<S>, N> {
        let lanes = T::lanes::<S>();
        from_fn(
            #[inline(always)]
            |i| {
                let row = &data[start + i * self.row()..];
                from_fn(
                    #[inline(always)]
                    |j| T::vectors::<S>(&row[j * self.channels..][..lanes]).0[0],
                )
            },
        )
    }

    /// The inverse of [`Self::load`].
    #[inline(always)]
    pub fn store<T: Lanes, S: Simd, const N: usize>(
        &self,
        data: &mut [T],
        start: usize,
        pixels: Square<T::Vector<S>, N>,
    ) {
        let lanes = T::lanes::<S>();
        for (i, row) in pixels.into_iter().enumerate() {
            let data = &mut data[start + i * self.row()..];
            for (j, pixel) in row.into_iter().enumerate() {
                T::vectors_mut::<S>(&mut data[j * self.channels..][..lanes]).0[0] = pixel;
            }
        }
    }
}

/// The 16 points of transformed tiles, `plane` apart, from `start` on: one vector each.
#[inline(always)]
pub(super) fn load_points<T: Lanes, S: Simd>(
    data: &[T],
    start: usize,
    plane: usize,
) -> Square<T::Vector<S>, 4> {
    let lanes = T::lanes::<S>();
    from_fn(
        #[inline(always)]
        |i| {
            from_fn(
                #[inline(always)]
                |j| T::vectors::<S>(&data[start + (4 * i + j) * plane..][..lanes]).0[0],
            )
        },
    )
}

/// The inverse of [`load_points`].
#[inline(always)]
pub(super) fn store_points<T: Lanes, S: Simd>(
    data: &mut [T],
    start: usize,
    plane: usize,
    points: Square<T::Vector<S>, 4>,
) {
    let lanes = T::lanes::<S>();
    for (i, row) in points.into_iter().enumerate() {
        for (j, point) in row.into_iter().enumerate() {
            T::vectors_mut::<S>(&mut data[start + (4 * i + j) * plane..][..lanes]).0[0] = point;
        }
    }
}
