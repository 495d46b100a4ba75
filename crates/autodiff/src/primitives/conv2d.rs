//! Two-dimensional convolution (cross-correlation, as in the field) and its two transposes: a closed family.
//!
//! The trilinear form ⟨y, x ∗ w⟩ with x \[N, C, H, W\], w \[O, C/groups, kH, kW\] and y \[N, O, oH, oW\] gives one primitive by
//! leaving out each of its three arguments.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels::{self, Geometry},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
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
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for ConvSettings {
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

/// The shapes of the three arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shapes {
    x: [usize; 4],
    w: [usize; 4],
    y: [usize; 4],
    settings: ConvSettings,
}

/// The pixels that a kernel of `k` taps spans, `None` beyond all numbers.
fn extent(dilation: usize, k: usize) -> Option<usize> {
    (k - 1).checked_mul(dilation)?.checked_add(1)
}

impl Shapes {
    fn of(&self, argument: Argument) -> &[usize] {
        match argument {
            Argument::X => &self.x,
            Argument::W => &self.w,
            Argument::Y => &self.y,
        }
    }

    fn new(x: &[usize], w: &[usize], settings: ConvSettings) -> Result<Self> {
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

    /// Those of the transpose as a layer, from `y` \[N, O, oH, oW\] to the image x of side
    /// (oH − 1)·stride − 2·padding + dilation·(kH − 1) + `output_padding` + 1.
    fn transposed(y: &[usize], w: &[usize], settings: ConvSettings, output_padding: usize) -> Result<Self> {
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

    fn geometry(&self) -> Geometry {
        let ConvSettings { stride, padding, dilation, groups } = self.settings;
        Geometry {
            channels: self.x[1],
            height: self.x[2],
            width: self.x[3],
            out_channels: self.w[0],
            out_height: self.y[2],
            out_width: self.y[3],
            kernel: (self.w[2], self.w[3]),
            stride,
            padding,
            dilation,
            groups,
        }
    }

    fn check(&self, name: &str, args: &[&[usize]], expected: [&[usize]; 2]) -> Result<()> {
        if args == expected {
            Ok(())
        } else {
            Err(Error::shape(name, format!("operands {args:?} instead of {expected:?}")))
        }
    }

    fn flops(&self) -> usize {
        2 * self.y.iter().product::<usize>() * self.w[1..].iter().product::<usize>()
    }
}

/// An argument of the trilinear form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Argument {
    X,
    W,
    Y,
}

impl Argument {
    /// The two others, in the order in which they are the operands of what computes this one.
    fn operands(self) -> [Self; 2] {
        match self {
            Self::Y => [Self::X, Self::W],
            Self::X => [Self::Y, Self::W],
            Self::W => [Self::X, Self::Y],
        }
    }
}

/// The gradient of the trilinear form in one argument, from the two others: the convolution y = x ∗ w, the
/// cotangent of x, or the cotangent of w.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Conv2d {
    of: Argument,
    shapes: Shapes,
}

impl Conv2d {
    /// Sums of products of pairs of operands, each with a leading axis.
    fn eval_sum(&self, pairs: &[[&Tensor; 2]]) -> Result<Tensor> {
        let geometry = self.shapes.geometry();
        match self.of {
            Argument::Y => kernels::conv2d(pairs, &geometry),
            Argument::X => kernels::conv2d_input_transpose(pairs, &geometry),
            Argument::W => kernels::conv2d_weight_transpose(pairs, &geometry),
        }
    }
}

/// An operand with a leading axis, of size 1 where it has none.
fn led(operand: &Operand) -> Result<Tensor> {
    Ok(if operand.batched { operand.tensor.clone() } else { operand.tensor.unsqueeze(0)? })
}

/// The result with the leading axis dropped unless an operand has one.
fn unled(result: Tensor, args: &[Operand]) -> Result<Tensor> {
    Ok(if args.iter().any(|a| a.batched) { result } else { result.squeeze(0)? })
}

