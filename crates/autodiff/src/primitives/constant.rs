//! Constants.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::Result,
    primitive::{Linearity, Operand, Place, Primitive, Storage},
};

/// A tensor of one repeated number.
#[derive(Debug)]
struct Fill {
    value: f64,
    shape: Vec<usize>,
}

impl Primitive for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.shape.clone())
    }

    fn eval(&self, place: &Place, _: &[Operand]) -> Result<Tensor> {
        let scalar = Tensor::new(self.value, &place.device)?.to_dtype(place.dtype)?;
        Ok(scalar.broadcast_as(self.shape.as_slice())?)
    }

    fn storage(&self) -> Storage {
        Storage::Strided
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }
}

/// The n × n identity matrix.
#[derive(Debug)]
struct Identity {
    n: usize,
}

impl Primitive for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(vec![self.n, self.n])
    }

    fn eval(&self, place: &Place, _: &[Operand]) -> Result<Tensor> {
        Ok(Tensor::eye(self.n, place.dtype, &place.device)?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }
}

/// 0 on and below the diagonal of an n × n matrix, −∞ above it.
#[derive(Debug)]
struct CausalMask {
    n: usize,
}

impl Primitive for CausalMask {
    fn name(&self) -> &'static str {
        "causal mask"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(vec![self.n, self.n])
    }

    fn eval(&self, place: &Place, _: &[Operand]) -> Result<Tensor> {
        let n = self.n;
        let entry = |i: usize| if i % n > i / n { f64::NEG_INFINITY } else { 0.0 };
        let mask = Tensor::from_iter((0..n * n).map(entry), &place.device)?;
        Ok(mask.reshape((n, n))?.to_dtype(place.dtype)?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }
}

impl Graph {
    /// 0 on and below the diagonal of an n × n matrix, −∞ above it: added to scores, no position sees a later one.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn causal_mask(&mut self, n: usize) -> Result<Value> {
        self.emit(Arc::new(CausalMask { n }), &[])
    }

    /// A tensor filled with `value`.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn fill(&mut self, value: f64, shape: &[usize]) -> Result<Value> {
        self.emit(Arc::new(Fill { value, shape: shape.to_vec() }), &[])
    }

    /// The n × n identity matrix.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn identity(&mut self, n: usize) -> Result<Value> {
        self.emit(Arc::new(Identity { n }), &[])
    }
}
