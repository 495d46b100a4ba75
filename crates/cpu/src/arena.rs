//! The memory of intermediate results: one arena per thread, reused from run to run.

use std::{cell::RefCell, ops::Range};

use eigenscape_runtime::ALIGNMENT;
use pulp::bytemuck;

/// A block of memory, with room to align its contents to `ALIGNMENT`.
#[derive(Debug, Default)]
struct Arena(Vec<u64>);

impl Arena {
    fn new(bytes: usize) -> Self {
        let words = if bytes == 0 { 0 } else { (bytes + ALIGNMENT).div_ceil(size_of::<u64>()) };
        Self(vec![0; words])
    }

    /// `bytes` bytes from the first aligned address; `None` if the arena is too small.
    fn bytes(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let all: &mut [u8] = bytemuck::cast_slice_mut(&mut self.0);
        let start = if bytes == 0 { 0 } else { all.as_ptr().align_offset(ALIGNMENT) };
        all.get_mut(start..)?.get_mut(..bytes)
    }
}

thread_local!(static KEPT: RefCell<Option<Arena>> = const { RefCell::new(None) });

/// Calls `f` with `bytes` bytes of this thread's arena, with arbitrary contents. An arena that is
/// too small is freed before a larger one is allocated.
pub(crate) fn with_arena<R>(bytes: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    // The arena is taken out of the thread-local while in use: while this thread waits for other
    // threads, Rayon may run another plan on it.
    let mut arena = KEPT.take().unwrap_or_default();
    if arena.bytes(bytes).is_none() {
        drop(std::mem::take(&mut arena));
        arena = Arena::new(bytes);
    }
    let result = f(arena.bytes(bytes).unwrap_or_default());
    KEPT.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|other| other.0.len() < arena.0.len()) {
            *kept = Some(arena);
        }
    });
    result
}

/// Frees this thread's arena.
pub(crate) fn release() {
    KEPT.take();
}

/// An arena split for one step: two ranges to write, and the rest to read.
#[derive(Debug)]
pub(crate) struct Carved<'a> {
    pub written: [&'a mut [u8]; 2],
    /// The parts around the written ranges, each with its offset in the arena.
    rest: [(usize, &'a [u8]); 3],
}

/// Splits two ranges off an arena; `None` if they overlap or exceed the arena.
pub(crate) fn carve(arena: &mut [u8], ranges: [Range<usize>; 2]) -> Option<Carved<'_>> {
    let [a, b] = ranges.map(|range| if range.is_empty() { 0..0 } else { range });
    let swapped = (b.start, b.end) < (a.start, a.end);
    let [low, high] = if swapped { [b, a] } else { [a, b] };
    let (before, behind) = arena.split_at_mut_checked(low.start)?;
    let (first, behind) = behind.split_at_mut_checked(low.len())?;
    let (between, behind) = behind.split_at_mut_checked(high.start.checked_sub(low.end)?)?;
    let (second, after) = behind.split_at_mut_checked(high.len())?;
    let written = if swapped { [second, first] } else { [first, second] };
    Some(Carved { written, rest: [(0, before), (low.end, between), (high.end, after)] })
}

impl<'a> Carved<'a> {
    /// The bytes of `range`; `None` unless they all lie in one part that is not written.
    pub fn read(&self, range: Range<usize>) -> Option<&'a [u8]> {
        let inside = |&(start, part): &(usize, &'a [u8])| {
            part.get(range.start.checked_sub(start)?..range.end.checked_sub(start)?)
        };
        self.rest.iter().find_map(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> usize {
        KEPT.with_borrow(|kept| kept.as_ref().map_or(0, |arena| arena.0.len()))
    }

    #[test]
    fn an_arena_is_kept_and_grows_and_may_be_taken_within_another() {
        release();
        with_arena(1000, |bytes| {
            assert!(bytes.len() == 1000 && bytes.as_ptr().addr().is_multiple_of(ALIGNMENT));
            with_arena(100, |bytes| bytes.fill(1));
            bytes.fill(2);
        });
        let kept = held();
        with_arena(10, |bytes| assert_eq!(bytes.len(), 10));
        assert_eq!(held(), kept);
        with_arena(2000, |bytes| assert_eq!(bytes.len(), 2000));
        assert!(held() > kept);
        release();
        with_arena(0, |bytes| assert!(bytes.is_empty()));
        assert_eq!(held(), 0);
    }

    #[test]
    fn what_is_written_is_cut_out_of_what_is_read() {
        let mut arena: Vec<u8> = (0..100).collect();
        for ranges in [[20..30, 60..64], [60..64, 20..30]] {
            let carved = carve(&mut arena, ranges.clone()).unwrap();
            let written = carved.written.each_ref().map(|written| usize::from(written[0]));
            assert_eq!(written, ranges.clone().map(|range| range.start));
            for (range, free) in
                [(0..20, true), (10..21, false), (30..60, true), (25..40, false), (64..100, true)]
            {
                let read = carved.read(range.clone());
                assert_eq!(
                    read.map(|read| (usize::from(read[0]), read.len())),
                    free.then_some((range.start, range.len()))
                );
            }
        }
        assert!(
            carve(&mut arena, [20..30, 29..40]).is_none() && carve(&mut arena, [0..10, 95..101]).is_none()
        );
        let carved = carve(&mut arena, [0..64, 0..0]).unwrap();
        assert_eq!((carved.written[0].len(), carved.written[1].len()), (64, 0));
    }
}
