//! Products of explicit rows, added up over slices of their columns or over micro-batches.

use std::ops::Range;

use eigenscape_program::{Graph, operations::MatMul};

use super::{
    programs::{Emitted, chunks, inputs},
    shape::{RowInputs, RowShape},
};

type Result<T> = eigenscape_program::Result<T>;

/// Σ + ABᵀ, where A and B hold the same columns of the rows of two micro-batches, ordered by
/// cotangent and sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RowSum {
    /// R, the number of cotangents, each with its own input.
    pub rank: usize,
    /// The samples of A.
    pub samples: usize,
    /// The samples of B; `None` where B is A.
    pub others: Option<usize>,
    pub columns: usize,
    /// Whether there is a Σ, the first input.
    pub adds: bool,
}

impl RowSum {
    pub fn emit(&self, graph: &mut Graph) -> Emitted {
        let Self { rank, samples, others, columns, adds } = *self;
        let shape = [rank * samples, rank * others.unwrap_or(samples)];
        let sum = adds.then(|| graph.input("sum", &shape));
        let left = inputs(graph, rank, &[samples, columns]);
        let right = others.map(|others| inputs(graph, rank, &[others, columns]));
        let a = graph.concat(&left, 0)?;
        let b = right.as_ref().map_or(Ok(a), |right| graph.concat(right, 0))?;
        let product = graph.matmul(a, b, MatMul { batch: vec![], contract: vec![[1, 1]] })?;
        let total = graph.accumulate(sum, product)?;
        Ok((sum.into_iter().chain(left).chain(right.into_iter().flatten()).collect(), total))
    }
}

/// Σ + AᵀB, summed over the rows of one micro-batch: A holds the columns `stripe`, B those up to
/// the end of the stripe, of the given variables together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SquareSum {
    /// R, the number of cotangents.
    pub rank: usize,
    pub samples: usize,
    pub variables: Vec<RowShape>,
    pub stripe: Range<usize>,
    /// Samples whose rows are processed at once.
    pub together: usize,
    /// Whether there is a Σ, the first input.
    pub adds: bool,
}

impl SquareSum {
    pub fn emit(&self, graph: &mut Graph) -> Emitted {
        let Self { rank, samples, ref stripe, .. } = *self;
        let shape = [stripe.len(), stripe.end];
        let sum = self.adds.then(|| graph.input("sum", &shape));
        let rows: Vec<RowInputs> =
            self.variables.iter().map(|shape| shape.inputs(graph, rank, samples)).collect();
        let mut total = sum;
        for range in chunks(0..samples, self.together) {
            let some = rows.iter().map(|rows| rows.narrow(graph, &range)).collect::<Result<Vec<_>>>()?;
            for r in 0..rank {
                let rows = some.iter().map(|rows| rows.explicit(graph, r)).collect::<Result<Vec<_>>>()?;
                let all = graph.concat(&rows.concat(), 1)?;
                let a = graph.slice(all, 1, stripe.start, stripe.len())?;
                let b = graph.slice(all, 1, 0, stripe.end)?;
                let product = graph.matmul(a, b, MatMul { batch: vec![], contract: vec![[0, 0]] })?;
                total = Some(graph.accumulate(total, product)?);
            }
        }
        let total = total.map_or_else(|| graph.fill(0.0, &shape), Ok)?;
        Ok((sum.into_iter().chain(rows.iter().flat_map(RowInputs::values)).collect(), total))
    }
}
