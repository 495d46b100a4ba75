//! Distances between spectra, as probability measures on the eigenvalue axis.
//!
//! | name | what | needs smoothing | metric |
//! | --- | --- | --- | --- |
//! | [`wasserstein`] | mass × how far it must move | no | yes, on the raw axis |
//! | [`kl`] | relative entropy of `left` with respect to `right`, in nats | yes | no: not symmetric |
//! | [`wasserstein_density_values`] | the published code's: between the values of the densities | yes | no: blind to places |
//! | [`jensen_shannon`] | square root of the Jensen-Shannon divergence, in \[0, 1\] | yes | see there |
//!
//! `wasserstein` is the one to take when in doubt: it has no smoothing to choose, sees how far
//! apart eigenvalues lie and not only whether they coincide, and is exact. The entropic distances
//! answer another question: how well the two can be told apart by drawing from them, at the
//! resolution of the bandwidth.

pub mod jensen_shannon;
pub mod kl;
mod smoothing;
pub mod support;
pub mod wasserstein;
pub mod wasserstein_density_values;

#[cfg(test)]
mod testing;

use eigenscape_core::Registry;

/// Adds `wasserstein`, `wasserstein-density-values`, `kl` and `jensen-shannon` to the registry.
pub fn register(registry: &mut Registry) {
    wasserstein::register(registry);
    wasserstein_density_values::register(registry);
    kl::register(registry);
    jensen_shannon::register(registry);
}
