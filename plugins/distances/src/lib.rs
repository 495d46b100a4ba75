//! Distances between spectra, as probability measures on the eigenvalue axis.
//!
//! | name | what | smoothed | metric |
//! | --- | --- | --- | --- |
//! | [`wasserstein`] | mass × the distance it moves | no | yes, on the raw axis |
//! | [`kl`] | relative entropy of `left` to `right`, in nats | yes | no: not symmetric |
//! | [`wasserstein_density_values`] | densities' values, as in the published code | yes | no |
//! | [`jensen_shannon`] | √ of the Jensen-Shannon divergence, in \[0, 1\] | yes | see there |
//!
//! When in doubt use `wasserstein`: it needs no smoothing, depends on how far apart eigenvalues are
//! and not only on whether they coincide, and is exact. The entropic distances answer a different
//! question: how well samples from the two spectra can be told apart, at the resolution of the
//! bandwidth.

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
