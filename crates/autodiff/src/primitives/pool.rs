//! Pooling: max pooling is a gather by argmax; average pooling is a scaled sum over windows.

use std::sync::Arc;

use candle_core::Tensor;

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels::{self, PoolGeometry},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
};

/// Square windows over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The window's side.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Border around the image: −∞ for the maximum, zeros (which count) for the average.
    pub padding: usize,
}

/// The image and the windows on it.
#[derive(Debug, Clone)]
struct Windows {
    /// \[N, C, H, W\]
    image: [usize; 4],
    /// \[oH, oW\]
    out: [usize; 2],
    settings: PoolSettings,
}

impl Windows {
    fn new(name: &str, shape: &[usize], settings: PoolSettings) -> Result<Self> {
        let PoolSettings { kernel, stride, padding } = settings;
        let fail = |problem: &str| Error::shape(name, format!("{problem}: image {shape:?}, {settings:?}"));
        let &[n, c, h, w] = shape else { return Err(fail("needs an input [N, C, H, W]")) };
        if kernel == 0 || stride == 0 || 2 * padding > kernel {
            return Err(fail("kernel and stride must be positive and padding at most half the kernel"));
        }
        let out = |size: usize| (size + 2 * padding).checked_sub(kernel).map(|room| room / stride + 1);
        match (out(h), out(w)) {
            (Some(oh), Some(ow)) => Ok(Self { image: [n, c, h, w], out: [oh, ow], settings }),
            _ => Err(fail("the window is larger than the padded image")),
        }
    }

    fn pooled(&self) -> [usize; 4] {
        [self.image[0], self.image[1], self.out[0], self.out[1]]
    }

    fn geometry(&self) -> PoolGeometry {
        PoolGeometry {
            height: self.image[2],
            width: self.image[3],
            out_height: self.out[0],
            out_width: self.out[1],
            kernel: self.settings.kernel,
            stride: self.settings.stride,
            padding: self.settings.padding,
        }
    }
}

/// For each window the position in its plane of the first largest element: \[N·C, oH·oW\], of type `u32`.
#[derive(Debug)]
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
#[derive(Debug)]
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
#[derive(Debug)]
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
    /// The largest element of each window of `x` \[N, C, H, W\].
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn max_pool2d(&mut self, x: Value, settings: PoolSettings) -> Result<Value> {
        let windows = Windows::new("max_pool2d", self.shape(x), settings)?;
        let ([n, c, h, w], pooled) = (windows.image, windows.pooled());
        let index = self.emit(Arc::new(ArgmaxPool(windows)), &[x])?;
        let planes = self.reshape(x, &[n * c, h * w])?;
        let largest = self.gather(planes, index)?;
        self.reshape(largest, &pooled)
    }

    /// The mean of each window of `x` \[N, C, H, W\], the zeros of the padding included.
    ///
    /// # Errors
    /// When the windows do not fit the image.
    pub fn avg_pool2d(&mut self, x: Value, settings: PoolSettings) -> Result<Value> {
        let windows = Windows::new("avg_pool2d", self.shape(x), settings)?;
        let sum = self.emit(Arc::new(SumPool(windows)), &[x])?;
        self.scale(sum, 1.0 / (settings.kernel * settings.kernel) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::Subject;

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
        let windows = Windows::new("max", x.dims(), PoolSettings { kernel: 3, stride: 2, padding: 1 })?;
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let index = ArgmaxPool(windows).eval(&place, &[Operand { tensor: &x, batched: false }])?;
        assert_eq!(index.to_vec2::<u32>()?, [[0, 1, 4, 5]]);
        Ok(())
    }
}
