//! The largest element along the last axis, as a shift that results do not depend on.

use std::sync::Arc;

use candle_core::{D, Tensor};

use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Affinity, Linearity, Operand, Place, Primitive},
};

/// max over the last axis, which keeps the size 1, with derivative zero.
///
/// Right only where the result does not depend on it, as in log Σ exp(x − m) + m: then its true derivatives cancel to
/// every order.
#[derive(Debug)]
struct Shift;

impl Primitive for Shift {
    fn name(&self) -> &'static str {
        "max"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let mut shape = args[0].to_vec();
        let last = shape.last_mut().ok_or_else(|| Error::shape("max", "a scalar has no axis"))?;
        *last = 1;
        Ok(shape)
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        Ok(args[0].tensor.max_keepdim(D::Minus1)?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }

    fn affinity(&self, args: &[Affinity]) -> Affinity {
        if args[0] == Affinity::Constant { Affinity::Constant } else { Affinity::General }
    }
}

impl Graph {
    /// log Σ exp over the last axis of `x`, which keeps the size 1; exact for any finite `x`.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn log_sum_exp(&mut self, x: Value) -> Result<Value> {
        let (shift, exponentials) = self.shifted_exp(x)?;
        let axis = self.shape(x).len() - 1;
        let sum = self.sum(exponentials, &[axis])?;
        let log = self.function(super::Function::Log, sum)?;
        self.add(log, shift)
    }

    /// exp(x) / Σ exp(x) over the last axis of `x`; entries of −∞ get 0.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn softmax(&mut self, x: Value) -> Result<Value> {
        let (_, exponentials) = self.shifted_exp(x)?;
        let shape = self.shape(x).to_vec();
        let sum = self.sum(exponentials, &[shape.len() - 1])?;
        let inverse = self.function(super::Function::Recip, sum)?;
        let inverse = self.broadcast(inverse, &shape)?;
        self.mul(exponentials, inverse)
    }

    /// 1 where `x` is the largest along its last axis (wherever several are), otherwise 0; piecewise constant.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn one_hot_max(&mut self, x: Value) -> Result<Value> {
        let shift = self.emit(Arc::new(Shift), &[x])?;
        let shape = self.shape(x).to_vec();
        let largest = self.broadcast(shift, &shape)?;
        let below = self.sub(largest, x)?;
        let below = self.function(super::Function::Step { slope: 0.0 }, below)?;
        self.one_minus(below)
    }

    /// (m, exp(x − m)) with m the largest element along the last axis.
    fn shifted_exp(&mut self, x: Value) -> Result<(Value, Value)> {
        let shift = self.emit(Arc::new(Shift), &[x])?;
        let shape = self.shape(x).to_vec();
        let repeated = self.broadcast(shift, &shape)?;
        let difference = self.sub(x, repeated)?;
        Ok((shift, self.function(super::Function::Exp, difference)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{laws::Subject, program::Program, transforms::linearize};

    #[test]
    fn laws() {
        Subject::new(1, &[&[3, 4]], |g, x| g.log_sum_exp(x[0])).obeys_all();
        Subject::new(2, &[&[3, 4]], |g, x| g.softmax(x[0])).obeys_all();
        Subject::new(3, &[&[2, 4, 4]], |g, x| {
            let mask = g.causal_mask(4)?;
            let mask = g.reshape(mask, &[1, 4, 4])?;
            let mask = g.broadcast(mask, &[2, 4, 4])?;
            let masked = g.add(x[0], mask)?;
            g.softmax(masked)
        })
        .obeys_all();
    }

    #[test]
    fn the_largest_is_marked_and_has_no_derivative() -> Result<()> {
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let mut graph = Graph::default();
        let x = graph.input("x", &[2, 3]);
        let hot = graph.one_hot_max(x)?;
        let at = Tensor::new(&[[0.1, -2.0, 0.3], [5.0, 4.0, 4.9]], &Device::Cpu)?;
        let found = Program::new(&graph, &[x], &[hot])?.evaluate(&place, &[at])?.remove(0);
        assert_eq!(found.to_vec2::<f64>()?, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        let v = graph.input("v", &[2, 3]);
        let tangent = linearize(&mut graph, &[hot], &[(x, v)])?[0];
        let zero = tangent.is_none_or(|tangent| graph.describe(tangent).contains("fill"));
        assert!(zero, "{tangent:?}");
        Ok(())
    }
}
