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

use super::simd::{Lanes, dispatch, vectorize};

/// Terms of a running sum.
pub(crate) const DEPTH: usize = 512;

/// Vectors in a row of a panel, and the most rows of a tile. The sums of a tile, a row of the panel
/// and one splat element have to stay in registers. With 12 sums in 16 registers, the compiler
/// spills one of them, which halves the speed: hence 10.
const fn tile_sizes<S: Simd>() -> (usize, usize) {
    if S::REGISTER_COUNT >= 32 { (3, 8) } else { (2, 5) }
}

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
    tile_sizes::<S>().0 * T::lanes::<S>()
}

/// The widths of vectors and panels, in columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    pub lanes: usize,
    pub panel: usize,
}

impl Widths {
    /// Those of an instruction set.
    pub fn new<T: Lanes>(arch: Arch) -> Self {
        struct Ask<T>(PhantomData<T>);
        impl<T: Lanes> WithSimd for Ask<T> {
            type Output = Widths;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Widths {
                Widths { lanes: T::lanes::<S>(), panel: columns::<T, S>() }
            }
        }
        arch.dispatch(Ask::<T>(PhantomData))
    }

    /// The panels that cover `count` columns, rounded up to whole vectors, as (first column,
    /// width).
    pub fn panels(self, count: usize) -> impl Iterator<Item = (usize, usize)> {
        let count = self.whole(count);
        (0..count).step_by(self.panel).map(move |first| (first, self.panel.min(count - first)))
    }

    /// `count`, rounded up to whole vectors.
    pub fn whole(self, count: usize) -> usize {
        count.next_multiple_of(self.lanes)
    }
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
    /// Computes the product with the instructions of `arch`.
    pub fn run(self, arch: Arch) {
        dispatch(arch, self);
    }

    /// Computes the product with the instructions of `simd`.
    pub fn run_with<S: Simd>(self, simd: S) {
        vectorize(simd, self);
    }

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
        let (_, most) = tile_sizes::<S>();
        let mut row = 0;
        while row < self.left.rows {
            let rest = self.left.rows - row;
            let count = rest.div_ceil(rest.div_ceil(most));
            match count {
                8 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 8>(simd, row),
                7 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 7>(simd, row),
                6 if const { S::REGISTER_COUNT >= 32 } => self.rows::<S, 6>(simd, row),
                5 => self.rows::<S, 5>(simd, row),
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
            3 if const { tile_sizes::<S>().0 >= 3 } => simd.vectorize(Tile::<T, R, 3> { of: self, row }),
            2 => simd.vectorize(Tile::<T, R, 2> { of: self, row }),
            _ => simd.vectorize(Tile::<T, R, 1> { of: self, row }),
        }
    }
}

/// R rows of W vectors of a result, from `row` on. Each size is compiled as a function of its own:
/// in one function, all of them together would take the compiler minutes.
struct Tile<'b, 'a, T, const R: usize, const W: usize> {
    of: &'b mut Product<'a, T>,
    row: usize,
}

impl<T: Lanes, const R: usize, const W: usize> WithSimd for Tile<'_, '_, T, R, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Left { data, layout, .. }, depth, row) = (self.of.left, self.of.depth, self.row);
        match layout {
            Layout::Rows(stride) => {
                let rows: &[&[T]; R] = &array(&[], |r| &data[(row + r) * stride..][..depth]);
                self.sum(
                    simd,
                    #[inline(always)]
                    |k| move |r: usize| rows[r][k],
                );
            }
            Layout::Columns(stride) => self.sum(
                simd,
                #[inline(always)]
                |k| {
                    let column = &data[k * stride + row..][..R];
                    move |r: usize| column[r]
                },
            ),
            Layout::Table { rows, columns, span } => {
                let rows: &[&[T]; R] = &array(&[], |r| &data[rows[row + r]..][..span]);
                self.sum(
                    simd,
                    #[inline(always)]
                    |k| {
                        let column = columns[k];
                        move |r: usize| rows[r][column]
                    },
                );
            }
        }
    }
}

impl<T: Lanes, const R: usize, const W: usize> Tile<'_, '_, T, R, W> {
    /// Computes the tile; `left(k)` is column k of its rows of the left side, as a function of the
    /// row. (An array would be loaded at once, and take registers from the sums.)
    #[inline(always)]
    fn sum<S: Simd, F: Fn(usize) -> T>(self, simd: S, left: impl Fn(usize) -> F) {
        let width = W * T::lanes::<S>();
        let mut sums = [[T::splat(simd, T::zeroed()); W]; R];
        let (panel, depth) = (self.of.panel.data, self.of.depth);
        match self.of.panel.steps {
            Steps::Even(stride) if stride == width => {
                for (k, right) in panel[..depth * width].chunks_exact(width).enumerate() {
                    add_products(simd, left(k), right, &mut sums);
                }
            }
            Steps::Even(stride) => {
                for k in 0..depth {
                    add_products(simd, left(k), &panel[k * stride..][..width], &mut sums);
                }
            }
            Steps::Table(starts) => {
                for (k, start) in starts[..depth].iter().enumerate() {
                    add_products(simd, left(k), &panel[*start..][..width], &mut sums);
                }
            }
        }
        let Out { data: out, steps, accumulate } = &mut self.of.out;
        for (r, sums) in sums.iter().enumerate() {
            let out = T::vectors_mut::<S>(&mut out[steps.at(self.row + r)..][..width]).0;
            for w in 0..W {
                out[w] = if *accumulate { T::add(simd, out[w], sums[w]) } else { sums[w] };
            }
        }
    }
}

/// `sums`\[r\]\[w\] += `left`(r) · `right`\[w\] for a row of W vectors.
#[inline(always)]
fn add_products<T: Lanes, S: Simd, const R: usize, const W: usize>(
    simd: S,
    left: impl Fn(usize) -> T,
    right: &[T],
    sums: &mut [[T::Vector<S>; W]; R],
) {
    // Reading the row as an array checks its length once; the fallback never occurs.
    let zeros = [T::splat(simd, T::zeroed()); W];
    let right = T::vectors::<S>(right).0.first_chunk().copied().unwrap_or(zeros);
    for (r, sums) in sums.iter_mut().enumerate() {
        let x = T::splat(simd, left(r));
        for w in 0..W {
            sums[w] = T::mul_add(simd, x, right[w], sums[w]);
        }
    }
}
