//! Products of a curvature matrix with vectors, on a cached linear program.

use candle_core::Tensor;

use crate::{
    error::{Error, Result},
    kernels,
    point::Point,
    primitive::Place,
    program::Program,
    residuals::evaluate_residuals,
};

/// v ↦ Mv for a symmetric matrix M of one group, not yet at a point.
#[derive(Debug, Clone)]
pub struct ProductProgram {
    /// From the point to the residuals: whatever does not depend on v.
    prefix: Program,
    /// From the residuals and v to Mv.
    linear: Program,
    /// The shapes of v's parts, one a variable of the group.
    shapes: Vec<Vec<usize>>,
}

/// Numbers that a [`ProductProgram`] holds, beside the point and the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProductFootprint {
    /// The residuals, kept for as long as products are taken.
    pub residuals: usize,
    /// The most at any time while the residuals are evaluated, themselves and a copy of the point in f64 included.
    pub preparing: usize,
    /// The most at any time of one product, beside the residuals.
    pub applying: usize,
}

impl ProductProgram {
    pub(crate) fn new(prefix: Program, linear: Program, shapes: Vec<Vec<usize>>) -> Self {
        Self { prefix, linear, shapes }
    }

    /// Evaluates every residual (activations, masks, argmaxes) at `point`, once for all products.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn at(&self, point: &Point) -> Result<Product> {
        let place = point.place();
        let residuals = evaluate_residuals(&self.prefix, &place, &point.tensors())?;
        Ok(Product { linear: self.linear.clone(), residuals, place, shapes: self.shapes.clone() })
    }

    pub(crate) fn footprint(&self) -> ProductFootprint {
        let alone = |program: &Program| program.footprint(&vec![false; program.inputs()], 1);
        let (prefix, linear) = (alone(&self.prefix), alone(&self.linear));
        ProductFootprint {
            residuals: prefix.outputs,
            preparing: prefix.peak + self.prefix.numbers_of_inputs(),
            applying: linear.peak,
        }
    }

    /// Numbers that the operations of one product with `vectors` vectors at once read and write, each operand counted once.
    #[must_use]
    pub fn numbers_moved(&self, vectors: usize) -> usize {
        let residuals = self.linear.inputs() - self.shapes.len();
        let batched: Vec<bool> =
            (0..self.linear.inputs()).map(|input| vectors > 1 && input >= residuals).collect();
        self.linear.numbers_moved(&batched, vectors)
    }

    /// P, the number of scalars of the group.
    pub(crate) fn dimension(&self) -> usize {
        dimension(&self.shapes)
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
    shapes: Vec<Vec<usize>>,
}

impl Product {
    /// P, the number of scalars of the group.
    #[must_use]
    pub fn dimension(&self) -> usize {
        dimension(&self.shapes)
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
        let inputs = self.inputs(&parts);
        let results = self.linear.evaluate(&self.place, &inputs)?;
        let lens: Vec<usize> = self.shapes.iter().map(|shape| shape.iter().product()).collect();
        let joined = kernels::join(&results, &lens, k);
        kernels::recycle_own(&results, &inputs);
        joined
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

fn dimension(shapes: &[Vec<usize>]) -> usize {
    shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
}
