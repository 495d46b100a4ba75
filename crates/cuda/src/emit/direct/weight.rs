//! The cotangent of the weight: sums over samples and positions, in parts that are added up in
//! double precision.

use super::{
    super::{sum, walk::inverse},
    Operand, Work,
    tile::{Sizes, even},
};
use crate::{Result, builder::Builder, command::Word, source::KernelSource};

const KERNEL: &str = include_str!("../../source/direct_weight.cu");

/// Threads that keep a device busy; fewer than this need several parts of a sum.
const ENOUGH: usize = if cfg!(test) { 256 } else { 1 << 16 };

/// The most terms of a sum in the type of the numbers, unless a row has more.
const LONGEST: usize = if cfg!(test) { 64 } else { 1 << 12 };

pub(super) fn emit(
    builder: &mut Builder,
    work: &Work,
    terms: &[[Operand; 2]],
    result: Operand,
) -> Result<()> {
    let sizes = Sizes::new(work);
    let ([channels, ..], [outputs, height, width]) = (sizes.image, sizes.result);
    let each = even(outputs, sizes.sums() / sizes.kernel[1]);
    let blocks = outputs.div_ceil(each);
    let tiles = work.lead * blocks * channels * sizes.kernel[0];
    // Rows of all samples.
    let all = work.shapes.x[0] * height;
    let longest = (LONGEST / (width * terms.len())).max(1);
    let in_part = all.div_ceil((ENOUGH / tiles).max(1)).min(longest);
    let parts = all.div_ceil(in_part);
    let kept = work.lead * work.shapes.w.iter().product::<usize>();
    let sums = builder.scratch(parts * kept, work.dtype);
    let threads = tiles * parts;
    let mut words = vec![sums.into(), work.lead.into(), Word::Number(inverse(work.lead))];
    words.extend([threads, in_part, all].map(Word::from));
    words.extend(terms.iter().flatten().copied().flat_map(Operand::words));
    let side = |side: usize| terms.iter().map(|term| term[side]).collect::<Vec<_>>();
    let literals = [("TERMS", terms.len()), ("OUTPUTS_EACH", each), ("BLOCKS", blocks)];
    let body = sizes.body(KERNEL, [&side(0), &side(1)], &literals);
    builder.launch(KernelSource::generated("direct_w", words.len(), &body), threads, words)?;
    sum::of_parts(builder, (sums, work.dtype), [parts, kept], (result.at, work.dtype))
}
