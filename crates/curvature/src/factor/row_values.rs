//! The form in which the rows of one variable are stored.

use eigenscape_program::{Graph, Result, Value};

/// The values in the program of one sample that represent one variable's rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowValues {
    /// The rows themselves.
    Explicit(Value),
    /// The sum of P outer products of cotangents `left` \[P, o\] and inputs `right` \[P, i\].
    Outer { left: Value, right: Value },
    /// The rows of one sample's activation, on which no other sample's loss depends.
    Activation(Value),
}

impl RowValues {
    /// The form in which the Gram matrix costs less. For each pair of samples with R rows each,
    /// explicit rows take R²·o·i multiplications. Outer products take P²·i for the inputs' products
    /// X, R·P²·o for X·left, and R²·P·o for left·(X·left).
    ///
    /// `depends` says which values depend on the cotangents.
    pub fn cheapest(graph: &mut Graph, value: Value, depends: &[bool], columns: usize) -> Result<Self> {
        let Some(node) = graph.operation(value) else { return Ok(Self::Explicit(value)) };
        let [left, right] = node.args.as_slice() else { return Ok(Self::Explicit(value)) };
        if !depends[left.index()] && !depends[right.index()] {
            return Ok(Self::Explicit(value));
        }
        // The primitive determines which operand gives the rows of the output and which the
        // columns. The cotangents must give the rows.
        let Some([rows, inputs]) = node.operation.rules().outer_products(graph, &node)? else {
            return Ok(Self::Explicit(value));
        };
        let varies = |value: Value| graph.ancestors(&[value], &[]).iter().any(|v| is(depends, *v));
        if !varies(rows) || varies(inputs) {
            return Ok(Self::Explicit(value));
        }
        let &[p, o] = graph.shape(rows) else { return Ok(Self::Explicit(value)) };
        let i = graph.shape(inputs)[1];
        let explicit = columns.saturating_mul(columns).saturating_mul(o * i);
        let outer =
            (p * p * (i + columns * o)).saturating_add(columns.saturating_mul(columns).saturating_mul(p * o));
        Ok(if outer < explicit { Self::Outer { left: rows, right: inputs } } else { Self::Explicit(value) })
    }

    pub fn values(self) -> Vec<Value> {
        match self {
            Self::Explicit(value) | Self::Activation(value) => vec![value],
            Self::Outer { left, right } => vec![left, right],
        }
    }
}

/// Whether a value depends on the cotangents; `false` for values emitted after `depends` was
/// computed, whose ancestors the caller checks.
fn is(depends: &[bool], value: Value) -> bool {
    depends.get(value.index()).copied().unwrap_or(false)
}
