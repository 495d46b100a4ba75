//! Element-wise functions.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Element, recycle::buffer, with_slice};
use crate::Result;

/// Below this many elements threads cost more than they save.
const CHUNK: usize = 1 << 14;

/// f(x) for each element.
pub(crate) fn map<T: Element>(x: &Tensor, f: impl Fn(T) -> T + Sync) -> Result<Tensor> {
    let mut out = buffer::<T>(x.elem_count());
    with_slice::<T, _>(x, |x| {
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x));
        });
        Ok(())
    })?;
    Ok(Tensor::from_vec(out, x.dims(), x.device())?)
}
