//! The distributions of random vectors.

use std::{fmt, num::NonZeroUsize};

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The distribution of a random vector's elements, which are independent; for both E\[v vᵀ\] = I.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// ±1 with probability ½ each: of all such vectors vᵀHv has the smallest variance, 2 Σ_{i≠j}
    /// H_ij² (Hutchinson 1990).
    #[default]
    Rademacher,
    /// Standard normal: the variance is 2 ‖H‖²_F, and uniform in direction, so that nothing depends
    /// on the choice of coordinates.
    Gaussian,
}

/// The most random vectors of one estimate: its standard error is a thousandth of one vector's
/// deviation then.
pub const MOST: usize = 1_000_000;

/// Refuses a number of random vectors that no time suffices for.
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
    /// `count` elements, each as `element` makes it of the number drawn.
    ///
    /// ```
    /// use eigenscape_core::{Probe, Random};
    /// let signs = Probe::Rademacher.draw(100, &mut Random::new(0).stream("example", 0), |x| x as f32);
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

/// ±1, 64 of them from each random word.
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
