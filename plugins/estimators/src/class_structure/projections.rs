//! The parts of a Gram matrix by class and cross-class.

use eigenscape_core::{ClassMeans, class_means::ClassMean};
use eigenscape_program::Predictions;
use faer::{Accum, Mat, Par, linalg::matmul::matmul};

use super::Means;

/// The orthogonal projections of the rows √w δ onto their class means, in terms of the rows of the
/// factor Φ: each row √w_{n,c'} δ_{n,c'} is a linear combination of the C − 1 rows of sample n.
///
/// Row n·(C − 1) + r of the matrices belongs to the r-th row of sample n.
pub(super) struct Projections {
    classes: usize,
    /// \[N(C − 1), C²\]: column c·C + c' is the unit vector of the mean over the samples of class
    /// c.
    means: Mat<f64>,
    /// \[N(C − 1), N·C\]: column n·C + c' is the row √w_{n,c'} δ_{n,c'} minus its component along
    /// the mean.
    within: Mat<f64>,
    /// \[C, C\]: row c is the unit vector of the mean over the cross-classes c' ≠ c, 0 for c' = c.
    across: Mat<f64>,
    /// \[C, C\]: W_{cc'}; with plain means the number of samples. 0 for a class without samples.
    total: Mat<f64>,
}

impl Projections {
    pub fn new(predictions: &dyn Predictions, means: Means) -> Self {
        let (n, c) = (predictions.samples(), predictions.classes());
        // The squared weight of a row: the entries of a mean's unit vector are the roots of the
        // rows' shares of the total weight.
        let weight = |sample: usize, cross: usize| match means {
            Means::Weighted => predictions.weight(sample, cross),
            Means::Plain => 1.0,
        };
        let mut total = Mat::<f64>::zeros(c, c);
        for (sample, class) in labelled(predictions) {
            (0..c).for_each(|cross| total[(class, cross)] += weight(sample, cross));
        }
        let across = Mat::from_fn(c, c, |class, cross| match class == cross {
            true => 0.0,
            false => {
                let others = (0..c).filter(|&other| other != class);
                let share = |cross: usize| match means {
                    Means::Weighted => total[(class, cross)],
                    Means::Plain => 1.0,
                };
                root_of_share(share(cross), others.map(share).sum())
            }
        });
        let mut projections = Self {
            classes: c,
            means: Mat::zeros(n * (c - 1), c * c),
            within: Mat::zeros(n * (c - 1), n * c),
            across,
            total,
        };
        for (sample, class) in labelled(predictions) {
            for cross in 0..c {
                let share = root_of_share(weight(sample, cross), projections.total[(class, cross)]);
                for (r, entry) in predictions.combination(sample, cross).into_iter().enumerate() {
                    let row = sample * (c - 1) + r;
                    projections.means[(row, class * c + cross)] = share * entry;
                    projections.within[(row, sample * c + cross)] = entry;
                }
            }
        }
        for (sample, class) in labelled(predictions) {
            for cross in 0..c {
                let share = root_of_share(weight(sample, cross), projections.total[(class, cross)]);
                let mean = projections.means.col(class * c + cross);
                for row in 0..n * (c - 1) {
                    projections.within[(row, sample * c + cross)] -= share * mean[row];
                }
            }
        }
        projections
    }

    /// An upper bound on the bytes that [`Self::parts`] takes in addition to ΦΦᵀ, including the
    /// projections, for N samples with C − 1 rows each.
    pub fn bytes(samples: usize, rank: usize) -> usize {
        let (rows, classes) = (samples.saturating_mul(rank), rank + 1);
        let within = samples.saturating_mul(classes);
        // `within`, its product with ΦΦᵀ, and G3 itself; `means` and its product.
        let numbers = within
            .saturating_mul(2 * rows + within)
            .saturating_add(rows.saturating_mul(2 * classes * classes));
        numbers.saturating_mul(size_of::<f64>())
    }

    /// C.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The inner products \[C², C²\] of the vectors √W_{cc'} δ_{cc'}, which the means' unit vectors
    /// combine from the rows; computed from ΦΦᵀ.
    pub fn products_of_means(&self, gram: &Mat<f64>) -> Mat<f64> {
        sandwich(&self.means, gram)
    }

