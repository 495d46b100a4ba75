//! Memory that a kernel takes for itself: the part of the arena that the plan gives its step.

use std::ops::{Deref, DerefMut};

use eigenscape_runtime::ALIGNMENT;
use pulp::bytemuck::{Pod, try_cast_slice_mut};

/// Memory that is dealt out from its beginning.
#[derive(Debug)]
pub(crate) struct Workspace<'w> {
    free: &'w mut [u8],
    /// Whether all of it is on the heap, as in tests of kernels alone.
    on_heap: bool,
}

/// Numbers of a workspace, whatever they are.
#[derive(Debug)]
pub(crate) enum Taken<'w, T> {
    /// Some of its memory.
    Part(&'w mut [T]),
    /// Memory of their own.
    Own(Vec<T>),
}

impl<'w> Workspace<'w> {
    /// This memory.
    pub fn new(free: &'w mut [u8]) -> Self {
        Self { free, on_heap: false }
    }

    /// `len` numbers, whatever they are. A plan gives a step all that it takes; where it does not,
    /// they are in memory of their own.
    pub fn take<T: Pod>(&mut self, len: usize) -> Taken<'w, T> {
        let bytes = (len * size_of::<T>()).next_multiple_of(ALIGNMENT);
        if bytes <= self.free.len() && !self.on_heap {
            let (part, rest) = std::mem::take(&mut self.free).split_at_mut(bytes);
            self.free = rest;
            if let Ok(numbers) = try_cast_slice_mut(part) {
                return Taken::Part(&mut numbers[..len]);
            }
        }
        debug_assert!(self.on_heap, "{bytes} bytes are taken, and the plan gives {}", self.free.len());
        Taken::Own(vec![T::zeroed(); len])
    }

    /// `len` zeros.
    pub fn zeros<T: Pod>(&mut self, len: usize) -> Taken<'w, T> {
        let mut taken = self.take(len);
        taken.fill(T::zeroed());
        taken
    }

    /// What is left, for as long as this is borrowed.
    pub fn rest(&mut self) -> Workspace<'_> {
        Workspace { free: self.free, on_heap: self.on_heap }
    }
}

#[cfg(test)]
impl Workspace<'_> {
    /// Memory without bounds.
    pub fn on_heap() -> Self {
        Self { free: &mut [], on_heap: true }
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Part(part) => part,
            Self::Own(own) => own,
        }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Part(part) => part,
            Self::Own(own) => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_one_after_the_other_and_come_back() {
        let mut lines = [0_u64; 32];
        let bytes: &mut [u8] = pulp::bytemuck::cast_slice_mut(&mut lines);
        let mut work = Workspace::new(bytes);
        let mut first = work.take::<f32>(3);
        first.fill(1.0);
        for _ in 0..2 {
            // 256 bytes, of which the first part has a line.
            let mut rest = work.rest();
            let (second, third) = (rest.zeros::<f64>(9), rest.take::<u32>(16));
            assert!(matches!((&second, &third), (Taken::Part(_), Taken::Part(_))));
            assert!(second.iter().all(|&x| x == 0.0));
        }
        assert_eq!(*first, [1.0; 3]);
        assert!(matches!(Workspace::on_heap().take::<f64>(2), Taken::Own(own) if own.len() == 2));
    }
}
