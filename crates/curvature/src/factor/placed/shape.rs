//! The rows of one variable as inputs of a program.

use std::ops::Range;

use eigenscape_program::{Graph, Value, operations::MatMul};

use super::programs::inputs;

type Result<T> = eigenscape_program::Result<T>;

/// The shape of one variable's rows for n samples.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum RowShape {
    /// Explicit rows, in parts \[n, columns\].
    Explicit(Vec<usize>),
    /// Outer products of `left` \[n, P, o\] and `right` \[n, P, i\], summed over P.
    Outer { positions: usize, left: usize, right: usize },
}

/// The inputs for one variable's rows.
pub(super) struct RowInputs {
    /// For each cotangent, the parts of explicit rows or one factor of outer products.
    left: Vec<Vec<Value>>,
    /// The other factor of outer products.
    right: Option<Value>,
}

impl RowShape {
    /// Pₜ, the number of columns.
    pub fn columns(&self) -> usize {
        match self {
            Self::Explicit(parts) => parts.iter().sum(),
            Self::Outer { left, right, .. } => left * right,
        }
    }

    /// New inputs for `rank` cotangents of n = `samples` samples.
    pub fn inputs(&self, graph: &mut Graph, rank: usize, samples: usize) -> RowInputs {
        let mut by_cotangent = |parts: &[Vec<usize>]| {
            let of_one = |_| parts.iter().flat_map(|shape| inputs(graph, 1, shape)).collect();
            (0..rank).map(of_one).collect()
        };
        match self {
            Self::Explicit(parts) => {
                let shapes: Vec<Vec<usize>> = parts.iter().map(|&columns| vec![samples, columns]).collect();
                RowInputs { left: by_cotangent(&shapes), right: None }
            }
            &Self::Outer { positions, left, right } => {
                let left = by_cotangent(&[vec![samples, positions, left]]);
                RowInputs { left, right: Some(graph.input("inputs", &[samples, positions, right])) }
            }
        }
    }
}

impl RowInputs {
    /// All inputs: by cotangent, then by part; at last the other factor.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        self.left.iter().flatten().chain(&self.right).copied()
    }

    /// The rows of some of the samples.
    pub fn narrow(&self, graph: &mut Graph, samples: &Range<usize>) -> Result<Self> {
        let mut some = |&value: &Value| graph.slice(value, 0, samples.start, samples.len());
        let left = self.left.iter().map(|parts| parts.iter().map(&mut some).collect());
        Ok(Self { left: left.collect::<Result<_>>()?, right: self.right.as_ref().map(some).transpose()? })
    }

    /// The explicit rows \[n, columns\] of cotangent r, in one part or more.
    pub fn explicit(&self, graph: &mut Graph, r: usize) -> Result<Vec<Value>> {
        let Some(right) = self.right else { return Ok(self.left[r].clone()) };
        let sum = MatMul { batch: vec![[0, 0]], contract: vec![[1, 1]] };
        let rows = graph.matmul(self.left[r][0], right, sum)?;
        Ok(vec![graph.flatten_from(rows, 1)?])
    }
}
