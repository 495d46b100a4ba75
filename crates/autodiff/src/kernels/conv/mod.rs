//! Two-dimensional convolution and its two transposes.
//!
//! 3×3 filters of stride 1 with channels enough go by Winograd's transforms; everything else goes with the samples side by side, and
//! by unfolded patches where there are only few of them.

mod interleaved;
#[cfg(test)]
mod testing;
mod unfolded;
mod winograd;

use candle_core::Tensor;
use pulp::Arch;

use self::winograd::{Filters, Role, Sides, Term};
use super::{
    Element, cpu_slice, dispatch,
    recycle::{buffer, give_back},
};
use crate::error::Result;

/// The sizes of a convolution of one sample: \[C, H, W\] with \[O, C/groups, kH, kW\] to \[O, oH, oW\].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub out_channels: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

impl Geometry {
    fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    fn out_image(&self) -> usize {
        self.out_channels * self.positions()
    }

    /// Rows of the patch matrix of one group.
    fn patch(&self) -> usize {
        self.channels / self.groups * self.kernel.0 * self.kernel.1
    }

    fn weight(&self) -> usize {
        self.out_channels * self.patch()
    }

    fn group_image(&self) -> usize {
        self.image() / self.groups
    }

    fn group_out(&self) -> usize {
        self.out_image() / self.groups
    }

    fn group_weight(&self) -> usize {
        self.weight() / self.groups
    }
}

