//! Convolutions over one to three axes, by given weights.

use super::{
    linear::add_bias,
    strided::{every, spread},
};
use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    operations::ConvSettings,
};

/// How a kernel moves over an image of one, two or three axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// Steps between output positions, along each axis.
    pub stride: Vec<usize>,
    /// Zeros around the image, \[before, after\] along each axis.
    pub padding: Vec<[usize; 2]>,
    /// Steps between the kernel's taps, along each axis.
    pub dilation: Vec<usize>,
    /// The number of groups of channels that are convolved separately.
    pub groups: usize,
}

impl Convolution {
    /// The same settings along each of `axes` axes.
    #[must_use]
    pub fn uniform(axes: usize, settings: ConvSettings) -> Self {
        let ConvSettings { stride, padding, dilation, groups } = settings;
        Self {
            stride: vec![stride; axes],
            padding: vec![[padding; 2]; axes],
            dilation: vec![dilation; axes],
            groups,
        }
    }

    fn check(&self, layer: &str, axes: usize) -> Result<()> {
        let lengths = [self.stride.len(), self.padding.len(), self.dilation.len()];
        let zero = self.stride.contains(&0) || self.dilation.contains(&0) || self.groups == 0;
        if lengths != [axes; 3] || !(1..=3).contains(&axes) || zero {
            let problem = format!("{self:?} is not that of an image of {axes} axes, one to three");
            return Err(Error::shape(layer, problem));
        }
        Ok(())
    }
}

/// The convolution of x \[N, C, sides...\] with `weight` \[O, C/groups, taps...\], plus `bias`
/// \[O\].
///
/// # Errors
/// When the kernel does not fit the input.
pub fn convolution(
    scope: &mut Scope,
    x: Value,
    weight: Value,
    bias: Option<Value>,
    settings: &Convolution,
) -> Result<Value> {
    let graph = scope.graph();
    let axes = graph.shape(x).len().saturating_sub(2);
    settings.check("convolution", axes)?;
    if graph.shape(weight).len() != axes + 2 || graph.shape(weight).contains(&0) {
        let problem =
            format!("the weight {:?} does not fit the input {:?}", graph.shape(weight), graph.shape(x));
        return Err(Error::shape("convolution", problem));
    }
    let y = match axes {
        1 => of_sequence(graph, x, weight, settings)?,
        2 => of_image(graph, x, weight, settings)?,
        _ => of_volume(graph, x, weight, settings)?,
    };
    with_bias(graph, y, bias)
}

/// y \[N, O, ...\] plus a bias \[O\], if there is one.
pub(super) fn with_bias(graph: &mut Graph, y: Value, bias: Option<Value>) -> Result<Value> {
    bias.map_or(Ok(y), |bias| add_bias(graph, y, bias, 1))
}

/// The sequence as an image of height 1, padded along its width only.
fn of_sequence(graph: &mut Graph, x: Value, weight: Value, settings: &Convolution) -> Result<Value> {
    let (x, weight) = (with_axis(graph, x, 2)?, with_axis(graph, weight, 2)?);
    let [before, after] = settings.padding[0];
    let x = graph.pad(x, 3, before, after)?;
    let (stride, dilation) = (settings.stride[0], settings.dilation[0]);
    let y =
        graph.conv2d(x, weight, ConvSettings { stride, padding: 0, dilation, groups: settings.groups })?;
    without_axis(graph, y, 2)
}

fn of_image(graph: &mut Graph, x: Value, weight: Value, settings: &Convolution) -> Result<Value> {
    let [height, width] = [settings.padding[0], settings.padding[1]];
    // The operation pads all four sides equally; additional padding is added before.
    let common = height.into_iter().chain(width).min().unwrap_or(0);
    let mut x = x;
    for (axis, [before, after]) in [(2, height), (3, width)] {
        x = graph.pad(x, axis, before - common, after - common)?;
    }
    let (weight, dilation) = evenly_dilated(graph, weight, [settings.dilation[0], settings.dilation[1]])?;
    let strides = [settings.stride[0], settings.stride[1]];
    // The operation has one stride: the greatest common divisor of both. Further positions are
    // dropped.
    let stride = greatest_common_divisor(strides[0], strides[1]);
    let common = ConvSettings { stride, padding: common, dilation, groups: settings.groups };
    let mut y = graph.conv2d(x, weight, common)?;
    for (axis, own) in [(2, strides[0]), (3, strides[1])] {
        let count = graph.shape(y)[axis].div_ceil(own / stride);
        y = every(graph, y, axis, 0, own / stride, count)?;
    }
    Ok(y)
}

