//! Programs that multiply rows of a factor, built once for each shape.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use eigenscape_program::{Graph, Value};
use eigenscape_runtime::{Executable, Result};

use super::{
    deviation::Deviation,
    outer::OuterProduct,
    sums::{RowSum, SquareSum},
};

/// A program that multiplies rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum RowProgram {
    /// Σ + ABᵀ for explicit rows.
    Rows(RowSum),
    /// ABᵀ for rows that are outer products.
    Outer(OuterProduct),
    /// Σ + AᵀB for some columns A of explicit rows, and B.
    Squares(SquareSum),
    /// \[Σ(φ̃ − φ)², Σφ²\].
    Deviation(Deviation),
    /// A product \[R·n, R·n'\] of rows ordered by cotangent and sample, in the order by sample and
    /// cotangent.
    BySample { rank: usize, samples: [usize; 2] },
    /// A result of this shape that is the same for all samples, repeated for each of them.
    Repeated { shape: Vec<usize>, samples: usize },
}

/// The inputs and outputs of a program under construction.
pub(super) type Emitted = eigenscape_program::Result<(Vec<Value>, Value)>;

impl RowProgram {
    fn emit(&self, graph: &mut Graph) -> Emitted {
        match self {
            Self::Rows(sum) => sum.emit(graph),
            Self::Outer(product) => product.emit(graph),
            Self::Squares(sum) => sum.emit(graph),
            Self::Deviation(deviation) => deviation.emit(graph),
            Self::BySample { rank, samples } => {
                let [n, m] = *samples;
                let product = graph.input("product", &[rank * n, rank * m]);
                Ok((vec![product], by_sample(graph, product, *rank, *samples)?))
            }
            Self::Repeated { shape, samples } => {
                let row = graph.input("row", shape);
                let once = graph.reshape(row, &[&[1], shape.as_slice()].concat())?;
                Ok((vec![row], graph.broadcast(once, &[&[*samples], shape.as_slice()].concat())?))
            }
        }
    }
}

/// See [`RowProgram::BySample`].
fn by_sample(
    graph: &mut Graph,
    product: Value,
    rank: usize,
    [n, m]: [usize; 2],
) -> eigenscape_program::Result<Value> {
    let product = graph.reshape(product, &[rank, n, rank, m])?;
    let product = graph.permute(product, &[1, 0, 3, 2])?;
    graph.reshape(product, &[n * rank, m * rank])
}

/// Inputs of the same shape.
pub(super) fn inputs(graph: &mut Graph, count: usize, shape: &[usize]) -> Vec<Value> {
    (0..count).map(|_| graph.input("rows", shape)).collect()
}

/// `range` split into ranges of at most `len`.
pub(super) fn chunks(range: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let end = range.end;
    range.step_by(len.max(1)).map(move |start| start..end.min(start + len.max(1)))
}

/// The programs built so far.
#[derive(Debug, Default)]
pub(crate) struct RowPrograms(Mutex<HashMap<RowProgram, Executable>>);

impl RowPrograms {
    pub(super) fn get(&self, wanted: RowProgram) -> Result<Executable> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = known.get(&wanted) {
            return Ok(program.clone());
        }
        let mut graph = Graph::default();
        let (inputs, output) = wanted.emit(&mut graph)?;
        let program = Executable::new(&graph, &inputs, &[output])?;
        known.insert(wanted, program.clone());
        Ok(program)
    }
}
