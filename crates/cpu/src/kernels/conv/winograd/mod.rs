//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin & Gray 2016),
//! and both their transposes.
//!
//! With tiles of 4×4 pixels d that overlap by two, filters g and tiles of 2×2 outputs e, the
//! trilinear form of the convolution is ⟨e, g ∗ d⟩ = Σ (A e Aᵀ) ∘ (G g Gᵀ) ∘ (Bᵀ d B) over the 16
//! points of a tile: one matrix product over channels per point, with 16 instead of 36
//! multiplications. Its gradients with respect to e, d and g are the convolution and its
//! transposes. The transpose with respect to the input is itself a convolution, with the filters
//! rotated by 180°.
//!
//! Tiles are transformed in channels-last layout.

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
use super::{Geometry, limits::POINTS};

/// The most bytes of transformed tiles per task: a share of a core's caches.
const SCRATCH: usize = 8 << 20;

/// Tiles per task: enough for the products over channels to run at full speed.
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
    /// The sizes of a convolution that the transforms support and accelerate, which needs enough
    /// channels; `None` for any other.
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

    /// The sizes of the transpose with respect to the input.
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

    /// The number of images that one task transforms at a time. `channels` counts the channels of
    /// all transformed arrays together.
    fn images<T>(&self, channels: usize) -> usize {
        let fit = SCRATCH / (POINTS * channels * size_of::<T>());
        (TILES.min(fit) / self.tiles()).max(1)
    }
}

#[cfg(test)]
mod tests;
