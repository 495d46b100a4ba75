//! How samples are split into micro-batches.

use eigenscape_runtime::{Error, Parts, Result};

/// The micro-batch size below which kernels lose speed. Where residuals must be evaluated again for
/// each product anyway, larger micro-batches gain nothing, and fewer samples keep their residuals.
const EFFICIENT: usize = 32;

/// Bytes that one micro-batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// Bytes kept from one product to the next.
    pub residuals: usize,
    /// The most bytes at any time, including the residuals.
    pub peak: usize,
}

/// Samples in micro-batches of nearly the same size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub samples: usize,
    /// The number of micro-batches.
    pub count: usize,
    /// The number of micro-batches that keep their residuals.
    pub kept: usize,
}

impl Split {
    /// The micro-batches.
    pub fn parts(&self) -> Parts {
        Parts::evenly(self.samples, self.count)
    }

    /// The split with the fewest operations under `memory` bytes. All samples at once if they fit
    /// comfortably, which is if they take no more than `comfortable` bytes in addition to the
    /// residuals and to what a single sample takes; otherwise the largest micro-batches that fit
    /// comfortably and whose residuals can all be kept; otherwise micro-batches of [`EFFICIENT`]
    /// samples, or as many samples as fit, and as many micro-batches as fit keep their residuals.
    ///
    /// # Errors
    /// When not even one sample fits, or all samples must be evaluated at once (`divisible` is
    /// false) and do not fit.
    pub fn new(
        samples: usize,
        memory: usize,
        divisible: bool,
        comfortable: usize,
        mut need: impl FnMut(usize) -> Result<Need>,
    ) -> Result<Self> {
        if !divisible {
            let Need { peak, .. } = need(samples)?;
            let what = "all samples at once, since they are coupled,";
            let whole = Self { samples, count: 1, kept: 1 };
            return if peak <= memory {
                Ok(whole)
            } else {
                Err(Error::Memory { what, need: peak, allowed: memory })
            };
        }
        let (least, whole) = (need(1)?.peak, need(samples)?);
        let (mut count, mut fitting) = (1, None);
        let all_kept = whole.peak <= memory || least_of_all(samples, whole, &mut need)? <= memory;
        while all_kept && (count == 1 || samples.div_ceil(count) >= EFFICIENT) {
            let one = if count == 1 { whole } else { need(samples.div_ceil(count))? };
            if one.residuals.saturating_mul(count - 1).saturating_add(one.peak) <= memory {
                fitting = Some(Self { samples, count, kept: count });
                if (one.peak - one.residuals).saturating_sub(least) <= comfortable {
                    break;
                }
            }
            count += count.div_ceil(4);
        }
        if let Some(split) = fitting {
            return Ok(split);
        }
        count = samples.div_ceil(EFFICIENT);
        loop {
            let one = need(samples.div_ceil(count))?;
            if one.peak <= memory {
                let kept = (memory - one.peak) / one.residuals.max(1);
                return Ok(Self { samples, count, kept: kept.min(count) });
            }
            if count == samples {
                return Err(Error::Memory { what: "one sample", need: one.peak, allowed: memory });
            }
            count = (count + count.div_ceil(4)).min(samples);
        }
    }
}

/// A lower bound of the bytes of the residuals of all samples together, however they are split:
/// what each sample adds to the residuals of a micro-batch, times the number of samples.
fn least_of_all(samples: usize, whole: Need, mut need: impl FnMut(usize) -> Result<Need>) -> Result<usize> {
    if samples <= EFFICIENT {
        return Ok(0);
    }
    let more = whole.residuals.saturating_sub(need(EFFICIENT)?.residuals);
    Ok((more / (samples - EFFICIENT)).saturating_mul(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMFORTABLE: usize = 512 << 20;

    /// Each sample takes ten bytes of residuals and five more bytes.
    fn split(samples: usize, memory: usize) -> Result<Split> {
        Split::new(samples, memory, true, COMFORTABLE, |n| Ok(Need { residuals: 10 * n, peak: 15 * n }))
    }

    #[test]
    fn keeps_everything_while_it_fits() -> Result<()> {
        assert_eq!(split(100, 1500)?, Split { samples: 100, count: 1, kept: 1 });
        assert_eq!(split(100, 1499)?, Split { samples: 100, count: 2, kept: 2 });
        assert_eq!(split(100, 1200)?, Split { samples: 100, count: 3, kept: 3 });
        Ok(())
    }

    #[test]
    fn splits_what_is_uncomfortable_but_not_into_crumbs() -> Result<()> {
        let split = |mebibytes: usize| {
            let need = |n| Ok(Need { residuals: n << 20, peak: (n << 20) + n * (mebibytes << 20) });
            Split::new(100, usize::MAX, true, COMFORTABLE, need)
        };
        assert_eq!(split(5)?, Split { samples: 100, count: 1, kept: 1 });
        assert_eq!(split(10)?, Split { samples: 100, count: 2, kept: 2 });
        assert_eq!(split(100)?, Split { samples: 100, count: 3, kept: 3 });
        Ok(())
    }

    #[test]
    fn evaluates_some_again_where_not_everything_fits() -> Result<()> {
        // Four micro-batches of 25: the running one takes 375 bytes, and two more keep 250 bytes
        // each.
        assert_eq!(split(100, 900)?, Split { samples: 100, count: 4, kept: 2 });
        assert_eq!(split(3, 20)?, Split { samples: 3, count: 3, kept: 0 });
        assert!(split(3, 14).unwrap_err().to_string().contains("one sample would take"));
        Ok(())
    }

    /// Computing a need builds a program, so that trying every split would take long.
    #[test]
    fn what_cannot_all_be_kept_is_not_tried() -> Result<()> {
        for (memory, asked) in [(9_999_999, 5), (20_000_000, 10)] {
            let mut count = 0;
            let need = |n| {
                count += 1;
                Ok(Need { residuals: 1000 + 100 * n, peak: 1000 + 150 * n })
            };
            let split = Split::new(100_000, memory, true, COMFORTABLE, need)?;
            assert!(count <= asked, "{split:?} after {count}");
        }
        Ok(())
    }

    #[test]
    fn is_refused_where_samples_see_each_other() {
        let refused = Split::new(10, 5, false, COMFORTABLE, |n| Ok(Need { residuals: n, peak: n }));
        assert!(refused.unwrap_err().to_string().contains("are coupled"));
    }
}
