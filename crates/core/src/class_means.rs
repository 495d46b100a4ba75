//! Means of gradients over the samples of a class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean gradients by class and cross-class, vectors of P numbers, represented by their inner
/// products. These suffice for every distance between the means, and for coordinates in which to
/// plot them.
///
/// ```
/// use eigenscape_core::class_means::{ClassMean, ClassMeans};
/// // The means (1, 0) and (1, 2).
/// let labels = vec![ClassMean(0, None), ClassMean(0, Some(1))];
/// let means = ClassMeans { labels, products: vec![1.0, 1.0, 5.0] };
/// assert_eq!(means.product(1, 0), 1.0);
/// assert_eq!(means.squared_distance(0, 1), 4.0);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClassMeans {
    /// The class and label of each mean.
    pub labels: Vec<ClassMean>,
    /// The inner products of the means: the lower triangle of the Gram matrix with its diagonal,
    /// row-major.
    pub products: Vec<f64>,
}

/// The mean over the samples of class c (first) of their gradients for the label c' (second);
/// `None` stands for the mean over all labels c' ≠ c.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClassMean(pub usize, pub Option<usize>);

impl ClassMeans {
    /// The inner product of means `a` and `b`; NaN if there is no such mean.
    #[must_use]
    pub fn product(&self, a: usize, b: usize) -> f64 {
        let (row, column) = (a.max(b), a.min(b));
        self.products.get(row * (row + 1) / 2 + column).copied().unwrap_or(f64::NAN)
    }

    /// ‖a − b‖² for means `a` and `b`.
    #[must_use]
    pub fn squared_distance(&self, a: usize, b: usize) -> f64 {
        self.product(a, a) - 2.0 * self.product(a, b) + self.product(b, b)
    }
}
