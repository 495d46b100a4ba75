//! Two-dimensional convolution (cross-correlation, as usual in neural networks) and its two
//! transposes.
//!
//! The trilinear form ⟨y, x ∗ w⟩ with x \[N, C, H, W\], w \[O, C/groups, kH, kW\] and y \[N, O, oH,
//! oW\] gives three primitives: its gradient in each argument, as a function of the two others.
//! They are closed under transposition.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// How the kernel moves over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvSettings {
    /// Step between output positions.
    pub stride: usize,
    /// Zeros around the image, on each side.
    pub padding: usize,
    /// Step between the kernel's taps.
    pub dilation: usize,
    /// The number of groups of channels, which are convolved separately.
    pub groups: usize,
}

impl Default for ConvSettings {
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

/// The shapes of the three arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvShapes {
    /// \[N, C, H, W\].
    pub x: [usize; 4],
    /// \[O, C/groups, kH, kW\].
    pub w: [usize; 4],
    /// \[N, O, oH, oW\].
    pub y: [usize; 4],
    /// How the kernel moves.
    pub settings: ConvSettings,
}

/// The number of pixels that a kernel of `k` taps spans; `None` on overflow.
fn extent(dilation: usize, k: usize) -> Option<usize> {
    (k - 1).checked_mul(dilation)?.checked_add(1)
}

impl ConvShapes {
    fn of(&self, argument: ConvArgument) -> &[usize] {
        match argument {
            ConvArgument::X => &self.x,
            ConvArgument::W => &self.w,
            ConvArgument::Y => &self.y,
        }
    }

    /// The shapes of the convolution of x \[N, C, H, W\] with w \[O, C/groups, kH, kW\].
    ///
    /// # Errors
    /// When the weight does not fit the input.
    pub fn new(x: &[usize], w: &[usize], settings: ConvSettings) -> Result<Self> {
        let fail = |problem: String| Error::shape("conv2d", problem);
        let (&[n, c, h, width], &[o, c_group, kh, kw]) = (x, w) else {
            return Err(fail(format!(
                "needs an input [N, C, H, W] and a weight [O, C, kH, kW], not {x:?} and {w:?}"
            )));
        };
        let ConvSettings { stride, padding, dilation, groups } = settings;
        if [stride, dilation, groups].contains(&0) || x.contains(&0) || w.contains(&0) {
            return Err(fail("stride, dilation, groups, input and kernel must be positive".to_owned()));
        }
        if Some(c) != c_group.checked_mul(groups) || o % groups != 0 {
            return Err(fail(format!("the weight {w:?} in {groups} groups does not fit the input {x:?}")));
        }
        let out = |size: usize, k: usize| {
            let padded = padding.checked_mul(2)?.checked_add(size)?;
            Some(padded.checked_sub(extent(dilation, k)?)? / stride + 1)
        };
        match (out(h, kh), out(width, kw)) {
            (Some(oh), Some(ow)) => {
                Ok(Self { x: [n, c, h, width], w: [o, c_group, kh, kw], y: [n, o, oh, ow], settings })
            }
            _ => Err(fail(format!("the kernel {kh}x{kw} does not fit the padded image of {x:?}"))),
        }
    }

    /// The shapes of the transposed convolution as a layer, from `y` \[N, O, oH, oW\] to the image
    /// x of side (oH − 1)·stride − 2·padding + dilation·(kH − 1) + `output_padding` + 1.
    ///
    /// # Errors
    /// When the weight does not fit the input, or the image would be empty.
    pub fn transposed(
        y: &[usize],
        w: &[usize],
        settings: ConvSettings,
        output_padding: usize,
    ) -> Result<Self> {
        let fail = |problem: String| Error::shape("conv_transpose2d", problem);
        let (&[n, o, oh, ow], &[w_o, c_group, kh, kw]) = (y, w) else {
            let problem =
                format!("needs an input [N, O, H, W] and a weight [O, C, kH, kW], not {y:?} and {w:?}");
            return Err(fail(problem));
        };
        let ConvSettings { stride, padding, dilation, groups } = settings;
        if [stride, dilation, groups].contains(&0) || y.contains(&0) || w.contains(&0) {
            return Err(fail("stride, dilation, groups, kernel and input must be positive".to_owned()));
        }
        if o != w_o || o % groups != 0 {
            return Err(fail(format!("the weight {w:?} in {groups} groups does not fit the input {y:?}")));
        }
        if output_padding >= stride.max(dilation) {
            let problem = format!("output padding {output_padding} must be below the stride or the dilation");
            return Err(fail(problem));
        }
        let side = |out: usize, k: usize| {
            let steps = (out - 1).checked_mul(stride)?.checked_add(output_padding)?;
            let full = extent(dilation, k)?.checked_add(steps)?;
            full.checked_sub(padding.checked_mul(2)?).filter(|side| *side > 0)
        };
        match (side(oh, kh), side(ow, kw)) {
            (Some(h), Some(width)) => Ok(Self {
                x: [n, c_group.saturating_mul(groups), h, width],
                w: [o, c_group, kh, kw],
                y: [n, o, oh, ow],
                settings,
            }),
            _ => Err(fail(format!("the padding {padding} leaves nothing of the image made from {y:?}"))),
        }
    }

