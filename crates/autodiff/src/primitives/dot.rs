//! General products of arrays: any pairs of axes are shared (batch) or summed over (contracted).

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels::{self, Axis, View},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
};

/// out\[b.., i.., j..\] = Σ_k lhs\[b, i, k\] rhs\[b, j, k\], the axes of either operand standing in any order.
///
/// The output's axes are the batch pairs in the order given, the other axes of `lhs`, then those of `rhs`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Dot {
    /// (axis of lhs, axis of rhs) shared by operands and output.
    pub batch: Vec<[usize; 2]>,
    /// (axis of lhs, axis of rhs) summed over.
    pub contract: Vec<[usize; 2]>,
}

impl Dot {
    /// The axes of one operand (side 0 or 1) that are neither shared nor summed over.
    fn free(&self, side: usize, rank: usize) -> Vec<usize> {
        let paired = |axis: usize| self.batch.iter().chain(&self.contract).any(|pair| pair[side] == axis);
        (0..rank).filter(|&axis| !paired(axis)).collect()
    }
}

impl Primitive for Dot {
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

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let (lhs, rhs) = (&args[0], &args[1]);
        let pairs = |pairs: &[[usize; 2]], side: usize, lead: usize| -> Vec<usize> {
            pairs.iter().map(|pair| pair[side] + lead).collect()
        };
        let operand = |operand: &Operand, side: usize, lead_is_free: bool| {
            let lead = operand.lead();
            let mut free: Vec<usize> =
                self.free(side, operand.dims().len()).into_iter().map(|axis| axis + lead).collect();
            if operand.batched && lead_is_free {
                free.insert(0, 0);
            }
            let mut batch = pairs(&self.batch, side, lead);
            if operand.batched && !lead_is_free {
                batch.insert(0, 0);
            }
            Arranged::new(operand.tensor, &batch, &free, &pairs(&self.contract, side, lead))
        };
        // A leading axis of lhs alone is more rows of one product; elsewhere it is a batch of products.
        let lead_is_free = lhs.batched && !rhs.batched && self.batch.is_empty();
        let (left, right) = (operand(lhs, 0, lead_is_free)?, operand(rhs, 1, false)?);
        let lead = if lead_is_free { None } else { lhs.batch().or(rhs.batch()) };
        let sizes: Vec<usize> =
            lead.into_iter().chain(self.batch.iter().map(|[l, _]| lhs.dims()[*l])).collect();
        let product = kernels::matmul(
            &sizes,
            &left.view(lead.is_some() && !lhs.batched, false),
            &right.view(lead.is_some() && !rhs.batched, true),
        )?;
        let shape = self.shape(&[lhs.dims(), rhs.dims()])?;
        Ok(product.reshape(super::with_batch(lhs.batch().or(rhs.batch()), &shape))?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0, 1])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        let other = 1 - wrt;
        let rank = |side: usize| graph.shape(node.args[side]).len();
        let (free, other_free) = (self.free(wrt, rank(wrt)), self.free(other, rank(other)));
        let left_free = self.free(0, rank(0)).len();
        // Where the other operand's free axes stand in the cotangent.
        let start = self.batch.len() + if other == 1 { left_free } else { 0 };
        let dot = Dot {
            batch: self.batch.iter().enumerate().map(|(i, pair)| [i, pair[other]]).collect(),
            contract: other_free.iter().enumerate().map(|(i, axis)| [start + i, *axis]).collect(),
        };
        let result = graph.dot(cotangent, node.args[other], dot)?;
        // The result's axes, by the axis of the operand that each one is: batch, free, contracted (in the other's order).
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
        let dot = Self {
            batch: behind(&self.batch),
            contract: std::iter::once([0, 0]).chain(behind(&self.contract)).collect(),
        };
        graph.dot(stacked[0], stacked[1], dot).map(Some)
    }

    fn flops(&self, args: &[&[usize]], output: &[usize]) -> usize {
        let inner: usize = self.contract.iter().map(|[l, _]| args[0][*l]).product();
        2 * inner * output.iter().product::<usize>()
    }
}

/// An operand with its axes in the order batch, free, contracted, the last two groups each walked by one stride.
struct Arranged {
    tensor: Tensor,
    batch: Vec<usize>,
    free: Axis,
    contracted: Axis,
}

