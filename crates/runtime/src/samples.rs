//! Division of samples into parts: every mean over data is a fold over parts.

use std::ops::Range;

use crate::{error::Error, interrupt::Interrupt};

/// Consecutive samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The index of the part.
    pub index: usize,
    /// The samples.
    pub range: Range<usize>,
    /// n/N, the part's share of all samples: the weight of its mean in the overall mean.
    pub share: f64,
}

/// All samples in consecutive parts, determined by the number of samples and the number or size of
/// the parts alone, so that sums over the parts are bitwise reproducible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    samples: usize,
    count: usize,
    cut: Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Into parts whose sizes differ by at most one, the larger ones first.
    Evenly,
    /// Into parts of this size, of which the last may be smaller.
    Every(usize),
}

impl Parts {
    /// `count` parts whose sizes differ by at most one, the larger ones first.
    #[must_use]
    pub fn evenly(samples: usize, count: usize) -> Self {
        Self { samples, count, cut: Cut::Evenly }
    }

    /// Parts of `size` samples, of which the last may be smaller.
    ///
    /// ```
    /// use eigenscape_runtime::Parts;
    /// let ranges: Vec<_> = Parts::of_size(5, 2).iter().map(|part| part.range).collect();
    /// assert_eq!(ranges, [0..2, 2..4, 4..5]);
    /// ```
    #[must_use]
    pub fn of_size(samples: usize, size: usize) -> Self {
        Self { samples, count: samples.div_ceil(size.max(1)), cut: Cut::Every(size.max(1)) }
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The samples of a part.
    #[must_use]
    pub fn range(&self, index: usize) -> Range<usize> {
        match self.cut {
            Cut::Evenly => {
                let (size, larger) = (self.samples / self.count, self.samples % self.count);
                let start = |index: usize| index * size + index.min(larger);
                start(index)..start(index + 1)
            }
            Cut::Every(size) => index * size..self.samples.min((index + 1) * size),
        }
    }

    /// The parts in their order.
    pub fn iter(self) -> impl Iterator<Item = Part> {
        (0..self.count).map(move |index| {
            let range = self.range(index);
            Part { index, share: range.len() as f64 / self.samples as f64, range }
        })
    }

    /// Folds over the parts in order; stops before the next part if `interrupt` is requested.
    ///
    /// # Errors
    /// Those of `each`, and [`Error::Interrupted`].
    pub fn fold<A, E: From<Error>>(
        self,
        interrupt: &Interrupt,
        start: A,
        mut each: impl FnMut(A, Part) -> Result<A, E>,
    ) -> Result<A, E> {
        self.iter().try_fold(start, |sum, part| {
            interrupt.check()?;
            each(sum, part)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_every_sample_once() {
        for (samples, count) in [(10, 3), (7, 7), (5, 2), (4, 1), (1000, 256)] {
            for parts in [Parts::evenly(samples, count), Parts::of_size(samples, count)] {
                let covered: Vec<usize> = parts.iter().flat_map(|part| part.range).collect();
                assert!(covered.into_iter().eq(0..samples), "{parts:?}");
                let shares: f64 = parts.iter().map(|part| part.share).sum();
                assert!((shares - 1.0).abs() < 1e-12, "{parts:?}");
            }
            assert!(Parts::evenly(samples, count).iter().all(|p| p.range.len() <= samples.div_ceil(count)));
        }
        assert_eq!(Parts::of_size(0, 4).iter().count(), 0);
    }

    #[test]
    fn stops_before_the_part_after_a_request() {
        let (interrupt, mut seen) = (Interrupt::default(), 0);
        let stopped = Parts::of_size(10, 2).fold(&interrupt, (), |(), part| {
            seen += 1;
            if part.index == 2 {
                interrupt.request();
            }
            Ok::<(), Error>(())
        });
        assert!(matches!(stopped, Err(Error::Interrupted)) && seen == 3);
    }
}
