//! General products of arrays: any pairs of axes are shared (batch) or summed over (contracted).

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// out\[b.., i.., j..\] = Σ_k lhs\[b, i, k\] rhs\[b, j, k\], with the axes of each operand in any
/// order.
///
/// The output's axes are the batch pairs in the order given, the other axes of `lhs`, then those of
/// `rhs`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MatMul {
    /// (axis of lhs, axis of rhs) shared by operands and output.
    pub batch: Vec<[usize; 2]>,
    /// (axis of lhs, axis of rhs) summed over.
    pub contract: Vec<[usize; 2]>,
}

impl MatMul {
    /// The axes of one operand (side 0 or 1) that are neither shared nor summed over.
    #[must_use]
    pub fn free(&self, side: usize, rank: usize) -> Vec<usize> {
        let paired = |axis: usize| self.batch.iter().chain(&self.contract).any(|pair| pair[side] == axis);
        (0..rank).filter(|&axis| !paired(axis)).collect()
    }
}

impl Primitive for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let (lhs, rhs) = (args[0], args[1]);
        for [l, r] in self.batch.iter().chain(&self.contract) {
            if *l >= lhs.len() || *r >= rhs.len() || lhs[*l] != rhs[*r] {
                let problem = format!("axis {l} of {lhs:?} does not fit axis {r} of {rhs:?}");
                return Err(Error::shape(self.name(), problem));
            }
        }
        let batch = self.batch.iter().map(|[l, _]| lhs[*l]);
        let left = self.free(0, lhs.len()).into_iter().map(|axis| lhs[axis]);
        let right = self.free(1, rhs.len()).into_iter().map(|axis| rhs[axis]);
        Ok(batch.chain(left).chain(right).collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0, 1])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        let other = 1 - wrt;
        let rank = |side: usize| graph.shape(node.args[side]).len();
        let (free, other_free) = (self.free(wrt, rank(wrt)), self.free(other, rank(other)));
        let left_free = self.free(0, rank(0)).len();
        // The position of the other operand's free axes in the cotangent.
        let start = self.batch.len() + if other == 1 { left_free } else { 0 };
        let product = MatMul {
            batch: self.batch.iter().enumerate().map(|(i, pair)| [i, pair[other]]).collect(),
            contract: other_free.iter().enumerate().map(|(i, axis)| [start + i, *axis]).collect(),
        };
        let result = graph.matmul(cotangent, node.args[other], product)?;
        // For each axis of the result, the axis of operand `wrt` that it stands for: batch, free,
        // contracted (in the other operand's order).
        let mut contracted: Vec<[usize; 2]> = self.contract.clone();
        contracted.sort_by_key(|pair| pair[other]);
        let stands_for: Vec<usize> = (self.batch.iter().map(|pair| pair[wrt]))
            .chain(free)
            .chain(contracted.iter().map(|pair| pair[wrt]))
            .collect();
        let mut axes = vec![0; stands_for.len()];
        stands_for.iter().enumerate().for_each(|(i, &axis)| axes[axis] = i);
        graph.permute(result, &axes)
    }

    fn outer_products(&self, graph: &mut Graph, node: &NodeRef) -> Result<Option<[Value; 2]>> {
        if self.batch.iter().any(|[l, _]| graph.shape(node.args[0])[*l] != 1) {
            return Ok(None);
        }
        let mut arranged = |side: usize| {
            let shape = graph.shape(node.args[side]).to_vec();
            let (batch, contract) = (self.batch.iter(), self.contract.iter());
            let free = self.free(side, shape.len());
            let columns = free.iter().map(|&axis| shape[axis]).product();
            let axes: Vec<usize> = batch.chain(contract).map(|pair| pair[side]).chain(free).collect();
            let positions = shape.iter().product::<usize>() / columns;
            let permuted = graph.permute(node.args[side], &axes)?;
            graph.reshape(permuted, &[positions, columns])
        };
        Ok(Some([arranged(0)?, arranged(1)?]))
    }

    fn stacked_sum(&self, graph: &mut Graph, stacked: &[Value]) -> Result<Option<Value>> {
        let behind = |pairs: &[[usize; 2]]| pairs.iter().map(|[l, r]| [l + 1, r + 1]).collect::<Vec<_>>();
        let product = Self {
            batch: behind(&self.batch),
            contract: std::iter::once([0, 0]).chain(behind(&self.contract)).collect(),
        };
        graph.matmul(stacked[0], stacked[1], product).map(Some)
    }

    /// If both operands have the leading axis, it becomes a batch axis of the product; if only one
    /// has it, a free axis of that operand. One product thus serves all evaluations.
    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let shift = [0, 1].map(|side| usize::from(args[side].led));
        let behind = |pairs: &[[usize; 2]]| -> Vec<[usize; 2]> {
            pairs.iter().map(|[l, r]| [l + shift[0], r + shift[1]]).collect()
        };
        let both = (shift == [1, 1]).then_some([0, 0]);
        let axes = Self {
            batch: both.into_iter().chain(behind(&self.batch)).collect(),
            contract: behind(&self.contract),
        };
        let product = graph.matmul(args[0].value, args[1].value, axes)?;
        // The position of the leading axis in the product.
        let left_free = self.free(0, args[0].declared(graph).len()).len();
        let at = match shift {
            [1, 1] => 0,
            [1, _] => self.batch.len(),
            _ => self.batch.len() + left_free,
        };
        let rank = graph.shape(product).len();
        let order: Vec<usize> = std::iter::once(at).chain((0..rank).filter(|&axis| axis != at)).collect();
        graph.permute(product, &order)
    }
}

impl Graph {
    /// The general product of two arrays.
    ///
    /// # Errors
    /// When the axes do not fit.
    pub fn matmul(&mut self, lhs: Value, rhs: Value, axes: MatMul) -> Result<Value> {
        self.emit(axes, &[lhs, rhs])
    }

    /// x wᵀ: contracts the last axes of `x` \[..., I\] and `w` \[O, I\], the shape in which linear
    /// layers store their weights.
    ///
    /// # Errors
    /// When `x` is a scalar, `w` is not a matrix, or the last axes differ.
    pub fn linear(&mut self, x: Value, w: Value) -> Result<Value> {
        let (x_rank, w_rank) = (self.shape(x).len(), self.shape(w).len());
        if x_rank == 0 || w_rank != 2 {
            let problem = format!("{:?} with a weight {:?}", self.shape(x), self.shape(w));
            return Err(Error::shape("linear", problem));
        }
        self.matmul(x, w, MatMul { batch: vec![], contract: vec![[x_rank - 1, 1]] })
    }
}
