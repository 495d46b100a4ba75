//! Means of gradients over the samples of a class.

use serde::{Deserialize, Serialize};

/// Mean gradients by class and cross-class, P numbers each, known by their inner products: enough
/// for every distance between them, and for coordinates in which to draw them.
///
/// ```
/// use eigenscape_core::class_means::{ClassMean, ClassMeans};
/// // The means (1, 0) and (1, 2).
/// let labels = vec![ClassMean(0, None), ClassMean(0, Some(1))];
/// let means = ClassMeans { labels, products: vec![1.0, 1.0, 5.0] };
/// assert_eq!(means.product(1, 0), 1.0);
/// assert_eq!(means.squared_distance(0, 1), 4.0);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassMeans {
    /// What each is the mean over.
    pub labels: Vec<ClassMean>,
    /// Their inner products: the lower half of the Gram matrix with its diagonal, row after row.
    pub products: Vec<f64>,
}

/// The class c of the samples, and the label c' that the gradients are of: `None` for the mean over
/// all labels c' ≠ c.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassMean(pub usize, pub Option<usize>);

impl ClassMeans {
    /// The inner product of two of them; NaN where there is none.
    #[must_use]
    pub fn product(&self, a: usize, b: usize) -> f64 {
        let (row, column) = (a.max(b), a.min(b));
        self.products.get(row * (row + 1) / 2 + column).copied().unwrap_or(f64::NAN)
    }

    /// ‖a − b‖² of two of them.
    #[must_use]
    pub fn squared_distance(&self, a: usize, b: usize) -> f64 {
        self.product(a, a) - 2.0 * self.product(a, b) + self.product(b, b)
    }
}
