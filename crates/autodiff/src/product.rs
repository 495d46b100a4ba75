//! Products of a curvature matrix with vectors, on a cached linear program.

use candle_core::Tensor;

use crate::{
    error::Result, kernels, parts::Parts, point::Point, primitive::Place, program::Program,
    residuals::evaluate_residuals,
};

/// v ↦ Mv for a symmetric matrix M of one group, not yet at a point.
#[derive(Debug, Clone)]
pub struct ProductProgram {
    /// From the point to the residuals: whatever does not depend on v.
    prefix: Program,
    /// From the residuals and v to Mv.
    linear: Program,
    parts: Parts,
}

/// Bytes that a [`ProductProgram`] holds, beside the point and the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProductFootprint {
    /// The residuals, kept for as long as products are taken.
    pub residuals: usize,
    /// The most at any time while the residuals are evaluated, themselves included.
    pub preparing: usize,
    /// The most at any time of one product, beside the residuals.
    pub applying: usize,
}

impl ProductProgram {
    pub(crate) fn new(prefix: Program, linear: Program, shapes: Vec<Vec<usize>>) -> Self {
        Self { prefix, linear, parts: Parts::new(shapes) }
    }

    /// Evaluates every residual (activations, masks, argmaxes) at `point`, once for all products.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn at(&self, point: &Point) -> Result<Product> {
        let place = point.place();
        let residuals = evaluate_residuals(&self.prefix, &place, &point.tensors())?;
        Ok(Product { linear: self.linear.clone(), residuals, place, parts: self.parts.clone() })
    }

    /// For numbers of so many bytes.
    pub(crate) fn footprint(&self, number: usize) -> ProductFootprint {
        const EXACT: usize = size_of::<f64>();
        let prefix = self.prefix.footprint_rounded(&vec![false; self.prefix.inputs()], 1, [EXACT, number]);
        let linear = self.linear.footprint(&vec![false; self.linear.inputs()], 1);
        ProductFootprint { residuals: prefix.outputs, preparing: prefix.peak, applying: number * linear.peak }
    }

    /// Numbers that the operations of one product with `vectors` vectors at once read and write, each operand counted once.
    #[must_use]
    pub fn numbers_moved(&self, vectors: usize) -> usize {
        let residuals = self.linear.inputs() - self.parts.count();
        let batched: Vec<bool> =
            (0..self.linear.inputs()).map(|input| vectors > 1 && input >= residuals).collect();
        self.linear.numbers_moved(&batched, vectors)
    }

    /// How vectors are cut into variables.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// P, the number of scalars of the group.
    pub(crate) fn dimension(&self) -> usize {
        self.parts.dimension()
    }

    /// Floating-point operations of one product with one vector.
    pub(crate) fn flops(&self) -> usize {
        self.linear.flops()
    }

    /// Floating-point operations of the residuals.
    pub(crate) fn preparing_flops(&self) -> usize {
        self.prefix.flops()
    }
}

/// v ↦ Mv for a symmetric matrix M of one group at a point. Every residual was evaluated once, when the product was made; each
/// application runs the linear program alone.
#[derive(Debug, Clone)]
pub struct Product {
    linear: Program,
    residuals: Vec<Tensor>,
    place: Place,
    parts: Parts,
}

impl Product {
    /// P, the number of scalars of the group.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.parts.dimension()
    }

    /// Mv for v given as one tensor a variable of the group; all may have a leading axis of K vectors.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn apply(&self, v: &[Tensor]) -> Result<Vec<Tensor>> {
        self.linear.evaluate(&self.place, &self.inputs(v))
    }

    /// Mv for each row v of `vectors` \[K, P\], the variables of the group laid end to end: \[K, P\].
    ///
    /// # Errors
    /// When the shape does not fit or a tensor operation fails.
    pub fn apply_rows(&self, vectors: &Tensor) -> Result<Tensor> {
        let terms = [(1.0, self.results(vectors)?)];
        let joined = kernels::join(&terms, &self.parts.lens(), vectors.dims()[0], self.place.dtype);
        terms.iter().flat_map(|(_, results)| results).for_each(kernels::recycle);
        joined
    }

    /// Mv for each row v of `vectors` \[K, P\] as one tensor a variable, in memory of their own.
    pub(crate) fn results(&self, vectors: &Tensor) -> Result<Vec<Tensor>> {
        let inputs = self.inputs(&self.parts.cut(vectors)?);
        let results = self.linear.evaluate(&self.place, &inputs)?;
        Ok(kernels::owned(results, &inputs)?)
    }

    fn inputs(&self, v: &[Tensor]) -> Vec<Tensor> {
        self.residuals.iter().chain(v).cloned().collect()
    }

    /// Floating-point operations of one product.
    #[must_use]
    pub fn flops(&self) -> usize {
        self.linear.flops()
    }
}
