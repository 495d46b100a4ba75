//! One probe's Krylov space.

use eigenscape_core::Result;

use super::vectors::Vectors;
use crate::float::Float;

/// An orthogonalisation that leaves less than this share of a vector's norm is repeated (Daniel,
/// Gragg, Kaufman & Stewart 1976).
const KEPT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// The space counts as invariant when the residual is at most this number times ε ‖T‖.
const INVARIANT: f64 = 10.0;

/// The orthonormal basis q₀, q₁, … of a Krylov space, and the Jacobi matrix T = QᵀHQ with the
/// diagonal α and the off-diagonal β.
pub(super) struct Krylov<'a, V: Vectors> {
    vectors: &'a V,
    basis: V::Basis,
    /// A separate copy of the newest basis vector; after the last step, the residual vector of its
    /// product.
    last: V::Vector,
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
    /// After the last step, ‖H q − α q − β q₋‖ for the newest basis vector q; 0 for an invariant
    /// space.
    residual: f64,
    /// The largest row sum |β| + |α| + |β| so far, which bounds ‖T‖.
    norm: f64,
    /// After the last step, the largest |qᵢᵀq| of the newest vector, where the basis is rounded.
    overlap: Option<f64>,
    steps: usize,
    epsilon: f64,
    runs: bool,
}

impl<'a, V: Vectors> Krylov<'a, V> {
    /// The Krylov space of a unit vector, to be extended up to `steps` times; `epsilon` is the
    /// relative error of the products.
    pub fn start(vectors: &'a V, vector: V::Vector, steps: usize, epsilon: f64) -> Result<Self> {
        let mut basis = vectors.basis(steps);
        vectors.push(&mut basis, &vector)?;
        Ok(Self {
            vectors,
            basis,
            last: vector,
            diagonal: Vec::with_capacity(steps),
            off_diagonal: Vec::with_capacity(steps),
            residual: 0.0,
            norm: 0.0,
            overlap: None,
            steps,
            epsilon,
            runs: true,
        })
    }

    /// Whether another step can be taken.
    pub fn runs(&self) -> bool {
        self.runs
    }

    /// The newest basis vector, whose product the next step needs.
    pub fn last(&self) -> &V::Vector {
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

    /// 10 ε ‖T‖, or ‖T‖ times the [`overlap`](Self::overlap): a smaller residual is rounding.
    pub fn rounding(&self) -> f64 {
        (INVARIANT * self.epsilon).max(self.overlap.unwrap_or(0.0)) * self.norm
    }

    /// After the last step, the largest |qᵢᵀq| of the newest basis vector q with the others, where
    /// the basis is stored rounded.
    pub fn overlap(&self) -> Option<f64> {
        self.overlap
    }

    /// Qᵀv.
    pub fn dots(&self, vector: &V::Vector) -> Result<Vec<f64>> {
        self.vectors.dots(&self.basis, 0..self.count(), vector)
    }

    /// Q s on the host, for vectors of `dimension` numbers.
    pub fn combination(&self, s: &[f64], dimension: usize) -> Result<Vec<V::Number>> {
        let mut sum = self.vectors.place(vec![V::Number::narrow(0.0); dimension])?;
        let negated: Vec<f64> = s.iter().map(|coefficient| -coefficient).collect();
        self.vectors.subtract(&self.basis, 0, &negated, &mut sum)?;
        self.vectors.to_host(sum)
    }

    /// rᵀv for the residual vector r = H q − α q − β q₋ of the last step; 0 for an invariant space.
    pub fn rest_dot(&self, vector: &V::Vector) -> Result<f64> {
        match self.residual {
            0.0 => Ok(0.0),
            _ => self.vectors.dot(&self.last, vector),
        }
    }

    /// How many vectors the basis has.
    fn count(&self) -> usize {
        self.off_diagonal.len() + 1
    }

    /// Takes one step, given H q for the newest basis vector q; `None` when a value is not finite.
    pub fn extend(&mut self, product: V::Vector) -> Result<Option<()>> {
        let mut w = product;
        let (vectors, count) = (self.vectors, self.count());
        let newest = count - 1;
        let along = vectors.dots(&self.basis, newest..count, &w)?;
        let Some(alpha) = finite(along[0]) else { return Ok(None) };
        let before = self.off_diagonal.last().copied();
        self.diagonal.push(alpha);
        self.norm = self.norm.max(before.unwrap_or(0.0) + alpha.abs());
        // The three-term recurrence w = H q − α q − β q₋ comes first. It leaves only rounding
        // errors along the basis, so that one full pass mostly suffices.
        let left = match before {
            None => vectors.subtract(&self.basis, newest, &[alpha], &mut w)?,
            Some(beta) => vectors.subtract(&self.basis, newest - 1, &[beta, alpha], &mut w)?,
        };
        if self.diagonal.len() == self.steps {
            let Some(residual) = finite(left.sqrt()) else { return Ok(None) };
            self.residual = residual;
            self.overlap = vectors.overlap(&self.basis, &self.last)?;
            self.last = w;
            self.runs = false;
            return Ok(Some(()));
        }
        let Some(beta) = finite(self.orthogonalise(&mut w, left.sqrt())?) else { return Ok(None) };
        self.norm = self.norm.max(before.unwrap_or(0.0) + alpha.abs() + beta);
        if beta <= INVARIANT * self.epsilon * self.norm {
            self.residual = 0.0;
            self.overlap = vectors.overlap(&self.basis, &self.last)?;
            self.runs = false;
            return Ok(Some(()));
        }
        self.off_diagonal.push(beta);
        self.last = vectors.scaled(&w, 1.0 / beta)?;
        vectors.push(&mut self.basis, &self.last)?;
        Ok(Some(()))
    }

    /// Orthogonalises `w`, of norm `norm`, against the basis by classical Gram-Schmidt, with a
    /// second pass where the first cancelled much of it ("twice is enough": Kahan in Parlett 1980,
    /// §6.9). Returns the new norm, 0 where `w` lies in the span up to rounding.
    fn orthogonalise(&self, w: &mut V::Vector, norm: f64) -> Result<f64> {
        let mut before = norm;
        for _ in 0..2 {
            let coefficients = self.dots(w)?;
            let after = self.vectors.subtract(&self.basis, 0, &coefficients, w)?.sqrt();
            if after >= KEPT * before || after.is_nan() {
                return Ok(after);
            }
            before = after;
        }
        Ok(0.0)
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
