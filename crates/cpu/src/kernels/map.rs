//! Element-wise functions of one operand.

use super::{Element, View, parallel::for_each_chunk};

/// Elements per task: for fewer, threads cost more than they save.
const CHUNK: usize = 1 << 14;

/// Writes f(x) for each element x.
pub(crate) fn map<T: Element>(x: &View<'_, T>, out: &mut [T], f: impl Fn(T) -> T + Sync) {
    let x = x.onto(x.dims);
    for_each_chunk(out, CHUNK, &|i, out| match x.in_order(i * CHUNK, out.len()) {
        Some(x) => out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x)),
        None => {
            x.copy(i * CHUNK, out);
            out.iter_mut().for_each(|x| *x = f(*x));
        }
    });
}
