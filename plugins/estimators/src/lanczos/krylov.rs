//! One probe's Krylov space.

use super::{
    basis::Basis,
    kernels::{dots, scaled, subtract},
};
use crate::float::Float;

/// A pass that leaves less than this share of a vector's norm is repeated (Daniel, Gragg, Kaufman &
/// Stewart 1976).
const KEPT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// In units of ε ‖T‖: so small a residual is that of an invariant space.
const INVARIANT: f64 = 10.0;

/// The orthonormal basis q₀, q₁, … of a Krylov space with the Jacobi matrix T = QᵀHQ: α on its
/// diagonal, β beside it.
pub(super) struct Krylov<T> {
    basis: Basis<T>,
    /// The newest vector of the basis, in one piece; after the last step what is left of its
    /// product.
    last: Vec<T>,
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
    /// ‖H q − α q − β q₋‖ for the newest basis vector q: what keeps the space from being invariant.
    residual: f64,
    /// The largest row sum |β| + |α| + |β| so far, which bounds ‖T‖.
    norm: f64,
    steps: usize,
    epsilon: f64,
    runs: bool,
}

impl<T: Float> Krylov<T> {
    /// The space of a unit vector, to be extended up to `steps` times; `epsilon` is the relative
    /// error of the products.
    pub fn start(vector: Vec<T>, steps: usize, epsilon: f64) -> Self {
        let mut basis = Basis::new(vector.len(), steps);
        basis.push(&vector);
        Self {
            basis,
            last: vector,
            diagonal: Vec::with_capacity(steps),
            off_diagonal: Vec::with_capacity(steps),
            residual: 0.0,
            norm: 0.0,
            steps,
            epsilon,
            runs: true,
        }
    }

    /// Numbers that a space of `steps` steps takes: the basis, and the newest vector by itself.
    pub fn numbers(dimension: usize, steps: usize) -> usize {
        Basis::<T>::numbers(dimension, steps).saturating_add(dimension)
    }

    /// Whether there is a step left to take.
    pub fn runs(&self) -> bool {
        self.runs
    }

    /// The newest basis vector: the one whose product is needed next.
    pub fn last(&self) -> &[T] {
        &self.last
    }

    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    pub fn off_diagonal(&self) -> &[f64] {
        &self.off_diagonal
    }

    /// β after the last step: a Ritz pair (θ, Q s) has ‖H Q s − θ Q s‖ = β |s's last component|.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// 10 ε ‖T‖: below it a residual is rounding.
    pub fn rounding(&self) -> f64 {
        INVARIANT * self.epsilon * self.norm
    }

    /// Qᵀv.
    pub fn dots(&self, vector: &[T]) -> Vec<f64> {
        dots(&self.basis, 0..self.basis.count(), vector)
    }

    /// rᵀv with what is left of the last product, r = H q − α q − β q₋; 0 in an invariant space.
    pub fn rest_dot(&self, vector: &[T]) -> f64 {
        match self.residual {
            0.0 => 0.0,
            _ => self.last.iter().zip(vector).map(|(r, v)| r.widen() * v.widen()).sum(),
        }
    }

    /// Takes the step from H q, q being the newest basis vector; `None` when it is not finite.
    pub fn extend(&mut self, product: Vec<T>) -> Option<()> {
        let mut w = product;
        let basis = &self.basis;
        let newest = basis.count() - 1;
        let alpha = finite(dots(basis, newest..basis.count(), &w)[0])?;
        let before = self.off_diagonal.last().copied();
        self.diagonal.push(alpha);
        self.norm = self.norm.max(before.unwrap_or(0.0) + alpha.abs());
        // The recurrence w = H q − α q − β q₋ first: it takes away all but rounding, so that one
        // full pass mostly suffices.
        let left = match before {
            None => subtract(basis, newest, &[alpha], &mut w),
            Some(beta) => subtract(basis, newest - 1, &[beta, alpha], &mut w),
        };
        if self.diagonal.len() == self.steps {
            self.residual = finite(left.sqrt())?;
            self.last = w;
            self.runs = false;
            return Some(());
        }
        let beta = finite(orthogonalise(basis, &mut w, left.sqrt()))?;
        self.norm = self.norm.max(before.unwrap_or(0.0) + alpha.abs() + beta);
        if beta <= INVARIANT * self.epsilon * self.norm {
            self.residual = 0.0;
            self.runs = false;
            return Some(());
        }
        self.off_diagonal.push(beta);
        self.last = scaled(&w, 1.0 / beta);
        self.basis.push(&self.last);
        Some(())
    }
}

/// Makes `w`, of norm `norm`, orthogonal to an orthonormal basis by classical Gram-Schmidt, a
/// second time where the first pass cancelled much of it ("twice is enough": Kahan in Parlett 1980,
/// §6.9), and returns its norm: 0 where `w` lies in the span to rounding.
fn orthogonalise<T: Float>(basis: &Basis<T>, w: &mut [T], norm: f64) -> f64 {
    let mut before = norm;
    for _ in 0..2 {
        let coefficients = dots(basis, 0..basis.count(), w);
        let after = subtract(basis, 0, &coefficients, w).sqrt();
        if after >= KEPT * before || after.is_nan() {
            return after;
        }
        before = after;
    }
    0.0
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
