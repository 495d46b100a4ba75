//! Abstracts from where the vectors of Krylov spaces are stored.

use std::ops::Range;

use eigenscape_core::Result;

use crate::float::Float;

/// Vectors of one operator, stored where its products are computed, and the operations on them that
/// a Krylov basis needs. Sums are accumulated in f64.
pub(super) trait Vectors {
    /// The type in which vectors are drawn.
    type Number: Float;
    /// A vector of P numbers.
    type Vector;
    /// A growing list of vectors.
    type Basis;

    /// Moves a vector that was drawn on the host to where vectors are stored.
    fn place(&self, vector: Vec<Self::Number>) -> Result<Self::Vector>;

    /// A copy of a vector on the host.
    fn to_host(&self, vector: Self::Vector) -> Result<Vec<Self::Number>>;

    /// The products of the operator with some vectors.
    fn products(&self, vectors: &[&Self::Vector]) -> Result<Vec<Self::Vector>>;

    /// vᵀw.
    fn dot(&self, v: &Self::Vector, w: &Self::Vector) -> Result<f64>;

    /// s·v.
    fn scaled(&self, v: &Self::Vector, s: f64) -> Result<Self::Vector>;

    /// An empty basis for up to `most` vectors.
    fn basis(&self, most: usize) -> Self::Basis;

    /// Adds a vector to a basis.
    fn push(&self, basis: &mut Self::Basis, vector: &Self::Vector) -> Result<()>;

    /// The dot product of each of these vectors of a basis with `w`.
    fn dots(&self, basis: &Self::Basis, vectors: Range<usize>, w: &Self::Vector) -> Result<Vec<f64>>;

    /// w ← w − Q c with the vectors of a basis from `first` on, one for each coefficient, rounded
    /// once. Returns ‖w‖² of the new `w`.
    fn subtract(
        &self,
        basis: &Self::Basis,
        first: usize,
        coefficients: &[f64],
        w: &mut Self::Vector,
    ) -> Result<f64>;

    /// For a basis that stores rounded vectors, the largest |qᵢᵀq| of the newest vector q with the
    /// others; `None` for a basis of the vectors as they are.
    fn overlap(&self, _basis: &Self::Basis, _newest: &Self::Vector) -> Result<Option<f64>> {
        Ok(None)
    }
}
