//! Pooling: max pooling is a gather by argmax; average pooling is a scaled sum over windows.

use std::{ops::Range, sync::Arc};

use candle_core::Tensor;

use super::{Function, with_batch};
use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels::{self, PoolGeometry},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
};

/// Windows that slide along an axis of an image, or along both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The window's side.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Border around the image: −∞ for the maximum, zeros (which count) for the average.
    pub padding: usize,
}

/// Square windows: the same along height and width.
impl From<PoolSettings> for [PoolSettings; 2] {
    fn from(settings: PoolSettings) -> Self {
        [settings; 2]
    }
}

/// What windows leave on an axis of the image; the border is cut off.
type Ranges = Vec<Range<usize>>;

impl PoolSettings {
    fn ranges(self, size: usize) -> Result<Ranges, &'static str> {
        let Self { kernel, stride, padding } = self;
        if kernel == 0 || stride == 0 || padding > kernel / 2 {
            return Err("kernel and stride must be positive and padding at most half the kernel");
        }
        let padded = size.checked_add(2 * padding).ok_or("the padded image is too large")?;
        let room = padded.checked_sub(kernel).ok_or("the window is larger than the padded image")?;
        if room / stride >= MOST_SLIDING {
            return Err("there are more than a million windows on a side");
        }
        let range = |o: usize| {
            let start = o * stride;
            start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(size)
        };
        Ok((0..=room / stride).map(range).collect())
    }
}

/// More windows on a side of the image are taken for a mistake: each is kept.
const MOST_SLIDING: usize = 1 << 20;

/// Longer sides are taken for a mistake.
const MOST_WINDOWS: usize = 1 << 16;

/// `out` windows that cover an axis, of nearly one length: ⌊i·size/out⌋ .. ⌈(i + 1)·size/out⌉.
fn adaptive(size: usize, out: usize) -> Result<Ranges, &'static str> {
    if size == 0 || out == 0 {
        return Err("image and output must not be empty");
    }
    if size.max(out) > MOST_WINDOWS {
        return Err("a side of image or output is more than 65536 long");
    }
    Ok((0..out).map(|i| i * size / out..((i + 1) * size).div_ceil(out)).collect())
}

/// The image and the windows on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Windows {
    /// \[N, C, H, W\]
    image: [usize; 4],
    rows: Ranges,
    columns: Ranges,
}

impl Windows {
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
        Self::new(name, shape, |axis, size| settings[axis].ranges(size))
    }

    fn adaptive(name: &str, shape: &[usize], out: [usize; 2]) -> Result<Self> {
        Self::new(name, shape, |axis, size| adaptive(size, out[axis]))
    }

    fn pooled(&self) -> [usize; 4] {
        [self.image[0], self.image[1], self.rows.len(), self.columns.len()]
    }

    fn geometry(&self) -> PoolGeometry {
        let [_, _, height, width] = self.image;
        PoolGeometry { height, width, rows: self.rows.clone(), columns: self.columns.clone() }
    }

    /// The number of elements of each window, if it is one.
    fn common_size(&self) -> Option<usize> {
        let len = |ranges: &Ranges| {
            let len = ranges.first()?.len();
            ranges.iter().all(|range| range.len() == len).then_some(len)
        };
        Some(len(&self.rows)? * len(&self.columns)?)
    }
}

/// For each window the position in its plane of the first largest element: \[N·C, oH·oW\], of type `u32`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ArgmaxPool(Windows);

impl Primitive for ArgmaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        let [n, c, h, w] = self.0.pooled();
        Ok(vec![n * c, h * w])
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let index = kernels::argmax_pool(args[0].tensor, &self.0.geometry())?;
        let [n, c, h, w] = self.0.pooled();
        Ok(Tensor::from_vec(index, with_batch(args[0].batch(), &[n * c, h * w]), args[0].tensor.device())?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }
}

/// The sum over each window.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SumPool(Windows);

impl Primitive for SumPool {
    fn name(&self) -> &'static str {
        "sum_pool2d"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.0.pooled().to_vec())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let dims = with_batch(args[0].batch(), &self.0.pooled());
        kernels::sum_pool(args[0].tensor, &self.0.geometry(), &dims)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.emit(Arc::new(SumPoolTranspose(self.0.clone())), &[cotangent])
    }
}

/// Each element added to all positions of its window.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SumPoolTranspose(Windows);

