//! The positions of the maxima of windows.
//!
//! On unpredictable data, half of the comparison branches are mispredicted, which costs more than
//! everything else. The most common windows, of 2 × 2, are therefore compared without branches. All
//! windows of a plane are processed as one array, because rows of windows are often shorter than
//! SIMD vectors.

use eigenscape_runtime::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::PoolGeometry;
use crate::kernels::Element;

/// For each window of each plane of `x` \[..., H·W\], the position in the plane of its first
/// largest element, as `u32`. NaN counts as the largest, so that it is not hidden.
pub(crate) fn argmax_pool<T: Element>(x: &[T], geometry: &PoolGeometry, out: &mut [u32]) {
    let halves = halves(geometry).then(|| Halves::new(geometry));
    let arch = arch();
    let planes = out.par_chunks_mut(geometry.out_plane()).zip(x.par_chunks(geometry.plane()));
    planes.with_min_len(PLANES).for_each_init(Default::default, |corners, (out, x)| match &halves {
        Some(halves) => arch.dispatch(HalvesOf { halves, x, corners, out }),
        None => argmax_plane(x, out, geometry),
    });
}

/// Planes per task.
const PLANES: usize = 16;

/// Whether the windows are adjacent 2 × 2 blocks from the first corner on.
fn halves(geometry: &PoolGeometry) -> bool {
    let pairs = |ranges: &[std::ops::Range<usize>]| {
        ranges.iter().enumerate().all(|(i, range)| *range == (2 * i..2 * i + 2))
    };
    pairs(&geometry.rows) && pairs(&geometry.columns)
}

/// An element and its position.
type Candidate<T> = (T, u32);

/// The challenger if it is larger, or if it is NaN and the champion is not; else the champion.
#[inline(always)]
fn larger<T: Element>(champion: Candidate<T>, challenger: Candidate<T>) -> Candidate<T> {
    // False if the champion is NaN, unlike `!(challenger <= champion)`.
    let wins = challenger.0 > champion.0 || (challenger.0.is_nan() && !champion.0.is_nan());
    (if wins { challenger.0 } else { champion.0 }, if wins { challenger.1 } else { champion.1 })
}

/// The argmax of arbitrary windows of a plane.
fn argmax_plane<T: Element>(x: &[T], out: &mut [u32], geometry: &PoolGeometry) {
    for (oy, rows) in geometry.rows.iter().enumerate() {
        for (ox, columns) in geometry.columns.iter().enumerate() {
            let first = rows.start * geometry.width + columns.start;
            let mut champion = (x[first], first as u32);
            for y in rows.clone() {
                let start = y * geometry.width;
                for (i, &x) in (start + columns.start..).zip(&x[start + columns.start..start + columns.end]) {
                    champion = larger(champion, (x, i as u32));
                }
            }
            out[oy * geometry.columns.len() + ox] = champion.1;
        }
    }
}

/// Windows of 2 × 2 that cover a plane.
struct Halves {
    width: usize,
    columns: usize,
    /// The position of each window's first element in the plane.
    first: Vec<u32>,
}

impl Halves {
    fn new(geometry: &PoolGeometry) -> Self {
        let (width, columns) = (geometry.width, geometry.columns.len());
        let first = |i: usize| (2 * (i / columns) * width + 2 * (i % columns)) as u32;
        Self { width, columns, first: (0..geometry.out_plane()).map(first).collect() }
    }
}

/// The argmax of 2 × 2 windows of one plane. `corners` are reused buffers for the windows'
/// elements: upper left, upper right, lower left, lower right.
struct HalvesOf<'a, T> {
    halves: &'a Halves,
    x: &'a [T],
    corners: &'a mut [Vec<T>; 4],
    out: &'a mut [u32],
}

impl<T: Element> WithSimd for HalvesOf<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { halves: Halves { width, columns, first }, x, corners, out } = self;
        for corner in corners.iter_mut() {
            corner.resize(out.len(), T::zero());
        }
        let [a, b, c, d] = corners.each_mut().map(|corner| &mut corner[..out.len()]);
        for (row, start) in (0..out.len()).step_by(*columns).enumerate() {
            let above = x[2 * row * width..][..2 * columns].as_chunks::<2>().0;
            let below = x[(2 * row + 1) * width..][..2 * columns].as_chunks::<2>().0;
            let windows = start..start + columns;
            for ((a, b), pair) in a[windows.clone()].iter_mut().zip(&mut b[windows.clone()]).zip(above) {
                [*a, *b] = *pair;
            }
            for ((c, d), pair) in c[windows.clone()].iter_mut().zip(&mut d[windows]).zip(below) {
                [*c, *d] = *pair;
            }
        }
        let below = *width as u32;
        let first = &first[..out.len()];
        for i in 0..out.len() {
            let upper = larger((a[i], 0), (b[i], 1));
            let lower = larger((c[i], below), (d[i], below + 1));
            out[i] = first[i] + larger(upper, lower).1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The values are picked from a few, so that ties, zeros of both signs, infinities and NaN
        /// are frequent.
        #[test]
        fn windows_of_two_are_as_any_windows(
            height in 2..9_usize, width in 2..40_usize, picks in prop::collection::vec(0..9_usize, 9 * 40)
        ) {
            let values = [0.0, -0.0, 1.0, -1.0, 2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.5];
            let x: Vec<f64> = picks.iter().take(height * width).map(|&pick| values[pick]).collect();
            let pairs = |size: usize| (0..size / 2).map(|i| 2 * i..2 * i + 2).collect::<Vec<_>>();
            let geometry = PoolGeometry { height, width, rows: pairs(height), columns: pairs(width) };
            prop_assert!(halves(&geometry));
            let mut expected = vec![0; geometry.out_plane()];
            argmax_plane(&x, &mut expected, &geometry);
            let mut found = expected.clone();
            let halves = &Halves::new(&geometry);
            arch().dispatch(HalvesOf { halves, x: &x, corners: &mut Default::default(), out: &mut found });
            prop_assert_eq!(&found, &expected);
            let narrow: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            arch().dispatch(HalvesOf { halves, x: &narrow, corners: &mut Default::default(), out: &mut found });
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_first_largest_wins_and_nan_is_seen() {
        let plane = |x: [f32; 6]| {
            let mut out = [0];
            let whole = |size| std::iter::once(0..size).collect();
            let geometry = PoolGeometry { height: 2, width: 3, rows: whole(2), columns: whole(3) };
            argmax_plane(&x, &mut out, &geometry);
            out[0]
        };
        assert_eq!(plane([1.0, 3.0, 3.0, 2.0, 3.0, 0.0]), 1);
        assert_eq!(plane([1.0, 3.0, f32::NAN, f32::NAN, 3.0, 0.0]), 2);
        assert_eq!(plane([f32::NEG_INFINITY; 6]), 0);
    }
}
