//! The contract of a primitive: three short rules and a few facts.

use std::{fmt::Debug, sync::Arc};

use candle_core::{DType, Device, Tensor};

use crate::{
    Graph, Value,
    error::{Error, Result},
    identity::{Identity, Real},
};

/// An operation of the differentiable program.
///
/// A primitive's file holds its rules, its facts and its tests, and nothing else: no primitive knows of networks,
/// losses or Hessians. `Eq` and `Hash` (of which [`Identity`] follows) must cover every setting: an operation that
/// was emitted before on the same operands is not emitted again.
pub trait Primitive: Identity + Debug + Send + Sync {
    /// The name used in messages.
    fn name(&self) -> &'static str;

    /// The output's shape from the operands'.
    ///
    /// # Errors
    /// When the operands do not fit together.
    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>>;

    /// Evaluates the operation. Any operand may be [batched](Operand): then the output is.
    ///
    /// The output is a view of an operand, or lies in memory that nothing else knows of: a program gives that memory to another result
    /// when the output is dead. Only what is made of no operand may be kept.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn eval(&self, place: &Place, args: &[Operand]) -> Result<Tensor>;

    /// How the output depends on the operands.
    fn linearity(&self) -> Linearity;

    /// The output's tangent from the operands' (`None`: zero).
    ///
    /// The default serves every linear and multilinear primitive, by the product rule.
    ///
    /// # Errors
    /// When the emitted operations do not fit together.
    fn jvp(&self, graph: &mut Graph, node: &NodeRef, tangents: &[Option<Value>]) -> Result<Option<Value>> {
        let linear: &[usize] = match self.linearity() {
            Linearity::Linear => return joint_jvp(graph, node, tangents),
            Linearity::Multilinear(linear) => linear,
            Linearity::Nonlinear | Linearity::Locally => &[],
        };
        let mut total = None;
        for (i, tangent) in tangents.iter().enumerate() {
            if let (Some(tangent), true) = (tangent, linear.contains(&i)) {
                let mut args = node.args.clone();
                args[i] = *tangent;
                let term = graph.emit(node.primitive.clone(), &args)?;
                total = Some(graph.accumulate(total, term)?);
            }
        }
        Ok(total)
    }

    /// The cotangent of operand `wrt`, in which the primitive is linear, from the output's cotangent.
    ///
    /// # Errors
    /// When the primitive is not linear in that operand.
    fn transpose(&self, _graph: &mut Graph, node: &NodeRef, wrt: usize, _cotangent: Value) -> Result<Value> {
        Err(Error::Unsupported(format!("{} is not linear in operand {wrt}", node.primitive.name())))
    }

    /// How affinity in a group of parameters passes from the operands to the output.
    fn affinity(&self, args: &[Affinity]) -> Affinity {
        match self.linearity() {
            Linearity::Linear => args.iter().copied().fold(Affinity::Constant, Affinity::join),
            Linearity::Multilinear(_) => {
                args.iter().copied().reduce(Affinity::product).unwrap_or(Affinity::Constant)
            }
            Linearity::Locally => {
                let depends = args.iter().any(|a| *a != Affinity::Constant);
                if depends { Affinity::Locally } else { Affinity::Constant }
            }
            Linearity::Nonlinear => match args.iter().copied().fold(Affinity::Constant, Affinity::join) {
                fixed @ (Affinity::Constant | Affinity::Locally) => fixed,
                _ => Affinity::General,
            },
        }
    }

    /// Emits l \[P, o\] and r \[P, i\] with output = Σ_p l_p ⊗ r_p (o·i elements, row-major), rearranged from one operand each;
    /// `None` where the output is no such sum. P, o and i are told by the shapes.
    ///
    /// # Errors
    /// When the emitted operations do not fit together.
    fn outer_products(&self, _graph: &mut Graph, _node: &NodeRef) -> Result<Option<[Value; 2]>> {
        Ok(None)
    }

    /// Emits Σₙ of the outputs for operands that are all stacked along a new leading axis of n, without the single outputs; `None`
    /// where there is no cheaper way than to add them up.
    ///
    /// # Errors
    /// When the emitted operations do not fit together.
    fn stacked_sum(&self, _graph: &mut Graph, _stacked: &[Value]) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Where the output's elements are stored.
    fn storage(&self) -> Storage {
        Storage::New
    }

    /// The operation on single numbers, where each element of the output is made of the operands' elements at the same place by one
    /// of these.
    fn element_wise(&self) -> Option<ElementWise> {
        None
    }

    /// The axes that the operation sums over, if that is all it does.
    fn summed_axes(&self) -> Option<&[usize]> {
        None
    }

