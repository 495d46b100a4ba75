//! When what has been worked out is written down: often enough that little is lost, and seldom
//! enough that it costs little.

use std::time::{Duration, Instant};

/// Writing takes this share of the time at most where it could wait as well, 2 %.
const CHEAP: u32 = 50;
/// Writing takes this share of the time at most, 10 %.
const BEARABLE: u32 = 10;

/// The time since something was last written, and what that cost.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    last: Instant,
    cost: Duration,
}

impl Pace {
    /// From now on, of what will probably take so long to write.
    #[must_use]
    pub fn new(cost: Duration) -> Self {
        Self { last: Instant::now(), cost }
    }

    /// From now on, of what is so large, on a disk that writes 200 MB a second and takes 2 ms for
    /// anything.
    #[must_use]
    pub fn of_bytes(bytes: usize) -> Self {
        Self::new(Duration::from_millis(2) + Duration::from_nanos(5 * bytes as u64))
    }

    /// Whether so much was done since that writing costs next to nothing.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.last.elapsed() >= self.cost * CHEAP
    }

    /// Whether so many seconds have passed, unless that is too little for what writing costs.
    #[must_use]
    pub fn is_due(&self, seconds: f64) -> bool {
        let elapsed = self.last.elapsed();
        elapsed.as_secs_f64() >= seconds && elapsed >= self.cost * BEARABLE
    }

    /// Writes; what it cost, even in vain, counts from now on.
    pub fn write<T>(&mut self, write: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let written = write();
        self.last = Instant::now();
        self.cost = self.last - start;
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_much_is_written_seldom() {
        let since = |elapsed: u64, cost: u64| Pace {
            last: Instant::now().checked_sub(Duration::from_millis(elapsed)).unwrap(),
            cost: Duration::from_millis(cost),
        };
        assert!(since(6000, 100).is_cheap() && !since(4000, 100).is_cheap());
        assert!(since(6000, 100).is_due(5.0) && !since(4000, 100).is_due(5.0));
        assert!(since(6000, 500).is_due(0.0) && !since(4000, 500).is_due(0.0));
        let mut pace = Pace::new(Duration::ZERO);
        assert!(pace.is_cheap() && pace.is_due(0.0));
        pace.write(|| std::thread::sleep(Duration::from_millis(20)));
        assert!(!pace.is_cheap() && !pace.is_due(0.0));
    }
}
