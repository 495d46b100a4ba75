//! Concatenation along an axis.

use std::sync::Arc;

use candle_core::Tensor;

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
};

/// The operands one after the other along `axis`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat {
    axis: usize,
}

impl Primitive for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let mut shape = args.first().map(|first| first.to_vec()).unwrap_or_default();
        let fits = |arg: &&[usize]| {
            arg.len() == shape.len() && (0..arg.len()).all(|a| a == self.axis || arg[a] == shape[a])
        };
        if self.axis >= shape.len() || !args.iter().all(fits) {
            return Err(Error::shape(self.name(), format!("{args:?} do not fit along axis {}", self.axis)));
        }
        shape[self.axis] = args.iter().map(|arg| arg[self.axis]).sum();
        Ok(shape)
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let Some(batch) = args.iter().find_map(Operand::batch) else {
            let tensors: Vec<&Tensor> = args.iter().map(|a| a.tensor).collect();
            return Ok(Tensor::cat(&tensors, self.axis)?);
        };
        let repeated: Vec<Tensor> = args
            .iter()
            .map(|a| a.tensor.broadcast_as(with_batch(Some(batch), a.dims())))
            .collect::<candle_core::Result<_>>()?;
        Ok(Tensor::cat(&repeated, self.axis + 1)?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        let size = |arg: &Value| graph.shape(*arg)[self.axis];
        let start = node.args[..wrt].iter().map(size).sum();
        let len = size(&node.args[wrt]);
        graph.slice(cotangent, self.axis, start, len)
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        0
    }
}

impl Graph {
    /// `parts` one after the other along `axis`.
    ///
    /// # Errors
    /// When another axis differs.
    pub fn concat(&mut self, parts: &[Value], axis: usize) -> Result<Value> {
        match parts {
            [only] => Ok(*only),
            _ => self.emit(Arc::new(Concat { axis }), parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn laws() {
        Subject::new(1, &[&[2, 1], &[2, 3], &[2, 2]], |g, x| g.concat(x, 1)).obeys_all();
    }

    #[test]
    fn a_part_without_a_tangent_counts_as_zero() {
        Subject::new(1, &[&[2, 3]], |g, x| {
            let zeros = g.fill(1.0, &[1, 3])?;
            g.concat(&[x[0], zeros], 0)
        })
        .obeys_all();
    }
}
