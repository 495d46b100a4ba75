//! Concatenation, padding and constant matrices.

use eigenscape_program::operations::{Concat, Literal, Matrix, Pad};
use rayon::prelude::*;

use super::{Operand, common_lead};
use crate::{
    Result,
    kernels::{Element, strided::Strided},
};

/// Rows of the result that one task writes.
const ROWS: usize = 16;

pub(super) fn concat<T: Element>(
    concat: &Concat,
    args: &[Operand],
    dims: &[usize],
    out: &mut [T],
) -> Result<()> {
    let lead = common_lead(args);
    let axis = concat.axis + usize::from(lead.is_some());
    let inner: usize = dims[axis + 1..].iter().product();
    let mut parts: Vec<(usize, Strided<'_, T>)> = Vec::with_capacity(args.len());
    for arg in args {
        let own: Vec<usize> = lead.into_iter().chain(arg.dims().iter().copied()).collect();
        parts.push((own[axis] * inner, arg.view()?.onto(&own)));
    }
    let row = dims[axis] * inner;
    out.par_chunks_mut(row.max(1)).with_min_len(ROWS).enumerate().for_each(|(i, mut out)| {
        for (len, part) in &parts {
            let (own, rest) = out.split_at_mut(*len);
            part.copy(i * len, own);
            out = rest;
        }
    });
    Ok(())
}

pub(super) fn literal<T: Element>(literal: &Literal, out: &mut [T]) {
    for (out, number) in out.iter_mut().zip(literal.numbers()) {
        *out = T::from_f64(*number);
    }
}

pub(super) fn matrix<T: Element>(matrix: &Matrix, out: &mut [T]) {
    let columns = matrix.columns;
    for (i, out) in out.iter_mut().enumerate() {
        *out = T::from_f64(matrix.element(i / columns, i % columns));
    }
}

pub(super) fn pad<T: Element>(pad: &Pad, x: &Operand, out: &mut [T]) -> Result<()> {
    let x_dims = &x.numbers.layout.dims;
    let axis = pad.axis + x.shift();
    let inner: usize = x_dims[axis + 1..].iter().product();
    let [before, len, after] = [pad.before, x_dims[axis], pad.after].map(|size| size * inner);
    let x = x.view::<T>()?.onto(x_dims);
    let rows = out.par_chunks_mut((before + len + after).max(1)).with_min_len(ROWS).enumerate();
    rows.for_each(|(i, out)| {
        out[..before].fill(T::zero());
        x.copy(i * len, &mut out[before..before + len]);
        out[before + len..].fill(T::zero());
    });
    Ok(())
}
