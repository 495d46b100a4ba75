//! The body of a scan as a graph, and helpers for its derivatives.

use super::{Direction, Scan};
use crate::{
    Batched, ElementwiseFunction as Function, Graph, Value,
    error::{Error, Result},
    operation::Operation,
    primitive::Affinity,
    program::Program,
    transforms::batch,
};

/// The body of a scan in a separate graph, into which its derivatives are emitted.
pub(super) struct Body {
    pub graph: Graph,
    pub state: Value,
    /// The elements of the sequences, then the constants.
    pub others: Vec<Value>,
    pub next: Value,
}

impl Body {
    pub fn new(scan: &Scan) -> Result<Self> {
        let mut graph = Graph::default();
        let declared = &scan.body.shapes()[..scan.body.inputs()];
        let inputs: Vec<Value> = declared.iter().map(|shape| graph.input("operand", shape)).collect();
        let next = scan.body.emit(&mut graph, &inputs)?[0];
        Ok(Self { graph, state: inputs[0], others: inputs[1..].to_vec(), next })
    }

    /// Adds an input with the shape of a state to the body.
    pub fn like_state(&mut self, name: &str) -> Value {
        let shape = self.graph.shape(self.state).to_vec();
        self.graph.input(name, &shape)
    }

    /// The body's inputs for elements and constants, each with the corresponding operand of the
    /// scan.
    pub fn operands(&self, scan: &Scan, args: &[Value]) -> Vec<(Value, Batched)> {
        let operands = args.iter().enumerate().skip(1);
        let operands = operands.map(|(i, &value)| Batched { value, led: scan.is_sequence(i) });
        self.others.iter().copied().zip(operands).collect()
    }

    /// Returns an error if a transpose depends on `inputs`, in which the body should be linear.
    pub fn check_linear(&self, transposed: Value, inputs: &[Value]) -> Result<()> {
        if self.graph.dependents(inputs)[transposed.index()] {
            let problem = "the body of a scan multiplies what it should be linear in";
            return Err(Error::Unsupported(problem.to_owned()));
        }
        Ok(())
    }
}

/// Emits `values` of a body for all t at once, computed from the `known` values. A result that is
/// the same for all t has no leading axis.
pub(super) fn for_all(
    graph: &mut Graph,
    body: &Graph,
    known: &[(Value, Batched)],
    values: &[Value],
) -> Result<Vec<Batched>> {
    let (inputs, operands): (Vec<Value>, Vec<Batched>) = known.iter().copied().unzip();
    batch(graph, &Program::new(body, &inputs, values)?, &operands)
}

/// The states that precede `states`, for all t: \[T, ...\]. The element at t is the state from
/// which `states`\[t\] is computed; in the order of `direction`, the first is `start`.
pub(super) fn previous(
    graph: &mut Graph,
    start: Value,
    states: Value,
    direction: Direction,
) -> Result<Value> {
    let length = graph.shape(states)[0];
    let one = [&[1], graph.shape(start)].concat();
    let start = graph.reshape(start, &one)?;
    if length == 1 {
        return Ok(start);
    }
    match direction {
        Direction::Forward => {
            let rest = graph.slice(states, 0, 0, length - 1)?;
            graph.concat(&[start, rest], 0)
        }
        Direction::Reverse => {
            let rest = graph.slice(states, 0, 1, length - 1)?;
            graph.concat(&[rest, start], 0)
        }
    }
}

/// The affinity of the next state, given the affinities of the body's inputs.
pub(super) fn affinity(body: &Program, inputs: &[Affinity]) -> Affinity {
    let mut known = inputs.to_vec();
    for step in body.steps() {
        let args: Vec<Affinity> = step.args.iter().map(|&slot| known[slot]).collect();
        known.push(step.operation.rules().affinity(&args));
    }
    body.outputs().iter().map(|&slot| known[slot]).fold(Affinity::Constant, Affinity::join)
}

/// The value to store for each t so that `value` can be recomputed from it at negligible cost: for
/// a view, the value that it is a view of; for a step function, its operand; `None` for a fill. The
/// search does not go beyond `known` values.
pub(super) fn kept_for(body: &Graph, known: &[(Value, Batched)], value: Value) -> Option<Value> {
    if known.iter().any(|(known, _)| *known == value) {
        return Some(value);
    }
    let operand = body.args(value).first().copied();
    let moved = |value: Value| {
        let operation = body.operation(value).map(|node| node.operation);
        matches!(operation, Some(Operation::Permute(_) | Operation::Broadcast(_) | Operation::Slice(_)))
    };
    match (body.operation(value).map(|node| node.operation), operand) {
        (Some(Operation::Fill(_)), _) => None,
        // The reshape of a permuted, broadcast or sliced value is stored itself: recomputing it
        // would copy its elements for each t.
        (Some(Operation::Reshape(_)), Some(operand)) if moved(operand) => Some(value),
        (
            Some(
                Operation::Reshape(_)
                | Operation::Detach(_)
                | Operation::Permute(_)
                | Operation::Broadcast(_)
                | Operation::Slice(_)
                | Operation::Function(Function::Step { .. }),
            ),
            Some(operand),
        ) => kept_for(body, known, operand),
        _ => Some(value),
    }
}
