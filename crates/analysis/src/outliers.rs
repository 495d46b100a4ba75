//! The number of eigenvalues that stand out from the bulk.
//!
//! Both methods use the logarithms of the largest positive eigenvalues, since the bulk of a
//! network's spectrum spans many orders of magnitude down to zero. They use at most four
//! eigenvalues per class: further down every spectrum has gaps that are unrelated to outliers.
//!
//! Of a Lanczos spectrum the converged Ritz values count, once for all probes. They end at the
//! first Ritz value that has not converged and is near no converged one. The eigenvalues below it
//! are unknown but bounded: from above by the last known eigenvalue; from below because the k-th
//! largest Ritz value of a random vector is at most the k-th largest eigenvalue (Cauchy) and an
//! interval between two eigenvalues contains at most one Ritz value (Chebyshev, Markov &
//! Stieltjes). The number of outliers is known if it is the same for both bounds. A multiple
//! eigenvalue counts once, since each random vector finds it once.

use eigenscape_core::results::ProbeRecord;
use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::KMeans;
use ndarray::Array2;

use crate::{
    expectation::Counting,
    uncertainty::{CONVERGED, SAME, probes},
};

/// The number of eigenvalues used per class.
pub const PER_CLASS: usize = 4;

/// The number of outliers of a spectrum; `classes` limits the number of eigenvalues used.
///
/// # Errors
/// Says in words why outliers cannot be counted: fewer than three positive eigenvalues, all of them
/// equal, or too few known.
pub fn count(record: &ProbeRecord, classes: Option<usize>, how: Counting) -> Result<usize, String> {
    let Candidates { known, bounds } = Candidates::of(record, classes)?;
    let all: Vec<f64> = known.iter().chain(&bounds).copied().collect();
    if all.len() < 3 {
        return Err(format!("there are only {} positive eigenvalues", all.len()));
    }
    if all[0] - all[all.len() - 1] < SAME {
        return Err("all eigenvalues are equal".to_owned());
    }
    let count = match how {
        Counting::Gap => largest_gap(&all, known.len()),
        Counting::Clusters => {
            let last = known.last().copied().into_iter().cycle().take(bounds.len());
            let highest: Vec<f64> = known.iter().copied().chain(last).collect();
            let count = upper_cluster(&all)?;
            (bounds.is_empty() || count < known.len() && upper_cluster(&highest)? == count).then_some(count)
        }
    };
    count.ok_or_else(|| not_converged(known.len()))
}

fn not_converged(known: usize) -> String {
    format!(
        "Lanczos has converged to the {known} largest only, of the eigenvalues that decide the number of outliers: measure them with more steps, or with \
         \"gram\""
    )
}

/// Logarithms of the largest positive eigenvalues, descending: at most [`PER_CLASS`] per class.
struct Candidates {
    /// The known eigenvalues.
    known: Vec<f64>,
    /// Lower bounds of the unknown eigenvalues.
    bounds: Vec<f64>,
}

impl Candidates {
    fn of(record: &ProbeRecord, classes: Option<usize>) -> Result<Self, String> {
        let most = classes.map_or(usize::MAX, |classes| PER_CLASS * classes);
        let positive = record.eigenvalues.iter().copied().filter(|value| *value > 0.0);
        if record.exact {
            return Ok(Self { known: positive.take(most).map(f64::ln).collect(), bounds: Vec::new() });
        }
        if record.residuals.is_empty() {
            return Err("which eigenvalues have converged is not known, the results are of an earlier version: measure them \
                        again"
                .to_owned());
        }
        let nodes: Vec<(f64, f64)> = positive.zip(record.residuals.iter().copied()).collect();
        let converged: Vec<(f64, f64)> =
            nodes.iter().copied().filter(|(value, residual)| *residual <= CONVERGED * value).collect();
        let near = |(value, residual): (f64, f64), (other, its): (f64, f64)| {
            (value - other).abs() <= residual + its + SAME * value
        };
        let open = |node: &(f64, f64)| !converged.iter().any(|other| near(*node, *other));
        let end = nodes.iter().position(open).unwrap_or(nodes.len());
        // Every rule finds an eigenvalue once, so k equal or indistinguishable values come from at
        // least k/`rules` eigenvalues.
        let rules = rules(record);
        let before = converged.partition_point(|(value, _)| end == nodes.len() || *value > nodes[end].0);
        let known =
            converged[..before].chunk_by(|a, b| near(*a, *b)).flat_map(|same| same.iter().step_by(rules));
        let known: Vec<f64> = known.take(most).map(|(value, _)| value.ln()).collect();
        let rest = nodes[end..].chunks_exact(rules).filter_map(|of_all| of_all.last());
        let bounds: Vec<f64> = rest.take(most - known.len()).map(|(value, _)| value.ln()).collect();
        let complete = end == nodes.len() || known.len() + bounds.len() == most;
        if complete { Ok(Self { known, bounds }) } else { Err(not_converged(known.len())) }
    }
}

