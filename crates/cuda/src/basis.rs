//! The algebra of a basis: dot products with many vectors at once, and their linear combinations.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{Result, buffer::DeviceTensor, device::Device, kernel::Kernel, source::PARTS};

/// Vectors per thread of `dot_parts`, as in `source/basis.cu`.
const GROUP: usize = 4;
/// Threads that saturate the memory bandwidth of any card.
const BUSY: usize = 1 << 18;
/// The fewest numbers that a thread adds up.
const TERMS: usize = 16;
/// Threads of a warp, which read neighbouring numbers together.
const WARP: usize = 32;
/// Partial sums of a vector that one thread can add up.
const FEW: usize = 64;

/// The dot product of each of `vectors` with `w` in f64, in an order that depends on shapes alone.
/// Only the results are copied to the host, in one transfer.
pub(crate) fn dots(device: &Arc<Device>, vectors: &[DeviceTensor], w: &DeviceTensor) -> Result<Vec<f64>> {
    check(vectors, w, "dots")?;
    if vectors.is_empty() {
        return Ok(Vec::new());
    }
    let groups = vectors.len().min(PARTS).div_ceil(GROUP);
    let parts = w.elements().div_ceil(TERMS).clamp(1, BUSY / groups).next_multiple_of(WARP);
    let sums = DeviceTensor::new(device, &[vectors.len(), parts], DType::F64)?;
    let kernel = Kernel::load(device, "dot_parts", w.dtype())?;
    let row = (parts * size_of::<f64>()) as u64;
    for (vectors, first) in vectors.chunks(PARTS).zip((0..).step_by(PARTS)) {
        let numbers = [w.elements(), parts, vectors.len()].map(|number| number as u64);
        let mut words = vec![sums.address() + first * row, w.address()];
        words.extend(numbers.into_iter().chain(vectors.iter().map(DeviceTensor::address)));
        kernel.launch_filled(vectors.len().div_ceil(GROUP) * parts, words)?;
    }
    let totals = folded(device, &folded(device, &sums, FEW)?, 1)?;
    Ok(totals.download()?.flatten_all()?.to_vec1()?)
}

/// Reduces the partial sums \[V, n\] of each vector to at most `parts`.
fn folded(device: &Arc<Device>, sums: &DeviceTensor, parts: usize) -> Result<DeviceTensor> {
    let (vectors, all) = (sums.dims()[0], sums.dims()[1]);
    let parts = parts.min(all);
    let out = DeviceTensor::new(device, &[vectors, parts], DType::F64)?;
    let numbers = [vectors * parts, parts, all].map(|number| number as u64);
    let words = [out.address(), sums.address()].into_iter().chain(numbers).collect();
    Kernel::load(device, "fold_sums", DType::F64)?.launch(vectors * parts, words)?;
    Ok(out)
}

/// Σ factor · vector, \[1, P\]: the sum is taken in f64 and rounded once.
pub(crate) fn combine(
    device: &Arc<Device>,
    terms: &[(f64, DeviceTensor)],
    dtype: DType,
) -> Result<DeviceTensor> {
    let (_, first) = terms.first().ok_or_else(|| Error::shape("combine", "there is no vector"))?;
    let vectors: Vec<DeviceTensor> = terms.iter().map(|(_, vector)| vector.clone()).collect();
    check(&vectors, first, "combine")?;
    let dims = [1, first.elements()];
    let kernel = Kernel::load(device, "combine", first.dtype())?;
    let out = DeviceTensor::new(device, &dims, dtype)?;
    let is_rounded = dtype == first.dtype();
    // The sum is kept in f64 between launches, and if the result's type is not that of the vectors.
    let kept = (terms.len() > PARTS || !is_rounded)
        .then(|| DeviceTensor::new(device, &dims, DType::F64))
        .transpose()?;
    let kept = kept.as_ref().map_or(0, DeviceTensor::address);
    let last = terms.len().div_ceil(PARTS) - 1;
    for (index, terms) in terms.chunks(PARTS).enumerate() {
        let to = if index == last && is_rounded { out.address() } else { 0 };
        let before = if index > 0 { kept } else { 0 };
        let mut words = vec![to, kept, before, first.elements() as u64, terms.len() as u64];
        words.extend(terms.iter().flat_map(|(factor, vector)| [vector.address(), factor.to_bits()]));
        kernel.launch_filled(first.elements(), words)?;
    }
    if !is_rounded {
        let words = vec![out.address(), kept, first.elements() as u64];
        Kernel::load(device, "rounded", dtype)?.launch(first.elements(), words)?;
    }
    Ok(out)
}

/// Rejects vectors whose size or type differs from that of `w`: kernels would read beyond their
/// ends.
fn check(vectors: &[DeviceTensor], w: &DeviceTensor, what: &'static str) -> Result<()> {
    let fits = |vector: &DeviceTensor| vector.elements() == w.elements() && vector.dtype() == w.dtype();
    if vectors.iter().all(fits) && matches!(w.dtype(), DType::F32 | DType::F64) {
        return Ok(());
    }
    Err(Error::shape(what, "vectors that are not floating-point numbers of one length and type"))
}
