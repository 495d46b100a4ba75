//! The contract of an operation: its shape, its derivatives, its affinity.

use std::fmt::Debug;

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    identity::Identity,
    operation::Operation,
};

/// The rules of an operation: what it means, and what its derivatives are.
///
/// No operation knows of networks, losses or Hessians, nor of how it is evaluated. `Eq` and `Hash`
/// (of which [`Identity`] follows) must cover every setting: an operation that was emitted before
/// on the same operands is not emitted again.
pub trait Primitive: Identity + Debug + Send + Sync {
    /// The name used in messages.
    fn name(&self) -> &'static str;

    /// The output's shape from the operands'.
    ///
    /// # Errors
    /// When the operands do not fit together.
    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>>;

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
            Linearity::Nonlinear | Linearity::PiecewiseConstant => &[],
        };
        let mut total = None;
        for (i, tangent) in tangents.iter().enumerate() {
            if let (Some(tangent), true) = (tangent, linear.contains(&i)) {
                let mut args = node.args.clone();
                args[i] = *tangent;
                let term = graph.emit(node.operation.clone(), &args)?;
                total = Some(graph.accumulate(total, term)?);
            }
        }
        Ok(total)
    }

    /// The cotangent of operand `wrt`, in which the primitive is linear, from the output's
    /// cotangent.
    ///
    /// # Errors
    /// When the primitive is not linear in that operand.
    fn transpose(&self, _graph: &mut Graph, node: &NodeRef, wrt: usize, _cotangent: Value) -> Result<Value> {
        Err(Error::Unsupported(format!("{} is not linear in operand {wrt}", node.operation.rules().name())))
    }

    /// How affinity in a group of parameters passes from the operands to the output.
    fn affinity(&self, args: &[Affinity]) -> Affinity {
        match self.linearity() {
            Linearity::Linear => args.iter().copied().fold(Affinity::Constant, Affinity::join),
            Linearity::Multilinear(_) => {
                args.iter().copied().reduce(Affinity::product).unwrap_or(Affinity::Constant)
            }
            Linearity::PiecewiseConstant => {
                let depends = args.iter().any(|a| *a != Affinity::Constant);
                if depends { Affinity::PiecewiseConstant } else { Affinity::Constant }
            }
            Linearity::Nonlinear => match args.iter().copied().fold(Affinity::Constant, Affinity::join) {
                fixed @ (Affinity::Constant | Affinity::PiecewiseConstant) => fixed,
                _ => Affinity::General,
            },
        }
    }

    /// Emits many evaluations as one: each operand that is [led](Batched::led) has one more leading
    /// axis, and at least one is. The result has that axis, too.
    ///
    /// # Errors
    /// When the operation cannot be emitted for many evaluations at once.
    fn batch(&self, _graph: &mut Graph, _args: &[Batched]) -> Result<Value> {
        let name = self.name();
        Err(Error::Unsupported(format!(
            "{name} has no rule for many evaluations at once (`Primitive::batch`)"
        )))
    }

    /// Emits l \[P, o\] and r \[P, i\] with output = Σ_p l_p ⊗ r_p (o·i elements, row-major),
    /// rearranged from one operand each; `None` where the output is no such sum. P, o and i are
    /// told by the shapes.
    ///
    /// # Errors
    /// When the emitted operations do not fit together.
    fn outer_products(&self, _graph: &mut Graph, _node: &NodeRef) -> Result<Option<[Value; 2]>> {
        Ok(None)
    }

    /// Emits Σₙ of the outputs for operands that are all stacked along a new leading axis of n,
    /// without the single outputs; `None` where there is no cheaper way than to add them up.
    ///
    /// # Errors
    /// When the emitted operations do not fit together.
    fn stacked_sum(&self, _graph: &mut Graph, _stacked: &[Value]) -> Result<Option<Value>> {
        Ok(None)
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
    graph.emit(node.operation.clone(), &args).map(Some)
}

/// A node as a rule sees it: its operation, its operands and its own value.
#[derive(Debug, Clone)]
pub struct NodeRef {
    /// The operation.
    pub operation: Operation,
    /// Its operands.
    pub args: Vec<Value>,
    /// Its result.
    pub output: Value,
}

/// How a primitive's output depends on its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linearity {
    /// Linear in all operands together: sums, views, reductions.
    Linear,
    /// Linear in each of the listed operands while the others are fixed; locally constant in those
    /// not listed.
    Multilinear(&'static [usize]),
    /// Piecewise constant: its derivative is zero almost everywhere.
    PiecewiseConstant,
    /// Anything else.
    Nonlinear,
}

/// What a dataflow pass knows of a value as a function of a parameter group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Affinity {
    /// Does not depend on the group.
    Constant,
    /// Piecewise constant: a mask, an argmax.
    PiecewiseConstant,
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
            (Self::PiecewiseConstant, Self::Affine) => Self::Piecewise,
            (_, larger) => larger,
        }
    }

    /// The affinity of a product.
    #[must_use]
    pub fn product(self, other: Self) -> Self {
        match (self.min(other), self.max(other)) {
            (Self::Constant, larger) => larger,
            (Self::PiecewiseConstant, Self::PiecewiseConstant) => Self::PiecewiseConstant,
            (Self::PiecewiseConstant, Self::Affine | Self::Piecewise) => Self::Piecewise,
            _ => Self::General,
        }
    }

    /// Whether the second derivative in the group is zero almost everywhere.
    #[must_use]
    pub fn is_affine(self) -> bool {
        self < Self::General
    }
}