    /// The inner products of the means δ_{cc'} and δ_c of all classes with samples, from
    /// [`Self::products_of_means`].
    pub fn class_means(&self, products: &Mat<f64>) -> ClassMeans {
        let c = self.classes;
        let others = |class: usize| (0..c).filter(move |&cross| cross != class);
        let (mut labels, mut columns) = (Vec::new(), Vec::<Column>::new());
        for class in 0..c {
            let whole: f64 = others(class).map(|cross| self.total[(class, cross)]).sum();
            if whole > 0.0 {
                // Σ √(W_{cc'} / W_c) √W_{cc'} δ_{cc'} over c' ≠ c is √W_c δ_c.
                labels.push(ClassMean(class, None));
                let entry = |cross| (class * c + cross, self.across[(class, cross)] / whole.sqrt());
                columns.push(others(class).map(entry).collect());
            }
            for cross in (0..c).filter(|&cross| self.total[(class, cross)] > 0.0) {
                labels.push(ClassMean(class, Some(cross)));
                columns.push(vec![(class * c + cross, 1.0 / self.total[(class, cross)].sqrt())]);
            }
        }
        let product = |a: &[(usize, f64)], b: &[(usize, f64)]| -> f64 {
            a.iter().map(|(i, x)| x * b.iter().map(|(j, y)| products[(*i, *j)] * y).sum::<f64>()).sum()
        };
        let rows = columns.iter().enumerate();
        let products = rows.flat_map(|(i, a)| columns[..=i].iter().map(|b| product(a, b)));
        ClassMeans { labels, products: products.collect() }
    }

    /// For each part, a matrix with its non-zero eigenvalues, from ΦΦᵀ and
    /// [`Self::products_of_means`].
    pub fn parts(&self, gram: &Mat<f64>, means: &Mat<f64>) -> [(&'static str, Mat<f64>); 5] {
        let c = self.classes;
        let cross: Vec<(usize, usize)> = (0..c)
            .flat_map(|class| (0..c).map(move |other| (class, other)))
            .filter(|(a, b)| a != b)
            .collect();
        let unit = |row: usize, place: usize| f64::from(u8::from(row == place));
        // Coefficients of δ_{cc} (`own`), of δ_c (`along`), of each δ_{cc'} with c' ≠ c (`both`),
        // and of δ_{cc'} without its component along δ_c (`beside`).
        let own = Mat::from_fn(c * c, c, |row, class| unit(row, class * c + class));
        let along =
            Mat::from_fn(
                c * c,
                c,
                |row, class| {
                    if row / c == class { self.across[(class, row % c)] } else { 0.0 }
                },
            );
        let both = Mat::from_fn(c * c, cross.len(), |row, k| unit(row, cross[k].0 * c + cross[k].1));
        let beside = Mat::from_fn(c * c, cross.len(), |row, k| {
            let (class, other) = cross[k];
            both[(row, k)] - self.across[(class, other)] * along[(row, class)]
        });
        [
            ("G0", sandwich(&own, means)),
            ("G1", sandwich(&along, means)),
            ("G2", sandwich(&beside, means)),
            ("G1+2", sandwich(&both, means)),
            ("G3", sandwich(&self.within, gram)),
        ]
    }
}

/// A linear combination of the C² means, as (index, coefficient) pairs.
type Column = Vec<(usize, f64)>;

/// The samples with a label, as (sample, class) pairs.
fn labelled(predictions: &dyn Predictions) -> impl Iterator<Item = (usize, usize)> + '_ {
    (0..predictions.samples()).filter_map(|sample| Some((sample, predictions.label(sample)?)))
}

/// √(part / whole), or 0 where `whole` is 0.
fn root_of_share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).sqrt() } else { 0.0 }
}

/// FᵀKF. Sequential, so that the bits do not depend on the number of threads.
fn sandwich(f: &Mat<f64>, k: &Mat<f64>) -> Mat<f64> {
    let product = |left: faer::MatRef<f64>, right: faer::MatRef<f64>| {
        let mut result = Mat::zeros(left.nrows(), right.ncols());
        matmul(result.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
        result
    };
    product(f.transpose(), product(k.as_ref(), f.as_ref()).as_ref())
}
