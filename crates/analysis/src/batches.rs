//! Merges several samples of one matrix: their mean and their spread.

use eigenscape_core::{
    Moments,
    results::{Band, DistanceRecord, ProbeRecord, Results, Run},
};

use crate::{statistics::Sample, uncertainty::Number};

/// The spread of one matrix's spectra over disjoint samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread<'a> {
    /// The records, one per sample, in order; at least one.
    pub records: Vec<&'a ProbeRecord>,
    /// The traces.
    pub trace: Sample,
    /// The largest eigenvalues, if there are eigenvalues.
    pub lambda_max: Option<Sample>,
}

/// The matrices that were measured on several samples, in order of appearance.
#[must_use]
pub fn spreads(run: &Run) -> Vec<Spread<'_>> {
    let several = grouped(&run.probes, |p| p.batch.is_some(), same_matrix);
    let spread = |records: Vec<_>| {
        let trace = Sample::of(&numbers(&records, |p| Some(p.trace))?)?;
        let lambda_max = numbers(&records, |p| p.lambda_max).and_then(|values| Sample::of(&values));
        Some(Spread { records, trace, lambda_max })
    };
    several.into_iter().filter_map(spread).collect()
}

/// The results with the records of several samples merged into one.
///
/// The spectrum of a mean is the mean of the spectral measures. It is an estimate; its trace has
/// the standard error of a mean over samples. Extreme eigenvalues and distances are averaged. Class
/// means are those of the first sample.
#[must_use]
pub fn averaged(results: &Results) -> Results {
    Results { runs: results.runs.iter().map(averaged_run).collect(), ..results.clone() }
}

/// [`averaged`] for a single run.
#[must_use]
pub fn averaged_run(run: &Run) -> Run {
    let probes = grouped(&run.probes, |_| true, same_matrix);
    let distances = grouped(
        &run.distances,
        |_| true,
        |a, b| {
            let spectra = |d: &DistanceRecord| {
                let right = (d.right.clone(), d.right_curvature.clone());
                (d.epoch, d.batch.is_some(), d.metric.clone(), d.curvature.clone(), d.left.clone(), right)
            };
            spectra(a) == spectra(b)
        },
    );
    Run {
        probes: probes.iter().flat_map(|records| merged(records, |p| p.batch.is_some(), spectrum)).collect(),
        distances: distances.iter().flat_map(|all| merged(all, |d| d.batch.is_some(), distance)).collect(),
        means: run.means.iter().filter(|means| means.batch.is_none_or(|batch| batch == 0)).cloned().collect(),
        ..run.clone()
    }
}

/// Whether two records are of the same matrix by the same estimator, both on one of several samples
/// or both on the only sample.
fn same_matrix(a: &ProbeRecord, b: &ProbeRecord) -> bool {
    (a.epoch, a.batch.is_some(), &a.group, &a.curvature, &a.estimator)
        == (b.epoch, b.batch.is_some(), &b.group, &b.curvature, &b.estimator)
}

