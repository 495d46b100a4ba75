//! Convolutions and their transposes by definition, and test data.

use super::Geometry;
pub(super) use crate::kernels::simd::levels;

/// An image and a kernel.
pub(super) struct Case {
    pub channels: usize,
    pub out_channels: usize,
    pub sides: [usize; 2],
    pub kernel: (usize, usize),
}

impl Case {
    pub fn geometry(self, stride: usize, padding: usize, dilation: usize, groups: usize) -> Geometry {
        let Self { channels, out_channels, sides: [height, width], kernel } = self;
        let out = |side: usize, k: usize| (side + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
        Geometry {
            channels,
            height,
            width,
            out_channels,
            out_height: out(height, kernel.0),
            out_width: out(width, kernel.1),
            kernel,
            stride,
            padding,
            dilation,
            groups,
        }
    }
}

/// Numbers that do not repeat.
pub(super) fn numbers(count: usize, phase: f64) -> Vec<f64> {
    (0..count).map(|i| (i as f64 * 0.7 + phase).sin()).collect()
}

/// The terms of the trilinear form: calls `f(x, w, y)` with the indices of each product of an
/// input, a weight and an output.
pub(super) fn terms(g: &Geometry, samples: usize, mut f: impl FnMut(usize, usize, usize)) {
    let (channels, (rows, columns)) = (g.channels / g.groups, g.kernel);
    let pairs = |a: usize, b: usize| (0..a).flat_map(move |i| (0..b).map(move |j| (i, j)));
    for (b, o) in pairs(samples, g.out_channels) {
        let group = o / (g.out_channels / g.groups);
        for ((oy, ox), c) in pairs(g.out_height, g.out_width).flat_map(|p| (0..channels).map(move |c| (p, c)))
        {
            for (ky, kx) in pairs(rows, columns) {
                let y = (oy * g.stride + ky * g.dilation).wrapping_sub(g.padding);
                let x = (ox * g.stride + kx * g.dilation).wrapping_sub(g.padding);
                if y < g.height && x < g.width {
                    let input = ((b * g.channels + group * channels + c) * g.height + y) * g.width + x;
                    let weight = ((o * channels + c) * rows + ky) * columns + kx;
                    f(input, weight, ((b * g.out_channels + o) * g.out_height + oy) * g.out_width + ox);
                }
            }
        }
    }
}

/// The expected results: `y` for each of the filters `w`, and both transposes for the first filter.
pub(super) struct Expected {
    pub x: Vec<f64>,
    pub w: Vec<f64>,
    pub y: Vec<f64>,
}

pub(super) fn by_definition(g: &Geometry, samples: usize, x: &[f64], w: &[f64], y: &[f64]) -> Expected {
    let (vectors, weight) = (w.len() / g.weight(), g.weight());
    let mut expected =
        Expected { x: vec![0.0; x.len()], w: vec![0.0; weight], y: vec![0.0; vectors * y.len()] };
    terms(g, samples, |i, j, k| {
        (0..vectors).for_each(|v| expected.y[v * y.len() + k] += x[i] * w[v * weight + j]);
        expected.x[i] += w[j] * y[k];
        expected.w[j] += x[i] * y[k];
    });
    expected
}

pub(super) fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference = |(a, b): (&f64, &f64)| if a.is_nan() { f64::INFINITY } else { (a - b).abs() };
    a.iter().zip(b).map(difference).fold(0.0, f64::max)
}
