//! Matrix products whose right side is stored in panels. A panel is a few SIMD vectors wide; its
//! rows are stored one after the other.
//!
//! A tile of the result stays in registers during the loop over the inner index. Each entry is
//! summed in two levels: one running sum per [`DEPTH`] inner indices, and these sums added up in
//! order. This order does not depend on the tile, so results do not depend on how the work is
//! distributed. The rounding error grows with the number of running sums instead of the number of
//! terms.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::simd::Lanes;

/// Terms of a running sum.
pub(super) const DEPTH: usize = 512;

/// Vectors in a row of a panel.
const WIDTH: usize = 3;

/// The array \[f(0), ..., f(N - 1)\]; `start` is any initial value. `std::array::from_fn` would
/// generate several functions per element type, length and closure, of which the compiler would
/// have to optimise thousands.
#[inline(always)]
fn array<T: Copy, const N: usize>(start: T, f: impl Fn(usize) -> T) -> [T; N] {
    let mut elements = [start; N];
    for (i, element) in elements.iter_mut().enumerate() {
        *element = f(i);
    }
    elements
}

/// Columns of a panel.
pub(super) fn columns<T: Lanes, S: Simd>() -> usize {
    WIDTH * T::lanes::<S>()
}

/// Columns of a panel for the instruction set `arch`.
pub(super) fn widest<T: Lanes>(arch: Arch) -> usize {
    struct Ask<T>(PhantomData<T>);
    impl<T: Lanes> WithSimd for Ask<T> {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            columns::<T, S>()
        }
    }
    arch.dispatch(Ask::<T>(PhantomData))
}

/// The left side of a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub layout: Layout<'a>,
}

/// Where element (row, k) of a left side lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout<'a> {
    /// At `row * stride + k`.
    Rows(usize),
    /// At `k * stride + row`.
    Columns(usize),
    /// At `rows[row] + columns[k]`, where every `columns[k]` is below `span`.
    Table { rows: &'a [usize], columns: &'a [usize], span: usize },
}

/// Where rows start.
#[derive(Debug, Clone, Copy)]
pub(super) enum Steps<'a> {
    /// At multiples of this stride.
    Even(usize),
    /// At these offsets.
    Table(&'a [usize]),
}

impl Steps<'_> {
    #[inline(always)]
    fn at(&self, row: usize) -> usize {
        match self {
            Self::Even(stride) => row * stride,
            Self::Table(starts) => starts[row],
        }
    }
}

/// The right side: rows of `width` columns, a multiple of the lanes and at most the width of a
/// panel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel<'a, T> {
    pub data: &'a [T],
    pub steps: Steps<'a>,
    pub width: usize,
}

/// Where the result goes: rows of the panel's width.
pub(super) struct Out<'a, T> {
    pub data: &'a mut [T],
    pub steps: Steps<'a>,
    /// Whether the product is added to the existing values.
    pub accumulate: bool,
}

/// out (+)= left · panel, with an inner size of `depth`.
pub(super) struct Product<'a, T> {
    pub depth: usize,
    pub left: Left<'a, T>,
    pub panel: Panel<'a, T>,
    pub out: Out<'a, T>,
}

impl<T: Lanes> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut start = 0;
        // The loop runs at least once, so that an empty sum is written as zeros.
        loop {
            let depth = DEPTH.min(self.depth - start);
            self.part(start, depth).multiply(simd);
            start += depth;
            if start == self.depth {
                return;
            }
        }
    }
}

