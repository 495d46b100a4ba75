//! Vectors on a device: cut into parts, and joined again.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{
    Result,
    buffer::DeviceTensor,
    device::Device,
    driver::{Function, THREADS},
    source::KernelSource,
};

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
    let kernel = Kernel::load(device, "cut_part", vectors.dtype())?;
    let mut start = 0;
    let mut parts = Vec::new();
    for (shape, len) in shapes.iter().zip(lens) {
        let dims: Vec<usize> = (k > 1).then_some(k).into_iter().chain(shape.iter().copied()).collect();
        let part = DeviceTensor::new(device, &dims, vectors.dtype())?;
        let words = [part.address(), vectors.address()].into_iter();
        let words = words.chain([k * len, len, all, start].map(|number| number as u64)).collect();
        kernel.launch(k * len, words)?;
        parts.push(part);
        start += len;
    }
    Ok(parts)
}

/// Σ factor · vectors over terms of parts, \[K, Σ n\]; the sum in f64, rounded once.
pub(crate) fn join(
    device: &Arc<Device>,
    terms: &[(f64, Vec<DeviceTensor>)],
    lens: &[usize],
    k: usize,
    dtype: DType,
) -> Result<DeviceTensor> {
    let all: usize = lens.iter().sum();
    let out = DeviceTensor::new(device, &[k, all], dtype)?;
    let first = terms.first().and_then(|(_, parts)| parts.first());
    let one_type = first.ok_or_else(|| Error::shape("join", "there is no part"))?.dtype();
    // What is one term of the result's own type needs no sum.
    let direct = terms.len() == 1 && one_type == dtype;
    let sum = if direct { out.clone() } else { DeviceTensor::new(device, &[k, all], DType::F64)? };
    if !direct {
        sum.zero()?;
    }
    for (factor, parts) in terms {
        let mut start = 0;
        for (part, &len) in parts.iter().zip(lens) {
            let kernel = Kernel::load(device, if direct { "put_part" } else { "add_part" }, part.dtype())?;
            let step = if part.elements() == len { 0 } else { len };
            if part.elements() != len && part.elements() != k * len {
                return Err(Error::shape(
                    "join",
                    format!("a part of {} numbers, not {k} x {len}", part.elements()),
                ));
            }
            let words = [sum.address(), part.address()].into_iter();
            let words = words.chain([k * len, len, all, start, step].map(|number| number as u64));
            kernel.launch(k * len, words.chain([factor.to_bits()]).collect())?;
            start += len;
        }
    }
    if !direct {
        let words = vec![out.address(), sum.address(), (k * all) as u64];
        Kernel::load(device, "rounded", dtype)?.launch(k * all, words)?;
    }
    Ok(out)
}

/// A kernel outside of all plans.
struct Kernel<'a> {
    device: &'a Arc<Device>,
    source: KernelSource,
    function: Function,
}

impl<'a> Kernel<'a> {
    fn load(device: &'a Arc<Device>, name: &str, dtype: DType) -> Result<Self> {
        let source = KernelSource::by_hand(name, dtype);
        let functions = device.load(std::slice::from_ref(&source))?;
        let function = functions.first().copied().ok_or_else(|| Error::Device(name.to_owned()))?;
        Ok(Self { device, source, function })
    }

    fn launch(&self, threads: usize, mut words: Vec<u64>) -> Result<()> {
        if threads == 0 {
            return Ok(());
        }
        let (found, name) = (words.len(), &self.source.name);
        if found != self.source.words {
            return Err(Error::Device(format!("{found} words for {name}, not {}", self.source.words)));
        }
        let threads = u32::try_from(threads).map_err(|_| {
            Error::unsupported("vectors of more than 4 billion numbers on a GPU: take fewer at once")
        })?;
        let _alone = self.device.work();
        // SAFETY: the words are those of the kernel, at tensors as large as it takes them to be.
        unsafe { self.device.driver()?.launch(self.function, threads.div_ceil(THREADS), &mut words) }
    }
}
