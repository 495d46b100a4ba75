//! The Wasserstein distance between spectra.

use eigenscape_core::{Distance, Error, Registry, Result, Spectrum, account::size};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::Support;

/// Parameters of `wasserstein`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WassersteinParameters {
    /// The axis: "raw" (default), "common" or "unit".
    pub support: Support,
    /// p ≥ 1 of the p-Wasserstein distance, 1 by default.
    pub order: f64,
}

impl Default for WassersteinParameters {
    fn default() -> Self {
        Self { support: Support::Raw, order: 1.0 }
    }
}

/// The p-Wasserstein distance W_p(μ, ν) = (∫₀¹ |F⁻¹(u) − G⁻¹(u)|ᵖ du)^(1/p) of two spectra with
/// quantile functions F⁻¹ and G⁻¹; for p = 1 this is ∫ |F(x) − G(x)| dx with the distribution
/// functions F and G.
///
/// It is exact for the listed atoms and the mass at zero: on the line the optimal coupling is the
/// monotone one (Villani, *Topics in Optimal Transportation*, 2003, theorem 2.18), which one merge
/// of the two sorted lists finds. On the raw axis the unit is that of the eigenvalues; on the
/// others there is none.
///
/// It is a metric on the raw axis only. Under `common` the scale depends on the pair, so the
/// triangle inequality can fail; under `unit` spectra of equal shape have the distance 0 (a
/// pseudometric).
///
/// ```
/// use eigenscape_core::{Distance, Spectrum};
/// use eigenscape_distances::wasserstein::{Wasserstein, WassersteinParameters};
/// let distance = Wasserstein::new(WassersteinParameters::default())?;
/// // A quarter of the mass moves from 0 to 2.
/// let left = Spectrum::exact(4, vec![1.0], 0)?;
/// let right = Spectrum::exact(4, vec![2.0, 1.0], 0)?;
/// assert_eq!(distance.distance(&left, &right)?, 0.5);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Wasserstein {
    support: Support,
    order: f64,
}

impl Wasserstein {
    /// The distance with checked parameters.
    ///
    /// # Errors
    /// When the order is below 1 or not finite.
    pub fn new(parameters: WassersteinParameters) -> Result<Self> {
        let WassersteinParameters { support, order } = parameters;
        if !(order.is_finite() && order >= 1.0) {
            return Err(Error::input(
                "distance wasserstein, `order`",
                format!("{order} is not an order of a Wasserstein distance"),
                "use a finite number of at least 1, such as 1 or 2",
            ));
        }
        Ok(Self { support, order })
    }
}

impl Distance for Wasserstein {
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
        let (left, right) = self.support.place(left.atoms(), right.atoms());
        let moves = monotone_coupling(&left, &right);
        // Relative to the longest move, so that no power overflows.
        let longest = moves.iter().fold(0.0_f64, |longest, (_, way)| longest.max(*way));
        if longest == 0.0 {
            return Ok(0.0);
        }
        let cost: f64 = moves.iter().map(|(mass, way)| mass * (way / longest).powf(self.order)).sum();
        Ok(longest * cost.powf(1.0 / self.order))
    }

    fn memory(&self, eigenvalues: usize) -> usize {
        // Two lists of atoms, and the moves between them.
        size([6, eigenvalues], size_of::<[f64; 2]>())
    }

    fn is_metric(&self) -> bool {
        self.support == Support::Raw
    }

    fn description(&self) -> String {
        format!("{}-Wasserstein distance, exact, {}", self.order, self.support.words())
    }
}

/// The monotone coupling of two sorted lists of atoms: (mass, |x − y|) for each piece of mass that
/// moves from x to y. Excess mass of one list due to rounding does not move.
fn monotone_coupling(left: &[(f64, f64)], right: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut moves = Vec::with_capacity(left.len() + right.len());
    let (mut from, mut to) = (left.iter().copied(), right.iter().copied());
    let (mut source, mut target) = (from.next(), to.next());
    while let (Some((x, supply)), Some((y, demand))) = (source, target) {
        let mass = supply.min(demand);
        moves.push((mass, (x - y).abs()));
        source = if supply > mass { Some((x, supply - mass)) } else { from.next() };
        target = if demand > mass { Some((y, demand - mass)) } else { to.next() };
    }
    moves
}

/// Adds `wasserstein` to the registry.
pub fn register(registry: &mut Registry) {
    registry.distances.add::<WassersteinParameters>(
        "wasserstein",
        "p-Wasserstein distance between the measures on the eigenvalue axis (p = 1 by default), exact",
        |parameters, _| Ok(Box::new(Wasserstein::new(parameters)?)),
    );
}

#[cfg(test)]
mod tests {
    use eigenscape_core::{Distance, Spectrum};
    use proptest::prelude::*;

    use super::{Wasserstein, WassersteinParameters};
    use crate::{
        support::Support,
        testing::{any_spectrum, dirac, measure},
    };

    fn wasserstein(support: Support, order: f64) -> Wasserstein {
        Wasserstein::new(WassersteinParameters { support, order }).unwrap()
    }

