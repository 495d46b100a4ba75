//! Constants.

use crate::{
    Graph, Value,
    error::Result,
    identity::Real,
    primitive::{Linearity, Primitive},
};

/// A tensor of one repeated number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fill {
    /// The number.
    pub value: Real,
    /// The result's shape.
    pub shape: Vec<usize>,
}

impl Primitive for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.shape.clone())
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseConstant
    }
}

/// A matrix whose elements are given by a formula.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// The formula of its elements.
    pub formula: Formula,
    /// How many rows it has.
    pub rows: usize,
    /// How many columns it has.
    pub columns: usize,
}

/// A formula for the elements of a [`Matrix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Formula {
    /// 1 on the diagonal, 0 elsewhere.
    Identity,
    /// 0 on and below the diagonal, −∞ above it.
    CausalMask,
    /// Sinusoidal position encodings; see [`Graph::sinusoids`].
    Sinusoids,
}

impl Formula {
    /// The element at row i and column j of a matrix with this number of columns.
    fn element(self, i: usize, j: usize, columns: usize) -> f64 {
        match self {
            Self::Identity => f64::from(u8::from(i == j)),
            Self::CausalMask if j > i => f64::NEG_INFINITY,
            Self::CausalMask => 0.0,
            Self::Sinusoids => {
                let even = j - j % 2;
                let angle = i as f64 / 1e4_f64.powf(even as f64 / columns as f64);
                if j == even { angle.sin() } else { angle.cos() }
            }
        }
    }
}

impl Matrix {
    /// The element at row i and column j.
    #[must_use]
    pub fn element(&self, i: usize, j: usize) -> f64 {
        self.formula.element(i, j, self.columns)
    }
}

impl Primitive for Matrix {
    fn name(&self) -> &'static str {
        match self.formula {
            Formula::Identity => "identity",
            Formula::CausalMask => "causal mask",
            Formula::Sinusoids => "sinusoids",
        }
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(vec![self.rows, self.columns])
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseConstant
    }
}

impl Graph {
    /// 0 on and below the diagonal of an n × n matrix, −∞ above it. Added to attention scores, it
    /// hides later positions.
    ///
    /// # Errors
    /// When the tensor is too large.
    pub fn causal_mask(&mut self, n: usize) -> Result<Value> {
        self.matrix(Formula::CausalMask, n, n)
    }

    /// A tensor filled with `value`.
    ///
    /// # Errors
    /// When the tensor is too large.
    pub fn fill(&mut self, value: f64, shape: &[usize]) -> Result<Value> {
        self.emit(Fill { value: Real(value), shape: shape.to_vec() }, &[])
    }

    /// The n × n identity matrix.
    ///
    /// # Errors
    /// When the tensor is too large.
    pub fn identity(&mut self, n: usize) -> Result<Value> {
        self.matrix(Formula::Identity, n, n)
    }

    /// Sinusoidal position encodings \[`positions`, `width`\]: at position t, column 2k is
    /// sin(t/10⁴^(2k/D)) and column 2k + 1 is the cosine of the same angle, with D = `width`
    /// (Vaswani et al. 2017).
    ///
    /// # Errors
    /// When the tensor is too large.
    pub fn sinusoids(&mut self, positions: usize, width: usize) -> Result<Value> {
        self.matrix(Formula::Sinusoids, positions, width)
    }

    fn matrix(&mut self, formula: Formula, rows: usize, columns: usize) -> Result<Value> {
        self.emit(Matrix { formula, rows, columns }, &[])
    }
}
