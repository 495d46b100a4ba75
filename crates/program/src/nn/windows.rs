//! Pooling over windows along one to three axes.

use std::ops::Range;

use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    operations::{PoolSettings, PoolWindows, covering},
};

/// The windows that slide along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The window's length.
    pub kernel: usize,
    /// The step between windows.
    pub stride: usize,
    /// The border before and after the image: −∞ for the maximum, zeros for the average.
    pub padding: usize,
    /// The step between the elements of a window; 1 for windows without gaps, which an average
    /// needs.
    pub dilation: usize,
    /// Whether the last window may extend beyond the border, so that no element at the end is left
    /// out.
    pub ceil_mode: bool,
}

/// The divisor of the sum over a window in an average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Divisor {
    /// The number of elements, including the zeros of the border.
    WithBorder,
    /// The number of elements inside the image.
    Inside,
    /// This number.
    Fixed(f64),
}

/// The windows along an axis: the range of the image that each covers, and its length including the
/// border.
struct Cover {
    ranges: Vec<Range<usize>>,
    lengths: Vec<usize>,
}

/// The largest allowed number of windows along an axis (in total if they differ in size), and the
/// largest allowed side of an image with adaptive windows. Each window is stored; more are taken
/// for a mistake.
const MOST_WINDOWS: usize = 1 << 20;

impl Window {
    fn cover(self, size: usize) -> Result<Cover, &'static str> {
        let Self { kernel, stride, padding, ceil_mode, dilation } = self;
        if dilation == 0 {
            return Err("a dilation must be positive");
        }
        let span = kernel.saturating_sub(1).checked_mul(dilation).ok_or("the window is too large")?;
        let span = if kernel == 0 { 0 } else { span.saturating_add(1) };
        let mut ranges = PoolSettings { kernel: span, stride, padding }.ranges(size, ceil_mode)?;
        let padded = size + 2 * padding;
        let length = |start: usize| (start + span).min(padded) - start;
        let lengths = (0..ranges.len()).map(|o| length(o * stride)).collect();
        if dilation > 1 {
            ranges = (0..ranges.len()).map(|o| self.spread(o * stride, size)).collect();
            if ranges.iter().any(Range::is_empty) {
                return Err("a window has no element on the image");
            }
        }
        Ok(Cover { ranges, lengths })
    }

    /// The elements on the image of the dilated window that begins at `start` of the padded axis,
    /// as a range of the axis in the order of [`interleaved`].
    fn spread(self, start: usize, size: usize) -> Range<usize> {
        let Self { kernel, padding, dilation, .. } = self;
        let steps_to = |place: usize| place.saturating_sub(start).div_ceil(dilation).min(kernel);
        let (first, end) = (steps_to(padding), steps_to(size + padding));
        let place = (start + first * dilation).saturating_sub(padding);
        let each = if dilation < size { size.div_ceil(dilation) } else { 1 };
        let begin = place % dilation * each + place / dilation;
        begin..begin + end.saturating_sub(first)
    }
}

/// x with the elements of an axis in another order, in which those of a dilated window are
/// neighbours: all whose place is 0 modulo the dilation, then all whose place is 1, and so on, each
/// part padded to the same length.
fn interleaved(graph: &mut Graph, x: Value, axis: usize, dilation: usize) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let size = shape[axis];
    if dilation <= 1 || dilation >= size {
        return Ok(x);
    }
    let each = size.div_ceil(dilation);
    let x = graph.pad(x, axis, 0, each * dilation - size)?;
    let (before, after) = (&shape[..axis], &shape[axis + 1..]);
    let x = graph.reshape(x, &[before, &[each, dilation], after].concat())?;
    let mut axes: Vec<usize> = (0..=shape.len()).collect();
    axes.swap(axis, axis + 1);
    let x = graph.permute(x, &axes)?;
    graph.reshape(x, &[before, &[each * dilation], after].concat())
}

/// The largest element of each window of x \[N, C, sides...\]; `windows` has one entry for each
/// side.
///
/// # Errors
/// When the windows do not fit the image.
pub fn max_pool(scope: &mut Scope, x: Value, windows: &[Window]) -> Result<Value> {
    let covers = covers(scope, "max_pool", x, windows)?;
    let ranges: Vec<_> = covers.into_iter().map(|cover| cover.ranges).collect();
    let graph = scope.graph();
    let mut x = x;
    for (axis, window) in (2..).zip(windows) {
        x = interleaved(graph, x, axis, window.dilation)?;
    }
    by_planes(graph, x, &ranges, Graph::largest)
}

/// The mean of each window of x \[N, C, sides...\]; `windows` has one entry for each side.
///
/// # Errors
/// When the windows do not fit the image, or are dilated.
pub fn avg_pool(scope: &mut Scope, x: Value, windows: &[Window], divisor: Divisor) -> Result<Value> {
    if windows.iter().any(|window| window.dilation != 1) {
        return Err(Error::shape("avg_pool", "its windows are dilated"));
    }
    let covers = covers(scope, "avg_pool", x, windows)?;
    let ranges: Vec<_> = covers.iter().map(|cover| cover.ranges.clone()).collect();
    let sums = by_planes(scope.graph(), x, &ranges, Graph::window_sums)?;
    let lengths: Vec<Vec<usize>> = match divisor {
        Divisor::Fixed(number) => return scope.graph().scale(sums, number.recip()),
        Divisor::WithBorder => covers.into_iter().map(|cover| cover.lengths).collect(),
        Divisor::Inside => ranges.iter().map(|ranges| ranges.iter().map(Range::len).collect()).collect(),
    };
    divided(scope.graph(), sums, &lengths)
}

