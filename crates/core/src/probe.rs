//! The distributions of random vectors.

use std::{fmt, num::NonZeroUsize};

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The distribution of the independent elements of a random vector v, with E\[v vᵀ\] = I.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// ±1 with probability ½ each. It minimises the variance of vᵀHv, which is 2 Σ_{i≠j} H_ij²
    /// (Hutchinson 1990).
    #[default]
    Rademacher,
    /// Standard normal. The variance of vᵀHv is 2 ‖H‖²_F. The direction of v is uniform, so that
    /// nothing depends on the choice of coordinates.
    Gaussian,
}

/// The maximum number of random vectors of one estimate. Its standard error is then a thousandth of
/// one vector's standard deviation.
pub const MOST: usize = 1_000_000;

/// Refuses more than [`MOST`] random vectors.
///
/// # Errors
/// When there are more than [`MOST`], with the key `probes` as its subject.
pub fn check_count(probes: NonZeroUsize) -> Result<()> {
    if probes.get() <= MOST {
        return Ok(());
    }
    Err(Error::input("probes", format!("is {probes}"), format!("use at most {MOST}")))
}

impl Probe {
    /// Draws `count` elements and converts each by `element`.
    ///
    /// ```
    /// use eigenscape_core::{Probe, Random};
    /// let mut random = Random::new(0).stream("example", 0);
    /// let signs = Probe::Rademacher.draw(100, &mut random, |x| x as f32);
    /// assert!(signs.iter().all(|sign| sign.abs() == 1.0));
    /// ```
    pub fn draw<T>(
        self,
        count: usize,
        generator: &mut (impl Rng + ?Sized),
        element: impl Fn(f64) -> T,
    ) -> Vec<T> {
        match self {
            Self::Rademacher => signs(count, generator, element),
            Self::Gaussian => (0..count).map(|_| element(generator.sample(StandardNormal))).collect(),
        }
    }
}

/// Random signs ±1, 64 from each random word.
fn signs<T>(count: usize, generator: &mut (impl Rng + ?Sized), element: impl Fn(f64) -> T) -> Vec<T> {
    let mut signs = Vec::with_capacity(count);
    while signs.len() < count {
        let word = generator.next_u64();
        let bits = 64.min(count - signs.len());
        signs.extend((0..bits).map(|bit| element(if word >> bit & 1 == 1 { 1.0 } else { -1.0 })));
    }
    signs
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rademacher => "Rademacher",
            Self::Gaussian => "Gaussian",
        })
    }
}
