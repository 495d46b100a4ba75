//! Randomness that does not depend on the order of work: one counter-based generator keyed by
//! (seed, purpose, index).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of independent random streams: ChaCha8 keyed by the seed and a purpose, with the index
/// as its stream.
///
/// ```
/// use eigenscape_core::Random;
/// use rand::RngExt;
/// let random = Random::new(7);
/// let a: f64 = random.stream("probe", 3).random();
/// let b: f64 = random.stream("probe", 3).random();
/// assert_eq!(a, b);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// The source for a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// An independent source for the `index`-th part of some work; part 0 has this source itself.
    #[must_use]
    pub fn part(&self, purpose: &str, index: u64) -> Self {
        if index == 0 { *self } else { Self { seed: self.stream(purpose, index).next_u64() } }
    }

    /// The generator of the random stream `index` for a purpose.
    #[must_use]
    pub fn stream(&self, purpose: &str, index: u64) -> ChaCha8Rng {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        // FNV-1a spreads a purpose of any length over the rest of the key.
        for (lane, chunk) in key[8..].chunks_exact_mut(8).enumerate() {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ lane as u64;
            for byte in purpose.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            chunk.copy_from_slice(&hash.to_le_bytes());
        }
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(index);
        generator
    }
}
