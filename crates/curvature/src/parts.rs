//! Vectors of a group, as one row or split into the group's variables.

use eigenscape_runtime::{Backend, Buffer, Error, Result};

/// The shapes of a group's variables, which are concatenated in a vector.
#[derive(Debug, Clone)]
pub(crate) struct Parts(Vec<Vec<usize>>);

impl Parts {
    pub fn new(shapes: Vec<Vec<usize>>) -> Self {
        Self(shapes)
    }

    /// The number of variables.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The number of scalars in each variable.
    pub fn lens(&self) -> Vec<usize> {
        self.0.iter().map(|shape| shape.iter().product()).collect()
    }

    /// P, the total number of scalars.
    pub fn dimension(&self) -> usize {
        self.lens().iter().sum()
    }

    /// Splits vectors \[K, P\] into one buffer per variable. A single vector gives buffers without
    /// a leading axis.
    pub fn cut(&self, backend: &dyn Backend, vectors: &Buffer) -> Result<Vec<Buffer>> {
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
        backend.cut(vectors, &self.0)
    }
}
