//! Eigenvalues with their eigenvectors.

use candle_core::{DType, Tensor};

use crate::error::Result;

/// An eigenvalue of an operator H with its eigenvector.
#[derive(Debug, Clone)]
pub struct Eigenpair {
    /// λ, one of the eigenvalues that the spectrum lists.
    pub value: f64,
    /// ‖Hv − λv‖, measured by a product with the vector as it is returned: some eigenvalue of H
    /// lies within this distance of λ.
    pub residual: f64,
    /// v \[P\], of norm 1, in the operator's type and on the host. Its element of largest
    /// magnitude is positive, so that the same matrix gives the same vector.
    pub vector: Tensor,
}

impl Eigenpair {
    /// Σ vᵢ⁴, the inverse participation ratio: 1/P for a vector of equal elements, 1 for a single
    /// element, and 3/P for a random direction.
    ///
    /// # Errors
    /// When the vector cannot be read.
    pub fn inverse_participation_ratio(&self) -> Result<f64> {
        let squares = self.vector.to_dtype(DType::F64)?.sqr()?;
        Ok(squares.sqr()?.sum_all()?.to_scalar::<f64>()?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn participation_counts_the_elements() -> Result<()> {
        for (vector, expected) in [(vec![0.5_f32; 4], 0.25), (vec![0.0, 1.0, 0.0, 0.0], 1.0)] {
            let vector = Tensor::new(vector, &Device::Cpu)?;
            let pair = Eigenpair { value: 2.0, residual: 0.0, vector };
            assert_eq!(pair.inverse_participation_ratio()?, expected);
        }
        Ok(())
    }
}
