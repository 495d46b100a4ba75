//! A general product of arrays as matrix products: the order of its operands' axes.

use eigenscape_program::operations::MatMul;

/// The axes of one operand of a product by what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductAxes {
    /// Shared by both operands: one matrix product each.
    pub batch: Vec<usize>,
    /// Rows (of the left operand) or columns (of the right one).
    pub free: Vec<usize>,
    /// Summed over.
    pub contracted: Vec<usize>,
}

impl ProductAxes {
    /// Those of operand `side` (0 or 1) of `rank` declared axes; `led` says which operands have the
    /// leading axis, which comes first.
    #[must_use]
    pub fn new(dot: &MatMul, side: usize, rank: usize, led: [bool; 2]) -> Self {
        let shift = usize::from(led[side]);
        let behind = |axis: usize| axis + shift;
        let of = |pairs: &[[usize; 2]]| pairs.iter().map(|pair| behind(pair[side])).collect();
        let mut axes = Self {
            batch: of(&dot.batch),
            free: dot.free(side, rank).into_iter().map(behind).collect(),
            contracted: of(&dot.contract),
        };
        if led[side] {
            let lead = if lead_is_rows(dot, led) { &mut axes.free } else { &mut axes.batch };
            lead.insert(0, 0);
        }
        axes
    }
}

/// Whether the leading axis is more rows of one product, as one of the left operand alone is, and
/// not a batch of products.
#[must_use]
pub fn lead_is_rows(dot: &MatMul, led: [bool; 2]) -> bool {
    led == [true, false] && dot.batch.is_empty()
}