    fn check(&self, name: &str, args: &[&[usize]], expected: [&[usize]; 2]) -> Result<()> {
        if args == expected {
            Ok(())
        } else {
            Err(Error::shape(name, format!("operands {args:?} instead of {expected:?}")))
        }
    }
}

/// An argument of the trilinear form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConvArgument {
    /// The image.
    X,
    /// The kernel.
    W,
    /// The result of the convolution, or its cotangent.
    Y,
}

impl ConvArgument {
    /// The two other arguments, in their order as operands of the primitive that computes this one.
    fn operands(self) -> [Self; 2] {
        match self {
            Self::Y => [Self::X, Self::W],
            Self::X => [Self::Y, Self::W],
            Self::W => [Self::X, Self::Y],
        }
    }
}

/// The gradient of the trilinear form in one argument, from the two others: the convolution y = x ∗
/// w, the cotangent of x, or the cotangent of w.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// The argument in which the gradient is taken.
    pub of: ConvArgument,
    /// The shapes of all three arguments.
    pub shapes: ConvShapes,
}

impl Primitive for Conv2d {
    fn name(&self) -> &'static str {
        match self.of {
            ConvArgument::Y => "conv2d",
            ConvArgument::X => "conv2d-input-transpose",
            ConvArgument::W => "conv2d-weight-transpose",
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let operands = self.of.operands().map(|operand| self.shapes.of(operand));
        self.shapes.check(self.name(), args, operands)?;
        Ok(self.shapes.of(self.of).to_vec())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0, 1])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        let of = self.of.operands()[wrt];
        // The operands of the transpose: the given cotangent of this operation's result, and the
        // other operand.
        let args =
            of.operands().map(|operand| if operand == self.of { cotangent } else { node.args[1 - wrt] });
        graph.emit(Self { of, shapes: self.shapes.clone() }, &args)
    }

    /// For the cotangent of w: one product for each output position, of the channels of y there and
    /// the patch of x under the kernel.
    fn outer_products(&self, graph: &mut Graph, node: &NodeRef) -> Result<Option<[Value; 2]>> {
        if self.of != ConvArgument::W || self.shapes.settings.groups != 1 {
            return Ok(None);
        }
        let patches = graph.patches(node.args[0], &self.shapes)?;
        let mut by_position = |value: Value| {
            let shape = graph.shape(value).to_vec();
            let last = graph.permute(value, &[0, 2, 3, 1])?;
            graph.reshape(last, &[shape[0] * shape[2] * shape[3], shape[1]])
        };
        Ok(Some([by_position(node.args[1])?, by_position(patches)?]))
    }

    /// For the cotangent of w: the stacked samples become one batch, over which the result is
    /// summed.
    fn stacked_sum(&self, graph: &mut Graph, stacked: &[Value]) -> Result<Option<Value>> {
        if self.of != ConvArgument::W {
            return Ok(None);
        }
        let mut shapes = self.shapes.clone();
        let n = graph.shape(stacked[0])[0];
        shapes.x[0] *= n;
        shapes.y[0] *= n;
        let (x, y) = (graph.reshape(stacked[0], &shapes.x)?, graph.reshape(stacked[1], &shapes.y)?);
        graph.emit(Self { of: self.of, shapes }, &[x, y]).map(Some)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let operands = self.of.operands();
        let weight = operands.iter().position(|argument| *argument == ConvArgument::W);
        if weight.is_some_and(|weight| !args[weight].led) {
            self.batch_of_samples(graph, args)
        } else {
            self.batch_of_groups(graph, args)
        }
    }
}

