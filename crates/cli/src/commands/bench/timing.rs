//! Repeated timing.

use std::time::{Duration, Instant};

use eigenscape_experiment::Result;

/// A run that takes longer is not repeated: warming up is a small part of it.
const LONG: Duration = Duration::from_secs(15);

/// How often a work is repeated in one sitting.
#[derive(Debug, Clone, Copy)]
pub struct Repetitions {
    /// The minimum number of runs.
    pub least: usize,
    /// Runs are repeated until this time has passed.
    pub time: Duration,
}

/// Seconds of each run of `work` after one run to warm up; only of the first run if it takes long.
///
/// # Errors
/// The first error of `work`.
pub fn samples(repetitions: Repetitions, work: &dyn Fn() -> Result<()>) -> Result<Vec<f64>> {
    let start = Instant::now();
    work()?;
    if start.elapsed() > LONG {
        return Ok(vec![start.elapsed().as_secs_f64()]);
    }
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < repetitions.least || start.elapsed() < repetitions.time {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// The middle value, or the mean of the two middle values; NaN without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { middle(half) } else { 0.5 * (middle(half.wrapping_sub(1)) + middle(half)) }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::{Repetitions, median, samples};

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_warm_up_is_not_counted() {
        let runs = Cell::new(0);
        let work = || {
            runs.set(runs.get() + 1);
            Ok(())
        };
        let taken = samples(Repetitions { least: 3, time: Duration::ZERO }, &work).unwrap();
        assert_eq!((taken.len(), runs.get()), (3, 4));
    }
}
