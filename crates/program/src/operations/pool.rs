//! Pooling: max pooling is a gather by argmax; average pooling is a scaled sum over windows.

use std::ops::Range;

use super::Function;
use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    operation::Operation,
    primitive::{Linearity, NodeRef, Primitive},
};

/// Windows that slide along an axis of an image, or along both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The window's side.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Border around the image: −∞ for the maximum, zeros for the average.
    pub padding: usize,
}

/// Square windows: the same along height and width.
impl From<PoolSettings> for [PoolSettings; 2] {
    fn from(settings: PoolSettings) -> Self {
        [settings; 2]
    }
}

/// The range of each window along an axis of the image, without the border.
type Ranges = Vec<Range<usize>>;

impl PoolSettings {
    /// The windows on an axis of this size; with `ceil_mode` the last may reach beyond the border,
    /// so that no element is left out.
    pub(crate) fn ranges(self, size: usize, ceil_mode: bool) -> Result<Ranges, &'static str> {
        let Self { kernel, stride, padding } = self;
        if kernel == 0 || stride == 0 || padding > kernel / 2 {
            return Err("kernel and stride must be positive and padding at most half the kernel");
        }
        let padded = size.checked_add(2 * padding).ok_or("the padded image is too large")?;
        let room = padded.checked_sub(kernel).ok_or("the window is larger than the padded image")?;
        let mut last = if ceil_mode { room.div_ceil(stride) } else { room / stride };
        // A window has to begin on the image or on the border before it.
        if ceil_mode && last.saturating_mul(stride) >= size + padding {
            last -= 1;
        }
        if last >= MOST_SLIDING {
            return Err("there are more than a million windows on a side");
        }
        let range = |o: usize| {
            let start = o * stride;
            start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(size)
        };
        Ok((0..=last).map(range).collect())
    }
}

/// The largest allowed number of sliding windows along an axis. Each is stored; more are taken for
/// a mistake.
const MOST_SLIDING: usize = 1 << 20;

/// The largest allowed side of image and output with adaptive windows; longer sides are taken for a
/// mistake.
const MOST_ADAPTIVE: usize = 1 << 16;

/// The [`covering`] windows, if there are not too many.
fn adaptive(size: usize, out: usize) -> Result<Ranges, &'static str> {
    if size == 0 || out == 0 {
        return Err("image and output must not be empty");
    }
    if size.max(out) > MOST_ADAPTIVE {
        return Err("a side of image or output is more than 65536 long");
    }
    Ok(covering(size, out))
}

/// `out` windows of nearly equal length that cover an axis: ⌊i·size/out⌋ .. ⌈(i + 1)·size/out⌉.
pub(crate) fn covering(size: usize, out: usize) -> Ranges {
    (0..out).map(|i| i * size / out..((i + 1) * size).div_ceil(out)).collect()
}

/// The image and the windows on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolWindows {
    /// \[N, C, H, W\]
    pub image: [usize; 4],
    /// The rows of each window.
    pub rows: Vec<Range<usize>>,
    /// The columns of each window.
    pub columns: Vec<Range<usize>>,
}

impl PoolWindows {
    fn new(
        name: &str,
        shape: &[usize],
        ranges: impl Fn(usize, usize) -> Result<Ranges, &'static str>,
    ) -> Result<Self> {
        let fail = |problem: &str| Error::shape(name, format!("{problem}, and the image is {shape:?}"));
        let &[n, c, h, w] = shape else { return Err(fail("it needs an input [N, C, H, W]")) };
        if shape.contains(&0) {
            return Err(fail("it needs something to pool"));
        }
        let (rows, columns) = (ranges(0, h).map_err(fail)?, ranges(1, w).map_err(fail)?);
        Ok(Self { image: [n, c, h, w], rows, columns })
    }

    fn sliding(name: &str, shape: &[usize], settings: [PoolSettings; 2]) -> Result<Self> {
        Self::new(name, shape, |axis, size| settings[axis].ranges(size, false))
    }

    fn adaptive(name: &str, shape: &[usize], out: [usize; 2]) -> Result<Self> {
        Self::new(name, shape, |axis, size| adaptive(size, out[axis]))
    }

    /// \[N, C, oH, oW\], one element for each window.
    #[must_use]
    pub fn pooled(&self) -> [usize; 4] {
        [self.image[0], self.image[1], self.rows.len(), self.columns.len()]
    }

    /// Emits the operation on these windows for many evaluations at once: the images of all
    /// evaluations become samples of one batch.
    fn batch<P: Into<Operation>>(
        &self,
        graph: &mut Graph,
        x: Batched,
        operation: impl Fn(Self) -> P,
    ) -> Result<Value> {
        let lead = Batched::lead(graph, &[x]);
        let mut all = self.clone();
        all.image[0] *= lead;
        let merge = |shape: &[usize]| [&[lead * shape[0]], &shape[1..]].concat();
        let images = merge(x.declared(graph));
        let images = graph.reshape(x.value, &images)?;
        let result = graph.emit(operation(all), &[images])?;
        let shape = graph.shape(result).to_vec();
        graph.reshape(result, &[&[lead, shape[0] / lead], &shape[1..]].concat())
    }

    /// The number of elements of a window, if it is the same for all.
    fn common_size(&self) -> Option<usize> {
        let len = |ranges: &Ranges| {
            let len = ranges.first()?.len();
            ranges.iter().all(|range| range.len() == len).then_some(len)
        };
        Some(len(&self.rows)? * len(&self.columns)?)
    }
}

