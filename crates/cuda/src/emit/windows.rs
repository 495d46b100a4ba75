//! Pooling.

use std::ops::Range;

use eigenscape_program::operations::PoolWindows;

use super::place;
use crate::{
    Result,
    builder::{Builder, View},
    command::Word,
    source::KernelSource,
};

/// Emits the pooling kernel of this name.
pub(super) fn emit(
    builder: &mut Builder,
    name: &str,
    windows: &PoolWindows,
    x: &View,
    out: &View,
) -> Result<()> {
    let compute = builder.compute();
    let at = builder.in_order(x, compute)?;
    let table = |ranges: &[Range<usize>]| -> Vec<u32> {
        ranges.iter().flat_map(|range| [range.start as u32, range.end as u32]).collect()
    };
    let (rows, columns) = (builder.table(table(&windows.rows))?, builder.table(table(&windows.columns))?);
    let ([_, _, height, width], elements) = (windows.image, out.layout.elements());
    let sizes = [elements, height, width, windows.rows.len(), windows.columns.len()];
    let words = [Word::from(place(out)?), at.into()].into_iter().chain(sizes.map(Word::from));
    let words = words.chain([rows.into(), columns.into()]).collect();
    builder.launch(KernelSource::by_hand(name, compute), elements, words)
}
