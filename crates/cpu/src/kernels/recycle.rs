//! Reuse of the memory of outputs that their owners gave back. Allocating and clearing fresh memory
//! costs more than most operations on it.
//!
//! Each thread keeps the buffers passed to [`recycle`] until [`release`]. The next run of the same
//! plan needs buffers of the same sizes. If no kept buffer has the requested size, at least as many
//! bytes of kept buffers are freed before a new buffer is allocated, so that the total held memory
//! does not exceed the peak of the memory in use.

use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};

use super::Element;

/// The smallest buffer that is kept, in numbers; the allocator itself reuses smaller ones.
const SMALLEST: usize = 1 << 12;

/// A buffer of `len` numbers with arbitrary contents.
pub(crate) fn buffer<T: Element>(len: usize) -> Vec<T> {
    if len < SMALLEST {
        return vec![T::zero(); len];
    }
    let known = T::recycled().with_borrow_mut(|kept| {
        let fitting = kept.iter().position(|one| one.len() == len)?;
        Some(kept.swap_remove(fitting))
    });
    known.unwrap_or_else(|| {
        make_room(len * size_of::<T>());
        vec![T::zero(); len]
    })
}

/// Frees at least `bytes` bytes of the buffers that this thread keeps, or all of them.
fn make_room(bytes: usize) {
    let mut left = bytes;
    f64::recycled().with_borrow_mut(|kept| free_largest(kept, &mut left));
    f32::recycled().with_borrow_mut(|kept| free_largest(kept, &mut left));
}

fn free_largest<T>(kept: &mut Vec<Vec<T>>, left: &mut usize) {
    while *left > 0 {
        let Some(largest) = (0..kept.len()).max_by_key(|&i| kept[i].capacity()) else { return };
        let freed = kept.swap_remove(largest).capacity() * size_of::<T>();
        *left = left.saturating_sub(freed);
    }
}

/// Keeps a buffer for reuse.
fn give_back<T: Element>(buffer: Vec<T>) {
    if buffer.capacity() >= SMALLEST {
        T::recycled().with_borrow_mut(|kept| kept.push(buffer));
    }
}

/// Keeps the memory of a tensor for reuse. No other tensor may share this memory: it would lose its
/// numbers.
pub(crate) fn recycle(tensor: &Tensor) {
    struct Take;
    impl InplaceOp1 for Take {
        fn name(&self) -> &'static str {
            "recycle"
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> candle_core::Result<()> {
            match storage {
                CpuStorage::F32(numbers) => give_back(std::mem::take(numbers)),
                CpuStorage::F64(numbers) => give_back(std::mem::take(numbers)),
                _ => (),
            }
            Ok(())
        }
    }
    // If the memory cannot be taken, it is freed with the tensor as usual.
    drop(tensor.inplace_op1(&Take));
}

/// The `results`, with copies of those that share memory with each other or with `others`, so that
/// all may be [recycled](recycle).
pub(crate) fn owned(results: Vec<Tensor>, others: &[Tensor]) -> candle_core::Result<Vec<Tensor>> {
    let addresses: Vec<Option<usize>> = results.iter().chain(others).map(address).collect();
    let alone = |own: &Option<usize>| addresses.iter().filter(|address| *address == own).count() == 1;
    let results = results.into_iter().zip(&addresses);
    results.map(|(result, own)| if alone(own) { Ok(result) } else { result.copy() }).collect()
}

/// Frees the buffers that this thread keeps.
pub(crate) fn release() {
    f32::recycled().take();
    f64::recycled().take();
}

/// The address of a tensor's storage, the same for all its views; `None` if the storage cannot be
/// recycled.
pub(crate) fn address(tensor: &Tensor) -> Option<usize> {
    let (storage, _) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(numbers)) => Some(numbers.as_ptr().addr()),
        Storage::Cpu(CpuStorage::F64(numbers)) => Some(numbers.as_ptr().addr()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::Result;

    #[test]
    fn memory_comes_back_for_what_fits_it_and_is_freed_for_what_does_not() -> Result<()> {
        release();
        let tensor = Tensor::from_vec(vec![1.0_f64; 8192], (64, 128), &Device::Cpu)?;
        let start = address(&tensor);
        assert_eq!(address(&tensor.t()?), start);
        recycle(&tensor);
        let again = buffer::<f64>(8192);
        assert_eq!(again.as_ptr().addr(), start.unwrap_or(0));
        // A request for another size frees no more buffers than needed.
        give_back(vec![0.0_f64; 6000]);
        give_back(vec![0.0_f32; 4096]);
        assert_eq!(buffer::<f64>(5000).len(), 5000);
        assert_eq!([f32::recycled().with_borrow(Vec::len), f64::recycled().with_borrow(Vec::len)], [1, 0]);
        release();
        assert_eq!(f32::recycled().with_borrow(Vec::len), 0);
        Ok(())
    }
}
