//! Convolutions of stride 1 with few channels, and both their transposes, without patches: each
//! thread reads pixels and weights, and adds up the results of a tile in registers. The sum of two
//! convolutions is one pass.
//!
//! The kernels are generated, with all sizes of a sample as literals, so that the compiler unrolls
//! the loops over a tile, keeps it in registers, and leaves out what lies outside of the image.

mod images;
#[cfg(test)]
mod tests;
mod tile;
mod weight;

use eigenscape_program::operations::{ConvArgument, ConvShapes};

use super::convolution::{Operand, Work};
use crate::{Result, builder::Builder};

/// The most channels on either side. A number of a patch is written and read once, which takes as
/// long on a card as about 150 multiplications; it is multiplied once per output, by matrix products
/// at three quarters of the peak rate and by these kernels at about half of it. They are thus faster
/// with less than about 150 outputs, and by a factor with few. With many channels of the image, the
/// sum that each thread computes alone is long.
const MOST_CHANNELS: usize = 64;

/// The most taps of a kernel: the weights of a channel stay in registers.
const MOST_TAPS: usize = 49;

/// The most numbers of a sample, which the kernels count in 32 bits.
const MOST_NUMBERS: usize = 1 << 30;

/// Whether a convolution and its transposes are computed directly. A kernel of one row or column
/// would use what it reads too few times.
pub(super) fn pays(shapes: &ConvShapes) -> bool {
    let ConvShapes { x, w, y, settings } = shapes;
    let sample = |dims: &[usize; 4]| dims[1..].iter().product::<usize>();
    settings.stride == 1
        && settings.groups == 1
        && w[0].max(w[1]) <= MOST_CHANNELS
        && w[2].min(w[3]) > 1
        && w[2] * w[3] <= MOST_TAPS
        && sample(x).max(sample(y)) <= MOST_NUMBERS
}

/// Emits the sum over `terms`, each of two operands.
pub(super) fn emit(
    builder: &mut Builder,
    work: &Work,
    terms: &[[Operand; 2]],
    result: Operand,
) -> Result<()> {
    match work.of {
        ConvArgument::Y | ConvArgument::X => images::emit(builder, work, terms, result),
        ConvArgument::W => weight::emit(builder, work, terms, result),
    }
}
