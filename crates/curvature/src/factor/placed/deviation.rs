//! The difference between rows and the same rows computed in f64.

use eigenscape_program::{Graph, Value};

use super::{programs::Emitted, shape::RowShape};

/// \[Σ(φ̃ − φ)², Σφ²\] over all rows of one sample: first φ̃, then φ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Deviation {
    /// R, the number of cotangents.
    pub rank: usize,
    pub rows: RowShape,
}

impl Deviation {
    pub fn emit(&self, graph: &mut Graph) -> Emitted {
        let [rounded, exact] = [(), ()].map(|()| self.rows.inputs(graph, self.rank, 1));
        let (mut error, mut norm) = (None, None);
        for r in 0..self.rank {
            for (rounded, exact) in rounded.explicit(graph, r)?.into_iter().zip(exact.explicit(graph, r)?) {
                let difference = graph.sub(rounded, exact)?;
                let (of_error, of_norm) = (square(graph, difference)?, square(graph, exact)?);
                error = Some(graph.accumulate(error, of_error)?);
                norm = Some(graph.accumulate(norm, of_norm)?);
            }
        }
        let sums: Vec<Value> = error.into_iter().chain(norm).collect();
        let inputs = [rounded, exact].iter().flat_map(|rows| rows.values()).collect();
        Ok((inputs, graph.concat(&sums, 1)?))
    }
}

/// Σx², \[1, 1\].
fn square(graph: &mut Graph, x: Value) -> eigenscape_program::Result<Value> {
    let squares = graph.mul(x, x)?;
    graph.sum(squares, &[0, 1])
}