/// The mean of each of `out` windows along each side of x \[N, C, sides...\]; window i of a side
/// covers ⌊i·size/out⌋ .. ⌈(i + 1)·size/out⌉.
///
/// # Errors
/// When `out` does not have one number for each side, or a number or side is 0 or more than 2²⁰.
pub fn adaptive_avg_pool(scope: &mut Scope, x: Value, out: &[usize]) -> Result<Value> {
    let ranges = adaptive(scope, "adaptive_avg_pool", x, out)?;
    let sums = by_planes(scope.graph(), x, &ranges, Graph::window_sums)?;
    let lengths: Vec<Vec<usize>> =
        ranges.iter().map(|ranges| ranges.iter().map(Range::len).collect()).collect();
    divided(scope.graph(), sums, &lengths)
}

/// The largest element of each window of [`adaptive_avg_pool`].
///
/// # Errors
/// When `out` does not have one number for each side, or a number or side is 0 or more than 2²⁰.
pub fn adaptive_max_pool(scope: &mut Scope, x: Value, out: &[usize]) -> Result<Value> {
    let ranges = adaptive(scope, "adaptive_max_pool", x, out)?;
    by_planes(scope.graph(), x, &ranges, Graph::largest)
}

fn covers(scope: &Scope, layer: &str, x: Value, windows: &[Window]) -> Result<Vec<Cover>> {
    let sides = sides(scope, layer, x, windows.len())?;
    let fail = |problem| Error::shape(layer, format!("{problem}, and the image is {:?}", scope.shape(x)));
    windows.iter().zip(sides).map(|(window, size)| window.cover(size).map_err(fail)).collect()
}

fn adaptive(scope: &Scope, layer: &str, x: Value, out: &[usize]) -> Result<Vec<Vec<Range<usize>>>> {
    let sides = sides(scope, layer, x, out.len())?;
    if out.iter().chain(&sides).any(|&side| side == 0 || side > MOST_WINDOWS) {
        let problem = format!("cannot make {out:?} windows of an image {sides:?}");
        return Err(Error::shape(layer, problem));
    }
    Ok(out.iter().zip(sides).map(|(&out, size)| covering(size, out)).collect())
}

/// The sides of x \[N, C, sides...\]; an error unless there are `count`, one to three, and x is not
/// empty.
fn sides(scope: &Scope, layer: &str, x: Value, count: usize) -> Result<Vec<usize>> {
    let shape = scope.shape(x);
    match shape.get(2..) {
        Some(sides) if sides.len() == count && (1..=3).contains(&count) && !shape.contains(&0) => {
            Ok(sides.to_vec())
        }
        _ => {
            Err(Error::shape(layer, format!("needs an input of {count} sides, one to three, not {shape:?}")))
        }
    }
}

/// Applies `pool` along the last two sides together, then along the side before them.
fn by_planes(
    graph: &mut Graph,
    x: Value,
    ranges: &[Vec<Range<usize>>],
    pool: fn(&mut Graph, Value, PoolWindows) -> Result<Value>,
) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let (n, channels) = (shape[0], shape[1]);
    let outs: Vec<usize> = ranges.iter().map(Vec::len).collect();
    let mut plane = |x: Value, image: [usize; 4], [rows, columns]: [&Vec<Range<usize>>; 2]| {
        let x = graph.reshape(x, &image)?;
        pool(graph, x, PoolWindows { image, rows: rows.clone(), columns: columns.clone() })
    };
    let y = match ranges {
        [columns] => {
            let rows = std::iter::once(0..1).collect();
            plane(x, [n, channels, 1, shape[2]], [&rows, columns])?
        }
        [rows, columns] => plane(x, [n, channels, shape[2], shape[3]], [rows, columns])?,
        [slices, rows, columns] => {
            let y = plane(x, [n, channels * shape[2], shape[3], shape[4]], [rows, columns])?;
            let each = (0..outs[1] * outs[2]).map(|i| i..i + 1).collect();
            plane(y, [n, channels, shape[2], outs[1] * outs[2]], [slices, &each])?
        }
        _ => x,
    };
    graph.reshape(y, &[&[n, channels], outs.as_slice()].concat())
}

/// The sums \[N, C, sides...\] divided by the sizes of their windows; a size is the product of the
/// window's lengths along all sides.
fn divided(graph: &mut Graph, sums: Value, lengths: &[Vec<usize>]) -> Result<Value> {
    let first = |lengths: &Vec<usize>| lengths.first().copied().unwrap_or(1);
    if lengths.iter().all(|all| all.iter().all(|length| *length == first(all))) {
        let size: f64 = lengths.iter().map(|all| first(all) as f64).product();
        return graph.scale(sums, size.recip());
    }
    let count = lengths.iter().fold(1_usize, |count, lengths| count.saturating_mul(lengths.len()));
    if count > MOST_WINDOWS {
        return Err(Error::shape("avg_pool", format!("there are {count} windows of different sizes")));
    }
    let sizes = lengths.iter().fold(vec![1.0], |sizes: Vec<f64>, lengths| {
        sizes.iter().flat_map(|size| lengths.iter().map(move |length| size * *length as f64)).collect()
    });
    let shape = graph.shape(sums).to_vec();
    let own = [&[1, 1], &shape[2..]].concat();
    let inverse = graph.literal(&own, sizes.into_iter().map(f64::recip).collect::<Vec<_>>())?;
    let inverse = graph.broadcast(inverse, &shape)?;
    graph.mul(sums, inverse)
}
