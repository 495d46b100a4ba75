//! Windows of an image as columns, and their sum: `nn.Unfold` and `nn.Fold`.

use eigenscape_program::{
    Graph, Result, Value,
    nn::{self, Convolution},
};

use crate::exported::{arguments::Arguments, array::check_size, emitter::Emitter, tensor::Item};

/// The windows' sides and how they slide.
struct Windows {
    kernel: Vec<usize>,
    settings: Convolution,
}

impl Windows {
    fn of(arguments: &Arguments) -> Result<Self> {
        let padding = arguments.sides("padding", 2, 0)?.into_iter().map(|padding| [padding; 2]).collect();
        let settings = Convolution {
            stride: arguments.sides("stride", 2, 1)?,
            padding,
            dilation: arguments.sides("dilation", 2, 1)?,
            groups: 1,
        };
        let kernel = arguments.sides("kernel_size", 2, 1)?;
        check_size(&[kernel.as_slice(), &kernel].concat())?;
        Ok(Self { kernel, settings })
    }

    /// The number of elements of a window.
    fn count(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Filters that each pick one element of a window: \[K, 1, kH, kW\].
    fn filters(&self, graph: &mut Graph) -> Result<Value> {
        let identity = graph.identity(self.count())?;
        graph.reshape(identity, &[&[self.count(), 1], self.kernel.as_slice()].concat())
    }

    /// The number of windows along a side of this length.
    fn along(&self, side: usize, size: usize) -> Option<usize> {
        let span = self.span(side)?;
        let padded = self.settings.padding[side][0].checked_mul(2)?.checked_add(size)?;
        Some(padded.checked_sub(span)? / self.settings.stride[side].max(1) + 1)
    }

    /// The length of a window with its gaps.
    fn span(&self, side: usize) -> Option<usize> {
        self.kernel[side].checked_sub(1)?.checked_mul(self.settings.dilation[side])?.checked_add(1)
    }
}

/// x \[N, C, H, W\] as columns \[N, C·K, L\], one for each window of K elements.
pub fn unfold(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let windows = Windows::of(arguments)?;
    let x = arguments.first()?;
    let &[n, c, h, w] = x.shape() else { return Err(arguments.error("needs images [N, C, H, W]")) };
    let images = emit.reshape(x, &[n * c, 1, h, w])?;
    let picked = emit.layer(&images, |scope, x| {
        let filters = windows.filters(scope.graph())?;
        nn::convolution(scope, x, filters, None, &windows.settings)
    })?;
    let places = picked.shape()[2..].iter().product();
    Ok(emit.reshape(&picked, &[n, c * windows.count(), places])?.into())
}

/// Columns \[N, C·K, L\] added up where their windows lie in an image \[N, C, H, W\].
pub fn fold(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let windows = Windows::of(arguments)?;
    let x = arguments.first()?;
    let out = arguments.sides("output_size", 2, 1)?;
    let &[n, rows, places] = x.shape() else { return Err(arguments.error("needs columns [N, C·K, L]")) };
    let sides = [windows.along(0, out[0]), windows.along(1, out[1])];
    let misfit = || arguments.error(format!("{:?} are not the windows of an image {out:?}", x.shape()));
    let [Some(height), Some(width)] = sides else { return Err(misfit()) };
    if windows.count() == 0 || rows % windows.count() != 0 || height.checked_mul(width) != Some(places) {
        return Err(misfit());
    }
    let channels = rows / windows.count();
    let columns = emit.reshape(x, &[n * channels, windows.count(), height, width])?;
    let mut more = Vec::new();
    for (side, count) in [height, width].into_iter().enumerate() {
        let covered = (count - 1) * windows.settings.stride[side] + windows.span(side).unwrap_or(1);
        more.push(out[side] + 2 * windows.settings.padding[side][0] - covered);
    }
    let image = emit.layer(&columns, |scope, x| {
        let filters = windows.filters(scope.graph())?;
        nn::conv_transpose(scope, x, filters, None, &windows.settings, &more)
    })?;
    Ok(emit.reshape(&image, &[&[n, channels], out.as_slice()].concat())?.into())
}
