//! How many eigenvalues stand out of the bulk.
//!
//! Both ways look at the logarithms of the largest positive eigenvalues, since the bulk of a network's spectrum reaches over many
//! orders of magnitude down to zero, at most four times as many as there are classes: farther down every spectrum has
//! gaps that say nothing about outliers.

use eigenscape_core::results::ProbeRecord;
use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::KMeans;
use ndarray::Array2;

use crate::{
    expectation::Counting,
    uncertainty::{SAME, probes},
};

/// So many eigenvalues a class are looked at.
const PER_CLASS: usize = 4;

/// The number of outliers of a spectrum; `classes` bounds where they are looked for.
///
/// # Errors
/// In words, why they cannot be counted: fewer than three positive eigenvalues, or all of them equal.
pub fn count(record: &ProbeRecord, classes: Option<usize>, how: Counting) -> Result<usize, String> {
    let logarithms: Vec<f64> = candidates(record, classes).into_iter().map(f64::ln).collect();
    if logarithms.len() < 3 {
        return Err(format!("there are only {} positive eigenvalues", logarithms.len()));
    }
    if logarithms[0] - logarithms[logarithms.len() - 1] < SAME {
        return Err("all eigenvalues are equal".to_owned());
    }
    match how {
        Counting::Gap => Ok(largest_gap(&logarithms)),
        Counting::Clusters => upper_cluster(&logarithms),
    }
}

/// The largest positive eigenvalues, from the largest, each once.
fn candidates(record: &ProbeRecord, classes: Option<usize>) -> Vec<f64> {
    let mut values: Vec<f64> = record.eigenvalues.iter().copied().filter(|value| *value > 0.0).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    // Several probes find the same eigenvalue; one, and an exact spectrum, list it as often as it occurs.
    if probes(record) > 1 {
        values.dedup_by(|next, kept| *kept - *next <= SAME * *kept);
    }
    values.truncate(classes.map_or(usize::MAX, |classes| PER_CLASS * classes));
    values
}

/// How many lie above the largest gap between neighbours.
fn largest_gap(descending: &[f64]) -> usize {
    let gaps = descending.windows(2).map(|pair| pair[0] - pair[1]).enumerate();
    let largest = gaps.reduce(|largest, gap| if gap.1 > largest.1 { gap } else { largest });
    largest.map_or(0, |(index, _)| index + 1)
}

/// How many are nearer to the upper one of two means (k-means with k = 2; its random starts are always the same).
fn upper_cluster(logarithms: &[f64]) -> Result<usize, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the eigenvalues cannot be clustered: {error}");
    let column = Array2::from_shape_fn((logarithms.len(), 1), |(i, _)| logarithms[i]);
    let model = KMeans::params(2).n_runs(10).fit(&DatasetBase::from(column)).map_err(|e| failed(&e))?;
    let means: Vec<f64> = model.centroids().iter().copied().collect();
    let middle = means.iter().sum::<f64>() / means.len() as f64;
    Ok(logarithms.iter().filter(|value| **value > middle).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::probe;

    fn spectrum() -> Vec<f64> {
        let outliers = [90.0, 70.0, 65.0, 50.0, 41.0];
        let bulk = (0..200).map(|i| 2.0 * 0.97_f64.powi(i));
        outliers.into_iter().chain(bulk).collect()
    }

    #[test]
    fn both_ways_see_five_above_a_bulk() {
        let record = probe(0, "full", &spectrum());
        for how in [Counting::Gap, Counting::Clusters] {
            assert_eq!(count(&record, Some(5), how), Ok(5), "{how:?}");
        }
    }

    #[test]
    fn what_several_probes_found_counts_once() {
        let mut record = probe(0, "full", &spectrum());
        record.eigenvalues =
            spectrum().into_iter().flat_map(|value| [value, value * (1.0 - 1e-6), value]).collect();
        record.exact = false;
        (record.trace_stderr, record.probes) = (Some(1.0), Some(3));
        assert_eq!(count(&record, Some(5), Counting::Gap), Ok(5));
    }

    #[test]
    fn too_few_or_equal_values_are_not_counted() {
        let gap = |values: &[f64]| count(&probe(0, "full", values), None, Counting::Gap);
        assert!(gap(&[2.0, 1.0, -3.0]).is_err());
        assert!(gap(&[2.0, 2.0, 2.0, 2.0]).is_err());
    }
}
