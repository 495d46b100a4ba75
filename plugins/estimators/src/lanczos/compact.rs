//! Vectors in the host's memory with a basis of integers of 16 or 8 bits, for operators whose basis
//! would not fit in their own type.
//!
//! The two newest vectors are kept as they are, so that the three-term recurrence is as accurate as
//! with a basis in the operator's type. Of what the recurrence leaves along the others, a pass of
//! orthogonalisation against rounded vectors q + e leaves the share ‖Qᵀe‖: e is noise of relative
//! size 2⁻¹⁵ or 2⁻⁷ that has next to nothing in common with Q where vectors are long. How orthogonal
//! the basis is at the end is measured ([`Vectors::overlap`]).

use std::{marker::PhantomData, ops::Range};

use eigenscape_core::{CurvatureOperator, Result};

use super::{kernels, on_host::OnHost, pieces::Pieces, stored::Stored, vectors::Vectors};
use crate::float::Float;

/// The number of vectors that are kept as they are.
pub(super) const RECENT: usize = 2;

/// The vectors of an operator as slices, with a basis of integers `S`.
pub(super) struct Compact<'a, T, S> {
    on_host: OnHost<'a, T>,
    dimension: usize,
    stored: PhantomData<S>,
}

/// A basis of integers, with its newest vectors as they are.
pub(super) struct CompactBasis<T, S> {
    all: Pieces<S>,
    /// Vector i at i modulo [`RECENT`].
    recent: Pieces<T>,
}

impl<'a, T: Float, S> Compact<'a, T, S> {
    /// The vectors of an operator whose type is `T`.
    pub fn new(operator: &'a dyn CurvatureOperator) -> Self {
        Self { on_host: OnHost::new(operator), dimension: operator.dimension(), stored: PhantomData }
    }
}

impl<T, S: Copy + Default + Send + Sync> CompactBasis<T, S> {
    /// The first of the newest vectors.
    fn first_recent(&self) -> usize {
        self.all.count().saturating_sub(RECENT)
    }
}

impl<T: Float, S: Stored<T>> Vectors for Compact<'_, T, S> {
    type Number = T;
    type Vector = Vec<T>;
    type Basis = CompactBasis<T, S>;

    fn place(&self, vector: Vec<T>) -> Result<Vec<T>> {
        self.on_host.place(vector)
    }

    fn to_host(&self, vector: Vec<T>) -> Result<Vec<T>> {
        self.on_host.to_host(vector)
    }

    fn products(&self, vectors: &[&Vec<T>]) -> Result<Vec<Vec<T>>> {
        self.on_host.products(vectors)
    }

    fn dot(&self, v: &Vec<T>, w: &Vec<T>) -> Result<f64> {
        self.on_host.dot(v, w)
    }

    fn scaled(&self, v: &Vec<T>, s: f64) -> Result<Vec<T>> {
        self.on_host.scaled(v, s)
    }

    fn basis(&self, most: usize) -> CompactBasis<T, S> {
        let recent = Pieces::new(self.dimension, most.min(RECENT));
        CompactBasis { all: Pieces::new(self.dimension, most), recent }
    }

    fn push(&self, basis: &mut CompactBasis<T, S>, vector: &Vec<T>) -> Result<()> {
        let index = basis.all.count();
        basis.all.push(vector);
        if index < RECENT {
            basis.recent.push(vector);
        } else {
            basis.recent.replace(index % RECENT, vector);
        }
        Ok(())
    }

    fn dots(&self, basis: &CompactBasis<T, S>, vectors: Range<usize>, w: &Vec<T>) -> Result<Vec<f64>> {
        let split = basis.first_recent().clamp(vectors.start, vectors.end);
        let mut dots = kernels::dots(&basis.all, vectors.start..split, w);
        for index in split..vectors.end {
            let place = index % RECENT;
            dots.extend(kernels::dots(&basis.recent, place..place + 1, w));
        }
        Ok(dots)
    }

    fn subtract(
        &self,
        basis: &CompactBasis<T, S>,
        first: usize,
        coefficients: &[f64],
        w: &mut Vec<T>,
    ) -> Result<f64> {
        let rounded = basis.first_recent().saturating_sub(first).min(coefficients.len());
        let (of_rounded, of_recent) = coefficients.split_at(rounded);
        let mut square = None;
        if !of_rounded.is_empty() {
            square = Some(kernels::subtract(&basis.all, first, of_rounded, w));
        }
        for (index, coefficient) in (first + rounded..).zip(of_recent) {
            square = Some(kernels::subtract(&basis.recent, index % RECENT, &[*coefficient], w));
        }
        Ok(square.unwrap_or_else(|| kernels::square(w)))
    }

    fn overlap(&self, basis: &CompactBasis<T, S>, newest: &Vec<T>) -> Result<Option<f64>> {
        let before = 0..basis.all.count().saturating_sub(1);
        let dots = self.dots(basis, before, newest)?;
        Ok(Some(dots.into_iter().fold(0.0, |largest, dot| largest.max(dot.abs()))))
    }
}

#[cfg(test)]
mod tests;
