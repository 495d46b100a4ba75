//! Vectors in the host's memory, for operators that compute their products there.

use std::{marker::PhantomData, ops::Range};

use eigenscape_core::{CurvatureOperator, Result};

use super::{kernels, pieces::Pieces, vectors::Vectors};
use crate::{float::Float, operator::products};

/// The vectors of an operator as slices, processed by this crate's kernels on all threads.
pub(super) struct OnHost<'a, T> {
    operator: &'a dyn CurvatureOperator,
    number: PhantomData<T>,
}

impl<'a, T> OnHost<'a, T> {
    /// The vectors of an operator whose type is `T`.
    pub fn new(operator: &'a dyn CurvatureOperator) -> Self {
        Self { operator, number: PhantomData }
    }
}

impl<T: Float> Vectors for OnHost<'_, T> {
    type Number = T;
    type Vector = Vec<T>;
    type Basis = Pieces<T>;

    fn place(&self, vector: Vec<T>) -> Result<Vec<T>> {
        Ok(vector)
    }

    fn to_host(&self, vector: Vec<T>) -> Result<Vec<T>> {
        Ok(vector)
    }

    fn products(&self, vectors: &[&Vec<T>]) -> Result<Vec<Vec<T>>> {
        let all = vectors.iter().flat_map(|vector| vector.iter()).copied().collect();
        products(self.operator, all, self.operator.dimension())
    }

    fn dot(&self, v: &Vec<T>, w: &Vec<T>) -> Result<f64> {
        Ok(v.iter().zip(w).map(|(v, w)| v.widen() * w.widen()).sum())
    }

    fn scaled(&self, v: &Vec<T>, s: f64) -> Result<Vec<T>> {
        Ok(kernels::scaled(v, s))
    }

    fn basis(&self, most: usize) -> Pieces<T> {
        Pieces::new(self.operator.dimension(), most)
    }

    fn push(&self, basis: &mut Pieces<T>, vector: &Vec<T>) -> Result<()> {
        basis.push(vector);
        Ok(())
    }

    fn dots(&self, basis: &Pieces<T>, vectors: Range<usize>, w: &Vec<T>) -> Result<Vec<f64>> {
        Ok(kernels::dots(basis, vectors, w))
    }

    fn subtract(&self, basis: &Pieces<T>, first: usize, coefficients: &[f64], w: &mut Vec<T>) -> Result<f64> {
        Ok(kernels::subtract(basis, first, coefficients, w))
    }
}
