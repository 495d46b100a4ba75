//! Two-dimensional convolution and its two transposes.
//!
//! 3×3 filters of stride 1 with channels enough go by Winograd's transforms; everything else goes
//! with the samples side by side, and by unfolded patches where there are only few of them.

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
use crate::Result;

/// The sizes of a convolution of one sample: \[C, H, W\] with \[O, C/groups, kH, kW\] to \[O, oH,
/// oW\].
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

/// y\[l, b\] = Σ x\[l, b\] ∗ w\[l\] over terms x \[L, B, C, H, W\] and w \[L, O, C/groups, kH,
/// kW\], any L being 1 (repeated): \[L, B, O, oH, oW\].
pub(crate) fn conv2d(terms: &[[&Tensor; 2]], g: &Geometry) -> Result<Tensor> {
    let [x, w] = terms[0];
    let (lead, samples) = (lead(terms), x.dims()[1]);
    let sides = Sides::new(g);
    // One filter for all: they are one larger batch. One batch for all: its patches serve all
    // filters.
    let joint = terms.len() == 1 && (x.dims()[0] == 1 || w.dims()[0] == 1);
    dispatch!(x, T => {
        let mut out = buffer::<T>(lead * samples * g.out_image());
        let (rounds, batch) = if joint { (1, x.dims()[0] * samples) } else { (lead, samples) };
        with_terms::<T, _>(terms, |terms| {
            if sides.is_none() && interleaved::applies(batch) {
                return interleaved::convolve(Arch::new(), g, batch, terms, &mut out);
            }
            by_rounds(terms, rounds, [samples * g.image(), g.weight()], &mut out, |terms, out| match sides {
                Some(sides) => winograd(&sides, terms, Role::Forward, out),
                None => one_by_one(terms, out, |[x, w], out| unfolded::convolve(g, x, w, out)),
            });
        })?;
        let dims = (lead, samples, g.out_channels, g.out_height, g.out_width);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// The transpose in x: x\[l, b\] = Σ w\[l\]ᵀ y\[l, b\] over terms y \[L, B, O, oH, oW\] and w \[L,
/// O, C/groups, kH, kW\], any L being 1 (repeated): \[L, B, C, H, W\].
pub(crate) fn conv2d_input_transpose(terms: &[[&Tensor; 2]], g: &Geometry) -> Result<Tensor> {
    let [y, w] = terms[0];
    let (lead, samples) = (lead(terms), y.dims()[1]);
    let sides = Sides::new(g).map(Sides::transposed);
    let joint = terms.len() == 1 && (w.dims()[0] == 1 || y.dims()[0] == 1 && sides.is_some());
    dispatch!(y, T => {
        let mut out = buffer::<T>(lead * samples * g.image());
        let (rounds, batch) = if joint { (1, y.dims()[0] * samples) } else { (lead, samples) };
        with_terms::<T, _>(terms, |terms| {
            if sides.is_none() && interleaved::applies(batch) {
                return interleaved::input_transpose(Arch::new(), g, batch, terms, &mut out);
            }
            by_rounds(terms, rounds, [samples * g.out_image(), g.weight()], &mut out, |terms, out| match sides {
                Some(sides) => winograd(&sides, terms, Role::InputTranspose, out),
                None => one_by_one(terms, out, |[y, w], out| unfolded::input_transpose(g, y, w, out)),
            });
        })?;
        let dims = (lead, samples, g.channels, g.height, g.width);
        Ok(Tensor::from_vec(out, dims, y.device())?)
    })
}

/// The transpose in w: w\[l\] = Σ Σ_b y\[l, b\] x\[l, b\]ᵀ over terms x \[L, B, C, H, W\] and y
/// \[L, B, O, oH, oW\], any L being 1 (repeated): \[L, O, C/groups, kH, kW\].
pub(crate) fn conv2d_weight_transpose(terms: &[[&Tensor; 2]], g: &Geometry) -> Result<Tensor> {
    let x = terms[0][0];
    let (lead, samples) = (lead(terms), x.dims()[1]);
    dispatch!(x, T => {
        let mut out = buffer::<T>(lead * g.weight());
        with_terms::<T, _>(terms, |terms| {
            let Some(sides) = Sides::new(g) else {
                return interleaved::weight_transpose(Arch::new(), g, samples, terms, &mut out);
            };
            let sizes = [samples * g.image(), samples * g.out_image()];
            by_rounds(terms, lead, sizes, &mut out, |terms, out| {
                winograd::weight_transpose(Arch::new(), &sides, terms, out);
            });
        })?;
        let dims = (lead, g.out_channels, g.channels / g.groups, g.kernel.0, g.kernel.1);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// L: the largest leading axis.
fn lead(terms: &[[&Tensor; 2]]) -> usize {
    terms.iter().flatten().map(|operand| operand.dims()[0]).max().unwrap_or(1)
}

/// Calls `f` for each part of `out` with the parts of the operands that it depends on; those of one
/// round are whole.
fn by_rounds<T>(
    terms: Terms<'_, T>,
    rounds: usize,
    sizes: [usize; 2],
    out: &mut [T],
    f: impl Fn(Terms<'_, T>, &mut [T]),
) {
    if rounds == 1 {
        return f(terms, out);
    }
    for (round, out) in out.chunks_mut((out.len() / rounds).max(1)).enumerate() {
        let terms = terms.iter().map(|[a, b]| [part(a, sizes[0], round), part(b, sizes[1], round)]);
        f(&terms.collect::<Vec<_>>(), out);
    }
}

/// The part of a round, of so many numbers; an operand of one part has it for all.
fn part<T>(operand: &[T], size: usize, round: usize) -> &[T] {
    let parts = (operand.len() / size.max(1)).max(1);
    &operand[round % parts * size..][..size]
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
