//! Products of rows that are sums of outer products, without forming the rows.

use std::ops::Range;

use eigenscape_program::{Graph, Value, operations::MatMul};

use super::programs::{Emitted, chunks, inputs};

type Result<T> = eigenscape_program::Result<T>;

/// ABᵀ \[R·n, R·n'\] for rows Σₚ l\[r, n, p\] ⊗ x\[n, p\] of two micro-batches, ordered by cotangent
/// and sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OuterProduct {
    /// R, the number of cotangents, each with its own input l \[n, P, o\].
    pub rank: usize,
    /// The samples of A.
    pub samples: usize,
    /// The samples of B; `None` where B is A.
    pub others: Option<usize>,
    pub positions: usize,
    pub left: usize,
    pub right: usize,
    /// Numbers that an intermediate result may have, if one sample of A and one of B do not have
    /// more.
    pub slab: usize,
}

/// The rows of one micro-batch.
#[derive(Clone, Copy)]
struct Side {
    samples: usize,
    /// l \[R, n, P, o\].
    cotangents: Value,
    /// x \[n, P, i\].
    inputs: Value,
}

impl OuterProduct {
    /// The inputs are l for each cotangent and x, for A and then for B.
    pub fn emit(&self, graph: &mut Graph) -> Emitted {
        let (mut all, a) = self.side(graph, self.samples)?;
        let b = match self.others {
            None => a,
            Some(others) => {
                let (of_b, b) = self.side(graph, others)?;
                all.extend(of_b);
                b
            }
        };
        let product =
            if self.positions == 1 { self.single(graph, a, b)? } else { self.several(graph, a, b)? };
        Ok((all, graph.reshape(product, &[self.rank * a.samples, self.rank * b.samples])?))
    }

    fn side(&self, graph: &mut Graph, samples: usize) -> Result<(Vec<Value>, Side)> {
        let Self { rank, positions, left, right, .. } = *self;
        let mut all = inputs(graph, rank, &[samples, positions, left]);
        let cotangents = graph.concat(&all, 0)?;
        let cotangents = graph.reshape(cotangents, &[rank, samples, positions, left])?;
        let inputs = graph.input("inputs", &[samples, positions, right]);
        all.push(inputs);
        Ok((all, Side { samples, cotangents, inputs }))
    }

    /// For a single position, ⟨l ⊗ x, l' ⊗ x'⟩ = ⟨l, l'⟩⟨x, x'⟩: \[R, n, R, n'\].
    fn single(&self, graph: &mut Graph, a: Side, b: Side) -> Result<Value> {
        let rank = self.rank;
        let contracted = MatMul { batch: vec![], contract: vec![[2, 2], [3, 3]] };
        let of_cotangents = graph.matmul(a.cotangents, b.cotangents, contracted)?;
        let contracted = MatMul { batch: vec![], contract: vec![[1, 1], [2, 2]] };
        let of_inputs = graph.matmul(a.inputs, b.inputs, contracted)?;
        let of_inputs = graph.reshape(of_inputs, &[1, a.samples, 1, b.samples])?;
        let of_inputs = graph.broadcast(of_inputs, &[rank, a.samples, rank, b.samples])?;
        graph.mul(of_cotangents, of_inputs)
    }

    /// For several positions, with X = x x'ᵀ \[P, P\], Σₚₚʼ X\[p, pʼ\] ⟨l\[p\], lʼ\[pʼ\]⟩ =
    /// ⟨l, X lʼ⟩: \[R, n, R, n'\]. The images X lʼ of a few samples are held at a time.
    fn several(&self, graph: &mut Graph, a: Side, b: Side) -> Result<Value> {
        // The numbers of X and of X lʼ for one pair of samples.
        let pair = self.positions * self.positions.max(self.rank * self.left);
        let across = (self.slab / pair.max(1)).clamp(1, b.samples);
        let down = (self.slab / (pair * across).max(1)).clamp(1, a.samples);
        let mut rows = Vec::new();
        for n in chunks(0..a.samples, down) {
            let a = a.narrow(graph, &n)?;
            let columns = chunks(0..b.samples, across).map(|m| {
                let b = b.narrow(graph, &m)?;
                self.block(graph, a, b)
            });
            let columns = columns.collect::<Result<Vec<Value>>>()?;
            rows.push(graph.concat(&columns, 3)?);
        }
        graph.concat(&rows, 1)
    }

    /// [`Self::several`] for a few samples.
    fn block(&self, graph: &mut Graph, a: Side, b: Side) -> Result<Value> {
        // X [n, P, n', P'].
        let of_inputs = graph.matmul(a.inputs, b.inputs, MatMul { batch: vec![], contract: vec![[2, 2]] })?;
        // [n', n, P, R', o].
        let images =
            graph.matmul(of_inputs, b.cotangents, MatMul { batch: vec![[2, 1]], contract: vec![[3, 2]] })?;
        // [n, R, n', R']. A product of few rows is one matrix product for each position, since it
        // would not keep a card busy otherwise.
        let products = if self.rank > self.left {
            let contracted = MatMul { batch: vec![[1, 1]], contract: vec![[2, 2], [3, 4]] };
            graph.matmul(a.cotangents, images, contracted)?
        } else {
            let contracted = MatMul { batch: vec![[1, 1], [2, 2]], contract: vec![[3, 4]] };
            let by_position = graph.matmul(a.cotangents, images, contracted)?;
            let sum = graph.sum(by_position, &[1])?;
            graph.reshape(sum, &[a.samples, self.rank, b.samples, self.rank])?
        };
        graph.permute(products, &[1, 0, 3, 2])
    }
}

impl Side {
    /// Some of the samples.
    fn narrow(&self, graph: &mut Graph, samples: &Range<usize>) -> Result<Self> {
        Ok(Self {
            samples: samples.len(),
            cotangents: graph.slice(self.cotangents, 1, samples.start, samples.len())?,
            inputs: graph.slice(self.inputs, 0, samples.start, samples.len())?,
        })
    }
}