impl Arranged {
    fn new(tensor: &Tensor, batch: &[usize], free: &[usize], contract: &[usize]) -> Result<Self> {
        let order: Vec<usize> = batch.iter().chain(free).chain(contract).copied().collect();
        let permuted = tensor.permute(order)?;
        let (b, f) = (batch.len(), batch.len() + free.len());
        let (free, contracted) = (one_axis(&permuted, b, f), one_axis(&permuted, f, permuted.rank()));
        if let (Some(free), Some(contracted)) = (free, contracted) {
            let batch = permuted.stride()[..b].to_vec();
            return Ok(Self { tensor: permuted, batch, free, contracted });
        }
        let tensor = permuted.contiguous()?;
        let size = |range: std::ops::Range<usize>| tensor.dims()[range].iter().product::<usize>();
        let contracted = Axis { size: size(f..tensor.rank()), stride: 1 };
        let free = Axis { size: size(b..f), stride: contracted.size };
        let batch = tensor.stride()[..b].to_vec();
        Ok(Self { tensor, batch, free, contracted })
    }

    fn view(&self, repeated: bool, is_rhs: bool) -> View<'_> {
        let batch = repeated.then_some(0).into_iter().chain(self.batch.iter().copied()).collect();
        let (rows, columns) =
            if is_rhs { (self.contracted, self.free) } else { (self.free, self.contracted) };
        View { tensor: &self.tensor, batch, rows, columns }
    }
}

/// The axes `from..to` as one axis, if a single stride walks them in order.
fn one_axis(tensor: &Tensor, from: usize, to: usize) -> Option<Axis> {
    let axes = tensor.dims()[from..to].iter().zip(&tensor.stride()[from..to]);
    let mut merged: Option<Axis> = None;
    for (&size, &stride) in axes.filter(|(size, _)| **size != 1) {
        merged = Some(match merged {
            None => Axis { size, stride },
            Some(outer) if outer.stride == stride * size => Axis { size: outer.size * size, stride },
            Some(_) => return None,
        });
    }
    Some(merged.unwrap_or(Axis { size: 1, stride: 1 }))
}

impl Graph {
    /// The general product of two arrays.
    pub(crate) fn dot(&mut self, lhs: Value, rhs: Value, dot: Dot) -> Result<Value> {
        self.emit(Arc::new(dot), &[lhs, rhs])
    }

    /// The matrix product of the last axis of `x` \[..., I\] with the last of `w` \[O, I\], as linear layers store their weights.
    ///
    /// # Errors
    /// When the last axes differ.
    pub fn linear(&mut self, x: Value, w: Value) -> Result<Value> {
        let (x_rank, w_rank) = (self.shape(x).len(), self.shape(w).len());
        if x_rank == 0 || w_rank != 2 {
            let problem = format!("{:?} with a weight {:?}", self.shape(x), self.shape(w));
            return Err(Error::shape("linear", problem));
        }
        self.dot(x, w, Dot { batch: vec![], contract: vec![[x_rank - 1, 1]] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws::Subject;

    #[test]
    fn laws_of_linear_layers() {
        Subject::new(1, &[&[3, 4], &[5, 4]], |g, x| g.linear(x[0], x[1])).must_be_multilinear().obeys_all();
        Subject::new(2, &[&[2, 3, 4], &[5, 4]], |g, x| g.linear(x[0], x[1]))
            .must_be_multilinear()
            .obeys_all();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Operands with any order of batch, contracted and free axes.
        #[test]
        fn laws(seed in any::<u64>(), lhs in Just([0, 1, 2, 3]).prop_shuffle(), rhs in Just([0, 1, 2, 3]).prop_shuffle()) {
            // Axes by role: shared, contracted, contracted, free.
            let (left, right) = ([2, 3, 2, 2], [2, 3, 2, 3]);
            let place = |order: [usize; 4], role: usize| order.iter().position(|&r| r == role).unwrap_or(0);
            let pair = |role: usize| [place(lhs, role), place(rhs, role)];
            let dot = Dot { batch: vec![pair(0)], contract: vec![pair(2), pair(1)] };
            let left: Vec<usize> = lhs.iter().map(|&role| left[role]).collect();
            let right: Vec<usize> = rhs.iter().map(|&role| right[role]).collect();
            Subject::new(seed, &[&left, &right], |g, x| g.dot(x[0], x[1], dot.clone())).must_be_multilinear().obeys_all();
        }
    }
}
