//! The convolution, and its transpose in the image.

use eigenscape_program::operations::ConvArgument;
use eigenscape_runtime::Layout;

use super::{
    super::{element_wise::copy, walk::inverse},
    Operand, Work,
    tile::{Sizes, even},
};
use crate::{
    Result,
    builder::{Builder, View},
    command::Word,
    source::KernelSource,
};

const KERNEL: &str = include_str!("../../source/direct_images.cu");

pub(super) fn emit(
    builder: &mut Builder,
    work: &Work,
    terms: &[[Operand; 2]],
    result: Operand,
) -> Result<()> {
    let sizes = Sizes::new(work);
    let (samples, [outputs, height, _], [columns, segments]) =
        (work.shapes.x[0], sizes.result, sizes.columns());
    let rows = even(height, sizes.sums() / columns);
    let blocks = height.div_ceil(rows);
    let threads = work.lead * blocks * segments * samples * outputs;
    let mut words = vec![Word::from(result.at), result.step.into(), threads.into(), samples.into()];
    words.push(Word::Number(inverse(samples)));
    for &[images, weights] in terms {
        let weights = ordered(builder, work, weights)?;
        words.extend([images, weights].into_iter().flat_map(Operand::words));
    }
    let images: Vec<Operand> = terms.iter().map(|term| term[0]).collect();
    let rotated = work.of == ConvArgument::X;
    let literals =
        [("TERMS", terms.len()), ("ROWS", rows), ("BLOCKS", blocks), ("ROTATED", usize::from(rotated))];
    let body = sizes.body(KERNEL, [&images, &[result]], &literals);
    builder.launch(
        KernelSource::generated(if rotated { "direct_x" } else { "direct_y" }, words.len(), &body),
        threads,
        words,
    )
}

/// Copies weights \[K, O, C, taps\] so that the channels of the result come last: neighbouring
/// threads, which compute them, then read neighbouring numbers.
fn ordered(builder: &mut Builder, work: &Work, weights: Operand) -> Result<Operand> {
    let [o, c, kh, kw] = work.shapes.w;
    let (count, each) = (if weights.step == 0 { 1 } else { work.lead }, o * c * kh * kw);
    let axes = if work.of == ConvArgument::Y { [0, 2, 3, 1] } else { [0, 1, 3, 2] };
    let layout = Layout::in_order(&[count, o, c, kh * kw]).permute(&axes);
    let at = builder.scratch(count * each, work.dtype);
    let to = View::in_order(at, &layout.dims, work.dtype);
    copy(builder, &View { layout, ..View::in_order(weights.at, &[], work.dtype) }, &to)?;
    Ok(Operand { at, step: weights.step })
}
