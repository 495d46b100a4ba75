//! Transformed filters, in panels.

use pulp::{Arch, Simd, WithSimd, bytemuck::Zeroable};

use super::{POINTS, Sides, layout::store_points, transform};
use crate::kernels::{
    Element, Workspace,
    panel::{self, Widths},
    parallel::for_each_chunk,
    simd::MOST_LANES,
    workspace::Taken,
};

/// How a convolution uses the weights \[O, C, 3, 3\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Role {
    /// From C to O channels.
    Forward,
    /// From O to C channels, with the filters rotated by 180°.
    InputTranspose,
}

/// G g Gᵀ of every filter, as \[panel of outer channels, point, inner channel, outer channel\].
pub(in super::super) struct Filters<'w, T> {
    data: Taken<'w, T>,
    /// Outer channels of a panel.
    width: usize,
    inner: usize,
}

impl<'w, T: Element> Filters<'w, T> {
    /// Transforms the weights of a convolution with these sides.
    pub fn new(arch: Arch, sides: &Sides, weights: &[T], role: Role, work: &mut Workspace<'w>) -> Self {
        let width = Widths::new::<T>(arch).panel;
        let Sides { inner, outer, .. } = *sides;
        let panel = POINTS * inner * width;
        // Surplus channels of the last panel are zero; their products are computed and dropped.
        let mut data = work.zeros(outer.div_ceil(width) * panel);
        for_each_chunk(&mut data, panel, &|i, to| {
            arch.dispatch(Transform { weights, sides, role, first: i * width, to });
        });
        Self { data, width, inner }
    }

    /// Outer channels of a panel.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One point of one panel: \[inner, width\].
    pub fn panel(&self, panel: usize, point: usize) -> &[T] {
        let len = self.inner * self.width;
        &self.data[(panel * POINTS + point) * len..][..len]
    }
}

/// Transforms one panel, from outer channel `first` on.
struct Transform<'a, T> {
    weights: &'a [T],
    sides: &'a Sides,
    role: Role,
    first: usize,
    to: &'a mut [T],
}

impl<T: Element> WithSimd for Transform<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weights, sides, role, first, to } = self;
        let Sides { inner, outer, .. } = *sides;
        let (lanes, width) = (T::lanes::<S>(), panel::columns::<T, S>());
        let half = T::splat(simd, T::from_f64(0.5));
        for k in 0..inner {
            for column in (0..width.min(outer - first)).step_by(lanes) {
                let mut taps = [[T::zero(); MOST_LANES]; 9];
                let channels = first + column..outer.min(first + column + lanes);
                for (lane, channel) in channels.enumerate() {
                    let filter = match role {
                        Role::Forward => channel * inner + k,
                        Role::InputTranspose => k * outer + channel,
                    };
                    let filter = &weights[9 * filter..][..9];
                    taps.iter_mut().zip(filter).for_each(
                        #[inline(always)]
                        |(taps, x)| taps[lane] = *x,
                    );
                }
                if role == Role::InputTranspose {
                    taps.reverse();
                }
                let mut square = [[T::Vector::<S>::zeroed(); 3]; 3];
                for (square, taps) in square.as_flattened_mut().iter_mut().zip(&taps) {
                    *square = T::vectors::<S>(&taps[..lanes]).0[0];
                }
                let points = transform::filter::<T, S>(simd, half, square);
                store_points::<T, S>(to, k * width + column, inner * width, points);
            }
        }
    }
}
