//! General products of arrays as matrix products: the roles of the operands' axes.

use eigenscape_program::operations::MatMul;

/// The axes of one operand of a product, by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductAxes {
    /// Shared by both operands: one matrix product for each index.
    pub batch: Vec<usize>,
    /// Rows (of the left operand) or columns (of the right one).
    pub free: Vec<usize>,
    /// Summed over.
    pub contracted: Vec<usize>,
}

impl ProductAxes {
    /// The axes of operand `side` (0 or 1) of `rank` declared axes; `led` says which operands have
    /// the leading axis, which comes first.
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

/// Whether the leading axis adds rows to one product rather than making a batch of products: it
/// does if only the left operand has it and the product has no batch axes.
#[must_use]
pub fn lead_is_rows(dot: &MatMul, led: [bool; 2]) -> bool {
    led == [true, false] && dot.batch.is_empty()
}