/// Batching: many evaluations as one convolution.
impl Conv2d {
    /// For a shared weight: the samples of all evaluations become one batch.
    fn batch_of_samples(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let lead = Batched::lead(graph, args);
        let mut shapes = self.shapes.clone();
        shapes.x[0] *= lead;
        shapes.y[0] *= lead;
        let mut operands = Vec::with_capacity(args.len());
        for (arg, argument) in args.iter().zip(self.of.operands()) {
            operands.push(match argument {
                ConvArgument::W => arg.value,
                _ => graph.reshape(arg.value, shapes.of(argument))?,
            });
        }
        let result = graph.emit(Self { of: self.of, shapes }, &operands)?;
        graph.reshape(result, &[&[lead], self.shapes.of(self.of)].concat())
    }

    /// For a weight per evaluation, or the weight's cotangent: the channels of each evaluation
    /// become separate groups.
    fn batch_of_groups(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let lead = Batched::lead(graph, args);
        let mut shapes = self.shapes.clone();
        shapes.x[1] *= lead;
        shapes.y[1] *= lead;
        shapes.w[0] *= lead;
        shapes.settings.groups *= lead;
        let mut operands = Vec::with_capacity(args.len());
        for (arg, argument) in args.iter().zip(self.of.operands()) {
            let all = arg.repeated(graph, lead)?;
            let all = if argument == ConvArgument::W { all } else { graph.permute(all, &[1, 0, 2, 3, 4])? };
            operands.push(graph.reshape(all, shapes.of(argument))?);
        }
        let result = graph.emit(Self { of: self.of, shapes }, &operands)?;
        let own = self.shapes.of(self.of);
        if self.of == ConvArgument::W {
            return graph.reshape(result, &[&[lead], own].concat());
        }
        let result = graph.reshape(result, &[&[own[0], lead], &own[1..]].concat())?;
        graph.permute(result, &[1, 0, 2, 3, 4])
    }
}

impl Graph {
    /// The patches of x under the kernel, \[N, C·kH·kW, oH, oW\]: each channel is convolved
    /// separately with every one-hot kernel.
    fn patches(&mut self, x: Value, shapes: &ConvShapes) -> Result<Value> {
        let [_, c, kh, kw] = shapes.w;
        let taps = self.identity(kh * kw)?;
        let taps = self.reshape(taps, &[1, kh * kw, kh, kw])?;
        let taps = self.broadcast(taps, &[c, kh * kw, kh, kw])?;
        let taps = self.reshape(taps, &[c * kh * kw, 1, kh, kw])?;
        self.conv2d(x, taps, ConvSettings { groups: c, ..shapes.settings })
    }

    /// The convolution y\[n, o\] = Σ_c x\[n, c\] ⋆ w\[o, c\] of x \[N, C, H, W\] with w \[O,
    /// C/groups, kH, kW\].
    ///
    /// # Errors
    /// When the weight does not fit the input.
    pub fn conv2d(&mut self, x: Value, w: Value, settings: ConvSettings) -> Result<Value> {
        let shapes = ConvShapes::new(self.shape(x), self.shape(w), settings)?;
        self.emit(Conv2d { of: ConvArgument::Y, shapes }, &[x, w])
    }

    /// Maps `y` \[N, O, oH, oW\] to an image \[N, C, H, W\] by the transpose, in its input, of the
    /// convolution with w \[O, C/groups, kH, kW\]. The height is H = (oH − 1)·stride − 2·padding +
    /// dilation·(kH − 1) + `output_padding` + 1.
    ///
    /// # Errors
    /// When the weight does not fit the input, or the image would be empty.
    pub fn conv_transpose2d(
        &mut self,
        y: Value,
        w: Value,
        settings: ConvSettings,
        output_padding: usize,
    ) -> Result<Value> {
        let shapes = ConvShapes::transposed(self.shape(y), self.shape(w), settings, output_padding)?;
        self.emit(Conv2d { of: ConvArgument::X, shapes }, &[y, w])
    }
}