/// Groups the records that are the `same`, out of those that `counts` accepts, in order of the
/// first of each group.
fn grouped<T>(records: &[T], counts: impl Fn(&T) -> bool, same: impl Fn(&T, &T) -> bool) -> Vec<Vec<&T>> {
    let mut groups: Vec<Vec<&T>> = Vec::new();
    for record in records.iter().filter(|record| counts(record)) {
        match groups.iter_mut().find(|group| same(group[0], record)) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups
}

/// Merges the records of several samples into one; keeps other records as they are.
fn merged<T: Clone>(records: &[&T], is_batch: impl Fn(&T) -> bool, mean: impl Fn(&[&T]) -> T) -> Vec<T> {
    match records {
        [first, ..] if is_batch(first) => vec![mean(records)],
        others => others.iter().copied().cloned().collect(),
    }
}

/// A number of each record; `None` if any record lacks it.
fn numbers(records: &[&ProbeRecord], of: fn(&ProbeRecord) -> Option<f64>) -> Option<Vec<f64>> {
    records.iter().map(|record| of(record)).collect()
}

fn spectrum(records: &[&ProbeRecord]) -> ProbeRecord {
    let count = records.len() as f64;
    let mean = |of| numbers(records, of).map(|values| values.iter().sum::<f64>() / count);
    let traces = numbers(records, |record| Some(record.trace)).and_then(|traces| Sample::of(&traces));
    let error = traces.and_then(|traces| Some(traces.deviation()? / count.sqrt()));
    let mut atoms: Vec<[f64; 3]> = records.iter().flat_map(|record| atoms(record, count)).collect();
    atoms.sort_by(|a, b| b[0].total_cmp(&a[0]));
    let [eigenvalues, weights, residuals] = [0, 1, 2].map(|k| atoms.iter().map(|atom| atom[k]).collect());
    let known = records.iter().all(|record| record.exact || !record.residuals.is_empty());
    let value = mean(|record| record.value);
    let extremes: Option<Vec<[[f64; 2]; 2]>> = records.iter().map(|record| record.extremes()).collect();
    let bounds = |extremes: Vec<[[f64; 2]; 2]>| {
        let mean = |of: fn(&[[f64; 2]; 2]) -> f64| extremes.iter().map(of).sum::<f64>() / count;
        [mean(|[smallest, _]| smallest[0]), mean(|[_, largest]| largest[1])]
    };
    ProbeRecord {
        batch: None,
        exact: false,
        eigenvalues,
        weights,
        mass_at_zero: mean(|record| record.mass_at_zero),
        origins: Vec::new(),
        moments: moments(records),
        residuals: if known { residuals } else { Vec::new() },
        trace: traces.map_or(f64::NAN, |traces| traces.mean),
        trace_stderr: error,
        lambda_max: mean(|record| record.lambda_max),
        lambda_min: mean(|record| record.lambda_min),
        extreme_bounds: extremes.map(bounds),
        value,
        value_stderr: error.filter(|_| value.is_some()),
        probes: Some(records.len()),
        products: records.iter().map(|record| record.products).sum(),
        seconds: records.iter().map(|record| record.seconds).sum(),
        ..records[0].clone()
    }
}

/// The mean of each moment, with its standard error over the samples.
fn moments(records: &[&ProbeRecord]) -> Option<Moments> {
    let all: Vec<Moments> = records.iter().map(|record| record.moments).collect::<Option<_>>()?;
    let number = |of: fn(&Moments) -> Option<f64>| {
        let values: Option<Vec<f64>> = all.iter().map(of).collect();
        let number = Sample::of(&values?)?.number();
        Some((number.value, number.stderr()))
    };
    let [variance, skewness, kurtosis] =
        [|m: &Moments| m.variance, |m: &Moments| m.skewness, |m: &Moments| m.kurtosis].map(number);
    let (mean, mean_stderr) = number(|moments| Some(moments.mean))?;
    let value = |number: Option<(f64, Option<f64>)>| number.map(|(value, _)| value);
    let error = |number: Option<(f64, Option<f64>)>| number.and_then(|(_, error)| error);
    Some(Moments {
        mean,
        mean_stderr,
        variance: value(variance),
        variance_stderr: error(variance),
        skewness: value(skewness),
        skewness_stderr: error(skewness),
        kurtosis: value(kurtosis),
        kurtosis_stderr: error(kurtosis),
    })
}

/// The eigenvalues of one of `count` records, each with its weight in the mean and its residual.
fn atoms(record: &ProbeRecord, count: f64) -> impl Iterator<Item = [f64; 3]> {
    let residuals = record.residuals.iter().copied().chain(std::iter::repeat(0.0));
    let listed = record.eigenvalues.iter().zip(&record.weights).zip(residuals);
    listed.map(move |((value, weight), residual)| [*value, weight / count, residual])
}

fn distance(records: &[&DistanceRecord]) -> DistanceRecord {
    let count = records.len() as f64;
    let sum = records.iter().map(|record| record.value).sum::<f64>();
    let value = sum / count;
    let of_mean = DistanceRecord { batch: None, value, band: band(records), ..records[0].clone() };
    // The scatter between samples includes the scatter due to random vectors.
    match records.len() {
        1 => of_mean,
        _ => {
            let left_out: Vec<f64> =
                records.iter().map(|record| (sum - record.value) / (count - 1.0)).collect();
            DistanceRecord { stderr: Number::jackknife(value, &left_out).stderr(), left_out, ..of_mean }
        }
    }
}

/// The mean at each bandwidth; `None` unless all records have the same bandwidths.
fn band(records: &[&DistanceRecord]) -> Option<Band> {
    let bands: Vec<&Band> = records.iter().map(|record| record.band.as_ref()).collect::<Option<_>>()?;
    let bandwidths = bands.first()?.bandwidths.clone();
    let same = bands.iter().all(|band| band.bandwidths == bandwidths);
    let mean = |index| bands.iter().map(|band| band.values[index]).sum::<f64>() / bands.len() as f64;
    let complete = same && bands.iter().all(|band| band.values.len() == bandwidths.len());
    complete.then(|| Band { values: (0..bandwidths.len()).map(mean).collect(), bandwidths })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests;

    #[test]
    fn moments_and_distances_between_curvatures_are_averaged_apart() {
        let of = |batch, mean| ProbeRecord {
            moments: Some(Moments { mean, variance: Some(2.0), ..Moments::default() }),
            ..probe(Some(batch), "full", &[4.0])
        };
        let between = |batch, value, right: Option<&str>| DistanceRecord {
            batch: Some(batch),
            right_curvature: right.map(str::to_owned),
            ..tests::distance(1, "full", value)
        };
        let distances = vec![
            between(0, 1.0, None),
            between(0, 5.0, Some("residual")),
            between(1, 3.0, None),
            between(1, 7.0, Some("residual")),
        ];
        let run = Run { probes: vec![of(0, 1.0), of(1, 3.0)], distances, ..Run::default() };
        let averaged = averaged_run(&run);
        let moments = averaged.probes[0].moments.unwrap();
        assert_eq!((moments.mean, moments.variance, moments.skewness), (2.0, Some(2.0), None));
        // The means 1 and 3 have the deviation √2, their mean the standard error 1.
        assert!((moments.mean_stderr.unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(averaged.distances.iter().map(|d| d.value).collect::<Vec<_>>(), [2.0, 6.0]);
    }

    fn probe(batch: Option<usize>, group: &str, eigenvalues: &[f64]) -> ProbeRecord {
        ProbeRecord { batch, ..tests::probe(1, group, eigenvalues) }
    }

    #[test]
    fn a_mean_over_batches_has_their_standard_error() {
        let distance = |batch, value| DistanceRecord { batch: Some(batch), ..tests::distance(1, "a", value) };
        let run = Run {
            probes: vec![
                probe(Some(0), "full", &[4.0, 2.0]),
                probe(Some(0), "a", &[1.0]),
                probe(Some(1), "full", &[8.0]),
                probe(None, "b", &[7.0]),
                probe(None, "b", &[7.5]),
            ],
            distances: vec![distance(0, 1.0), distance(1, 4.0)],
            ..Run::default()
        };
        let results = averaged(&Results { runs: vec![run.clone()], ..Results::default() });
        let [full, a, first, second] = results.runs[0].probes.as_slice() else { panic!("{results:?}") };
        assert_eq!(
            (full.eigenvalues.as_slice(), full.weights.as_slice()),
            (&[8.0, 4.0, 2.0][..], &[5e-4; 3][..])
        );
        assert_eq!((full.trace, full.lambda_max, full.exact, full.batch), (7.0, Some(6.0), false, None));
        // The traces 6 and 8 have the deviation √2, their mean the standard error 1.
        assert!((full.trace_stderr.unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(a.trace_stderr, None, "one sample has no standard error");
        assert_eq!([first.trace, second.trace], [7.0, 7.5], "two probes of one matrix are not batches");
        assert_eq!(results.runs[0].distances.iter().map(|d| d.value).collect::<Vec<_>>(), [2.5]);
        // The distances 1 and 4 have the deviation 3/√2, their mean the standard error 3/2.
        assert!((results.runs[0].distances[0].stderr.unwrap() - 1.5).abs() < 1e-15);
        let spreads = spreads(&run);
        assert_eq!(spreads.len(), 2);
        let deviation = spreads[0].lambda_max.unwrap().deviation().unwrap();
        assert!((deviation - 8_f64.sqrt()).abs() < 1e-14, "{deviation}");
    }
}
