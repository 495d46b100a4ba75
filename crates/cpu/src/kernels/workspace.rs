//! The scratch memory of a kernel: the part of the arena that the plan gives to its step.

use std::ops::{Deref, DerefMut};

use eigenscape_runtime::ALIGNMENT;
use pulp::bytemuck::{Pod, try_cast_slice_mut};

/// Scratch memory, handed out from its beginning.
#[derive(Debug)]
pub(crate) struct Workspace<'w> {
    free: &'w mut [u8],
    /// Whether everything is allocated on the heap, as in tests of single kernels.
    on_heap: bool,
}

/// Numbers from a workspace, with arbitrary contents.
#[derive(Debug)]
pub(crate) enum Taken<'w, T> {
    /// Part of the workspace.
    Part(&'w mut [T]),
    /// A separate allocation.
    Own(Vec<T>),
}

impl<'w> Workspace<'w> {
    /// A workspace in this memory.
    pub fn new(free: &'w mut [u8]) -> Self {
        Self { free, on_heap: false }
    }

    /// `len` numbers with arbitrary contents. The plan gives each step enough memory; if it does
    /// not, a debug assertion fails, and the numbers are allocated on the heap.
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

    /// The remaining memory, for as long as `self` is borrowed.
    pub fn rest(&mut self) -> Workspace<'_> {
        Workspace { free: self.free, on_heap: self.on_heap }
    }
}

#[cfg(test)]
impl Workspace<'_> {
    /// An unbounded workspace on the heap.
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
            // 256 bytes, of which the first part takes one unit of `ALIGNMENT`.
            let mut rest = work.rest();
            let (second, third) = (rest.zeros::<f64>(9), rest.take::<u32>(16));
            assert!(matches!((&second, &third), (Taken::Part(_), Taken::Part(_))));
            assert!(second.iter().all(|&x| x == 0.0));
        }
        assert_eq!(*first, [1.0; 3]);
        assert!(matches!(Workspace::on_heap().take::<f64>(2), Taken::Own(own) if own.len() == 2));
    }
}
