//! Products of rows that are sums of outer products, without forming the rows.

use std::ops::Range;

use eigenscape_program::{Graph, Value, operations::MatMul};

use super::programs::{Emitted, chunks, inputs};

type Result<T> = eigenscape_program::Result<T>;

/// ABᵀ \[n·R, n'·R\] for rows Σₚ l\[n, p, r\] ⊗ x\[n, p\] of two micro-batches.
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
    /// l \[n, P, R, o\].
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
        Ok((all, graph.reshape(product, &[a.samples * self.rank, b.samples * self.rank])?))
    }

    fn side(&self, graph: &mut Graph, samples: usize) -> Result<(Vec<Value>, Side)> {
        let Self { rank, positions, left, right, .. } = *self;
        let mut all = inputs(graph, rank, &[samples, positions, left]);
        let by_cotangent = all.iter().map(|&l| graph.reshape(l, &[samples, positions, 1, left]));
        let by_cotangent = by_cotangent.collect::<Result<Vec<Value>>>()?;
        let cotangents = graph.concat(&by_cotangent, 2)?;
        let inputs = graph.input("inputs", &[samples, positions, right]);
        all.push(inputs);
        Ok((all, Side { samples, cotangents, inputs }))
    }

    /// For a single position, ⟨l ⊗ x, l' ⊗ x'⟩ = ⟨l, l'⟩⟨x, x'⟩: \[n, R, n', R'\].
    fn single(&self, graph: &mut Graph, a: Side, b: Side) -> Result<Value> {
        let contracted = MatMul { batch: vec![], contract: vec![[1, 1], [3, 3]] };
        let of_cotangents = graph.matmul(a.cotangents, b.cotangents, contracted)?;
        let contracted = MatMul { batch: vec![], contract: vec![[1, 1], [2, 2]] };
        let of_inputs = graph.matmul(a.inputs, b.inputs, contracted)?;
        let of_inputs = graph.reshape(of_inputs, &[a.samples, 1, b.samples, 1])?;
        let of_inputs = graph.broadcast(of_inputs, &[a.samples, self.rank, b.samples, self.rank])?;
        graph.mul(of_cotangents, of_inputs)
    }

    /// For several positions, with X = x x'ᵀ \[P, P\], Σₚₚʼ X\[p, pʼ\] ⟨l\[p\], lʼ\[pʼ\]⟩ =
    /// ⟨l, X lʼ⟩: \[n, R, n', R'\]. As many X and X lʼ are held at a time as fit into a slab.
    fn several(&self, graph: &mut Graph, a: Side, b: Side) -> Result<Value> {
        let (x, image) = (self.positions * self.positions, self.positions * self.rank * self.left);
        let across = (self.slab / x.max(image).max(1)).clamp(1, b.samples);
        let of_slab = |numbers: usize| (self.slab / (numbers * across).max(1)).max(1);
        let mut columns = Vec::new();
        for m in chunks(0..b.samples, across) {
            let b = b.narrow(graph, &m)?;
            let mut rows = Vec::new();
            for n in chunks(0..a.samples, of_slab(x)) {
                let a = a.narrow(graph, &n)?;
                // X [n, P, n', P'].
                let contracted = MatMul { batch: vec![], contract: vec![[2, 2]] };
                let x = graph.matmul(a.inputs, b.inputs, contracted)?;
                for n in chunks(0..a.samples, of_slab(image)) {
                    let x = graph.slice(x, 0, n.start, n.len())?;
                    let a = graph.slice(a.cotangents, 0, n.start, n.len())?;
                    rows.push(self.block(graph, a, x, b)?);
                }
            }
            columns.push(graph.concat(&rows, 0)?);
        }
        graph.concat(&columns, 2)
    }

    /// ⟨l, X lʼ⟩ for l \[n, P, R, o\] and X \[n, P, n', P'\].
    fn block(&self, graph: &mut Graph, l: Value, x: Value, b: Side) -> Result<Value> {
        let samples = graph.shape(l)[0];
        // [n', n, P, R', o].
        let images = graph.matmul(x, b.cotangents, MatMul { batch: vec![[2, 0]], contract: vec![[3, 1]] })?;
        if self.rank > self.left {
            return graph.matmul(l, images, MatMul { batch: vec![[0, 1]], contract: vec![[1, 2], [3, 4]] });
        }
        // Products of few rows: one for each position, since fewer do not keep a card busy.
        let by_position = MatMul { batch: vec![[0, 1], [1, 2]], contract: vec![[3, 4]] };
        let products = graph.matmul(l, images, by_position)?;
        let sum = graph.sum(products, &[1])?;
        graph.reshape(sum, &[samples, self.rank, b.samples, self.rank])
    }
}

impl Side {
    /// Some of the samples.
    fn narrow(&self, graph: &mut Graph, samples: &Range<usize>) -> Result<Self> {
        Ok(Self {
            samples: samples.len(),
            cotangents: graph.slice(self.cotangents, 0, samples.start, samples.len())?,
            inputs: graph.slice(self.inputs, 0, samples.start, samples.len())?,
        })
    }
}
