//! Constants.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::Result,
    identity::Real,
    primitive::{Linearity, Operand, Place, Primitive, Storage},
};

/// A tensor of one repeated number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fill {
    value: Real,
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
        let scalar = Tensor::new(self.value.0, &place.device)?.to_dtype(place.dtype)?;
        Ok(scalar.broadcast_as(self.shape.as_slice())?)
    }

    fn storage(&self) -> Storage {
        Storage::Strided
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }
}

/// A matrix by a formula.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Matrix {
    formula: Formula,
    rows: usize,
    columns: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Formula {
    Identity,
    CausalMask,
    Sinusoids,
}

impl Formula {
    /// The element at row i and column j of a matrix of so many columns.
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

    fn eval(&self, place: &Place, _: &[Operand]) -> Result<Tensor> {
        let Self { formula, rows, columns } = *self;
        let elements = (0..rows).flat_map(|i| (0..columns).map(move |j| formula.element(i, j, columns)));
        let elements: Vec<f64> = elements.collect();
        Ok(Tensor::from_vec(elements, (rows, columns), &place.device)?.to_dtype(place.dtype)?)
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
        self.matrix(Formula::CausalMask, n, n)
    }

    /// A tensor filled with `value`.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn fill(&mut self, value: f64, shape: &[usize]) -> Result<Value> {
        self.emit(Arc::new(Fill { value: Real(value), shape: shape.to_vec() }), &[])
    }

    /// The n × n identity matrix.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn identity(&mut self, n: usize) -> Result<Value> {
        self.matrix(Formula::Identity, n, n)
    }

    /// Waves of position, \[`positions`, `width`\]: column 2k is sin(t/10⁴^(2k/D)) and column 2k + 1 the cosine of the same
    /// angle, at position t (Vaswani et al. 2017).
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn sinusoids(&mut self, positions: usize, width: usize) -> Result<Value> {
        self.matrix(Formula::Sinusoids, positions, width)
    }

    fn matrix(&mut self, formula: Formula, rows: usize, columns: usize) -> Result<Value> {
        self.emit(Arc::new(Matrix { formula, rows, columns }), &[])
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::program::Program;

    fn values(emit: impl Fn(&mut Graph) -> Result<Value>) -> Result<Vec<Vec<f64>>> {
        let mut graph = Graph::default();
        let value = emit(&mut graph)?;
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        Ok(Program::new(&graph, &[], &[value])?.evaluate(&place, &[])?[0].to_vec2()?)
    }

    #[test]
    fn matrices_are_their_formulas() -> Result<()> {
        let far = f64::NEG_INFINITY;
        assert_eq!(values(|g| g.identity(2))?, [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(values(|g| g.causal_mask(2))?, [[0.0, far], [0.0, 0.0]]);
        let waves = values(|g| g.sinusoids(3, 4))?;
        assert_eq!(waves[0], [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(waves[2], [2_f64.sin(), 2_f64.cos(), 0.02_f64.sin(), 0.02_f64.cos()]);
        Ok(())
    }
}