impl<T: Lanes> Product<'_, T> {
    /// The product over the `depth` terms from `start` on.
    #[inline(always)]
    fn part(&mut self, start: usize, depth: usize) -> Product<'_, T> {
        let Left { data, rows, layout } = self.left;
        let (data, layout) = match layout {
            Layout::Rows(_) => (&data[start..], layout),
            Layout::Columns(stride) => (&data[start * stride..], layout),
            Layout::Table { rows, columns, span } => {
                (data, Layout::Table { rows, columns: &columns[start..], span })
            }
        };
        let panel = match self.panel.steps {
            Steps::Even(stride) => Panel { data: &self.panel.data[start * stride..], ..self.panel },
            Steps::Table(starts) => Panel { steps: Steps::Table(&starts[start..]), ..self.panel },
        };
        let Out { data: out, steps, accumulate } = &mut self.out;
        let out = Out { data: out, steps: *steps, accumulate: *accumulate || start > 0 };
        Product { depth, left: Left { data, rows, layout }, panel, out }
    }

    #[inline(always)]
    fn multiply<S: Simd>(mut self, simd: S) {
        // Blocks of rows of nearly equal size, small enough that their sums fit into registers.
        let most = if S::REGISTER_COUNT >= 32 { 8 } else { 4 };
        let mut row = 0;
        while row < self.left.rows {
            let rest = self.left.rows - row;
            let count = rest.div_ceil(rest.div_ceil(most));
            match count {
                8 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 8>(simd, row),
                7 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 7>(simd, row),
                6 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 6>(simd, row),
                5 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 5>(simd, row),
                4 => self.rows::<S, 4>(simd, row),
                3 => self.rows::<S, 3>(simd, row),
                2 => self.rows::<S, 2>(simd, row),
                _ => self.rows::<S, 1>(simd, row),
            }
            row += count;
        }
    }

    /// Computes R rows of the result.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S, row: usize) {
        match self.panel.width / T::lanes::<S>() {
            3 => self.tile::<S, R, 3>(simd, row),
            2 => self.tile::<S, R, 2>(simd, row),
            _ => self.tile::<S, R, 1>(simd, row),
        }
    }

    /// Computes R rows of W vectors of the result.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const W: usize>(&mut self, simd: S, row: usize) {
        let Left { data, layout, .. } = self.left;
        match layout {
            Layout::Rows(stride) => {
                let rows: [&[T]; R] = array(&[], |r| &data[(row + r) * stride..][..self.depth]);
                self.sum::<S, R, W>(
                    simd,
                    row,
                    #[inline(always)]
                    |k| array(T::zeroed(), |r| rows[r][k]),
                );
            }
            Layout::Columns(stride) => self.sum::<S, R, W>(
                simd,
                row,
                #[inline(always)]
                |k| {
                    let column = &data[k * stride + row..][..R];
                    <[T; R]>::try_from(column).unwrap_or([T::zeroed(); R])
                },
            ),
            Layout::Table { rows, columns, span } => {
                let rows: [&[T]; R] = array(&[], |r| &data[rows[row + r]..][..span]);
                self.sum::<S, R, W>(
                    simd,
                    row,
                    #[inline(always)]
                    |k| {
                        let column = columns[k];
                        array(T::zeroed(), |r| rows[r][column])
                    },
                );
            }
        }
    }

    /// Computes the tile at `row`; `left(k)` is column k of the tile's rows of the left side.
    #[inline(always)]
    fn sum<S: Simd, const R: usize, const W: usize>(
        &mut self,
        simd: S,
        row: usize,
        left: impl Fn(usize) -> [T; R],
    ) {
        let width = W * T::lanes::<S>();
        let zeros = [T::splat(simd, T::zeroed()); W];
        let mut sums = [zeros; R];
        for k in 0..self.depth {
            let right = T::vectors::<S>(&self.panel.data[self.panel.steps.at(k)..][..width]).0;
            // The slices have W vectors and R elements: reading them as arrays checks that once,
            // and the fallbacks never occur.
            let right = <[T::Vector<S>; W]>::try_from(right).unwrap_or(zeros);
            let left = left(k);
            for r in 0..R {
                let x = T::splat(simd, left[r]);
                for w in 0..W {
                    sums[r][w] = T::mul_add(simd, x, right[w], sums[r][w]);
                }
            }
        }
        let Out { data: out, steps, accumulate } = &mut self.out;
        for (r, sums) in sums.iter().enumerate() {
            let out = T::vectors_mut::<S>(&mut out[steps.at(row + r)..][..width]).0;
            for w in 0..W {
                out[w] = if *accumulate { T::add(simd, out[w], sums[w]) } else { sums[w] };
            }
        }
    }
}
