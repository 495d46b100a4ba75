//! The proof that a value is affine, or piecewise affine, in a group of parameters.

use std::{collections::HashMap, fmt};

use crate::{Graph, Value, primitive::Affinity};

/// Where a proof of affinity fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// The first operation whose operands are affine in the group and whose result is not.
    pub node: String,
    /// Whether it multiplies several operands that depend on the group; otherwise it is nonlinear
    /// in one.
    pub multiplies: bool,
}

impl fmt::Display for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.multiplies { "multiplies values that depend on the group" } else { "is curved" };
        write!(f, "{} {what}", self.node)
    }
}

/// How `output` depends on `group`, as far as it can be proved by a dataflow pass with one rule for
/// each primitive.
///
/// Where the affinity is at most [`Affinity::Piecewise`], the second derivative of the output in
/// the group vanishes almost everywhere, so that the group's Hessian block equals its Gauss-Newton
/// block. Otherwise the breaker says where affinity ends. A value of another graph is
/// [`Affinity::General`].
pub fn affinity(graph: &Graph, output: Value, group: &[Value]) -> (Affinity, Option<Breaker>) {
    if !graph.contains(output) {
        return (Affinity::General, Some(Breaker { node: graph.describe(output), multiplies: false }));
    }
    let mut known: HashMap<Value, Affinity> = HashMap::new();
    let mut breaker = None;
    for value in graph.ancestors(&[output], group) {
        let level = match graph.operation(value) {
            _ if group.contains(&value) => Affinity::Affine,
            None => Affinity::Constant,
            Some(node) => {
                let operands: Vec<Affinity> = node.args.iter().map(|arg| known[arg]).collect();
                let level = node.operation.rules().affinity(&operands);
                if level == Affinity::General && operands.iter().all(|a| a.is_affine()) && breaker.is_none() {
                    let depend = operands.iter().filter(|operand| **operand != Affinity::Constant).count();
                    breaker = Some(Breaker { node: graph.describe(value), multiplies: depend > 1 });
                }
                level
            }
        };
        known.insert(value, level);
    }
    let level = known.get(&output).copied().unwrap_or(Affinity::Constant);
    (level, if level.is_affine() { None } else { breaker })
}
