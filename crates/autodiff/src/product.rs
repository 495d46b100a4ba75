//! Products of a curvature matrix with vectors, on a cached linear program.

use candle_core::{D, Tensor};

use crate::{
    error::{Error, Result},
    primitive::Place,
    program::Program,
};

/// v ↦ Mv for a symmetric matrix M of one group. Every residual (activations, masks, argmaxes) was evaluated once, when the
/// product was made; each application runs the linear program alone.
#[derive(Debug, Clone)]
pub struct Product {
    linear: Program,
    residuals: Vec<Tensor>,
    place: Place,
    shapes: Vec<Vec<usize>>,
}

impl Product {
    pub(crate) fn new(
        linear: Program,
        residuals: Vec<Tensor>,
        place: Place,
        shapes: Vec<Vec<usize>>,
    ) -> Self {
        Self { linear, residuals, place, shapes }
    }

    /// P, the number of scalars of the group.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Mv for v given as one tensor a parameter of the group; all may have a leading axis of K vectors.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn apply(&self, v: &[Tensor]) -> Result<Vec<Tensor>> {
        let inputs: Vec<Tensor> = self.residuals.iter().chain(v).cloned().collect();
        self.linear.evaluate(&self.place, &inputs)
    }

    /// Mv for each row v of `vectors` \[K, P\], the parameters of the group laid end to end: \[K, P\].
    ///
    /// # Errors
    /// When the shape does not fit or a tensor operation fails.
    pub fn apply_rows(&self, vectors: &Tensor) -> Result<Tensor> {
        let &[k, p] = vectors.dims() else {
            return Err(Error::shape("product", format!("needs vectors [K, P], not {:?}", vectors.dims())));
        };
        if p != self.dimension() {
            let problem = format!("vectors of length {p} for a group of dimension {}", self.dimension());
            return Err(Error::shape("product", problem));
        }
        let (mut parts, mut start) = (Vec::with_capacity(self.shapes.len()), 0);
        for shape in &self.shapes {
            let len: usize = shape.iter().product();
            // One vector needs no leading axis.
            let lead = (k > 1).then_some(k);
            let dims: Vec<usize> = lead.into_iter().chain(shape.iter().copied()).collect();
            parts.push(vectors.narrow(1, start, len)?.reshape(dims)?);
            start += len;
        }
        let results = self.apply(&parts)?;
        let rows = results.iter().zip(&self.shapes).map(|(result, shape)| {
            let len = shape.iter().product::<usize>();
            let full = if k == 1 || result.rank() > shape.len() {
                result.clone()
            } else {
                result.unsqueeze(0)?.broadcast_as([&[k], shape.as_slice()].concat())?
            };
            full.reshape((k, len))
        });
        Ok(Tensor::cat(&rows.collect::<candle_core::Result<Vec<_>>>()?, D::Minus1)?)
    }

    /// Floating-point operations of one product.
    #[must_use]
    pub fn flops(&self) -> usize {
        self.linear.flops()
    }
}