impl Primitive for SumPoolTranspose {
    fn name(&self) -> &'static str {
        "sum_pool2d-transpose"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.0.image.to_vec())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let dims = with_batch(args[0].batch(), &self.0.image);
        kernels::sum_pool_transpose(args[0].tensor, &self.0.geometry(), &dims)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.emit(Arc::new(SumPool(self.0.clone())), &[cotangent])
    }
}

impl Graph {
    /// The largest element of each window of `x` \[N, C, H, W\]; settings for both axes, or \[height, width\].
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn max_pool2d(&mut self, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
        let windows = Windows::sliding("max_pool2d", self.shape(x), settings.into())?;
        self.largest(x, windows)
    }

    /// The mean of each window of `x` \[N, C, H, W\], the zeros of the padding included; settings for both axes, or
    /// \[height, width\].
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn avg_pool2d(&mut self, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
        let settings = settings.into();
        let windows = Windows::sliding("avg_pool2d", self.shape(x), settings)?;
        let sum = self.emit(Arc::new(SumPool(windows)), &[x])?;
        // As floating-point numbers: the product of two sides in a file may be beyond all integers.
        let [height, width] = settings.map(|axis| axis.kernel as f64);
        self.scale(sum, 1.0 / (height * width))
    }

    /// As [`Self::avg_pool2d`], but the mean of those elements of a window that lie on the image.
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn avg_pool2d_inside(&mut self, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
        let windows = Windows::sliding("avg_pool2d", self.shape(x), settings.into())?;
        self.window_means(x, windows)
    }

    /// The mean of each of `out` = \[oH, oW\] windows that cover `x` \[N, C, H, W\]: \[N, C, oH, oW\]. The i-th window
    /// of an axis is ⌊i·H/oH⌋ .. ⌈(i + 1)·H/oH⌉, as PyTorch has it; neighbours overlap where oH does not divide H.
    ///
    /// # Errors
    /// When `x` is not an image, or a side is 0.
    pub fn adaptive_avg_pool2d(&mut self, x: Value, out: [usize; 2]) -> Result<Value> {
        let windows = Windows::adaptive("adaptive_avg_pool2d", self.shape(x), out)?;
        self.window_means(x, windows)
    }

    /// The largest element of each of the windows of [`Self::adaptive_avg_pool2d`].
    ///
    /// # Errors
    /// When `x` is not an image, or a side is 0.
    pub fn adaptive_max_pool2d(&mut self, x: Value, out: [usize; 2]) -> Result<Value> {
        let windows = Windows::adaptive("adaptive_max_pool2d", self.shape(x), out)?;
        self.largest(x, windows)
    }

    fn largest(&mut self, x: Value, windows: Windows) -> Result<Value> {
        let ([n, c, h, w], pooled) = (windows.image, windows.pooled());
        let index = self.emit(Arc::new(ArgmaxPool(windows)), &[x])?;
        let planes = self.reshape(x, &[n * c, h * w])?;
        let largest = self.gather(planes, index)?;
        self.reshape(largest, &pooled)
    }

