//! Two-dimensional convolution and its two transposes.
//!
//! 3×3 filters of stride 1 with enough channels use Winograd's transforms. All other convolutions
//! use the interleaved layout (samples innermost), or unfolded patches if there are few samples.

mod interleaved;
pub(crate) mod limits;
#[cfg(test)]
mod testing;
mod unfolded;
mod winograd;

use eigenscape_runtime::arch;

use self::{
    limits::TRANSFORMED_FILTERS,
    winograd::{Filters, Role, Sides, Term},
};
use super::{Element, Workspace};

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
    /// Whether the convolution is computed by Winograd's transforms.
    pub fn is_transformed(&self) -> bool {
        Sides::new(self).is_some()
    }

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

/// A sum of convolutions: the two operands of each term.
pub(crate) type Terms<'a, T> = &'a [[&'a [T]; 2]];

/// y\[l, b\] = Σ x\[l, b\] ∗ w\[l\] over terms x \[L, B, C, H, W\] and w \[L, O, C/groups, kH,
/// kW\], where each L may be 1 (repeated): \[L, B, O, oH, oW\]. B is `samples`.
pub(crate) fn conv2d<T: Element>(
    terms: Terms<'_, T>,
    g: &Geometry,
    samples: usize,
    out: &mut [T],
    work: &mut Workspace,
) {
    let (image, sides) = (samples * g.image(), Sides::new(g));
    // If one filter serves all rounds, they form one larger batch. If one batch serves all rounds,
    // its patches are made once for all filters.
    let joint = matches!(terms, [[x, w]] if x.len() == image || w.len() == g.weight());
    let (rounds, batch) =
        rounds(terms, joint, (samples, image), out.len() / (samples * g.out_image()).max(1));
    if sides.is_none() && interleaved::applies(batch) {
        return interleaved::convolve(arch(), g, batch, terms, out, work);
    }
    by_rounds(terms, rounds, [image, g.weight()], out, |terms, out| match sides {
        Some(sides) => winograd(&sides, terms, Role::Forward, out, work.rest()),
        None => one_by_one(terms, out, work.rest(), |[x, w], out| unfolded::convolve(g, x, w, out)),
    });
}

/// The transpose with respect to x: x\[l, b\] = Σ w\[l\]ᵀ y\[l, b\] over terms y \[L, B, O, oH,
/// oW\] and w \[L, O, C/groups, kH, kW\], where each L may be 1 (repeated): \[L, B, C, H, W\]. B is
/// `samples`.
pub(crate) fn conv2d_input_transpose<T: Element>(
    terms: Terms<'_, T>,
    g: &Geometry,
    samples: usize,
    out: &mut [T],
    work: &mut Workspace,
) {
    let (image, sides) = (samples * g.out_image(), Sides::new(g).map(Sides::transposed));
    let one_batch = |y: &[T]| y.len() == image && sides.is_some();
    let joint = matches!(terms, [[y, w]] if w.len() == g.weight() || one_batch(y));
    let (rounds, batch) = rounds(terms, joint, (samples, image), out.len() / (samples * g.image()).max(1));
    if sides.is_none() && interleaved::applies(batch) {
        return interleaved::input_transpose(arch(), g, batch, terms, out, work);
    }
    by_rounds(terms, rounds, [image, g.weight()], out, |terms, out| match sides {
        Some(sides) => winograd(&sides, terms, Role::InputTranspose, out, work.rest()),
        None => one_by_one(terms, out, work.rest(), |[y, w], out| unfolded::input_transpose(g, y, w, out)),
    });
}

/// The transpose with respect to w: w\[l\] = Σ Σ_b y\[l, b\] x\[l, b\]ᵀ over terms x \[L, B, C, H,
/// W\] and y \[L, B, O, oH, oW\], where each L may be 1 (repeated): \[L, O, C/groups, kH, kW\]. B
/// is `samples`.
pub(crate) fn conv2d_weight_transpose<T: Element>(
    terms: Terms<'_, T>,
    g: &Geometry,
    samples: usize,
    out: &mut [T],
    work: &mut Workspace,
) {
    let Some(sides) = Sides::new(g) else {
        return interleaved::weight_transpose(arch(), g, samples, terms, out, work);
    };
    let (rounds, sizes) = (out.len() / g.weight().max(1), [samples * g.image(), samples * g.out_image()]);
    by_rounds(terms, rounds, sizes, out, |terms, out| {
        winograd::weight_transpose(arch(), &sides, terms, out, work.rest());
    });
}

/// The number of rounds and the samples per round; a `joint` computation is a single round. `image`
/// is the size of `samples` samples of the first operand, which may repeat them along a leading
/// axis.
fn rounds<T>(
    terms: Terms<'_, T>,
    joint: bool,
    (samples, image): (usize, usize),
    lead: usize,
) -> (usize, usize) {
    if !joint {
        return (lead, samples);
    }
    let own = terms.first().map_or(1, |[x, _]| x.len() / image.max(1));
    (1, own * samples)
}

/// Calls `f` for each round with its part of `out` and of the operands. With a single round, `f`
/// gets the whole operands.
fn by_rounds<T>(
    terms: Terms<'_, T>,
    rounds: usize,
    sizes: [usize; 2],
    out: &mut [T],
    mut f: impl FnMut(Terms<'_, T>, &mut [T]),
) {
    if rounds == 1 {
        return f(terms, out);
    }
    for (round, out) in out.chunks_mut((out.len() / rounds).max(1)).enumerate() {
        let terms = terms.iter().map(|[a, b]| [part(a, sizes[0], round), part(b, sizes[1], round)]);
        f(&terms.collect::<Vec<_>>(), out);
    }
}

/// The `size` numbers of an operand for one round; an operand with a single part is shared by all
/// rounds.
fn part<T>(operand: &[T], size: usize, round: usize) -> &[T] {
    let parts = (operand.len() / size.max(1)).max(1);
    &operand[round % parts * size..][..size]
}

/// Writes the sum over terms of what `f` computes.
fn one_by_one<'a, T: Element>(
    terms: Terms<'a, T>,
    out: &mut [T],
    mut work: Workspace<'_>,
    f: impl Fn([&'a [T]; 2], &mut [T]),
) {
    let Some((first, others)) = terms.split_first() else { return };
    f(*first, out);
    for term in others {
        let mut rest = work.rest();
        let mut more = rest.take(out.len());
        f(*term, &mut more);
        out.iter_mut().zip(&*more).for_each(|(out, x)| *out += *x);
    }
}

/// Convolves every image with every filter; a bounded number of filters is transformed at a time.
fn winograd<T: Element>(
    sides: &Sides,
    terms: Terms<'_, T>,
    role: Role,
    out: &mut [T],
    mut work: Workspace<'_>,
) {
    let weight = 9 * sides.inner * sides.outer;
    let vectors = terms.first().map_or(0, |[_, w]| w.len() / weight).max(1);
    let count = (TRANSFORMED_FILTERS / weight).clamp(1, vectors);
    let arch = arch();
    let results = (out.len() / vectors * count).max(1);
    for (first, out) in (0..vectors).step_by(count).zip(out.chunks_mut(results)) {
        let (count, mut rest) = (count.min(vectors - first), work.rest());
        let mut transformed = Vec::with_capacity(terms.len());
        for [images, w] in terms {
            let filters = w[first * weight..][..count * weight].chunks(weight);
            let filters = filters.map(|w| Filters::new(arch, sides, w, role, &mut rest)).collect();
            transformed.push(Term { images, filters });
        }
        winograd::convolve(arch, sides, &transformed, out);
    }
}
