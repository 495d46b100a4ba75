//! Vectors in the memory of an operator's backend; only dot products are copied to the host.

use std::{marker::PhantomData, ops::Range, slice::from_ref};

use candle_core::{Device, Tensor};
use eigenscape_core::{CurvatureOperator, Result};
use eigenscape_runtime::{Backend, Buffer};

use super::vectors::Vectors;
use crate::{float::Float, operator::check_shape};

/// The vectors \[1, P\] of an operator, in the memory of its backend.
pub(super) struct Placed<'a, T> {
    operator: &'a dyn CurvatureOperator,
    backend: &'a dyn Backend,
    number: PhantomData<T>,
}

impl<'a, T> Placed<'a, T> {
    /// The vectors of an operator whose type is `T` and whose backend is `backend`.
    pub fn new(operator: &'a dyn CurvatureOperator, backend: &'a dyn Backend) -> Self {
        Self { operator, backend, number: PhantomData }
    }
}

impl<T: Float> Vectors for Placed<'_, T> {
    type Number = T;
    type Vector = Buffer;
    type Basis = Vec<Buffer>;

    fn place(&self, vector: Vec<T>) -> Result<Buffer> {
        let shape = (1, vector.len());
        Ok(self.backend.place(&Tensor::from_vec(vector, shape, &Device::Cpu)?)?)
    }

    fn to_host(&self, vector: Buffer) -> Result<Vec<T>> {
        Ok(vector.to_host()?.flatten_all()?.to_vec1()?)
    }

    fn products(&self, vectors: &[&Buffer]) -> Result<Vec<Buffer>> {
        let all: Vec<Buffer> = vectors.iter().copied().cloned().collect();
        let products = self.operator.apply_placed(&self.backend.stack(&all)?)?;
        check_shape(self.operator, products.dims(), vectors.len())?;
        Ok(self.backend.rows(&products)?)
    }

    fn dot(&self, v: &Buffer, w: &Buffer) -> Result<f64> {
        Ok(self.backend.dots(from_ref(v), w)?.into_iter().sum())
    }

    fn scaled(&self, v: &Buffer, s: f64) -> Result<Buffer> {
        Ok(self.backend.combine(&[(s, v)], v.dtype())?)
    }

    fn basis(&self, most: usize) -> Vec<Buffer> {
        Vec::with_capacity(most)
    }

    /// The basis shares the vector's memory.
    fn push(&self, basis: &mut Vec<Buffer>, vector: &Buffer) -> Result<()> {
        basis.push(vector.clone());
        Ok(())
    }

    fn dots(&self, basis: &Vec<Buffer>, vectors: Range<usize>, w: &Buffer) -> Result<Vec<f64>> {
        Ok(self.backend.dots(&basis[vectors], w)?)
    }

    fn subtract(
        &self,
        basis: &Vec<Buffer>,
        first: usize,
        coefficients: &[f64],
        w: &mut Buffer,
    ) -> Result<f64> {
        let known = coefficients.iter().zip(&basis[first..]).map(|(factor, vector)| (-factor, vector));
        let terms: Vec<(f64, &Buffer)> = [(1.0, &*w)].into_iter().chain(known).collect();
        *w = self.backend.combine(&terms, w.dtype())?;
        self.dot(w, w)
    }
}