impl Primitive for Conv2d {
    fn name(&self) -> &'static str {
        match self.of {
            Argument::Y => "conv2d",
            Argument::X => "conv2d-input-transpose",
            Argument::W => "conv2d-weight-transpose",
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let operands = self.of.operands().map(|operand| self.shapes.of(operand));
        self.shapes.check(self.name(), args, operands)?;
        Ok(self.shapes.of(self.of).to_vec())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        unled(self.eval_sum(&[[&led(&args[0])?, &led(&args[1])?]])?, args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0, 1])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        let of = self.of.operands()[wrt];
        // The two arguments that are not asked for: this operation's result, whose cotangent is
        // given, and its other operand.
        let args =
            of.operands().map(|operand| if operand == self.of { cotangent } else { node.args[1 - wrt] });
        graph.emit(Arc::new(Self { of, shapes: self.shapes.clone() }), &args)
    }

    /// Of the cotangent of w, one product a position: the cotangent's channels there, and the patch that the kernel saw.
    fn outer_products(&self, graph: &mut Graph, node: &NodeRef) -> Result<Option<[Value; 2]>> {
        if self.of != Argument::W || self.shapes.settings.groups != 1 {
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

    /// Of the cotangent of w: the samples of all are the samples of one.
    fn stacked_sum(&self, graph: &mut Graph, stacked: &[Value]) -> Result<Option<Value>> {
        if self.of != Argument::W {
            return Ok(None);
        }
        let mut shapes = self.shapes.clone();
        let n = graph.shape(stacked[0])[0];
        shapes.x[0] *= n;
        shapes.y[0] *= n;
        let (x, y) = (graph.reshape(stacked[0], &shapes.x)?, graph.reshape(stacked[1], &shapes.y)?);
        graph.emit(Arc::new(Self { of: self.of, shapes }), &[x, y]).map(Some)
    }

    fn of_two_summed(&self) -> Option<Arc<dyn Primitive>> {
        Some(Arc::new(OfTwo(self.clone())))
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        self.shapes.flops()
    }
}

/// One of the family for two pairs of operands, summed as they are computed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfTwo(Conv2d);

impl Primitive for OfTwo {
    fn name(&self) -> &'static str {
        match self.0.of {
            Argument::Y => "two conv2d",
            Argument::X => "two conv2d-input-transpose",
            Argument::W => "two conv2d-weight-transpose",
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        self.0.shape(&args[..2])
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let led: Vec<Tensor> = args.iter().map(led).collect::<Result<_>>()?;
        unled(self.0.eval_sum(&[[&led[0], &led[1]], [&led[2], &led[3]]])?, args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Nonlinear
    }

    fn flops(&self, args: &[&[usize]], output: &[usize]) -> usize {
        2 * self.0.flops(&args[..2], output) + output.iter().product::<usize>()
    }
}

impl Graph {
    /// The patches that a kernel sees, \[N, C·kH·kW, oH, oW\]: each channel by itself convolved with every one-hot kernel.
    fn patches(&mut self, x: Value, shapes: &Shapes) -> Result<Value> {
        let [_, c, kh, kw] = shapes.w;
        let taps = self.identity(kh * kw)?;
        let taps = self.reshape(taps, &[1, kh * kw, kh, kw])?;
        let taps = self.broadcast(taps, &[c, kh * kw, kh, kw])?;
        let taps = self.reshape(taps, &[c * kh * kw, 1, kh, kw])?;
        self.conv2d(x, taps, ConvSettings { groups: c, ..shapes.settings })
    }

    /// The convolution y\[n, o\] = Σ_c x\[n, c\] ⋆ w\[o, c\] of x \[N, C, H, W\] with w \[O, C/groups, kH, kW\].
    ///
    /// # Errors
    /// When the weight does not fit the input.
    pub fn conv2d(&mut self, x: Value, w: Value, settings: ConvSettings) -> Result<Value> {
        let shapes = Shapes::new(self.shape(x), self.shape(w), settings)?;
        self.emit(Arc::new(Conv2d { of: Argument::Y, shapes }), &[x, w])
    }

    /// The transpose in its input of the convolution with w \[O, C/groups, kH, kW\], as a map from `y` \[N, O, oH, oW\] to
    /// \[N, C, H, W\] with H = (oH − 1)·stride − 2·padding + dilation·(kH − 1) + `output_padding` + 1.
    ///
    /// # Errors
    /// When the weight does not fit the input, or nothing is left of the image.
    pub fn conv_transpose2d(
        &mut self,
        y: Value,
        w: Value,
        settings: ConvSettings,
        output_padding: usize,
    ) -> Result<Value> {
        let shapes = Shapes::transposed(self.shape(y), self.shape(w), settings, output_padding)?;
        self.emit(Arc::new(Conv2d { of: Argument::X, shapes }), &[y, w])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws::Subject;

    /// The definition, element by element.
    fn by_definition(
        x: &[Vec<Vec<Vec<f64>>>],
        w: &[Vec<Vec<Vec<f64>>>],
        s: ConvSettings,
        at: [usize; 4],
    ) -> f64 {
        let [n, o, oy, ox] = at;
        let group = o / (w.len() / s.groups);
        let mut total = 0.0;
        for (c, plane) in w[o].iter().enumerate() {
            let channel = &x[n][group * w[o].len() + c];
            for (ky, row) in plane.iter().enumerate() {
                for (kx, tap) in row.iter().enumerate() {
                    let y = (oy * s.stride + ky * s.dilation).checked_sub(s.padding);
                    let x = (ox * s.stride + kx * s.dilation).checked_sub(s.padding);
                    let value = y.zip(x).and_then(|(y, x)| channel.get(y)?.get(x));
                    total += tap * value.copied().unwrap_or(0.0);
                }
            }
        }
        total
    }

    fn four(tensor: &Tensor) -> Result<Vec<Vec<Vec<Vec<f64>>>>> {
        (0..tensor.dims()[0]).map(|i| Ok(tensor.get(i)?.to_vec3()?)).collect()
    }

    fn settings() -> impl Strategy<Value = ([usize; 4], [usize; 4], ConvSettings)> {
        (1..3_usize, 1..3_usize, 1..3_usize, 1..4_usize, 1..3_usize, 0..3_usize, 1..3_usize, 4..7_usize)
            .prop_map(|(groups, c, o, kernel, stride, padding, dilation, size)| {
                let x = [2, groups * c, size, size + 1];
                let w = [groups * o, c, kernel, kernel.min(2)];
                (x, w, ConvSettings { stride, padding, dilation, groups })
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_the_definition_and_obeys_the_laws(seed in any::<u64>(), (x, w, s) in settings()) {
            prop_assume!(Shapes::new(&x, &w, s).is_ok());
            let shapes = Shapes::new(&x, &w, s)?;
            let mut numbers = crate::laws::Numbers::new(seed);
            let (xs, ws) = (numbers.tensor(&x), numbers.tensor(&w));
            let y = kernels::conv2d(&[[&xs.unsqueeze(0)?, &ws.unsqueeze(0)?]], &shapes.geometry())?.squeeze(0)?;
            let (xs, ws, ys) = (four(&xs)?, four(&ws)?, four(&y)?);
            for (n, o, oy, ox) in indices(&shapes.y) {
                let expected = by_definition(&xs, &ws, s, [n, o, oy, ox]);
                prop_assert!((ys[n][o][oy][ox] - expected).abs() < 1e-12);
            }
            Subject::new(seed, &[&x, &w], |g, v| g.conv2d(v[0], v[1], s)).must_be_multilinear().obeys_all();
        }
    }

    #[test]
    fn the_cotangent_of_a_weight_is_an_outer_product_a_position() -> Result<()> {
        let mut graph = Graph::default();
        let settings = ConvSettings { stride: 2, padding: 1, ..ConvSettings::default() };
        let shapes = Shapes::new(&[1, 3, 6, 6], &[4, 3, 3, 3], settings)?;
        let (x, y) = (graph.input("x", &shapes.x), graph.input("y", &shapes.y));
        let w = graph.emit(Arc::new(Conv2d { of: Argument::W, shapes }), &[x, y])?;
        let node = graph.operation(w).unwrap();
        let [left, right] = node.primitive.outer_products(&mut graph, &node)?.unwrap();
        assert_eq!((graph.shape(left), graph.shape(right)), ([9, 4].as_slice(), [9, 27].as_slice()));
        Ok(())
    }

    /// ⟨y, x ∗ w⟩ = ⟨x, the transpose of y⟩, with sides that the transpose made of y.
    #[test]
    fn the_transpose_as_a_layer_is_the_adjoint_and_obeys_the_laws() -> Result<()> {
        let settings = |stride, padding, dilation, groups| ConvSettings { stride, padding, dilation, groups };
        let cases = [
            (settings(1, 0, 1, 1), 0, [5, 5]),
            (settings(2, 1, 1, 2), 1, [6, 7]),
            (settings(3, 0, 1, 1), 2, [11, 13]),
            // The output padding may reach the dilation, where more outputs would fit.
            (settings(1, 0, 3, 2), 2, [11, 9]),
        ];
        for (seed, (s, output_padding, sides)) in (1..).zip(cases) {
            let (y, w) = ([2, 4, 3, 4], [4, 6 / s.groups, 3, 2]);
            let shapes = Shapes::transposed(&y, &w, s, output_padding)?;
            assert_eq!(shapes.x[2..], sides);
            let subject =
                Subject::new(seed, &[&y, &w], |g, v| g.conv_transpose2d(v[0], v[1], s, output_padding));
            subject.must_be_multilinear().obeys_all();
            let mut numbers = crate::laws::Numbers::new(seed);
            let [x, w, y] = [&shapes.x, &shapes.w, &shapes.y].map(|dims| numbers.tensor(dims));
            let (xs, ws, ys) = (four(&x)?, four(&w)?, four(&y)?);
            let forward: f64 = indices(&shapes.y)
                .map(|(n, o, oy, ox)| ys[n][o][oy][ox] * by_definition(&xs, &ws, s, [n, o, oy, ox]))
                .sum();
            let back =
                kernels::conv2d_input_transpose(&[[&y.unsqueeze(0)?, &w.unsqueeze(0)?]], &shapes.geometry())?;
            let back = (back.squeeze(0)? * x)?.sum_all()?.to_scalar::<f64>()?;
            assert!((forward - back).abs() < 1e-12, "{forward} {back}");
        }
        assert!(Shapes::transposed(&[1, 2, 3, 3], &[2, 1, 3, 3], settings(2, 0, 1, 1), 2).is_err());
        assert!(Shapes::transposed(&[1, 2, 1, 1], &[2, 1, 1, 1], settings(1, 1, 1, 1), 0).is_err());
        Ok(())
    }

    fn indices(dims: &[usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let [a, b, c, d] = *dims;
        (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
    }
}