/// The two operands of each convolution of a sum of such.
type Terms<'a, T> = &'a [[&'a [T]; 2]];

/// y\[v, b\] = Σ x\[b\] ∗ w\[v\] over terms x \[B, C, H, W\] and w \[V, O, C/groups, kH, kW\]: \[V, B, O, oH, oW\].
pub(crate) fn conv2d(terms: &[[&Tensor; 2]], g: &Geometry) -> Result<Tensor> {
    let [x, w] = terms[0];
    let (samples, vectors) = (x.elem_count() / g.image(), w.elem_count() / g.weight());
    dispatch!(x, T => {
        let mut out = buffer::<T>(vectors * samples * g.out_image());
        with_terms::<T, _>(terms, |terms| match Sides::new(g) {
            Some(sides) => winograd(&sides, terms, Role::Forward, &mut out),
            None if interleaved::applies(samples) => interleaved::convolve(Arch::new(), g, terms, &mut out),
            None => one_by_one(terms, &mut out, |[x, w], out| unfolded::convolve(g, x, w, out)),
        })?;
        let dims = (vectors, samples, g.out_channels, g.out_height, g.out_width);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// The transpose in x: x\[l, b\] = Σ w\[l\]ᵀ y\[l, b\] over terms y \[L, B, O, oH, oW\] and w \[L, O, C/groups, kH, kW\], either L being
/// 1 (repeated): \[L, B, C, H, W\].
pub(crate) fn conv2d_input_transpose(terms: &[[&Tensor; 2]], g: &Geometry) -> Result<Tensor> {
    let [y, w] = terms[0];
    let (y_lead, w_lead, samples) = (y.dims()[0], w.dims()[0], y.dims()[1]);
    let lead = y_lead.max(w_lead);
    // One filter for all: they are one larger batch.
    let (pairs, batch) = if w_lead == 1 { (1, lead * samples) } else { (lead, samples) };
    let sides = Sides::new(g).map(Sides::transposed);
    dispatch!(y, T => {
        let mut out = buffer::<T>(lead * samples * g.image());
        with_terms::<T, _>(terms, |terms| {
            if let (Some(sides), 1) = (sides, y_lead) {
                return winograd(&sides, terms, Role::InputTranspose, &mut out);
            }
            for (l, out) in out.chunks_mut((batch * g.image()).max(1)).enumerate() {
                let first = if pairs == 1 { 0 } else { l % y_lead * batch * g.out_image() };
                let terms = terms.iter().map(|[y, w]| {
                    [&y[first..][..batch * g.out_image()], &w[l % w_lead * g.weight()..][..g.weight()]]
                });
                let terms: Vec<[&[T]; 2]> = terms.collect();
                match sides {
                    Some(sides) => winograd(&sides, &terms, Role::InputTranspose, out),
                    None if interleaved::applies(batch) => {
                        interleaved::input_transpose(Arch::new(), g, &terms, out);
                    }
                    None => one_by_one(&terms, out, |[y, w], out| unfolded::input_transpose(g, y, w, out)),
                }
            }
        })?;
        let dims = (lead, samples, g.channels, g.height, g.width);
        Ok(Tensor::from_vec(out, dims, y.device())?)
    })
}

/// The transpose in w: w\[l\] = Σ Σ_b y\[l, b\] x\[l, b\]ᵀ over terms x \[L, B, C, H, W\] and y \[L, B, O, oH, oW\], either L being 1
/// (repeated): \[L, O, C/groups, kH, kW\].
pub(crate) fn conv2d_weight_transpose(terms: &[[&Tensor; 2]], g: &Geometry) -> Result<Tensor> {
    let [x, y] = terms[0];
    let (x_lead, y_lead, samples) = (x.dims()[0], y.dims()[0], x.dims()[1]);
    let lead = x_lead.max(y_lead);
    dispatch!(x, T => {
        let mut out = buffer::<T>(lead * g.weight());
        with_terms::<T, _>(terms, |terms| {
            for (l, out) in out.chunks_mut(g.weight()).enumerate() {
                let terms = terms.iter().map(|[x, y]| {
                    let x = &x[l % x_lead * samples * g.image()..][..samples * g.image()];
                    [x, &y[l % y_lead * samples * g.out_image()..][..samples * g.out_image()]]
                });
                let terms: Vec<[&[T]; 2]> = terms.collect();
                match Sides::new(g) {
                    Some(sides) => winograd::weight_transpose(Arch::new(), &sides, &terms, out),
                    None => interleaved::weight_transpose(Arch::new(), g, &terms, out),
                }
            }
        })?;
        let dims = (lead, g.out_channels, g.channels / g.groups, g.kernel.0, g.kernel.1);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// Calls `f` with the elements of all operands in row-major order.
fn with_terms<T: Element, R>(terms: &[[&Tensor; 2]], f: impl FnOnce(Terms<'_, T>) -> R) -> Result<R> {
    let in_order: Vec<Tensor> =
        terms.iter().flatten().map(|operand| operand.contiguous()).collect::<candle_core::Result<_>>()?;
    let stored: Vec<_> = in_order.iter().map(Tensor::storage_and_layout).collect();
    let operands = stored.iter().map(|(storage, layout)| {
        Ok(&cpu_slice::<T>(storage)?[layout.start_offset()..][..layout.shape().elem_count()])
    });
    let operands: Vec<&[T]> = operands.collect::<Result<_>>()?;
    Ok(f(operands.as_chunks().0))
}

/// The sum of what `f` writes for each term.
fn one_by_one<'a, T: Element>(terms: Terms<'a, T>, out: &mut [T], f: impl Fn([&'a [T]; 2], &mut [T])) {
    let Some((first, others)) = terms.split_first() else { return };
    f(*first, out);
    for term in others {
        let mut more = buffer(out.len());
        f(*term, &mut more);
        out.iter_mut().zip(&more).for_each(|(out, x)| *out += *x);
        give_back(more);
    }
}

/// Every image with every filter; the filters are transformed some at a time.
fn winograd<T: Element>(sides: &Sides, terms: Terms<'_, T>, role: Role, out: &mut [T]) {
    const AT_A_TIME: usize = 1 << 24;
    let weight = 9 * sides.inner * sides.outer;
    let vectors = terms.first().map_or(0, |[_, w]| w.len() / weight).max(1);
    let count = (AT_A_TIME / weight).clamp(1, vectors);
    let arch = Arch::new();
    let results = (out.len() / vectors * count).max(1);
    for (first, out) in (0..vectors).step_by(count).zip(out.chunks_mut(results)) {
        let count = count.min(vectors - first);
        let filters = |w: &[T]| {
            let w = &w[first * weight..][..count * weight];
            w.chunks(weight).map(|w| Filters::new(arch, sides, w, role)).collect()
        };
        let terms: Vec<Term<'_, T>> =
            terms.iter().map(|[x, w]| Term { images: x, filters: filters(w) }).collect();
        winograd::convolve(arch, sides, &terms, out);
        terms.into_iter().flat_map(|term| term.filters).for_each(|filters| give_back(filters.data));
    }
}
