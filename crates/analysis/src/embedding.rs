//! Class means of gradients, embedded in the plane by t-SNE.

use std::collections::BTreeSet;

use eigenscape_core::ClassMeans;
use faer::{
    Mat, Par, Spec,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch},
};
use linfa::traits::Transformer;
use linfa_tsne::TSneParams;
use ndarray::Array2;

/// The minimum number of classes: fewer give too few means to show clusters.
pub const FEWEST_CLASSES: usize = 3;
/// The number of gradient-descent steps.
const STEPS: usize = 2000;

/// Embeds the means in the plane so that close means stay close: exact t-SNE (van der Maaten &
/// Hinton 2008) on the Euclidean distances between the means. The perplexity is C − 1, the number
/// of neighbours of a mean within its class, as in V. Papyan's code of 2019.
///
/// The descent is sequential and starts from the same random positions at each call: the result
/// depends on the means alone.
///
/// # Errors
/// Says in words why there is no embedding: too few classes, means that are all the same or not
/// finite, or a descent that did not converge.
pub fn in_the_plane(means: &ClassMeans) -> Result<Vec<[f64; 2]>, String> {
    let classes = means.labels.iter().map(|label| label.0).collect::<BTreeSet<_>>().len();
    if classes < FEWEST_CLASSES {
        return Err(format!("there are only {classes} classes"));
    }
    let n = means.labels.len();
    let coordinates = coordinates(means)?;
    // t-SNE allows a perplexity of at most a third of the number of other points.
    let perplexity = ((classes - 1) as f64).min((n - 1) as f64 / 3.0);
    let parameters =
        TSneParams::embedding_size(2).perplexity(perplexity).approx_threshold(0.0).max_iter(STEPS);
    let embedded = parameters.transform(coordinates).map_err(|error| format!("t-SNE failed: {error}"))?;
    let places: Vec<[f64; 2]> = embedded.rows().into_iter().map(|row| [row[0], row[1]]).collect();
    match places.iter().flatten().all(|x| x.is_finite()) {
        true => Ok(places),
        false => Err("t-SNE did not converge".to_owned()),
    }
}

/// Coordinates, one row per mean, with the same inner products (classical scaling): U √Λ of the
/// Gram matrix U Λ Uᵀ.
///
/// # Errors
/// Says in words that the means are all the same or not finite.
pub fn coordinates(means: &ClassMeans) -> Result<Array2<f64>, String> {
    let n = means.labels.len();
    let gram = Mat::from_fn(n, n, |i, j| means.product(i, j));
    if !(0..n).all(|i| (0..=i).all(|j| gram[(i, j)].is_finite())) {
        return Err("the means are not finite".to_owned());
    }
    if (0..n).all(|i| means.squared_distance(0, i) <= 0.0) {
        return Err("the means are all the same".to_owned());
    }
    let (mut values, mut vectors) = (Diag::<f64>::zeros(n), Mat::<f64>::zeros(n, n));
    // Sequential: other rounding errors would change the picture that t-SNE makes.
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Spec::default());
    let mut buffer = MemBuffer::new(scratch);
    self_adjoint_evd(
        gram.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut buffer),
        Spec::default(),
    )
    .map_err(|error| format!("the eigenproblem failed: {error:?}"))?;
    let values = values.column_vector();
    // Rounding can make zero eigenvalues negative.
    Ok(Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, j)] * values[j].max(0.0).sqrt()))
}

#[cfg(test)]
mod tests {
    use eigenscape_core::class_means::ClassMean;

    use super::*;

    const CLASSES: usize = 5;

    /// Means of P = 40 numbers: those of a class are scattered by `spread` around the class's own
    /// centre.
    fn clusters(classes: usize, spread: f64) -> ClassMeans {
        // Pseudo-random, between −1 and 1.
        let wave = |seed: usize, i: usize| (((seed * 40 + i) as f64 * 12.9898).sin() * 43758.5453).fract();
        let (mut labels, mut points) = (Vec::new(), Vec::<Vec<f64>>::new());
        for class in 0..classes {
            for cross in std::iter::once(None).chain((0..classes).map(Some)) {
                let own = class * 31 + cross.map_or(17, |cross| 50 + 7 * cross);
                labels.push(ClassMean(class, cross));
                points.push((0..40).map(|i| wave(class + 1, i) + spread * wave(own + 400, i)).collect());
            }
        }
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let products = (0..points.len())
            .flat_map(|i| points[..=i].iter().map(move |b| (i, b)))
            .map(|(i, b)| product(&points[i], b))
            .collect();
        ClassMeans { labels, products }
    }

    #[test]
    fn coordinates_have_the_same_distances() {
        let means = clusters(CLASSES, 0.3);
        let x = coordinates(&means).unwrap();
        let largest = (0..30).map(|i| means.product(i, i)).fold(0.0, f64::max);
        for i in 0..x.nrows() {
            for j in 0..i {
                let found = x.row(i).iter().zip(x.row(j)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
                let expected = means.squared_distance(i, j);
                assert!((found - expected).abs() < 1e-13 * largest, "{i} {j}: {found} against {expected}");
            }
        }
    }

    #[test]
    fn clusters_that_are_apart_stay_apart() {
        for classes in [FEWEST_CLASSES, CLASSES, 10] {
            let means = clusters(classes, 0.2);
            let places = in_the_plane(&means).unwrap();
            let distance =
                |i: usize, j: usize| (places[i][0] - places[j][0]).hypot(places[i][1] - places[j][1]);
            for i in 0..places.len() {
                let of_others = |j: &usize| means.labels[*j].0 != means.labels[i].0;
                let others = (0..places.len()).filter(of_others).map(|j| distance(i, j));
                let own = (0..places.len()).filter(|j| !of_others(j)).map(|j| distance(i, j));
                let (nearest, farthest) = (others.fold(f64::MAX, f64::min), own.fold(0.0, f64::max));
                assert!(farthest < nearest, "{classes} classes, {i}: {farthest} and {nearest}");
            }
        }
    }

    #[test]
    fn it_is_the_same_picture_each_time() {
        let means = clusters(CLASSES, 0.5);
        assert_eq!(in_the_plane(&means), in_the_plane(&means));
    }

    #[test]
    fn there_is_no_picture_of_nothing() {
        assert!(in_the_plane(&clusters(2, 0.2)).unwrap_err().contains("2 classes"));
        assert!(in_the_plane(&ClassMeans::default()).is_err());
        let mut means = clusters(CLASSES, 0.2);
        means.products.iter_mut().for_each(|product| *product = 1.0);
        assert!(in_the_plane(&means).unwrap_err().contains("the same"));
        // A truncated file fails, too.
        means.products.truncate(7);
        assert!(in_the_plane(&means).unwrap_err().contains("finite"));
    }
}
