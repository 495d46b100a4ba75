//! Transposed convolutions over one to three axes, with given weights.

use super::{
    convolution::{Convolution, convolution, with_axis, with_bias, without_axis},
    strided::spread,
};
use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    operations::ConvSettings,
};

/// The transposed convolution of x \[N, C, sides...\] with `weight` \[C, O/groups, taps...\], plus
/// `bias` \[O\]. Each side becomes (side − 1)·stride − padding + dilation·(taps − 1) +
/// `output_padding` + 1, where padding is the sum over both ends.
///
/// # Errors
/// When the weight does not fit the input, or the image would be empty.
pub fn conv_transpose(
    scope: &mut Scope,
    x: Value,
    weight: Value,
    bias: Option<Value>,
    settings: &Convolution,
    output_padding: &[usize],
) -> Result<Value> {
    let graph = scope.graph();
    let (shape, taps) = (graph.shape(x).to_vec(), graph.shape(weight).to_vec());
    let axes = shape.len().saturating_sub(2);
    let lengths =
        [settings.stride.len(), settings.padding.len(), settings.dilation.len(), output_padding.len()];
    let wrong = lengths != [axes; 4] || !(1..=3).contains(&axes) || taps.len() != shape.len();
    if wrong
        || settings.stride.contains(&0)
        || settings.dilation.contains(&0)
        || shape.contains(&0)
        || taps.contains(&0)
    {
        let problem = format!("{settings:?} and the weight {taps:?} do not fit the input {shape:?}");
        return Err(Error::shape("conv_transpose", problem));
    }
    let uniform = |numbers: &[usize]| numbers.iter().all(|number| *number == numbers[0]);
    let y = match axes {
        1 => {
            let (x, weight) = (with_axis(graph, x, 2)?, with_axis(graph, weight, 2)?);
            let y = uncut(graph, x, weight, [settings.stride[0], settings.dilation[0], settings.groups])?;
            without_axis(graph, y, 2)?
        }
        2 if uniform(&settings.stride) && uniform(&settings.dilation) => {
            uncut(graph, x, weight, [settings.stride[0], settings.dilation[0], settings.groups])?
        }
        _ => return by_convolution(scope, x, weight, bias, settings, output_padding),
    };
    let y = cut(graph, y, settings, output_padding)?;
    with_bias(graph, y, bias)
}

/// The transposed convolution without padding, with the same stride and dilation along both axes.
fn uncut(
    graph: &mut Graph,
    x: Value,
    weight: Value,
    [stride, dilation, groups]: [usize; 3],
) -> Result<Value> {
    graph.conv_transpose2d(x, weight, ConvSettings { stride, padding: 0, dilation, groups }, 0)
}

/// Removes the padding at both ends of each side of y, except for `more` elements at the far end;
/// appends zeros if the padding there is shorter.
fn cut(graph: &mut Graph, y: Value, settings: &Convolution, more: &[usize]) -> Result<Value> {
    let mut y = y;
    for (axis, (&[before, after], &more)) in (2..).zip(settings.padding.iter().zip(more)) {
        y = graph.pad(y, axis, 0, more.saturating_sub(after))?;
        let size = graph.shape(y)[axis];
        let off = before.saturating_add(after.saturating_sub(more));
        match size.checked_sub(off) {
            Some(len) if len > 0 => y = graph.slice(y, axis, before, len)?,
            _ => {
                let problem = format!("the padding leaves nothing of the image {:?}", graph.shape(y));
                return Err(Error::shape("conv_transpose", problem));
            }
        }
    }
    Ok(y)
}

/// The transposed convolution as a convolution: of x with zeros between its elements, with the
/// reversed kernel.
fn by_convolution(
    scope: &mut Scope,
    x: Value,
    weight: Value,
    bias: Option<Value>,
    settings: &Convolution,
    output_padding: &[usize],
) -> Result<Value> {
    let graph = scope.graph();
    let (mut x, mut kernel) = (x, turned(graph, weight, settings.groups)?);
    let mut padding = Vec::new();
    for axis in 0..settings.stride.len() {
        x = spread(graph, x, axis + 2, settings.stride[axis])?;
        kernel = reversed(graph, kernel, axis + 2)?;
        let around = (graph.shape(kernel)[axis + 2] - 1).saturating_mul(settings.dilation[axis]);
        padding.push([around; 2]);
    }
    let dense = Convolution {
        stride: vec![1; padding.len()],
        padding,
        dilation: settings.dilation.clone(),
        groups: settings.groups,
    };
    let y = convolution(scope, x, kernel, None, &dense)?;
    let graph = scope.graph();
    let y = cut(graph, y, settings, output_padding)?;
    with_bias(graph, y, bias)
}

/// Rearranges a weight \[C, O/groups, ...\] to \[O, C/groups, ...\].
fn turned(graph: &mut Graph, weight: Value, groups: usize) -> Result<Value> {
    let shape = graph.shape(weight).to_vec();
    let (inputs, outputs, taps) = (shape[0], shape[1], &shape[2..]);
    if groups == 0 || inputs % groups != 0 {
        return Err(Error::shape(
            "conv_transpose",
            format!("{groups} groups do not divide {inputs} channels"),
        ));
    }
    let split = [&[groups, inputs / groups, outputs], taps].concat();
    let weight = graph.reshape(weight, &split)?;
    let axes: Vec<usize> = [0, 2, 1].into_iter().chain(3..split.len()).collect();
    let weight = graph.permute(weight, &axes)?;
    graph.reshape(weight, &[&[groups * outputs, inputs / groups], taps].concat())
}

/// x reversed along an axis, which must be short: each element is a separate slice.
fn reversed(graph: &mut Graph, x: Value, axis: usize) -> Result<Value> {
    let size = graph.shape(x)[axis];
    let parts: Vec<Value> = (0..size).rev().map(|i| graph.slice(x, axis, i, 1)).collect::<Result<_>>()?;
    graph.concat(&parts, axis)
}
