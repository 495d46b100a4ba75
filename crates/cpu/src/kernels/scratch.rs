//! Buffers that a thread reuses from one kernel to the next: allocating fresh memory costs more
//! than computing on it.

use super::Element;

/// Calls `f` with N buffers of this thread, with arbitrary lengths and contents.
pub(super) fn with_buffers<T: Element, R, const N: usize>(f: impl FnOnce(&mut [Vec<T>; N]) -> R) -> R {
    // Buffers are taken out while in use, so that kernels can be nested.
    let mut buffers =
        T::buffers().with_borrow_mut(|kept| std::array::from_fn(|_| kept.pop().unwrap_or_default()));
    let result = f(&mut buffers);
    T::buffers().with_borrow_mut(|kept| kept.extend(buffers.into_iter().rev()));
    result
}

/// The first `len` numbers of `buffer`, with arbitrary contents; `buffer` grows if needed.
pub(super) fn sized<T: Element>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::zero());
    }
    &mut buffer[..len]
}

/// `buffer`, set to `len` zeros.
pub(super) fn zeroed<T: Element>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    buffer.clear();
    buffer.resize(len, T::zero());
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_kept_and_may_be_taken_within_each_other() {
        let inner = |[a]: &mut [Vec<f64>; 1]| sized(a, 3).fill(1.0);
        with_buffers(|[a, b]: &mut [Vec<f64>; 2]| {
            sized(a, 5).fill(2.0);
            with_buffers(inner);
            assert_eq!((&a[..5], zeroed(b, 2).len()), ([2.0; 5].as_slice(), 2));
        });
        with_buffers(|[a, b, c]: &mut [Vec<f64>; 3]| {
            assert!(a.len() == 5 && b.len() == 2 && sized(c, 4).len() == 4);
            assert!(zeroed(a, 9).iter().all(|&x| x == 0.0));
        });
    }
}
