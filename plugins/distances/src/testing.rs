//! Spectra for tests.

use eigenscape_core::Spectrum;
use proptest::prelude::*;

/// The measure with these (location, weight) atoms; the weights sum to 1.
pub fn measure(atoms: &[(f64, f64)]) -> Spectrum {
    let trace = atoms.iter().map(|(x, w)| x * w).sum();
    Spectrum::estimated(1, atoms.to_vec(), trace, None, 0).unwrap()
}

/// All mass at one location.
pub fn dirac(location: f64) -> Spectrum {
    measure(&[(location, 1.0)])
}

/// Exact spectra with mass at zero and estimated ones, with up to a dozen eigenvalues in [-10, 40].
pub fn any_spectrum() -> impl Strategy<Value = Spectrum> {
    let exact = (prop::collection::vec(-10.0..40.0_f64, 0..12), 0..50_usize)
        .prop_map(|(values, zeros)| Spectrum::exact((values.len() + zeros).max(1), values, 0).unwrap());
    let estimated =
        prop::collection::vec((-10.0..40.0_f64, 0.001..1.0_f64), 1..12).prop_map(|atoms| measure(&atoms));
    prop_oneof![exact, estimated]
}
