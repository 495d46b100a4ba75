//! An operation: the elements of the last axis in reverse order.

use std::sync::Arc;

use eigenscape::{Array, Graph, Linearity, NodeRef, Primitive, ProgramError, Registry, Value};

/// The operation. Tangents follow from its linearity; it is its own transpose.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Reverse;

impl Primitive for Reverse {
    fn name(&self) -> &'static str {
        "reverse"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, ProgramError> {
        Ok(args[0].to_vec())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, u: Value) -> Result<Value, ProgramError> {
        reverse(graph, u)
    }
}

/// Emits the operation on `x`.
pub fn reverse(graph: &mut Graph, x: Value) -> Result<Value, ProgramError> {
    graph.emit(Arc::new(Reverse) as Arc<dyn Primitive>, &[x])
}

/// The definition, row by row, for backends that have no kernel for the operation.
pub fn define(_: &Reverse, args: &[Array], result: &mut [f64]) {
    let width = args[0].dims.last().copied().unwrap_or(1).max(1);
    for (row, reversed) in args[0].numbers.chunks(width).zip(result.chunks_mut(width)) {
        row.iter().rev().zip(reversed).for_each(|(from, to)| *to = *from);
    }
}

/// Adds the definition to the registry.
pub fn register(registry: &mut Registry) {
    registry.operations.add(define);
}
