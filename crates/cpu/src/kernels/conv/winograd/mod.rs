//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin & Gray 2016),
//! and both their transposes.
//!
//! With tiles of 4×4 pixels d that overlap by two, filters g and tiles of 2×2 outputs e, the
//! trilinear form of the convolution is ⟨e, g ∗ d⟩ = Σ (A e Aᵀ) ∘ (G g Gᵀ) ∘ (Bᵀ d B) over the 16
//! points of a tile: one matrix product over channels a point, with 16 multiplications instead of 36.
//! Leaving out e, d or g gives the convolution and its transposes. The transpose in the input is
//! itself a convolution, with the filters turned round.
//!
//! Tiles are transformed with their channels side by side.

mod convolve;
mod filters;
mod layout;
mod transform;
mod weights;

pub(super) use self::{
    convolve::{Term, convolve},
    filters::{Filters, Role},
    weights::weight_transpose,
};
use super::Geometry;

/// Points of a transformed tile.
const POINTS: usize = 16;

/// Bytes that the transformed tiles of one task may take: a share of a core's caches.
const SCRATCH: usize = 8 << 20;

/// Tiles that are worth one task: enough for the products over channels to run at full speed.
const TILES: usize = 256;

/// The sizes of a convolution from \[inner, height, width\] to \[outer, out height, out width\].
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    pub inner: usize,
    pub outer: usize,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub padding: usize,
}

impl Sides {
    /// Those of a convolution, where it is of this kind and has channels enough for the transforms
    /// to pay.
    pub fn new(g: &Geometry) -> Option<Self> {
        const FEWEST: usize = 12;
        let fits = g.kernel == (3, 3) && (g.stride, g.dilation, g.groups) == (1, 1, 1) && g.padding <= 2;
        let pays = g.channels.min(g.out_channels) >= FEWEST && g.positions() > 0;
        (fits && pays).then_some(Self {
            inner: g.channels,
            outer: g.out_channels,
            height: g.height,
            width: g.width,
            out_height: g.out_height,
            out_width: g.out_width,
            padding: g.padding,
        })
    }

    /// Those of the transpose in the input.
    pub fn transposed(self) -> Self {
        Self {
            inner: self.outer,
            outer: self.inner,
            height: self.out_height,
            width: self.out_width,
            out_height: self.height,
            out_width: self.width,
            padding: 2 - self.padding,
        }
    }

    fn image(&self) -> usize {
        self.inner * self.height * self.width
    }

    fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    fn out_image(&self) -> usize {
        self.outer * self.positions()
    }

    /// Rows and columns of tiles.
    fn grid(&self) -> [usize; 2] {
        [self.out_height.div_ceil(2), self.out_width.div_ceil(2)]
    }

    /// Tiles of an image.
    fn tiles(&self) -> usize {
        self.grid().iter().product()
    }

    /// How many images one task transforms at a time: `channels` numbers a point of a tile, all
    /// sides together.
    fn images<T>(&self, channels: usize) -> usize {
        let fit = SCRATCH / (POINTS * channels * size_of::<T>());
        (TILES.min(fit) / self.tiles()).max(1)
    }
}

#[cfg(test)]
mod tests;
