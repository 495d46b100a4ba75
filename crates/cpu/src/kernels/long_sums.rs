//! Tests that f32 sums of more than 10⁵ terms are as accurate as sums of a few hundred terms,
//! because they are taken in two levels.

use super::{Axis, Batch, Element, Geometry, Table, Workspace, conv2d_weight_transpose, matmul, put_rows};

/// The largest relative error allowed. All terms are positive, so that partial sums are rounded at
/// the magnitude of the result: one running sum of 10⁵ terms has an error of 1e-5 or more.
const BOUND: f64 = 2e-6;

/// Numbers between 0 and 1 that do not repeat.
fn numbers(count: usize, phase: f64) -> Vec<f32> {
    (0..count).map(|i| ((i as f64 * 0.7 + phase).sin().abs()) as f32).collect()
}

/// An operation with two operands.
trait OfTwo {
    fn result<T: Element>(&self, a: &[T], b: &[T]) -> Vec<T>;
}

/// The largest relative error of the result in f32, compared with f64.
fn error(of: &impl OfTwo, a: &[f32], b: &[f32]) -> f64 {
    let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let (found, exact) = (of.result(a, b), of.result(&wide(a), &wide(b)));
    let errors = found.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).abs() / exact);
    errors.fold(0.0, f64::max)
}

const TERMS: usize = 120_000;

/// A matrix product. `inside` says for each operand whether the summed axis is contiguous.
struct Product {
    rows: usize,
    columns: usize,
    inside: [bool; 2],
}

impl OfTwo for Product {
    fn result<T: Element>(&self, a: &[T], b: &[T]) -> Vec<T> {
        let axes = |rows: usize, inside: bool| {
            let (row, term) = if inside { (TERMS, 1) } else { (1, rows) };
            [Axis { size: rows, stride: row }, Axis { size: TERMS, stride: term }]
        };
        let [rows, terms] = axes(self.rows, self.inside[0]);
        let [columns, inner] = axes(self.columns, self.inside[1]);
        let left = Batch { data: a, strides: vec![], rows, columns: terms };
        let right = Batch { data: b, strides: vec![], rows: inner, columns };
        let mut out = vec![T::zero(); self.rows * self.columns];
        matmul(&[], &left, &right, &mut out, &mut Workspace::on_heap());
        out
    }
}

#[test]
fn matrix_products() {
    for (rows, columns) in [(1, 1), (1, 7), (5, 1), (3, 150), (40, 40)] {
        let (a, b) = (numbers(rows * TERMS, 0.1), numbers(columns * TERMS, 0.2));
        for layout in 0..4 {
            let inside = [layout & 1 == 1, layout & 2 == 2];
            let error = error(&Product { rows, columns, inside }, &a, &b);
            assert!(error < BOUND, "{rows} x {columns}, layout {layout}: {error:e}");
        }
    }
}

struct Weights {
    geometry: Geometry,
    samples: usize,
}

impl OfTwo for Weights {
    fn result<T: Element>(&self, x: &[T], y: &[T]) -> Vec<T> {
        let g = &self.geometry;
        let (inner, taps) = (g.channels / g.groups, g.kernel.0 * g.kernel.1);
        let mut out = vec![T::zero(); g.out_channels * inner * taps];
        conv2d_weight_transpose(&[[x, y]], g, self.samples, &mut out, &mut Workspace::on_heap());
        out
    }
}

#[test]
fn weights_of_convolutions() {
    // Samples, channels, side, output channels, kernel, groups. For each algorithm of the weight
    // transpose there are many samples with few positions, and few samples with many positions.
    for (samples, channels, side, outputs, kernel, groups) in [
        (30_000, 2, 2, 3, 1, 1),
        (30_000, 2, 2, 40, 1, 1),
        (2, 3, 320, 4, 5, 1),
        (1, 3, 330, 40, 5, 1),
        (20, 4, 90, 4, 5, 4),
        (140, 16, 28, 16, 3, 1),
        (2, 16, 230, 16, 3, 1),
    ] {
        let geometry = Geometry {
            channels,
            height: side,
            width: side,
            out_channels: outputs,
            out_height: side,
            out_width: side,
            kernel: (kernel, kernel),
            stride: 1,
            padding: kernel / 2,
            dilation: 1,
            groups,
        };
        let x = numbers(samples * channels * side * side, 0.1);
        let y = numbers(samples * outputs * side * side, 0.2);
        let error = error(&Weights { geometry, samples }, &x, &y);
        assert!(error < BOUND, "{samples} samples of side {side}, {channels} -> {outputs}: {error:e}");
    }
}

struct Rows(Vec<u32>);

impl OfTwo for Rows {
    fn result<T: Element>(&self, x: &[T], _: &[T]) -> Vec<T> {
        let width = x.len() / self.0.len();
        let mut out = vec![T::zero(); 3 * width];
        put_rows(Table { rows: 3, width, picks: self.0.len() }, x, &self.0, &mut out).unwrap();
        // A row that no index names stays 0.
        assert!(out.split_off(2 * width).iter().all(|x| *x == T::zero()));
        out
    }
}

#[test]
fn rows_of_tables() {
    let index = Rows((0..TERMS as u32).map(|i| i % 3 % 2).collect());
    let error = error(&index, &numbers(TERMS * 5, 0.1), &[]);
    assert!(error < BOUND, "{error:e}");
}
