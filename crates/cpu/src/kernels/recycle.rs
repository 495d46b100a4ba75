//! Outputs in the memory of outputs that their owners gave back: fresh memory costs more to get
//! from the system, and to clear, than most operations on it.
//!
//! A thread keeps what [`recycle`] brings until [`release`]. The outputs of the next run of the
//! same plan have the same sizes; where none is of the size that is asked for, as much is freed
//! first, so that what is held, given back or not, stays within what is in use at most.

use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};

use super::Element;

/// Smaller ones the allocator keeps well.
const SMALLEST: usize = 1 << 12;

/// A buffer of `len` numbers, whatever they are.
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

/// Frees at least so many bytes of what this thread keeps, or all of it.
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

/// Keeps a buffer for another use.
fn give_back<T: Element>(buffer: Vec<T>) {
    if buffer.capacity() >= SMALLEST {
        T::recycled().with_borrow_mut(|kept| kept.push(buffer));
    }
}

/// Keeps the memory of a tensor for another use. No other tensor may share it: it would be left
/// without its numbers.
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
    // A tensor that cannot be taken apart is dropped as any other.
    drop(tensor.inplace_op1(&Take));
}

/// The `results`, those copied that share their memory with each other or with `others`: all may be
/// [recycled](recycle) then.
pub(crate) fn owned(results: Vec<Tensor>, others: &[Tensor]) -> candle_core::Result<Vec<Tensor>> {
    let addresses: Vec<Option<usize>> = results.iter().chain(others).map(address).collect();
    let alone = |own: &Option<usize>| addresses.iter().filter(|address| *address == own).count() == 1;
    let results = results.into_iter().zip(&addresses);
    results.map(|(result, own)| if alone(own) { Ok(result) } else { result.copy() }).collect()
}

/// Frees what this thread keeps.
pub(crate) fn release() {
    f32::recycled().take();
    f64::recycled().take();
}

/// Where a tensor's memory begins, the same for all its views; `None` where it is not to be
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
        // For other sizes room is made, and nothing else is freed.
        give_back(vec![0.0_f64; 6000]);
        give_back(vec![0.0_f32; 4096]);
        assert_eq!(buffer::<f64>(5000).len(), 5000);
        assert_eq!([f32::recycled().with_borrow(Vec::len), f64::recycled().with_borrow(Vec::len)], [1, 0]);
        release();
        assert_eq!(f32::recycled().with_borrow(Vec::len), 0);
        Ok(())
    }
}
