//! Products of a curvature matrix with vectors, on a cached linear program.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Backend, Buffer, Executable, Planning, Result, Signature};

use crate::{
    parts::Parts,
    placed::PlacedPoint,
    point::Point,
    residuals::{Numbers, evaluate_residuals},
};

/// A program for v ↦ Mv with a symmetric matrix M of one group, at any point.
#[derive(Debug, Clone)]
pub struct ProductProgram {
    /// From the point to the residuals: everything that does not depend on v.
    prefix: Executable,
    /// From the residuals and v to Mv.
    linear: Executable,
    parts: Parts,
}

/// Bytes that a [`ProductProgram`] holds, in addition to the point and the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProductFootprint {
    /// The residuals, kept for as long as products are taken.
    pub residuals: usize,
    /// The most bytes at any time while the residuals are evaluated, including the residuals.
    pub preparing: usize,
    /// The most bytes at any time during one product, in addition to the residuals.
    pub applying: usize,
}

/// The memory and operations of a [`ProductProgram`], known before it is applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProductFacts {
    pub footprint: ProductFootprint,
    /// P.
    pub dimension: usize,
    /// Floating-point operations of one product with one vector.
    pub flops: usize,
    /// Floating-point operations for the residuals.
    pub preparing_flops: usize,
}

impl ProductProgram {
    pub(crate) fn new(prefix: Executable, linear: Executable, shapes: Vec<Vec<usize>>) -> Self {
        Self { prefix, linear, parts: Parts::new(shapes) }
    }

    /// Evaluates every residual (activations, masks, argmaxes) at `point`, once for all products.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn at(&self, point: &Point) -> Result<Product> {
        self.at_placed(&point.clone().into())
    }

    /// As [`Self::at`], with weights that are already placed.
    pub(crate) fn at_placed(&self, point: &PlacedPoint) -> Result<Product> {
        Ok(Product {
            linear: self.linear.clone(),
            residuals: evaluate_residuals(&self.prefix, point, point.inputs()?)?,
            backend: point.backend.clone(),
            dtype: point.dtype(),
            parts: self.parts.clone(),
        })
    }

    /// The facts for products with one vector.
    pub(crate) fn facts(&self, numbers: Numbers) -> ProductFacts {
        ProductFacts {
            footprint: self.footprint(numbers),
            dimension: self.parts.dimension(),
            flops: self.linear.flops(),
            preparing_flops: self.prefix.flops(),
        }
    }

    fn footprint(&self, numbers: Numbers) -> ProductFootprint {
        let Numbers { planning, dtype, .. } = numbers;
        let prefix = self.prefix.footprint(planning, &numbers.of_residuals(self.prefix.inputs()));
        let linear = self.linear.footprint(planning, &Signature::plain(self.linear.inputs(), dtype));
        ProductFootprint { residuals: prefix.outputs, preparing: prefix.peak(), applying: linear.peak() }
    }

    /// Bytes that the operations of one product with `vectors` vectors at once read and write in
    /// `dtype`, each operand counted once.
    #[must_use]
    pub fn bytes_moved(&self, planning: Planning, dtype: DType, vectors: usize) -> usize {
        let residuals = self.linear.inputs() - self.parts.count();
        let mut signature = Signature { lead: vectors, ..Signature::plain(self.linear.inputs(), dtype) };
        signature.inputs[residuals..].iter_mut().for_each(|input| input.led = vectors > 1);
        self.linear.plan(planning, &signature).bytes_moved()
    }

    /// How vectors are split into variables.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The number of operations.
    pub(crate) fn steps(&self) -> usize {
        self.prefix.steps() + self.linear.steps()
    }
}

/// v ↦ Mv for a symmetric matrix M of one group at a point. The residuals are evaluated once, when
/// the product is made, and stay in the backend's memory; each application runs only the linear
/// program.
#[derive(Debug, Clone)]
pub struct Product {
    linear: Executable,
    residuals: Vec<Buffer>,
    backend: Arc<dyn Backend>,
    dtype: DType,
    parts: Parts,
}

impl Product {
    /// P, the number of scalars of the group.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.parts.dimension()
    }

    /// Mv for v given as one tensor per variable of the group; all may have a leading axis of K
    /// vectors.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn apply(&self, v: &[Tensor]) -> Result<Vec<Tensor>> {
        Buffer::all_to_host(self.run(self.inputs(v.iter().cloned().map(Buffer::from)))?)
    }

    /// Mv for each row v of `vectors` \[K, P\], in which the variables of the group are
    /// concatenated; returns \[K, P\].
    ///
    /// # Errors
    /// When the shape does not fit or a tensor operation fails.
    pub fn apply_rows(&self, vectors: &Tensor) -> Result<Tensor> {
        self.apply_placed(&self.backend.place(vectors)?)?.to_host()
    }

    /// As [`Self::apply_rows`], for vectors and products in the backend's memory.
    ///
    /// # Errors
    /// As [`Self::apply_rows`].
    pub fn apply_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        let terms = [(1.0, self.results(vectors)?)];
        let joined = self.backend.join(&terms, &self.parts.lens(), vectors.dims()[0], self.dtype);
        terms.iter().for_each(|(_, results)| self.backend.recycle(results));
        joined
    }

    /// Mv for each row v of `vectors` \[K, P\] as one buffer per variable, each with its own
    /// memory.
    pub(crate) fn results(&self, vectors: &Buffer) -> Result<Vec<Buffer>> {
        let inputs = self.inputs(self.parts.cut(&*self.backend, vectors)?);
        let results = self.run(inputs.clone())?;
        self.backend.own(results, &inputs)
    }

    fn inputs(&self, v: impl IntoIterator<Item = Buffer>) -> Vec<Buffer> {
        self.residuals.iter().cloned().chain(v).collect()
    }

    fn run(&self, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        self.linear.run_placed(&*self.backend, inputs, self.dtype, self.dtype)
    }

    /// Floating-point operations of one product.
    #[must_use]
    pub fn flops(&self) -> usize {
        self.linear.flops()
    }
}