/// A volume as images: the slices under the kernel's taps along the depth become channels.
fn of_volume(graph: &mut Graph, x: Value, weight: Value, settings: &Convolution) -> Result<Value> {
    let [before, after] = settings.padding[0];
    let x = graph.pad(x, 2, before, after)?;
    let &[n, channels, depth, height, width] = graph.shape(x) else {
        return Err(Error::shape(
            "conv3d",
            format!("needs an input [N, C, D, H, W], not {:?}", graph.shape(x)),
        ));
    };
    let &[outputs, group, taps, kh, kw] = graph.shape(weight) else {
        return Err(Error::shape("conv3d", format!("has no weight of shape {:?}", graph.shape(weight))));
    };
    let (stride, dilation) = (settings.stride[0], settings.dilation[0]);
    let extent = dilation.saturating_mul(taps - 1).saturating_add(1);
    let Some(room) = depth.checked_sub(extent) else {
        let problem = format!("the kernel of depth {extent} does not fit the padded input of depth {depth}");
        return Err(Error::shape("conv3d", problem));
    };
    let count = room / stride + 1;
    let mut slices = Vec::with_capacity(taps);
    for tap in 0..taps {
        let seen = every(graph, x, 2, tap * dilation, stride, count)?;
        slices.push(graph.reshape(seen, &[n, channels, 1, count, height, width])?);
    }
    let slices = graph.concat(&slices, 2)?;
    let slices = graph.permute(slices, &[0, 3, 1, 2, 4, 5])?;
    let slices = graph.reshape(slices, &[n * count, channels * taps, height, width])?;
    let weight = graph.reshape(weight, &[outputs, group * taps, kh, kw])?;
    let plane = Convolution {
        stride: settings.stride[1..].to_vec(),
        padding: settings.padding[1..].to_vec(),
        dilation: settings.dilation[1..].to_vec(),
        groups: settings.groups,
    };
    let y = of_image(graph, slices, weight, &plane)?;
    let (height, width) = (graph.shape(y)[2], graph.shape(y)[3]);
    let y = graph.reshape(y, &[n, count, outputs, height, width])?;
    graph.permute(y, &[0, 2, 1, 3, 4])
}

/// A kernel \[O, C, kH, kW\] and the dilation of both axes: where these differ, the kernel is
/// spread with zeros between its taps.
fn evenly_dilated(graph: &mut Graph, weight: Value, dilation: [usize; 2]) -> Result<(Value, usize)> {
    let taps = [graph.shape(weight)[2], graph.shape(weight)[3]];
    match (dilation, taps) {
        ([height, width], _) if height == width => Ok((weight, height)),
        // A single tap has no dilation.
        ([_, width], [1, _]) => Ok((weight, width)),
        ([height, _], [_, 1]) => Ok((weight, height)),
        ([height, width], _) => {
            let weight = spread(graph, weight, 2, height)?;
            Ok((spread(graph, weight, 3, width)?, 1))
        }
    }
}

/// x with a new axis of size 1.
pub(super) fn with_axis(graph: &mut Graph, x: Value, axis: usize) -> Result<Value> {
    let mut shape = graph.shape(x).to_vec();
    shape.insert(axis, 1);
    graph.reshape(x, &shape)
}

/// x without an axis of size 1.
pub(super) fn without_axis(graph: &mut Graph, x: Value, axis: usize) -> Result<Value> {
    let mut shape = graph.shape(x).to_vec();
    shape.remove(axis);
    graph.reshape(x, &shape)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
