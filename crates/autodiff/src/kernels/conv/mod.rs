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

use self::winograd::{Filters, Role, Sides};
use super::{
    Element, dispatch,
    recycle::{buffer, give_back},
    with_slice,
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

/// y\[v, b\] = x\[b\] ∗ w\[v\] for x \[B, C, H, W\] and w \[V, O, C/groups, kH, kW\]: \[V, B, O, oH, oW\].
pub(crate) fn conv2d(x: &Tensor, w: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (samples, vectors) = (x.elem_count() / g.image(), w.elem_count() / g.weight());
    dispatch!(x, T => {
        let mut out = buffer::<T>(vectors * samples * g.out_image());
        with_slice::<T, _>(x, |x| with_slice::<T, _>(w, |w| {
            match Sides::new(g) {
                Some(sides) => winograd(&sides, x, w, Role::Forward, &mut out),
                None if interleaved::applies(samples) => {
                    interleaved::convolve(Arch::new(), g, x, w, &mut out);
                }
                None => unfolded::convolve(g, x, w, &mut out),
            }
            Ok(())
        }))?;
        let dims = (vectors, samples, g.out_channels, g.out_height, g.out_width);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// The transpose in x: x\[l, b\] = Σ w\[l\]ᵀ y\[l, b\] for y \[L, B, O, oH, oW\] and w \[L, O, C/groups, kH, kW\], either L being
/// 1 (repeated): \[L, B, C, H, W\].
pub(crate) fn conv2d_input_transpose(y: &Tensor, w: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (y_lead, w_lead, samples) = (y.dims()[0], w.dims()[0], y.dims()[1]);
    let lead = y_lead.max(w_lead);
    // One filter for all: they are one larger batch.
    let (pairs, batch) = if w_lead == 1 { (1, lead * samples) } else { (lead, samples) };
    dispatch!(y, T => {
        let mut out = buffer::<T>(lead * samples * g.image());
        with_slice::<T, _>(y, |y| with_slice::<T, _>(w, |w| {
            let sides = Sides::new(g).map(Sides::transposed);
            if let (Some(sides), 1) = (sides, y_lead) {
                winograd(&sides, y, w, Role::InputTranspose, &mut out);
                return Ok(());
            }
            for (l, out) in out.chunks_mut((batch * g.image()).max(1)).enumerate() {
                let y = &y[if pairs == 1 { 0 } else { l % y_lead * batch * g.out_image() }..];
                let y = &y[..batch * g.out_image()];
                let w = &w[l % w_lead * g.weight()..][..g.weight()];
                match sides {
                    Some(sides) => winograd(&sides, y, w, Role::InputTranspose, out),
                    None if interleaved::applies(batch) => {
                        interleaved::input_transpose(Arch::new(), g, y, w, out);
                    }
                    None => unfolded::input_transpose(g, y, w, out),
                }
            }
            Ok(())
        }))?;
        let dims = (lead, samples, g.channels, g.height, g.width);
        Ok(Tensor::from_vec(out, dims, y.device())?)
    })
}

/// The transpose in w: w\[l\] = Σ_b y\[l, b\] x\[l, b\]ᵀ for x \[L, B, C, H, W\] and y \[L, B, O, oH, oW\], either L being 1
/// (repeated): \[L, O, C/groups, kH, kW\].
pub(crate) fn conv2d_weight_transpose(x: &Tensor, y: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (x_lead, y_lead, samples) = (x.dims()[0], y.dims()[0], x.dims()[1]);
    let lead = x_lead.max(y_lead);
    dispatch!(x, T => {
        let mut out = buffer::<T>(lead * g.weight());
        with_slice::<T, _>(x, |x| with_slice::<T, _>(y, |y| {
            for (l, out) in out.chunks_mut(g.weight()).enumerate() {
                let x = &x[l % x_lead * samples * g.image()..][..samples * g.image()];
                let y = &y[l % y_lead * samples * g.out_image()..][..samples * g.out_image()];
                match Sides::new(g) {
                    Some(sides) => winograd::weight_transpose(Arch::new(), &sides, x, y, out),
                    None => interleaved::weight_transpose(Arch::new(), g, x, y, out),
                }
            }
            Ok(())
        }))?;
        let dims = (lead, g.out_channels, g.channels / g.groups, g.kernel.0, g.kernel.1);
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// Every image with every filter; the filters are transformed some at a time.
fn winograd<T: Element>(sides: &Sides, x: &[T], w: &[T], role: Role, out: &mut [T]) {
    const AT_A_TIME: usize = 1 << 24;
    let weight = 9 * sides.inner * sides.outer;
    let count = (AT_A_TIME / weight).max(1);
    let results = (out.len() / (w.len() / weight).max(1) * count).max(1);
    let arch = Arch::new();
    for (w, out) in w.chunks(count * weight).zip(out.chunks_mut(results)) {
        let filters: Vec<_> = w.chunks(weight).map(|w| Filters::new(arch, sides, w, role)).collect();
        winograd::convolve(arch, sides, x, &filters, out);
        filters.into_iter().for_each(|filters| give_back(filters.data));
    }
}