/// The number of quadrature rules that a record averages. A rule has at most one node per product;
/// a record with more nodes than products averages several.
fn rules(record: &ProbeRecord) -> usize {
    probes(record) * record.eigenvalues.len().div_ceil(record.products.max(1)).max(1)
}

/// The number of values above the largest gap between neighbours; `None` if a gap between unknown
/// eigenvalues may be larger.
fn largest_gap(descending: &[f64], known: usize) -> Option<usize> {
    let gaps = descending[..known].windows(2).map(|pair| pair[0] - pair[1]).enumerate();
    let (index, largest) = gaps.reduce(|largest, gap| if gap.1 > largest.1 { gap } else { largest })?;
    // The largest possible gaps: from each value to the one after the next, or to the last.
    let open = &descending[known.saturating_sub(1)..];
    let others = (0..open.len()).map(|from| open[from] - open[(from + 2).min(open.len() - 1)]);
    others.into_iter().all(|gap| gap <= largest).then_some(index + 1)
}

/// The number of values closer to the upper of two means (k-means with k = 2 and fixed random
/// starts).
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
        record.residuals = record.eigenvalues.iter().map(|value| 1e-6 * value).collect();
        record.exact = false;
        (record.trace_stderr, record.probes, record.products) = (Some(1.0), Some(3), 1000);
        assert_eq!(count(&record, Some(5), Counting::Gap), Ok(5));
    }

    /// A record of probes that converged to the `converged` largest eigenvalues. Their other Ritz
    /// values are at every tenth eigenvalue, shifted slightly by each probe.
    fn lanczos(probes: usize, converged: usize) -> ProbeRecord {
        let of_probe = |probe: usize| {
            let share = move |index: usize| if index < converged { 0.0 } else { 0.01 * probe as f64 };
            let all = spectrum().into_iter().enumerate();
            all.filter(move |(index, _)| *index < converged || (index - converged) % 10 == 9).map(
                move |(index, value)| {
                    let residual = if index < converged { 1e-9 } else { 0.1 };
                    (value * (1.0 - share(index)), residual * value)
                },
            )
        };
        let mut nodes: Vec<(f64, f64)> = (0..probes).flat_map(of_probe).collect();
        nodes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut record = probe(0, "full", &[]);
        record.products = nodes.len();
        (record.eigenvalues, record.residuals) = nodes.into_iter().unzip();
        (record.exact, record.probes) = (false, Some(probes));
        record
    }

    /// 20 eigenvalues are used; a Ritz value of the bulk is 0.97¹⁰ = 0.74 times the previous one.
    #[test]
    fn what_has_converged_counts_once_and_what_has_not_only_bounds() {
        for probes in [1, 4] {
            let counted = |converged, how| count(&lanczos(probes, converged), Some(5), how);
            for how in [Counting::Gap, Counting::Clusters] {
                assert_eq!(counted(25, how), Ok(5), "{how:?}, {probes} probes, all of 20 known");
            }
            // The gap of ln 20.5 is larger than any possible gap between the others.
            assert_eq!(counted(12, Counting::Gap), Ok(5), "{probes} probes");
            // The cut is at the last known eigenvalue or below it.
            for (converged, how) in
                [(5, Counting::Gap), (5, Counting::Clusters), (3, Counting::Gap), (3, Counting::Clusters)]
            {
                let why = counted(converged, how).unwrap_err();
                assert!(why.contains("converged to the") && why.contains("more steps"), "{why}");
            }
        }
        // Ritz values of a bulk without outliers, none of them converged.
        let record = lanczos(8, 0);
        assert!(count(&record, Some(5), Counting::Clusters).is_err());
        let old = ProbeRecord { residuals: Vec::new(), ..lanczos(1, 25) };
        assert!(count(&old, Some(5), Counting::Gap).unwrap_err().contains("earlier version"));
    }

    #[test]
    fn too_few_or_equal_values_are_not_counted() {
        let gap = |values: &[f64]| count(&probe(0, "full", values), None, Counting::Gap);
        assert!(gap(&[2.0, 1.0, -3.0]).is_err());
        assert!(gap(&[2.0, 2.0, 2.0, 2.0]).is_err());
    }
}
