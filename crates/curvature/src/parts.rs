//! Vectors of a group, in one row or cut into the group's variables.

use candle_core::Tensor;
use eigenscape_runtime::{Error, Result};

/// The shapes of a group's variables, which lie end to end in a vector.
#[derive(Debug, Clone)]
pub(crate) struct Parts(Vec<Vec<usize>>);

impl Parts {
    pub fn new(shapes: Vec<Vec<usize>>) -> Self {
        Self(shapes)
    }

    /// How many variables there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many numbers each variable has.
    pub fn lens(&self) -> Vec<usize> {
        self.0.iter().map(|shape| shape.iter().product()).collect()
    }

    /// P, how many numbers all have together.
    pub fn dimension(&self) -> usize {
        self.lens().iter().sum()
    }

    /// Vectors \[K, P\] as one tensor a variable. One vector needs no leading axis.
    pub fn cut(&self, vectors: &Tensor) -> Result<Vec<Tensor>> {
        let &[k, p] = vectors.dims() else {
            return Err(Error::shape("product", format!("needs vectors [K, P], not {:?}", vectors.dims())));
        };
        if p != self.dimension() {
            let problem = format!("vectors of length {p} for a group of dimension {}", self.dimension());
            return Err(Error::shape("product", problem));
        }
        if k == 0 {
            return Err(Error::shape("product", "needs a vector at least"));
        }
        let mut start = 0;
        let parts = self.0.iter().zip(self.lens()).map(|(shape, len)| {
            let lead = (k > 1).then_some(k);
            let dims: Vec<usize> = lead.into_iter().chain(shape.iter().copied()).collect();
            let part = vectors.narrow(1, start, len)?.reshape(dims)?;
            start += len;
            Ok(part)
        });
        parts.collect()
    }
}
