//! Images in channels-last layout, and their tiles.

use pulp::{Simd, bytemuck::Zeroable};

use super::transform::Square;
use crate::kernels::{simd::Lanes, transpose::transpose_with};

/// Images \[height, width, channels\], one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelsLast {
    pub height: usize,
    pub width: usize,
    /// A multiple of the lanes.
    pub channels: usize,
}

/// The sizes of an image \[channels, height, width\].
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

    /// Converts an image \[channels, height, width\] to channels-last; its first pixel goes to row
    /// and column `offset` of `to`.
    #[inline(always)]
    pub fn take<T: Lanes, S: Simd>(&self, simd: S, from: &[T], planes: Planes, to: &mut [T], offset: usize) {
        let Planes { channels, height, width } = planes;
        let (plane, first) = (height * width, offset * (self.row() + self.channels));
        transpose_with(
            simd,
            [channels, plane],
            from,
            #[inline(always)]
            |channel| channel * plane,
            #[inline(always)]
            |channel, position, channels| {
                let start = first + self.start(position, width) + channel;
                to[start..][..channels.len()].copy_from_slice(channels);
            },
        );
    }

    /// Converts the upper left corner of a channels-last image to an image \[channels, height,
    /// width\].
    #[inline(always)]
    pub fn put<T: Lanes, S: Simd>(&self, simd: S, from: &[T], to: &mut [T], planes: Planes) {
        let Planes { channels, height, width } = planes;
        let plane = height * width;
        transpose_with(
            simd,
            [plane, channels],
            from,
            #[inline(always)]
            |position| self.start(position, width),
            #[inline(always)]
            |position, channel, pixels| {
                to[channel * plane + position..][..pixels.len()].copy_from_slice(pixels);
            },
        );
    }

    /// The offset of the pixel at `position` of a plane of this width.
    #[inline(always)]
    fn start(&self, position: usize, width: usize) -> usize {
        position / width * self.row() + position % width * self.channels
    }

    /// Calls `f(start, number)` for each tile of `images` images; tiles start two pixels apart.
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
        let mut pixels = [[T::Vector::<S>::zeroed(); N]; N];
        for (i, pixels) in pixels.iter_mut().enumerate() {
            let row = &data[start + i * self.row()..];
            for (j, pixel) in pixels.iter_mut().enumerate() {
                *pixel = T::vectors::<S>(&row[j * self.channels..][..lanes]).0[0];
            }
        }
        pixels
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
        for (i, row) in pixels.iter().enumerate() {
            let data = &mut data[start + i * self.row()..];
            for (j, pixel) in row.iter().enumerate() {
                T::vectors_mut::<S>(&mut data[j * self.channels..][..lanes]).0[0] = *pixel;
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
    let mut points = [[T::Vector::<S>::zeroed(); 4]; 4];
    for (point, vector) in points.as_flattened_mut().iter_mut().enumerate() {
        *vector = T::vectors::<S>(&data[start + point * plane..][..lanes]).0[0];
    }
    points
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
    for (point, vector) in points.as_flattened().iter().enumerate() {
        T::vectors_mut::<S>(&mut data[start + point * plane..][..lanes]).0[0] = *vector;
    }
}