    fn window_means(&mut self, x: Value, windows: Windows) -> Result<Value> {
        let (common, pooled, [_, _, h, w]) = (windows.common_size(), windows.pooled(), windows.image);
        let sum = self.emit(Arc::new(SumPool(windows.clone())), &[x])?;
        if let Some(size) = common {
            return self.scale(sum, 1.0 / size as f64);
        }
        // The sizes are the sums of an image of ones.
        let ones = self.fill(1.0, &[1, 1, h, w])?;
        let sizes = self.emit(Arc::new(SumPool(Windows { image: [1, 1, h, w], ..windows })), &[ones])?;
        let inverse = self.function(Function::Recip, sizes)?;
        let inverse = self.broadcast(inverse, &pooled)?;
        self.mul(sum, inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{laws::Subject, program::Program};

    /// The values of a program of one image whose elements count up from 0.
    fn of_counting_image(
        shape: [usize; 4],
        build: impl Fn(&mut Graph, Value) -> Result<Value>,
    ) -> Result<Vec<f64>> {
        use candle_core::{DType, Device};
        let mut graph = Graph::default();
        let x = graph.input("x", &shape);
        let y = build(&mut graph, x)?;
        let count = shape.iter().product::<usize>() as f64;
        let image = Tensor::arange(0.0, count, &Device::Cpu)?.reshape(&shape)?;
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let out = Program::new(&graph, &[x], &[y])?.evaluate(&place, &[image])?;
        Ok(out[0].flatten_all()?.to_vec1()?)
    }

    #[test]
    fn adaptive_windows_are_those_of_pytorch() -> Result<()> {
        assert_eq!(adaptive(5, 3), Ok(vec![0..2, 1..4, 3..5]));
        assert_eq!(adaptive(1, 2), Ok(vec![0..1, 0..1]));
        // Rows 0 5 10, of which the windows 0..2 and 1..3; columns 0..2, 1..4, 3..5.
        let mean = of_counting_image([1, 1, 3, 5], |g, x| g.adaptive_avg_pool2d(x, [2, 3]))?;
        let expected = [3.0, 4.5, 6.0, 8.0, 9.5, 11.0];
        assert!(mean.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{mean:?}");
        let max = of_counting_image([1, 1, 3, 5], |g, x| g.adaptive_max_pool2d(x, [2, 3]))?;
        assert_eq!(max, [6.0, 8.0, 9.0, 11.0, 13.0, 14.0]);
        Ok(())
    }

    #[test]
    fn laws_of_adaptive_and_rectangular_windows() {
        for (seed, out) in (1..).zip([[1, 1], [2, 3], [5, 6], [7, 4]]) {
            Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.adaptive_max_pool2d(x[0], out)).obeys_all();
            Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.adaptive_avg_pool2d(x[0], out))
                .must_be_multilinear()
                .obeys_all();
        }
        let settings =
            [(3, 2, 1), (2, 1, 0)].map(|(kernel, stride, padding)| PoolSettings { kernel, stride, padding });
        Subject::new(5, &[&[2, 1, 5, 4]], |g, x| g.max_pool2d(x[0], settings)).obeys_all();
        Subject::new(6, &[&[2, 1, 5, 4]], |g, x| g.avg_pool2d(x[0], settings))
            .must_be_multilinear()
            .obeys_all();
        Subject::new(7, &[&[2, 1, 5, 4]], |g, x| g.avg_pool2d_inside(x[0], settings))
            .must_be_multilinear()
            .obeys_all();
    }

    #[test]
    fn the_border_counts_or_does_not() -> Result<()> {
        let settings = PoolSettings { kernel: 2, stride: 2, padding: 1 };
        let counted = of_counting_image([1, 1, 2, 2], |g, x| g.avg_pool2d(x, settings))?;
        assert_eq!(counted, [0.0, 0.25, 0.5, 0.75]);
        let inside = of_counting_image([1, 1, 2, 2], |g, x| g.avg_pool2d_inside(x, settings))?;
        assert_eq!(inside, [0.0, 1.0, 2.0, 3.0]);
        Ok(())
    }

    #[test]
    fn windows_without_number_are_refused() {
        let mut graph = Graph::default();
        let x = graph.input("x", &[1, 1, 1, 1 << 39]);
        let settings = |stride| PoolSettings { kernel: 1, stride, padding: 0 };
        assert!(graph.max_pool2d(x, settings(1)).is_err());
        assert!(graph.max_pool2d(x, settings(1 << 20)).is_ok());
    }

    #[test]
    fn windows_larger_than_any_image_have_a_mean() -> Result<()> {
        let side = 1 << 40;
        let settings = PoolSettings { kernel: side, stride: 1, padding: side / 2 };
        let mean = of_counting_image([1, 1, 2, 2], |g, x| g.avg_pool2d(x, settings))?;
        let expected = 6.0 / (side as f64).powi(2);
        assert!(mean.iter().all(|mean| (mean / expected - 1.0).abs() < 1e-14), "{mean:?}");
        Ok(())
    }

    #[test]
    fn laws() {
        for (seed, (kernel, stride, padding)) in
            (1..).zip([(2, 2, 0), (3, 2, 1), (2, 1, 0), (3, 1, 1), (2, 3, 1)])
        {
            let settings = PoolSettings { kernel, stride, padding };
            Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.max_pool2d(x[0], settings)).obeys_all();
            Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.avg_pool2d(x[0], settings))
                .must_be_multilinear()
                .obeys_all();
        }
    }

    #[test]
    fn the_first_of_equal_elements_is_taken_and_the_padding_never() -> Result<()> {
        use candle_core::{DType, Device};
        let x = Tensor::full(-3.0_f64, (1, 1, 4, 4), &Device::Cpu)?;
        let windows =
            Windows::sliding("max", x.dims(), [PoolSettings { kernel: 3, stride: 2, padding: 1 }; 2])?;
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let index =
            ArgmaxPool(windows).eval(&place, &[Operand { tensor: &x, batched: false, dead: false }])?;
        assert_eq!(index.to_vec2::<u32>()?, [[0, 1, 4, 5]]);
        Ok(())
    }
}
