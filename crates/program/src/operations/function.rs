//! Element-wise functions of one operand.

use crate::{
    Batched, Graph, Value,
    error::Result,
    identity::Real,
    primitive::{Affinity, Linearity, NodeRef, Primitive},
};

/// A function of one number. The derivatives of each are built from the functions of this enum.
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
    /// The derivative of order `order` of ELU (x for x > 0, otherwise e^x − 1).
    Elu {
        /// The order of the derivative: 0, 1, or 2, which equals every higher one.
        order: u8,
    },
    /// Φ(x), the distribution function of the standard normal.
    NormalCdf,
    /// e^x
    Exp,
    /// log x
    Log,
    /// log(1 + x), accurate also for small x
    LogOnePlus,
    /// sin(x)
    Sin,
    /// cos(x)
    Cos,
    /// The angle whose tangent is x, from −π/2 to π/2.
    Atan,
    /// √x
    Sqrt,
    /// 1/x
    Recip,
    /// The largest whole number that is not above x: piecewise constant.
    Floor,
}

impl Function {
    fn is_piecewise_constant(self) -> bool {
        matches!(self, Self::Step { .. } | Self::Floor)
    }

    /// Emits f′(x), given x and y = f(x).
    ///
    /// # Errors
    /// When `x` belongs to another graph.
    pub fn derivative(self, graph: &mut Graph, x: Value, y: Value) -> Result<Value> {
        match self {
            // The step of y equals the step of x, so that x need not be stored.
            Self::Relu => graph.function(Self::Step { slope: Real(0.0) }, y),
            Self::LeakyRelu { slope } => graph.function(Self::Step { slope }, x),
            Self::Step { .. } | Self::Floor => {
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
            Self::Sin => graph.function(Self::Cos, x),
            Self::Cos => {
                let sine = graph.function(Self::Sin, x)?;
                graph.scale(sine, -1.0)
            }
            Self::Atan => {
                let square = graph.mul(x, x)?;
                let shape = graph.shape(x).to_vec();
                let one = graph.fill(1.0, &shape)?;
                let sum = graph.add(square, one)?;
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
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Atan => "atan",
            Self::Sqrt => "sqrt",
            Self::Recip => "reciprocal",
            Self::Floor => "floor",
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(args[0].to_vec())
    }

    fn linearity(&self) -> Linearity {
        if self.is_piecewise_constant() { Linearity::PiecewiseConstant } else { Linearity::Nonlinear }
    }

    fn jvp(&self, graph: &mut Graph, node: &NodeRef, tangents: &[Option<Value>]) -> Result<Option<Value>> {
        match tangents[0] {
            Some(tangent) if !self.is_piecewise_constant() => {
                let derivative = self.derivative(graph, node.args[0], node.output)?;
                graph.mul(tangent, derivative).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn affinity(&self, args: &[Affinity]) -> Affinity {
        match (self, args[0]) {
            (_, fixed @ (Affinity::Constant | Affinity::PiecewiseConstant)) => fixed,
            _ if self.is_piecewise_constant() => Affinity::PiecewiseConstant,
            (Self::Relu | Self::LeakyRelu { .. }, Affinity::Affine | Affinity::Piecewise) => {
                Affinity::Piecewise
            }
            _ => Affinity::General,
        }
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.function(*self, args[0].value)
    }
}

impl Graph {
    /// f(x), element by element.
    ///
    /// # Errors
    /// When `x` belongs to another graph.
    pub fn function(&mut self, function: Function, x: Value) -> Result<Value> {
        self.emit(function, &[x])
    }

    /// 1 − x.
    ///
    /// # Errors
    /// When `x` belongs to another graph.
    pub fn one_minus(&mut self, x: Value) -> Result<Value> {
        let shape = self.shape(x).to_vec();
        let one = self.fill(1.0, &shape)?;
        self.sub(one, x)
    }
}
