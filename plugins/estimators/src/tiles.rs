//! Partitions matrices into tiles. Each tile is one task with sequential products, so that sums do
//! not depend on the number of threads.

use std::ops::Range;

use faer::MatMut;

/// Rows and columns of a tile: small enough to balance the load, large enough for full speed.
const TILE: usize = 128;

/// The row and column ranges of the tiles that `keep` selects, column by column.
pub(crate) fn places<'a>(
    down: &'a [Range<usize>],
    across: &'a [Range<usize>],
    keep: impl Fn(&Range<usize>, &Range<usize>) -> bool,
) -> Vec<(&'a Range<usize>, &'a Range<usize>)> {
    let all = across.iter().flat_map(|c| down.iter().map(move |r| (r, c)));
    all.filter(|(r, c)| keep(r, c)).collect()
}

/// The tiles of `matrix` that `keep` selects, in the order of [`places`].
pub(crate) fn split<'a>(
    matrix: MatMut<'a, f64>,
    down: &[Range<usize>],
    across: &[Range<usize>],
    keep: impl Fn(&Range<usize>, &Range<usize>) -> bool,
) -> Vec<MatMut<'a, f64>> {
    let (mut tiles, mut rest) = (Vec::new(), matrix);
    for c in across {
        let (mut column, right) = rest.split_at_col_mut(c.len());
        rest = right;
        for r in down {
            let (tile, below) = column.split_at_row_mut(r.len());
            column = below;
            if keep(r, c) {
                tiles.push(tile);
            }
        }
    }
    tiles
}

/// Splits 0..len into ranges of at most [`TILE`]: multiples of `grain` where `grain` is at most
/// [`TILE`], otherwise pieces of one group of `grain`.
pub(crate) fn ranges(len: usize, grain: usize) -> Vec<Range<usize>> {
    let (outer, inner) = if grain <= TILE { (TILE / grain * grain, TILE) } else { (grain, TILE) };
    let step = |start: usize, end: usize, by: usize| {
        (start..end).step_by(by).map(move |first| first..end.min(first + by))
    };
    step(0, len, outer).flat_map(|group| step(group.start, group.end, inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_whole_groups_or_parts_of_one() {
        assert_eq!(ranges(300, 1), [0..128, 128..256, 256..300]);
        assert_eq!(ranges(297, 99), [0..99, 99..198, 198..297]);
        assert_eq!(ranges(400, 200), [0..128, 128..200, 200..328, 328..400]);
    }
}
