//! Element-wise functions of one operand.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::Result,
    identity::Real,
    kernels::{self, Element, dispatch},
    primitive::{Affinity, ElementWise, Linearity, NodeRef, Operand, Place, Primitive},
};

/// A function of one number; derivatives of each are built from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// max(x, 0), with derivative 0 at 0.
    Relu,
    /// x for x > 0, otherwise `slope`·x.
    LeakyRelu {
        /// The slope on the negative side.
        slope: Real,
    },
    /// 1 for x > 0, otherwise `slope`: the derivative of the two above.
    Step {
        /// The value for x ≤ 0.
        slope: Real,
    },
    /// tanh(x)
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// 1 / (1 + e^x) = 1 − 1 / (1 + e^−x), without the cancellation
    SigmoidComplement,
    /// log(1 + e^x)
    Softplus,
    /// The derivative of order 0, 1 or 2 (and so every higher one) of: x for x > 0, otherwise e^x − 1.
    Elu {
        /// The order of the derivative.
        order: u8,
    },
    /// Φ(x), the distribution function of the standard normal.
    NormalCdf,
    /// e^x
    Exp,
    /// log x
    Log,
    /// log(1 + x), as exact for small x as for others
    LogOnePlus,
    /// √x
    Sqrt,
    /// 1/x
    Recip,
}

impl Function {
    fn eval_in<T: Element>(self, x: &Tensor) -> Result<Tensor> {
        let (zero, one) = (T::zero(), T::one());
        let number = |value: f64| T::from_f64(value);
        match self {
            Self::Relu => kernels::element_wise(ElementWise::Relu, x),
            Self::Step { slope } => kernels::element_wise(ElementWise::Step(slope), x),
            Self::LeakyRelu { slope } => {
                let slope = number(slope.0);
                kernels::map::<T>(x, |x| if x > zero { x } else { slope * x })
            }
            Self::Tanh => kernels::map::<T>(x, T::tanh),
            Self::Sigmoid => kernels::map::<T>(x, sigmoid),
            Self::SigmoidComplement => kernels::map::<T>(x, |x| sigmoid(-x)),
            Self::Softplus => {
                kernels::map::<T>(x, |x| (if x > zero { x } else { zero }) + (-x.abs()).exp().ln_1p())
            }
            Self::Elu { order } => kernels::map::<T>(x, |x| match order {
                0 => {
                    if x > zero {
                        x
                    } else {
                        x.exp_m1()
                    }
                }
                1 => {
                    if x > zero {
                        one
                    } else {
                        x.exp()
                    }
                }
                // From the second derivative on 0 belongs to the other side, as in PyTorch.
                _ => {
                    if x < zero {
                        x.exp()
                    } else {
                        zero
                    }
                }
            }),
            Self::NormalCdf => {
                let (half, scale) = (number(0.5), number(-std::f64::consts::FRAC_1_SQRT_2));
                kernels::map::<T>(x, |x| half * (scale * x).erfc())
            }
            Self::Exp => kernels::map::<T>(x, T::exp),
            Self::Log => kernels::map::<T>(x, T::ln),
            Self::LogOnePlus => kernels::map::<T>(x, T::ln_1p),
            Self::Sqrt => kernels::map::<T>(x, T::sqrt),
            Self::Recip => kernels::map::<T>(x, T::recip),
        }
    }

    fn eval_any(self, x: &Tensor) -> Result<Tensor> {
        dispatch!(x, T => self.eval_in::<T>(x))
    }

    /// f′(x) as a program, given x and y = f(x).
    fn derivative(self, graph: &mut Graph, x: Value, y: Value) -> Result<Value> {
        match self {
            // As good as of x, which then need not be kept.
            Self::Relu => graph.function(Self::Step { slope: Real(0.0) }, y),
            Self::LeakyRelu { slope } => graph.function(Self::Step { slope }, x),
            Self::Step { .. } => {
                let shape = graph.shape(x).to_vec();
                graph.fill(0.0, &shape)
            }
            Self::Tanh => {
                let square = graph.mul(y, y)?;
                graph.one_minus(square)
            }
            Self::Sigmoid => {
                let rest = graph.function(Self::SigmoidComplement, x)?;
                graph.mul(y, rest)
            }
            Self::SigmoidComplement => {
                let rest = graph.function(Self::Sigmoid, x)?;
                let product = graph.mul(rest, y)?;
                graph.scale(product, -1.0)
            }
            Self::Softplus => graph.function(Self::Sigmoid, x),
            Self::Elu { order } => graph.function(Self::Elu { order: (order + 1).min(2) }, x),
            Self::NormalCdf => {
                let square = graph.mul(x, x)?;
                let exponent = graph.scale(square, -0.5)?;
                let bell = graph.function(Self::Exp, exponent)?;
                graph.scale(bell, (2.0 * std::f64::consts::PI).sqrt().recip())
            }
            Self::Exp => Ok(y),
            Self::Log => graph.function(Self::Recip, x),
            Self::LogOnePlus => {
                let shape = graph.shape(x).to_vec();
                let one = graph.fill(1.0, &shape)?;
                let sum = graph.add(x, one)?;
                graph.function(Self::Recip, sum)
            }
            Self::Sqrt => {
                let inverse = graph.function(Self::Recip, y)?;
                graph.scale(inverse, 0.5)
            }
            Self::Recip => {
                let square = graph.mul(y, y)?;
                graph.scale(square, -1.0)
            }
        }
    }
}

