//! The axis on which two spectra are compared.

use schemars::JsonSchema;
use serde::Deserialize;

/// The axis on which two spectra are compared.
///
/// `unit` places the atom of a spectrum with a single atom, which has no extent, at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// The eigenvalues as they are.
    #[default]
    Raw,
    /// Both spectra shifted and scaled together such that the smallest and the largest eigenvalue
    /// of the two become 0 and 1. This makes numbers for networks with different scales of
    /// curvature comparable.
    Common,
    /// Each spectrum shifted and scaled by its own smallest and largest eigenvalue to \[0, 1\]:
    /// compares shapes and ignores scales. The code published with arXiv 2012.03801 computes this
    /// rescaling but does not use it.
    Unit,
}

/// A measure as (location, weight) pairs, sorted by location.
pub(crate) type Atoms = Vec<(f64, f64)>;

impl Support {
    /// Places both measures on this axis.
    pub(crate) fn place(self, left: Atoms, right: Atoms) -> (Atoms, Atoms) {
        match self {
            Self::Raw => (left, right),
            Self::Common => {
                let both = hull(extent(&left), extent(&right));
                (rescale(left, both), rescale(right, both))
            }
            Self::Unit => {
                let (own_left, own_right) = (extent(&left), extent(&right));
                (rescale(left, own_left), rescale(right, own_right))
            }
        }
    }

    /// The axis, in words for a description.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Raw => "raw eigenvalue axis",
            Self::Common => "eigenvalue axis rescaled to [0, 1] for both together",
            Self::Unit => "each spectrum rescaled to [0, 1]",
        }
    }
}

/// The smallest and largest location; (0, 0) without atoms.
pub(crate) fn extent(atoms: &[(f64, f64)]) -> (f64, f64) {
    match (atoms.first(), atoms.last()) {
        (Some((low, _)), Some((high, _))) => (*low, *high),
        _ => (0.0, 0.0),
    }
}

/// The smallest interval that contains both.
pub(crate) fn hull(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

fn rescale(atoms: Atoms, (low, high): (f64, f64)) -> Atoms {
    let range = high - low;
    let place = |x: f64| if range > 0.0 { (x - low) / range } else { 0.0 };
    atoms.into_iter().map(|(x, weight)| (place(x), weight)).collect()
}

#[cfg(test)]
mod tests {
    use super::Support;

    #[test]
    fn common_keeps_relations_and_unit_forgets_them() {
        let left = vec![(-1.0, 0.5), (1.0, 0.5)];
        let right = vec![(0.0, 0.5), (3.0, 0.5)];
        let (l, r) = Support::Common.place(left.clone(), right.clone());
        assert_eq!((l[0].0, l[1].0, r[0].0, r[1].0), (0.0, 0.5, 0.25, 1.0));
        let (l, r) = Support::Unit.place(left, right);
        assert_eq!((l[0].0, l[1].0, r[0].0, r[1].0), (0.0, 1.0, 0.0, 1.0));
    }

    #[test]
    fn a_single_atom_goes_to_zero() {
        let (l, r) = Support::Unit.place(vec![(7.0, 1.0)], vec![(1.0, 0.5), (2.0, 0.5)]);
        assert_eq!((l[0].0, r[0].0, r[1].0), (0.0, 0.0, 1.0));
        let (l, r) = Support::Common.place(vec![(7.0, 1.0)], vec![(7.0, 1.0)]);
        assert_eq!((l[0].0, r[0].0), (0.0, 0.0));
    }
}
