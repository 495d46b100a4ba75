//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(m×m, 3×3) (Lavin & Gray 2016),
//! and both their transposes.
//!
//! With tiles of (m+2)² pixels d that overlap by two, filters g and tiles of m² outputs e, the
//! trilinear form of the convolution is ⟨e, g ∗ d⟩ = Σ (A e Aᵀ) ∘ (G g Gᵀ) ∘ (Bᵀ d B) over the
//! (m+2)² points of a tile. Its gradients with respect to e and g are the convolution and the
//! cotangent of its weight: one matrix product per point, between transforms. The cotangent of the
//! input is itself a convolution, with the filters rotated by 180°.
//!
//! m = 4 takes 36 multiplications per 16 outputs where patches take 144, and m = 2 takes 16 per 4
//! outputs; patches also move more memory, nine numbers per pixel instead of (m+2)²/m².
//!
//! Several vectors at once: if one operand of a term has the leading axis, the axis multiplies the
//! rows or the columns of the products; if both have it, there are products for each of its
//! elements.

mod block;
mod sizes;
#[cfg(test)]
mod tests;

use eigenscape_program::operations::{ConvArgument, ConvShapes};

use self::{block::Block, sizes::Sizes};
use super::convolution::{Operand, Work};
use crate::{Result, builder::Builder, command::Place};

/// The side of the largest tile of outputs. In f32, the relative error of a convolution is about
/// 6e-7 with tiles of 4, 2e-7 with tiles of 2, and 1e-7 with patches.
const LARGEST_TILE: usize = 4;

/// The same if products round to TF32: the larger transforms would amplify that rounding fivefold.
const LARGEST_TILE_TF32: usize = 2;

/// The fewest channels on either side: with fewer, the products are small and the transforms, whose
/// work is proportional to the channels, take most of the time.
const FEWEST_CHANNELS: usize = 16;

/// The most points per output. Patches have nine, but need no transforms.
const MOST_POINTS: usize = 6;

/// The fewest positions per set of filters: transformed filters, which are written and read, have
/// (m+2)² instead of nine numbers, and with fewer positions this costs more than the products save.
/// Tests use small images.
const FEWEST_POSITIONS: usize = if cfg!(test) { 1 } else { 256 };

/// The side m of the tiles of outputs, or `None` if the convolution is better computed by patches.
pub(super) fn tile(work: &Work, terms: &[[Operand; 2]], tf32: bool) -> Option<usize> {
    let ConvShapes { x, w, y, settings } = work.shapes;
    let moves = [settings.stride, settings.dilation, settings.groups] == [1, 1, 1] && settings.padding <= 2;
    if !moves || w[2..] != [3, 3] || w[0].min(w[1]) < FEWEST_CHANNELS {
        return None;
    }
    let [samples, _, rows, columns] = if work.of == ConvArgument::X { *x } else { *y };
    let shared = work.of != ConvArgument::W && terms.iter().all(|[_, filters]| filters.step == 0);
    if samples * rows * columns * if shared { work.lead } else { 1 } < FEWEST_POSITIONS {
        return None;
    }
    // The points per output are the multiplications per pair of channels and the numbers that are
    // stored per channel. They depend on how much of the tiles is outside of the image, so that the
    // sizes decide which m is better. Of equal sides, the smaller one is more accurate.
    let points = |tile: usize| (tile + 2).pow(2) * rows.div_ceil(tile) * columns.div_ceil(tile);
    let largest = if tf32 { LARGEST_TILE_TF32 } else { LARGEST_TILE };
    let tile = [2, 4].into_iter().filter(|tile| *tile <= largest).min_by_key(|tile| points(*tile))?;
    (points(tile) <= MOST_POINTS * rows * columns).then_some(tile)
}

/// Emits the sum over `terms`, each of two operands.
pub(super) fn emit(
    builder: &mut Builder,
    work: &Work,
    tile: usize,
    terms: &[[Operand; 2]],
    result: Operand,
) -> Result<()> {
    let sizes = Sizes::new(work, tile, terms);
    let scratch = Scratch::new(builder, &sizes, terms);
    for start in (0..work.lead).step_by(sizes.vectors) {
        let vectors = sizes.vectors.min(work.lead - start);
        let from = |operand: Operand| operand.from(start * operand.step * work.dtype.size_in_bytes());
        let terms: Vec<[Operand; 2]> = terms.iter().map(|term| term.map(from)).collect();
        let block = Block { sizes: &sizes, scratch: &scratch, vectors, terms: &terms, result: from(result) };
        block.emit(builder)?;
    }
    Ok(())
}

/// The scratch memory of a step.
struct Scratch {
    /// Transformed images.
    images: Place,
    /// Transformed outputs, or their cotangents.
    outputs: Place,
    /// For the cotangent of the weight: its transformed sums.
    sums: Place,
    /// The transformed filters of each term.
    filters: Vec<Place>,
}

impl Scratch {
    fn new(builder: &mut Builder, sizes: &Sizes, terms: &[[Operand; 2]]) -> Self {
        let mut of = |elements| builder.scratch(elements, sizes.dtype);
        Self {
            images: of(sizes.images()),
            outputs: of(sizes.outputs()),
            sums: of(sizes.sums()),
            filters: terms.iter().map(|term| of(sizes.filters(term))).collect(),
        }
    }
}