    fn w1(left: &Spectrum, right: &Spectrum) -> f64 {
        wasserstein(Support::Raw, 1.0).distance(left, right).unwrap()
    }

    /// ∫ |F − G| dx from the definition, quadratic in the number of atoms.
    fn area_between_distribution_functions(left: &Spectrum, right: &Spectrum) -> f64 {
        let (left, right) = (left.atoms(), right.atoms());
        let mut places: Vec<f64> = left.iter().chain(&right).map(|atom| atom.0).collect();
        places.sort_by(f64::total_cmp);
        let below = |atoms: &[(f64, f64)], x: f64| -> f64 {
            atoms.iter().filter(|atom| atom.0 <= x).map(|atom| atom.1).sum()
        };
        places
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) * (below(&left, pair[0]) - below(&right, pair[0])).abs())
            .sum()
    }

    #[test]
    fn of_two_diracs_is_their_distance_in_every_order() {
        for order in [1.0, 1.5, 2.0, 300.0] {
            let value = wasserstein(Support::Raw, order).distance(&dirac(-1.0), &dirac(2.5)).unwrap();
            assert!((value - 3.5).abs() < 1e-15 * 300.0, "order {order}: {value}");
        }
    }

    #[test]
    fn of_a_shifted_measure_is_the_shift() {
        let atoms = [(-1.0, 0.125), (0.5, 0.5), (4.0, 0.375)];
        let shifted = atoms.map(|(x, w)| (x + 0.75, w));
        for order in [1.0, 2.0] {
            let value =
                wasserstein(Support::Raw, order).distance(&measure(&atoms), &measure(&shifted)).unwrap();
            assert!((value - 0.75).abs() < 1e-15);
        }
    }

    #[test]
    fn of_order_two_between_equidistant_grids_is_the_closed_form() {
        // Uniform on {0, 1, 2, 3} against uniform on {0, 2, 4, 6}: quantiles differ by 0, 1, 2, 3.
        let left = Spectrum::exact(4, vec![1.0, 2.0, 3.0], 0).unwrap();
        let right = Spectrum::exact(4, vec![2.0, 4.0, 6.0], 0).unwrap();
        assert!((w1(&left, &right) - 1.5).abs() < 1e-15);
        let value = wasserstein(Support::Raw, 2.0).distance(&left, &right).unwrap();
        assert!((value - 3.5_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn counts_the_mass_at_zero() {
        // The same two eigenvalues in a space of 4 and of 1000 dimensions.
        let small = Spectrum::exact(4, vec![1.0, 3.0], 0).unwrap();
        let large = Spectrum::exact(1000, vec![1.0, 3.0], 0).unwrap();
        assert!((w1(&small, &large) - (1.0 - 0.004)).abs() < 1e-13);
        assert!((w1(&large, &dirac(0.0)) - 0.004).abs() < 1e-13);
    }

    #[test]
    fn supports_rescale_together_or_each_alone() {
        let left = Spectrum::exact(2, vec![1.0], 0).unwrap();
        let right = Spectrum::exact(2, vec![4.0], 0).unwrap();
        let value = |support| wasserstein(support, 1.0).distance(&left, &right).unwrap();
        assert_eq!(value(Support::Raw), 1.5);
        assert_eq!(value(Support::Common), 0.375);
        assert_eq!(value(Support::Unit), 0.0);
    }

    #[test]
    fn refuses_orders_below_one() {
        for order in [0.5, -1.0, f64::NAN, f64::INFINITY] {
            let error = Wasserstein::new(WassersteinParameters { order, ..Default::default() }).unwrap_err();
            assert!(error.to_string().contains("`order`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_area_between_distribution_functions(a in any_spectrum(), b in any_spectrum()) {
            let expected = area_between_distribution_functions(&a, &b);
            prop_assert!((w1(&a, &b) - expected).abs() < 1e-12, "{} against {expected}", w1(&a, &b));
        }

        #[test]
        fn is_a_metric(a in any_spectrum(), b in any_spectrum(), c in any_spectrum()) {
            for order in [1.0, 2.0] {
                let metric = wasserstein(Support::Raw, order);
                let d = |x, y| metric.distance(x, y).unwrap();
                prop_assert_eq!(d(&a, &a), 0.0);
                prop_assert_eq!(d(&a, &b), d(&b, &a));
                prop_assert!(d(&a, &c) <= d(&a, &b) + d(&b, &c) + 1e-12);
            }
        }

        #[test]
        fn common_support_is_invariant_to_scale_and_shift(a in any_spectrum(), b in any_spectrum()) {
            let moved = |s: &Spectrum| measure(&s.atoms().iter().map(|(x, w)| (3.0 * x - 7.0, *w)).collect::<Vec<_>>());
            let metric = wasserstein(Support::Common, 1.0);
            let (before, after) = (metric.distance(&a, &b).unwrap(), metric.distance(&moved(&a), &moved(&b)).unwrap());
            prop_assert!((before - after).abs() < 1e-11);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&before));
        }
    }
}
