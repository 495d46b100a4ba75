//! Where intermediate results lie: offsets in one piece of memory, decided when a plan is compiled.

use std::collections::BTreeMap;

use crate::device::ALIGNMENT;

/// Free ranges of a piece of memory, which grows as it is needed.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// Length of each free range by its start. No two touch each other.
    free: BTreeMap<usize, usize>,
    size: usize,
}

impl Arena {
    /// The start of so many bytes: in the smallest range that holds them, else at the end.
    pub fn allocate(&mut self, bytes: usize) -> usize {
        let bytes = rounded(bytes);
        let fitting = self.free.iter().filter(|(_, len)| **len >= bytes).min_by_key(|(_, len)| **len);
        if let Some((&start, &len)) = fitting {
            self.free.remove(&start);
            if len > bytes {
                self.free.insert(start + bytes, len - bytes);
            }
            return start;
        }
        // A free range at the end is extended.
        let start = match self.free.last_key_value() {
            Some((&start, &len)) if start + len == self.size => start,
            _ => self.size,
        };
        self.free.remove(&start);
        self.size = start + bytes;
        start
    }

    /// Gives back what [`Self::allocate`] gave for so many bytes.
    pub fn free(&mut self, mut start: usize, bytes: usize) {
        let mut len = rounded(bytes);
        if let Some(after) = self.free.remove(&(start + len)) {
            len += after;
        }
        if let Some((&before, &before_len)) = self.free.range(..start).next_back()
            && before + before_len == start
        {
            start = before;
            len += before_len;
        }
        self.free.insert(start, len);
    }

    /// The most that was used at any time.
    pub fn size(&self) -> usize {
        self.size
    }
}

fn rounded(bytes: usize) -> usize {
    bytes.max(1).next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_never_overlap_and_are_used_again() {
        let mut arena = Arena::default();
        let mut held: Vec<(usize, usize)> = Vec::new();
        let mut state = 1_u64;
        for _ in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (state >> 33) as usize;
            if number.is_multiple_of(2) || held.is_empty() {
                let bytes = number % 5000;
                let start = arena.allocate(bytes);
                let end = start + rounded(bytes);
                assert!(held.iter().all(|&(s, b)| end <= s || s + rounded(b) <= start));
                assert!(end <= arena.size());
                held.push((start, bytes));
            } else {
                let (start, bytes) = held.swap_remove(number % held.len());
                arena.free(start, bytes);
            }
        }
        held.drain(..).for_each(|(start, bytes)| arena.free(start, bytes));
        assert_eq!(arena.free, BTreeMap::from([(0, arena.size())]));
    }
}
