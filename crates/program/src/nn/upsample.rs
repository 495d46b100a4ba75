//! Resizing of images by interpolation along their axes.

use crate::{
    Scope, Value,
    error::{Error, Result},
    operations::MatMul,
};

/// How the pixels of the result are placed on a side of the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// The number of pixels of the result along the side.
    pub out: usize,
    /// Pixels of the result per pixel of the image; `None`: the ratio of the sizes.
    pub scale: Option<f64>,
    /// Whether the centres of the corner pixels are aligned, instead of the edges.
    pub align_corners: bool,
}

/// The largest allowed side of image and result; longer sides are taken for a mistake.
const MOST_PIXELS: usize = 1 << 16;

/// The largest allowed number of elements of a side's interpolation matrix.
const MOST_WEIGHTS: usize = 1 << 24;

/// x \[N, C, sides...\] resized to the nearest pixel at or before each position along each side:
/// PyTorch's `nearest`. `align_corners` is ignored.
///
/// # Errors
/// When there is not one placement for each side, a side is empty or too long, or a scale is not
/// positive.
pub fn upsample_nearest(scope: &mut Scope, x: Value, places: &[Placement]) -> Result<Value> {
    along_sides(scope, x, places, |place, size| {
        let step = place.step(size);
        let nearest = (0..place.out).map(|o| ((o as f64 * step).floor() as usize).min(size - 1));
        nearest.map(|from| vec![(from, 1.0)]).collect()
    })
}

/// x \[N, C, sides...\] interpolated linearly along each side: PyTorch's `linear`, `bilinear` and
/// `trilinear`.
///
/// # Errors
/// When there is not one placement for each side, a side is empty or too long, or a scale is not
/// positive.
pub fn upsample_linear(scope: &mut Scope, x: Value, places: &[Placement]) -> Result<Value> {
    along_sides(scope, x, places, Placement::linear)
}

/// x \[N, C, sides...\] resized to the pixel whose centre is nearest: PyTorch's `nearest-exact`.
/// `align_corners` is ignored.
///
/// # Errors
/// As [`upsample_nearest`].
pub fn upsample_nearest_exact(scope: &mut Scope, x: Value, places: &[Placement]) -> Result<Value> {
    along_sides(scope, x, places, |place, size| {
        let step = place.step(size);
        let nearest = (0..place.out).map(|o| (((o as f64 + 0.5) * step).floor() as usize).min(size - 1));
        nearest.map(|from| vec![(from, 1.0)]).collect()
    })
}

/// x \[N, C, sides...\] interpolated along each side by cubic convolution (Keys 1981) with a =
/// −3/4, the border pixels repeated: PyTorch's `bicubic`.
///
/// # Errors
/// As [`upsample_nearest`].
pub fn upsample_cubic(scope: &mut Scope, x: Value, places: &[Placement]) -> Result<Value> {
    along_sides(scope, x, places, Placement::cubic)
}

/// The kernel of an interpolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Linear: 1 − |t|.
    Linear,
    /// Cubic convolution; PyTorch has a = −1/2 where it widens the kernel.
    Cubic,
}

/// x \[N, C, sides...\] interpolated along each side with a kernel that is as wide as the pixels of
/// the result, where these are larger than those of the image: PyTorch's `antialias=True`.
///
/// # Errors
/// As [`upsample_nearest`].
pub fn upsample_smooth(
    scope: &mut Scope,
    x: Value,
    places: &[Placement],
    kernel: Interpolation,
) -> Result<Value> {
    // A kernel may be as wide as the image, so that there are as many weights as in a full matrix.
    let shape = scope.shape(x);
    let sides = shape.get(2..).unwrap_or_default();
    if places.iter().zip(sides).any(|(place, size)| place.out.saturating_mul(*size) > MOST_WEIGHTS) {
        return Err(Error::shape("upsample", format!("{sides:?} to {places:?} is too large")));
    }
    along_sides(scope, x, places, |place, size| place.smooth(size, kernel))
}

impl Interpolation {
    /// Half of the width of the kernel.
    fn reach(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic => 2.0,
        }
    }

    fn at(self, distance: f64) -> f64 {
        match self {
            Self::Linear => (1.0 - distance.abs()).max(0.0),
            Self::Cubic => cubic_convolution(distance.abs(), -0.5),
        }
    }
}

/// Keys' piecewise cubic kernel with the parameter a, for t ≥ 0.
fn cubic_convolution(t: f64, a: f64) -> f64 {
    match t {
        t if t < 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
        t if t < 2.0 => ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a,
        _ => 0.0,
    }
}

/// For each pixel of the result along a side, the pixels of the image that it combines, each with
/// its weight.
type Weights = Vec<Vec<(usize, f64)>>;

impl Placement {
    /// The distance between neighbouring pixels of the result, in pixels of the image.
    fn step(self, size: usize) -> f64 {
        self.scale.map_or(size as f64 / self.out as f64, f64::recip)
    }

