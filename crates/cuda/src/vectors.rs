//! Vectors on a device: cutting them into parts, and joining parts.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{Result, buffer::DeviceTensor, device::Device, kernel::Kernel, source::PARTS};

/// Vectors \[K, Σ n\] as one tensor for each of `shapes`, with a leading axis where K > 1.
pub(crate) fn cut(
    device: &Arc<Device>,
    vectors: &DeviceTensor,
    shapes: &[Vec<usize>],
) -> Result<Vec<DeviceTensor>> {
    let &[k, all] = vectors.dims() else {
        return Err(Error::shape("cut", format!("vectors of shape {:?}", vectors.dims())));
    };
    let lens: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
    if lens.iter().sum::<usize>() != all {
        return Err(Error::shape("cut", format!("{all} numbers for parts of {lens:?}")));
    }
    let part = |shape: &Vec<usize>| {
        let dims: Vec<usize> = (k > 1).then_some(k).into_iter().chain(shape.iter().copied()).collect();
        DeviceTensor::new(device, &dims, vectors.dtype())
    };
    let parts: Vec<DeviceTensor> = shapes.iter().map(part).collect::<Result<_>>()?;
    let kernel = Kernel::load(device, "cut_parts", vectors.dtype())?;
    for table in Table::of(&parts, &lens) {
        kernel.launch(k * table.numbers, table.words(vectors.address(), [k, all]))?;
    }
    Ok(parts)
}

/// Σ factor · vectors over terms of parts, \[K, Σ n\]: the sum is taken in f64 and rounded once.
pub(crate) fn join(
    device: &Arc<Device>,
    terms: &[(f64, Vec<DeviceTensor>)],
    lens: &[usize],
    k: usize,
    dtype: DType,
) -> Result<DeviceTensor> {
    let all: usize = lens.iter().sum();
    let out = DeviceTensor::new(device, &[k, all], dtype)?;
    // A single term of the result's type needs no sum in f64.
    let direct = matches!(terms, [(_, parts)] if parts.iter().all(|part| part.dtype() == dtype));
    let sum = if direct { out.clone() } else { DeviceTensor::new(device, &[k, all], DType::F64)? };
    if !direct {
        sum.zero()?;
    }
    let kernel = if direct { "put_parts" } else { "add_parts" };
    terms.iter().try_for_each(|term| put(device, kernel, &sum, term, lens))?;
    if !direct {
        let words = vec![out.address(), sum.address(), (k * all) as u64];
        Kernel::load(device, "rounded", dtype)?.launch(k * all, words)?;
    }
    Ok(out)
}

/// sum + factor · vectors in f64, for a sum \[K, Σ n\] in f64, in the memory of the sum if nothing
/// else holds that.
pub(crate) fn add(
    device: &Arc<Device>,
    sum: DeviceTensor,
    term: (f64, Vec<DeviceTensor>),
    lens: &[usize],
) -> Result<DeviceTensor> {
    let &[k, all] = sum.dims() else {
        return Err(Error::shape("add", format!("a sum of shape {:?}", sum.dims())));
    };
    if all != lens.iter().sum::<usize>() || sum.dtype() != DType::F64 {
        return Err(Error::shape("add", format!("a sum of {all} numbers for parts of {lens:?}")));
    }
    if !sum.is_alone() {
        return join(device, &[(1.0, vec![sum.reshaped(&[1, k * all])?])], &[k * all], 1, DType::F64)
            .and_then(|copy| add(device, copy.reshaped(&[k, all])?, term, lens));
    }
    put(device, "add_parts", &sum, &term, lens)?;
    Ok(sum)
}

/// Writes factor · vectors to a result \[K, Σ n\] with the kernel `put_parts`, or adds it to one in
/// f64 with `add_parts`.
fn put(
    device: &Arc<Device>,
    kernel: &str,
    to: &DeviceTensor,
    (factor, parts): &(f64, Vec<DeviceTensor>),
    lens: &[usize],
) -> Result<()> {
    let (k, all) = (to.dims()[0], to.dims()[1]);
    let dtype = parts.first().ok_or_else(|| Error::shape("join", "there is no part"))?.dtype();
    let fits = |(part, &len): (&DeviceTensor, &usize)| {
        (part.elements() == len || part.elements() == k * len) && part.dtype() == dtype
    };
    if parts.len() != lens.len() || !parts.iter().zip(lens).all(fits) {
        return Err(Error::shape("join", format!("parts that are not {k} x {lens:?} of one type")));
    }
    let kernel = Kernel::load(device, kernel, dtype)?;
    for table in Table::of(parts, lens) {
        let mut words = table.words(to.address(), [k, all]);
        words.extend([factor.to_bits(), table.led]);
        kernel.launch(k * table.numbers, words)?;
    }
    Ok(())
}

/// Each row \[1, P\] of vectors \[K, P\].
pub(crate) fn rows(device: &Arc<Device>, vectors: &DeviceTensor) -> Result<Vec<DeviceTensor>> {
    match vectors.dims() {
        &[1, _] => Ok(vec![vectors.clone()]),
        &[k, p] => cut(device, &vectors.reshaped(&[1, k * p])?, &vec![vec![1, p]; k]),
        dims => Err(Error::shape("rows", format!("vectors of shape {dims:?}"))),
    }
}

/// Stacks rows \[1, P\] to vectors \[K, P\].
pub(crate) fn stack(device: &Arc<Device>, rows: &[DeviceTensor]) -> Result<DeviceTensor> {
    let first = rows.first().ok_or_else(|| Error::shape("stack", "there is no row"))?;
    let dims = [rows.len(), first.elements()];
    match rows {
        [row] => row.reshaped(&dims),
        _ => {
            join(device, &[(1.0, rows.to_vec())], &vec![dims[1]; dims[0]], 1, first.dtype())?.reshaped(&dims)
        }
    }
}

/// Consecutive parts of vectors, as a kernel takes them.
struct Table {
    /// The address, the length and the start of each part.
    entries: Vec<u64>,
    /// The sum of the lengths.
    numbers: usize,
    /// Bit p: whether part p has the leading axis, and so more numbers than its length.
    led: u64,
}

impl Table {
    /// Tables of all parts, with at most [`PARTS`] parts each; empty parts are left out.
    fn of(parts: &[DeviceTensor], lens: &[usize]) -> Vec<Self> {
        let mut start = 0;
        let mut entries = Vec::new();
        for (part, &len) in parts.iter().zip(lens) {
            if len > 0 {
                entries.push(([part.address(), len as u64, start as u64], part.elements() > len));
            }
            start += len;
        }
        let table = |entries: &[([u64; 3], bool)]| {
            let mut table = Self { entries: Vec::new(), numbers: 0, led: 0 };
            for (place, (entry, led)) in entries.iter().enumerate() {
                table.entries.extend(entry);
                table.numbers += entry[1] as usize;
                table.led |= u64::from(*led) << place;
            }
            table
        };
        entries.chunks(PARTS).map(table).collect()
    }

    /// The words of a kernel up to the end of its table, padded with zeros.
    fn words(&self, vectors: u64, [k, all]: [usize; 2]) -> Vec<u64> {
        let (numbers, parts) = (self.numbers as u64, self.entries.len() as u64 / 3);
        let mut words = vec![vectors, k as u64 * numbers, numbers, all as u64, parts];
        words.extend(&self.entries);
        words.resize(5 + 3 * PARTS, 0);
        words
    }
}