fn sigmoid<T: Element>(x: T) -> T {
    // Both branches avoid the overflow of e^|x|.
    let small = (-x.abs()).exp();
    if x >= T::zero() { (T::one() + small).recip() } else { small / (T::one() + small) }
}

impl Primitive for Function {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Step { .. } => "step",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::SigmoidComplement => "sigmoid_complement",
            Self::Softplus => "softplus",
            Self::Elu { .. } => "elu",
            Self::NormalCdf => "normal_cdf (gelu)",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::LogOnePlus => "log1p",
            Self::Sqrt => "sqrt",
            Self::Recip => "reciprocal",
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(args[0].to_vec())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        self.eval_any(args[0].tensor)
    }

    fn linearity(&self) -> Linearity {
        if matches!(self, Self::Step { .. }) { Linearity::Locally } else { Linearity::Nonlinear }
    }

    fn jvp(&self, graph: &mut Graph, node: &NodeRef, tangents: &[Option<Value>]) -> Result<Option<Value>> {
        match tangents[0] {
            Some(tangent) if !matches!(self, Self::Step { .. }) => {
                let derivative = self.derivative(graph, node.args[0], node.output)?;
                graph.mul(tangent, derivative).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn element_wise(&self) -> Option<ElementWise> {
        match *self {
            Self::Relu => Some(ElementWise::Relu),
            Self::Step { slope } => Some(ElementWise::Step(slope)),
            _ => None,
        }
    }

    fn affinity(&self, args: &[Affinity]) -> Affinity {
        match (self, args[0]) {
            (_, fixed @ (Affinity::Constant | Affinity::Locally)) => fixed,
            (Self::Step { .. }, _) => Affinity::Locally,
            (Self::Relu | Self::LeakyRelu { .. }, Affinity::Affine | Affinity::Piecewise) => {
                Affinity::Piecewise
            }
            _ => Affinity::General,
        }
    }
}

impl Graph {
    /// f(x), element by element.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn function(&mut self, function: Function, x: Value) -> Result<Value> {
        self.emit(Arc::new(function), &[x])
    }

    /// 1 − x.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn one_minus(&mut self, x: Value) -> Result<Value> {
        let shape = self.shape(x).to_vec();
        let one = self.fill(1.0, &shape)?;
        self.sub(one, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::Subject;

    const SMOOTH: [Function; 9] = [
        Function::Tanh,
        Function::Sigmoid,
        Function::SigmoidComplement,
        Function::Softplus,
        Function::Elu { order: 0 },
        Function::NormalCdf,
        Function::Exp,
        Function::Relu,
        Function::LeakyRelu { slope: Real(0.01) },
    ];

    #[test]
    fn laws() {
        for (seed, function) in (1..).zip(SMOOTH) {
            Subject::new(seed, &[&[3, 4]], |g, x| g.function(function, x[0])).obeys_all();
        }
        let positive = [Function::Log, Function::LogOnePlus, Function::Sqrt, Function::Recip];
        for (seed, function) in (1..).zip(positive) {
            let subject = Subject::new(seed, &[&[3, 4]], |g, x| g.function(function, x[0]));
            subject.moved(|x| x.affine(0.5, 1.5)).obeys_all();
        }
    }

    #[test]
    fn second_and_third_derivatives_are_derivatives_too() {
        for (seed, function) in (1..).zip(SMOOTH) {
            Subject::new(seed, &[&[5]], |g, x| {
                let y = g.function(function, x[0])?;
                let first = function.derivative(g, x[0], y)?;
                let squared = g.mul(first, x[0])?;
                g.mul(squared, y)
            })
            .obeys_all();
        }
    }

    #[test]
    fn extreme_arguments_stay_finite() -> Result<()> {
        use candle_core::{DType, Device};
        let x = Tensor::new(&[-1e4_f64, -800.0, 800.0, 1e4], &Device::Cpu)?;
        for function in
            [Function::Sigmoid, Function::Softplus, Function::Elu { order: 0 }, Function::Elu { order: 2 }]
        {
            for dtype in [DType::F32, DType::F64] {
                let x = x.to_dtype(dtype)?;
                let y = function.eval_any(&x)?.to_dtype(DType::F64)?;
                assert!(y.to_vec1::<f64>()?.iter().all(|y| y.is_finite()), "{function:?} {dtype:?}");
            }
        }
        Ok(())
    }
}