    /// The distance between the centres of neighbouring pixels of the result where those of the
    /// corner pixels are aligned.
    fn aligned_step(self, size: usize) -> f64 {
        (size - 1) as f64 / self.out.saturating_sub(1).max(1) as f64
    }

    /// The centre of pixel `o` of the result, counted in pixels of the image.
    fn centre(self, size: usize, o: usize) -> f64 {
        if self.align_corners {
            o as f64 * self.aligned_step(size)
        } else {
            (o as f64 + 0.5) * self.step(size) - 0.5
        }
    }

    fn cubic(self, size: usize) -> Weights {
        let taps = |o: usize| {
            let centre = self.centre(size, o);
            let before = centre.floor();
            let tap = |i: i32| {
                let place = before + f64::from(i);
                let from = place.clamp(0.0, (size - 1) as f64) as usize;
                (from, cubic_convolution((centre - place).abs(), -0.75))
            };
            (-1..=2).map(tap).collect()
        };
        (0..self.out).map(taps).collect()
    }

    fn smooth(self, size: usize, kernel: Interpolation) -> Weights {
        let step = if self.align_corners { self.aligned_step(size) } else { self.step(size) };
        let width = step.max(1.0);
        let taps = |o: usize| {
            let centre = (o as f64 + 0.5) * step;
            let reach = kernel.reach() * width;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(size);
            let weight = |from: usize| kernel.at((from as f64 - centre + 0.5) / width);
            let total: f64 = (first..end).map(weight).sum();
            (first..end).map(|from| (from, weight(from) / total)).collect()
        };
        (0..self.out).map(taps).collect()
    }

    fn linear(self, size: usize) -> Weights {
        let pair = |o: usize| {
            let place = self.centre(size, o).max(0.0);
            let before = (place.floor() as usize).min(size - 1);
            let after = (before + 1).min(size - 1);
            let share = (place - before as f64).clamp(0.0, 1.0);
            if before == after { vec![(before, 1.0)] } else { vec![(before, 1.0 - share), (after, share)] }
        };
        (0..self.out).map(pair).collect()
    }
}

/// Multiplies x by the matrix of `weights` along each side.
fn along_sides(
    scope: &mut Scope,
    x: Value,
    places: &[Placement],
    weights: impl Fn(Placement, usize) -> Weights,
) -> Result<Value> {
    let shape = scope.shape(x);
    let sides = shape.get(2..).unwrap_or_default();
    let is_side = |side: usize| side > 0 && side <= MOST_PIXELS;
    if sides.len() != places.len() || !sides.iter().all(|side| is_side(*side)) {
        return Err(Error::shape("upsample", format!("{} sides do not fit {shape:?}", places.len())));
    }
    let mut y = x;
    for (axis, (place, &size)) in (2..).zip(places.iter().zip(sides)) {
        if !is_side(place.out) || place.scale.is_some_and(|scale| scale.is_nan() || scale <= 0.0) {
            return Err(Error::shape("upsample", format!("cannot make {place:?} of a side of {size}")));
        }
        y = along(scope, y, axis, &weights(*place, size), size)?;
    }
    Ok(y)
}

/// Multiplies y by the matrix of `weights` along `axis`, whose size is `size`.
fn along(scope: &mut Scope, y: Value, axis: usize, weights: &Weights, size: usize) -> Result<Value> {
    let graph = scope.graph();
    let mut shape = graph.shape(y).to_vec();
    let out = weights.len();
    if weights.iter().enumerate().all(|(o, row)| row.as_slice() == [(o, 1.0)]) && out == size {
        return Ok(y);
    }
    // If every pixel is repeated equally often, a broadcast suffices.
    let times = out / size;
    if out == times * size && weights.iter().enumerate().all(|(o, row)| row.as_slice() == [(o / times, 1.0)])
    {
        let mut rows = shape.clone();
        rows.insert(axis + 1, 1);
        let each = graph.reshape(y, &rows)?;
        rows[axis + 1] = times;
        let repeated = graph.broadcast(each, &rows)?;
        shape[axis] = out;
        return graph.reshape(repeated, &shape);
    }
    if out * size > MOST_WEIGHTS {
        return Err(Error::shape("upsample", format!("a side of {size} to one of {out} is too large")));
    }
    let mut matrix = vec![0.0; out * size];
    for (o, row) in weights.iter().enumerate() {
        row.iter().for_each(|(from, weight)| matrix[o * size + from] += weight);
    }
    let matrix = graph.literal(&[out, size], matrix)?;
    let rank = shape.len();
    let product = graph.matmul(y, matrix, MatMul { batch: vec![], contract: vec![[axis, 1]] })?;
    // The product has the axes of y without `axis`, then the new one.
    let mut axes: Vec<usize> = (0..rank - 1).collect();
    axes.insert(axis, rank - 1);
    graph.permute(product, &axes)
}