    /// The operation (a.., b..) ↦ f(a..) + f(b..) for this operation f, where it is cheaper than two and a sum.
    fn of_two_summed(&self) -> Option<Arc<dyn Primitive>> {
        None
    }

    /// Floating-point operations of one evaluation.
    fn flops(&self, _args: &[&[usize]], output: &[usize]) -> usize {
        output.iter().product()
    }
}

fn joint_jvp(graph: &mut Graph, node: &NodeRef, tangents: &[Option<Value>]) -> Result<Option<Value>> {
    if tangents.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut args = Vec::with_capacity(tangents.len());
    for (tangent, arg) in tangents.iter().zip(&node.args) {
        args.push(match tangent {
            Some(tangent) => *tangent,
            None => {
                let shape = graph.shape(*arg).to_vec();
                graph.fill(0.0, &shape)?
            }
        });
    }
    graph.emit(node.primitive.clone(), &args).map(Some)
}

/// A node as a rule sees it: its primitive, its operands and its own value.
#[derive(Debug, Clone)]
pub struct NodeRef {
    /// The operation.
    pub primitive: Arc<dyn Primitive>,
    /// Its operands.
    pub args: Vec<Value>,
    /// Its result.
    pub output: Value,
}

/// Where a program is evaluated.
#[derive(Debug, Clone)]
pub struct Place {
    /// The floating-point type of constants.
    pub dtype: DType,
    /// The device of constants.
    pub device: Device,
}

/// An operand of an evaluation: the declared shape, or one more leading axis (many tangents, cotangents or samples).
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// The numbers.
    pub tensor: &'a Tensor,
    /// Whether the tensor has the extra leading axis.
    pub batched: bool,
    /// Whether this is the last use of numbers that only the program knows of: the output may be written over them.
    pub dead: bool,
}

impl Operand<'_> {
    /// 1 when batched, else 0: how far the declared axes are shifted.
    #[must_use]
    pub fn lead(&self) -> usize {
        usize::from(self.batched)
    }

    /// The size of the extra leading axis, if there is one.
    #[must_use]
    pub fn batch(&self) -> Option<usize> {
        self.batched.then(|| self.tensor.dims()[0])
    }

    /// The declared shape, without the leading axis.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.tensor.dims()[self.lead()..]
    }
}

/// Operations on single numbers that may be joined into chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementWise {
    /// x + y.
    Add,
    /// x · y.
    Mul,
    /// c · x.
    Scale(Real),
    /// max(x, 0).
    Relu,
    /// 1 for x > 0, otherwise this.
    Step(Real),
}

impl ElementWise {
    /// Whether the result is better made again wherever it is used than kept: its operand is mostly kept anyway, and a chain that
    /// reads the one reads no more than if it read the other.
    pub(crate) fn is_made_again(self) -> bool {
        matches!(self, Self::Step(_))
    }
}

/// Where the elements of a primitive's output are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In memory of their own.
    New,
    /// Where those of the first operand are, in the same order (where that is stored in order).
    Same,
    /// Where those of the first operand are, by other strides; nowhere for a primitive without operands.
    Strided,
}

/// How a primitive's output depends on its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linearity {
    /// Linear in all operands together: sums, views, reductions.
    Linear,
    /// Linear in each of the listed operands while the others are fixed; locally constant in those not listed.
    Multilinear(&'static [usize]),
    /// Piecewise constant: its derivative is zero almost everywhere.
    Locally,
    /// Anything else.
    Nonlinear,
}

/// What a dataflow pass knows of a value as a function of a parameter group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Affinity {
    /// Does not depend on the group.
    Constant,
    /// Piecewise constant: a mask, an argmax.
    Locally,
    /// Affine.
    Affine,
    /// Affine on each of finitely many pieces.
    Piecewise,
    /// None of these can be proved.
    General,
}

impl Affinity {
    /// The affinity of a sum.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self.min(other), self.max(other)) {
            (Self::Locally, Self::Affine) => Self::Piecewise,
            (_, larger) => larger,
        }
    }

    /// The affinity of a product.
    #[must_use]
    pub fn product(self, other: Self) -> Self {
        match (self.min(other), self.max(other)) {
            (Self::Constant, larger) => larger,
            (Self::Locally, Self::Locally) => Self::Locally,
            (Self::Locally, Self::Affine | Self::Piecewise) => Self::Piecewise,
            _ => Self::General,
        }
    }

    /// Whether the second derivative in the group is zero almost everywhere.
    #[must_use]
    pub fn is_affine(self) -> bool {
        self < Self::General
    }
}
