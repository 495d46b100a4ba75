//! Vectors of a group, in one row or cut into the group's variables.

use eigenscape_runtime::{Backend, Buffer, Error, Result};

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

    /// Vectors \[K, P\] as one buffer a variable. One vector needs no leading axis.
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
