//! Placement of pieces of memory in one arena, given the steps that need each.

use std::ops::RangeInclusive;

/// Every piece of an arena begins at a multiple of this number of bytes: a cache line, which is
/// also the width of the widest vector.
pub const ALIGNMENT: usize = 64;

/// A piece of memory that is needed during some steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub bytes: usize,
    pub steps: RangeInclusive<usize>,
}

impl Request {
    /// Its bytes in the arena, rounded up to the alignment.
    fn size(&self) -> usize {
        aligned(self.bytes)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.steps.start() <= other.steps.end() && other.steps.start() <= self.steps.end()
    }
}

/// This number of bytes, rounded up to the [alignment](ALIGNMENT).
#[must_use]
pub fn aligned(bytes: usize) -> usize {
    bytes.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX)
}

/// The offset of each piece, and the size of the arena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    pub offsets: Vec<usize>,
    pub size: usize,
}

/// Places all pieces so that pieces needed at the same step never overlap.
///
/// Pieces are placed one by one, each into the smallest gap that holds it: once in order of their
/// first steps and once by decreasing size, and the smaller arena is taken. The peak of the live
/// memory over the steps is a lower bound of the arena's size. Neither order always reaches it: the
/// problem is NP-hard.
pub(crate) fn place(requests: &[Request]) -> Placement {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&i| *requests[i].steps.start());
    let by_time = place_in(&order, requests);
    if by_time.size == least(requests) {
        return by_time;
    }
    // Among pieces of equal size, those that are needed longest come first.
    let length = |request: &Request| request.steps.end() - request.steps.start();
    order.sort_by_key(|&i| std::cmp::Reverse((requests[i].size(), length(&requests[i]))));
    let by_size = place_in(&order, requests);
    if by_size.size < by_time.size { by_size } else { by_time }
}

/// The peak live memory: the most bytes needed at any step.
fn least(requests: &[Request]) -> usize {
    let mut changes: Vec<(usize, bool, usize)> = Vec::with_capacity(2 * requests.len());
    for request in requests {
        changes.push((*request.steps.start(), true, request.size()));
        changes.push((request.steps.end().saturating_add(1), false, request.size()));
    }
    // At the same step, `false` sorts first: ends count before beginnings.
    changes.sort_unstable();
    let (mut held, mut most) = (0_usize, 0);
    for (_, begins, bytes) in changes {
        held = if begins { held.saturating_add(bytes) } else { held.saturating_sub(bytes) };
        most = most.max(held);
    }
    most
}

fn place_in(order: &[usize], requests: &[Request]) -> Placement {
    let mut placement = Placement { offsets: vec![0; requests.len()], size: 0 };
    // The placed pieces, by offset.
    let mut placed: Vec<(usize, &Request)> = Vec::with_capacity(order.len());
    for &i in order {
        let request = &requests[i];
        if request.bytes == 0 {
            continue;
        }
        let offset = smallest_gap(request, &placed);
        let at = placed.partition_point(|(other, _)| *other <= offset);
        placed.insert(at, (offset, request));
        placement.offsets[i] = offset;
        placement.size = placement.size.max(offset.saturating_add(request.size()));
    }
    placement
}

/// The offset of the smallest sufficient gap between placed pieces that are needed at the same
/// time, or their end if there is none.
fn smallest_gap(request: &Request, placed: &[(usize, &Request)]) -> usize {
    let size = request.size();
    let (mut end, mut best) = (0_usize, None);
    for (offset, other) in placed.iter().filter(|(_, other)| other.overlaps(request)) {
        if let Some(gap) = offset.checked_sub(end).filter(|gap| *gap >= size)
            && best.is_none_or(|(smallest, _)| gap < smallest)
        {
            best = Some((gap, end));
        }
        end = end.max(offset.saturating_add(other.size()));
    }
    best.map_or(end, |(_, start)| start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: usize, steps: RangeInclusive<usize>) -> Request {
        Request { bytes, steps }
    }

    /// The requests of a program of many steps, from a deterministic generator of random numbers.
    fn many(count: usize) -> Vec<Request> {
        let mut state = 1_u64;
        let mut number = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        (0..count)
            .map(|step| {
                let (bytes, long) = (number(5000), number(8) == 0);
                request(bytes, step..=step + number(if long { 60 } else { 4 }))
            })
            .collect()
    }

    #[test]
    fn what_is_needed_at_one_time_does_not_overlap() {
        let requests = many(400);
        let Placement { offsets, size } = place(&requests);
        for (i, a) in requests.iter().enumerate() {
            assert!(offsets[i] % ALIGNMENT == 0 && offsets[i] + a.bytes <= size);
            for (j, b) in requests[..i].iter().enumerate() {
                let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                assert!(apart || !a.overlaps(b) || a.bytes == 0 || b.bytes == 0, "{a:?} {b:?}");
            }
        }
        assert_eq!(place(&requests), Placement { offsets, size });
        let least = least(&requests);
        assert!(size >= least && size <= least + least / 8, "{size} bytes where {least} are needed");
    }

    #[test]
    fn memory_is_used_again() {
        let chain: Vec<Request> = (0..9).map(|step| request(100, step..=step + 1)).collect();
        assert_eq!(place(&chain).size, 256);
        // In order of time the last request finds no gap.
        let [small, large] = [64, 128];
        let requests =
            [request(small, 0..=1), request(small, 0..=3), request(small, 0..=1), request(large, 2..=3)];
        assert_eq!((least(&requests), place(&requests).size), (192, 192));
        assert_eq!(place(&[]), Placement { offsets: Vec::new(), size: 0 });
    }
}
