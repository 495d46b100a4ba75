//! Decides when results are saved: often enough that little is lost, and rarely enough that saving
//! costs little.

use std::time::{Duration, Instant};

/// A cheap write takes at most 1/50 (2 %) of the time since the last write.
const CHEAP: u32 = 50;
/// Any other write takes at most 1/10 (10 %) of the time since the last write.
const BEARABLE: u32 = 10;

/// The time of the last write, and what it cost.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    last: Instant,
    cost: Duration,
}

impl Pace {
    /// Starts now, with the expected cost of a write.
    #[must_use]
    pub fn new(cost: Duration) -> Self {
        Self { last: Instant::now(), cost }
    }

    /// Starts now, for writes of `bytes` to a disk with 200 MB/s and a latency of 2 ms.
    #[must_use]
    pub fn of_bytes(bytes: usize) -> Self {
        Self::new(Duration::from_millis(2) + Duration::from_nanos(5 * bytes as u64))
    }

    /// Whether enough time has passed that a write costs next to nothing.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.last.elapsed() >= self.cost * CHEAP
    }

    /// Whether `seconds` have passed, and long enough for the cost of a write.
    #[must_use]
    pub fn is_due(&self, seconds: f64) -> bool {
        let elapsed = self.last.elapsed();
        elapsed.as_secs_f64() >= seconds && elapsed >= self.cost * BEARABLE
    }

    /// Calls `write`, and records the time and the cost even if it fails.
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