/// For each window the position in its plane of the first largest element: \[N·C, oH·oW\], of type
/// `u32`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArgmaxPool(pub PoolWindows);

impl Primitive for ArgmaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        let [n, c, h, w] = self.0.pooled();
        Ok(vec![n * c, h * w])
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseConstant
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        self.0.batch(graph, args[0], Self)
    }
}

/// The sum over each window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SumPool(pub PoolWindows);

impl Primitive for SumPool {
    fn name(&self) -> &'static str {
        "sum_pool2d"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.0.pooled().to_vec())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.emit(SumPoolTranspose(self.0.clone()), &[cotangent])
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        self.0.batch(graph, args[0], Self)
    }
}

/// Each element added to all positions of its window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SumPoolTranspose(pub PoolWindows);

impl Primitive for SumPoolTranspose {
    fn name(&self) -> &'static str {
        "sum_pool2d-transpose"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.0.image.to_vec())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.emit(SumPool(self.0.clone()), &[cotangent])
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        self.0.batch(graph, args[0], Self)
    }
}

impl Graph {
    /// The largest element of each window of `x` \[N, C, H, W\]; settings for both axes, or
    /// \[height, width\].
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn max_pool2d(&mut self, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
        let windows = PoolWindows::sliding("max_pool2d", self.shape(x), settings.into())?;
        self.largest(x, windows)
    }

    /// The mean of each window of `x` \[N, C, H, W\], the zeros of the padding included; settings
    /// for both axes, or \[height, width\].
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn avg_pool2d(&mut self, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
        let settings = settings.into();
        let windows = PoolWindows::sliding("avg_pool2d", self.shape(x), settings)?;
        let sum = self.emit(SumPool(windows), &[x])?;
        // In floating point: the product of two sides read from a file may overflow an integer.
        let [height, width] = settings.map(|axis| axis.kernel as f64);
        self.scale(sum, 1.0 / (height * width))
    }

    /// As [`Self::avg_pool2d`], but the mean is over the elements of a window inside the image,
    /// without the padding.
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn avg_pool2d_inside(&mut self, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
        let windows = PoolWindows::sliding("avg_pool2d", self.shape(x), settings.into())?;
        self.window_means(x, windows)
    }

    /// The mean of each of `out` = \[oH, oW\] windows that cover `x` \[N, C, H, W\]: \[N, C, oH,
    /// oW\]. The i-th window of an axis is ⌊i·H/oH⌋ .. ⌈(i + 1)·H/oH⌉, as in PyTorch; neighbours
    /// overlap where oH does not divide H.
    ///
    /// # Errors
    /// When `x` is not an image, or a side is 0.
    pub fn adaptive_avg_pool2d(&mut self, x: Value, out: [usize; 2]) -> Result<Value> {
        let windows = PoolWindows::adaptive("adaptive_avg_pool2d", self.shape(x), out)?;
        self.window_means(x, windows)
    }

    /// The largest element of each of the windows of [`Self::adaptive_avg_pool2d`].
    ///
    /// # Errors
    /// When `x` is not an image, or a side is 0.
    pub fn adaptive_max_pool2d(&mut self, x: Value, out: [usize; 2]) -> Result<Value> {
        let windows = PoolWindows::adaptive("adaptive_max_pool2d", self.shape(x), out)?;
        self.largest(x, windows)
    }

    /// The largest element of each of `windows` of `x` \[N, C, H, W\]. The windows are made for
    /// this shape.
    ///
    /// # Errors
    /// When `x` has another shape.
    pub fn largest(&mut self, x: Value, windows: PoolWindows) -> Result<Value> {
        let ([n, c, h, w], pooled) = (windows.image, windows.pooled());
        let index = self.emit(ArgmaxPool(windows), &[x])?;
        let planes = self.reshape(x, &[n * c, h * w])?;
        let largest = self.gather(planes, index)?;
        self.reshape(largest, &pooled)
    }

    /// The sum over each of `windows` of `x` \[N, C, H, W\]. The windows are made for this shape.
    ///
    /// # Errors
    /// When `x` has another shape.
    pub fn window_sums(&mut self, x: Value, windows: PoolWindows) -> Result<Value> {
        if self.shape(x) != windows.image {
            let problem = format!("{:?} is not the image {:?}", self.shape(x), windows.image);
            return Err(Error::shape("sum_pool2d", problem));
        }
        self.emit(SumPool(windows), &[x])
    }

    fn window_means(&mut self, x: Value, windows: PoolWindows) -> Result<Value> {
        let (common, pooled, [_, _, h, w]) = (windows.common_size(), windows.pooled(), windows.image);
        let sum = self.emit(SumPool(windows.clone()), &[x])?;
        if let Some(size) = common {
            return self.scale(sum, 1.0 / size as f64);
        }
        // The sizes of the windows are the sums over an image of ones.
        let ones = self.fill(1.0, &[1, 1, h, w])?;
        let sizes = self.emit(SumPool(PoolWindows { image: [1, 1, h, w], ..windows }), &[ones])?;
        let inverse = self.function(Function::Recip, sizes)?;
        let inverse = self.broadcast(inverse, &pooled)?;
        self.mul(sum, inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adaptive_windows_cover_an_axis_and_may_overlap() {
        assert_eq!(adaptive(5, 3), Ok(vec![0..2, 1..4, 3..5]));
        assert_eq!(adaptive(1, 2), Ok(vec![0..1, 0..1]));
    }
}
