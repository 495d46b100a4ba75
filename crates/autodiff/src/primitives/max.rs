//! Where a row is largest: a choice on which no derivative depends.

use std::sync::Arc;

use candle_core::Tensor;

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    identity::Real,
    kernels,
    primitive::{Linearity, Operand, Place, Primitive},
};

/// For x \[.., C\] the position along the last axis of the first element that is at most `slack` below the largest: \[..\], of type `u32`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Argmax {
    slack: Real,
}

impl Primitive for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        match args[0].split_last() {
            Some((&size, rows)) if size > 0 => Ok(rows.to_vec()),
            _ => Err(Error::shape(self.name(), format!("{:?} has no last axis", args[0]))),
        }
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let x = &args[0];
        let (size, rows) = x.dims().split_last().unwrap_or((&1, &[]));
        let flat = x.tensor.reshape((x.batch().unwrap_or(1), rows.iter().product::<usize>(), *size))?;
        let index = kernels::argmax(&flat, self.slack.0)?;
        Ok(Tensor::from_vec(index, with_batch(x.batch(), rows), x.tensor.device())?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }
}

impl Graph {
    /// The position along the last axis of `x` \[.., C\] of the first element that is at most `slack` below the largest: \[..\].
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn argmax(&mut self, x: Value, slack: f64) -> Result<Value> {
        self.emit(Arc::new(Argmax { slack: Real(slack) }), &[x])
    }

    /// 1 where `x` is the largest along its last axis (at the first place, where several are), otherwise 0; piecewise constant.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn one_hot_max(&mut self, x: Value) -> Result<Value> {
        let index = self.argmax(x, 0.0)?;
        let size = self.shape(x).last().copied().unwrap_or(1);
        self.one_hot(index, size)
    }

    /// The unit vectors \[.., C\] of the positions `index` \[..\], with C = `size`.
    ///
    /// # Errors
    /// When there are more elements than any memory holds.
    pub fn one_hot(&mut self, index: Value, size: usize) -> Result<Value> {
        let rows = self.shape(index).to_vec();
        let all = rows.iter().product();
        let ones = self.fill(1.0, &[all, 1])?;
        let index = self.reshape(index, &[all, 1])?;
        let hot = self.scatter_add(ones, index, size)?;
        self.reshape(hot, &[rows.as_slice(), &[size]].concat())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{program::Program, transforms::linearize};

    #[test]
    fn the_first_of_the_largest_is_marked_and_has_no_derivative() -> Result<()> {
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let mut graph = Graph::default();
        let x = graph.input("x", &[3, 3]);
        let hot = graph.one_hot_max(x)?;
        let near = graph.argmax(x, 0.2)?;
        let at = Tensor::new(&[[0.1, -2.0, 0.3], [5.0, 4.0, 4.9], [1.0, 1.0, 0.0]], &Device::Cpu)?;
        let found = Program::new(&graph, &[x], &[hot, near])?.evaluate(&place, &[at])?;
        assert_eq!(found[0].to_vec2::<f64>()?, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]);
        assert_eq!(found[1].to_vec1::<u32>()?, [0, 0, 0]);
        let v = graph.input("v", &[3, 3]);
        assert_eq!(linearize(&mut graph, &[hot], &[(x, v)])?[0], None);
        Ok(())
    }
}
