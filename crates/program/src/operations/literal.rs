//! Constants given by all their elements.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, Primitive},
};

/// A tensor of given numbers. Two literals are equal if their shapes and the bits of all their
/// numbers are equal.
#[derive(Debug, Clone)]
pub struct Literal {
    shape: Vec<usize>,
    numbers: Arc<[f64]>,
    /// A hash of `numbers`, computed once: steps of a program are hashed often, and a literal may
    /// be large.
    digest: u64,
}

impl Literal {
    /// The tensor with this shape and these numbers in row-major order.
    ///
    /// # Errors
    /// When the number of elements of the shape differs from the number of `numbers`.
    pub fn new(shape: &[usize], numbers: impl Into<Arc<[f64]>>) -> Result<Self> {
        let numbers = numbers.into();
        let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if count != Some(numbers.len()) {
            let problem = format!("{} numbers do not fill the shape {shape:?}", numbers.len());
            return Err(Error::shape("literal", problem));
        }
        let mut hasher = DefaultHasher::new();
        numbers.iter().for_each(|number| number.to_bits().hash(&mut hasher));
        Ok(Self { shape: shape.to_vec(), numbers, digest: hasher.finish() })
    }

    /// The shape.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers in row-major order.
    #[must_use]
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.numbers.iter().zip(&*other.numbers);
        self.digest == other.digest
            && self.shape == other.shape
            && (Arc::ptr_eq(&self.numbers, &other.numbers) || pairs.all(|(a, b)| a.to_bits() == b.to_bits()))
    }
}

impl Eq for Literal {}

impl Hash for Literal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shape.hash(state);
        self.digest.hash(state);
    }
}

impl Primitive for Literal {
    fn name(&self) -> &'static str {
        "literal"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(self.shape.clone())
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseConstant
    }
}

impl Graph {
    /// A constant tensor with the given numbers in row-major order.
    ///
    /// # Errors
    /// When the number of elements of the shape differs from the number of `numbers`.
    pub fn literal(&mut self, shape: &[usize], numbers: impl Into<Arc<[f64]>>) -> Result<Value> {
        self.emit(Literal::new(shape, numbers)?, &[])
    }
}
