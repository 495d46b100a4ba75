//! Multiplication by a constant.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::Result,
    identity::Real,
    primitive::{ElementWise, Linearity, NodeRef, Operand, Place, Primitive},
};

/// c·x.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Scale {
    factor: Real,
}

impl Primitive for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(args[0].to_vec())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        Ok(args[0].tensor.affine(self.factor.0, 0.0)?)
    }

    fn element_wise(&self) -> Option<ElementWise> {
        Some(ElementWise::Scale(self.factor))
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.scale(cotangent, self.factor.0)
    }
}

impl Graph {
    /// c·x.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn scale(&mut self, x: Value, factor: f64) -> Result<Value> {
        if factor == 1.0 {
            return self.unchanged(x);
        }
        self.emit(Arc::new(Scale { factor: Real(factor) }), &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn laws() {
        Subject::new(1, &[&[2, 3]], |g, x| g.scale(x[0], -1.5)).must_be_multilinear().obeys_all();
    }
}
