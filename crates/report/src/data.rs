//! Results arranged as the figures and tables show them.

use eigenscape_analysis::uncertainty::{CONVERGED, Number};
use eigenscape_core::results::{DistanceRecord, ProbeRecord, Run};

use crate::draw::{
    axis::{LARGEST, range},
    labels::{significant, with_interval},
    names::shortened,
};

/// The name of the group of all parameters.
pub const FULL: &str = "full";

/// One group's spectra over the epochs, for one curvature and one estimator.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// The group's name, followed by the estimator if several estimators measured the group.
    pub label: String,
    /// The group's name.
    pub group: &'a str,
    /// Its records, by epoch; at least one.
    pub records: Vec<&'a ProbeRecord>,
}

impl<'a> Series<'a> {
    /// Whether the group is the full network.
    pub fn is_full(&self) -> bool {
        self.group == FULL
    }
}

/// The curvatures measured in the run, in order of appearance.
pub fn curvatures(run: &Run) -> Vec<&str> {
    distinct(run.probes.iter().map(|p| p.curvature.as_str()))
}

/// Whether the curvature is a part of another measured curvature, as "gauss-newton G1" is a part of
/// "gauss-newton".
pub fn is_part(run: &Run, curvature: &str) -> bool {
    curvature.split_once(' ').is_some_and(|(whole, _)| run.probes.iter().any(|p| p.curvature == whole))
}

/// The series of one curvature: the full network first, then the groups in order of appearance,
/// which is by depth.
pub fn series<'a>(run: &'a Run, curvature: &str) -> Vec<Series<'a>> {
    series_of(&run.probes.iter().filter(|p| p.curvature == curvature).collect::<Vec<_>>())
}

/// The series of one curvature whose records hold spectra, not single numbers.
pub fn spectra<'a>(run: &'a Run, curvature: &str) -> Vec<Series<'a>> {
    let ours = |p: &&ProbeRecord| p.curvature == curvature && p.has_spectrum();
    series_of(&run.probes.iter().filter(ours).collect::<Vec<_>>())
}

fn series_of<'a>(probes: &[&'a ProbeRecord]) -> Vec<Series<'a>> {
    let mut keys = distinct(probes.iter().map(|p| (p.group.as_str(), p.estimator.as_str())));
    keys.sort_by_key(|(group, _)| *group != FULL);
    let several = |group: &str| keys.iter().filter(|k| k.0 == group).count() > 1;
    let series = |&(group, estimator): &(&'a str, &'a str)| {
        let mut records: Vec<&ProbeRecord> = probes
            .iter()
            .filter(|p| (p.group.as_str(), p.estimator.as_str()) == (group, estimator))
            .copied()
            .collect();
        records.sort_by_key(|r| r.epoch);
        let label = if several(group) { format!("{group} ({estimator})") } else { group.to_owned() };
        Series { label, group, records }
    };
    keys.iter().map(series).collect()
}

/// The labels of the series, shortened to `limit` pixels: the full network's first, then the
/// layers'.
pub fn short_labels(series: &[&Series], size: f64, limit: f64) -> Vec<String> {
    // "full" shares no component with the layers' names: shortened with them, it would keep their
    // shared components from being dropped.
    let (full, layers): (Vec<&Series>, Vec<&Series>) = series.iter().partition(|s| s.is_full());
    let short = |of: &[&Series]| {
        let labels: Vec<&str> = of.iter().map(|s| s.label.as_str()).collect();
        shortened(&labels, size, limit)
    };
    [short(&full), short(&layers)].concat()
}

/// The distances of each layer to the full network by one metric on one curvature.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile<'a> {
    /// The distance's name.
    pub metric: &'a str,
    /// The curvature's name.
    pub curvature: &'a str,
    /// The layers in order of depth.
    pub layers: Vec<&'a str>,
    /// The epochs, ascending.
    pub epochs: Vec<usize>,
    records: Vec<(&'a str, &'a DistanceRecord)>,
}

impl<'a> Profile<'a> {
    /// The distance of a layer at an epoch, where it was measured.
    pub fn value(&self, layer: &str, epoch: usize) -> Option<f64> {
        self.record(layer, epoch).map(|record| record.value)
    }

    /// The record of a layer at an epoch.
    pub fn record(&self, layer: &str, epoch: usize) -> Option<&'a DistanceRecord> {
        self.records.iter().find(|(name, r)| *name == layer && r.epoch == epoch).map(|(_, r)| *r)
    }

    /// The smallest and the largest distance over all bandwidths of a layer at an epoch, if its
    /// record has a band.
    pub fn band(&self, layer: &str, epoch: usize) -> Option<(f64, f64)> {
        band(self.record(layer, epoch)?)
    }

    /// The smallest and the largest bandwidth of the first record with a band.
    pub fn bandwidths(&self) -> Option<(f64, f64)> {
        let band = self.records.iter().find_map(|(_, record)| record.band.as_ref())?;
        range(band.bandwidths.iter().copied())
    }

    /// The nearest and the farthest layer at the last epoch, with their distances.
    pub fn extremes(&self) -> Option<[(&str, f64); 2]> {
        let last = *self.epochs.last()?;
        let finite = |layer: &&str| self.value(layer, last).filter(|v| v.is_finite());
        let mut values: Vec<(&str, f64)> =
            self.layers.iter().filter_map(|l| Some((*l, finite(l)?))).collect();
        values.sort_by(|a, b| a.1.total_cmp(&b.1));
        Some([*values.first()?, *values.last()?])
    }
}

/// The smallest and the largest distance over all bandwidths, including the record's own.
pub fn band(record: &DistanceRecord) -> Option<(f64, f64)> {
    range(record.band.as_ref()?.values.iter().copied().chain([record.value]))
}

/// One profile for each metric and curvature with distances to the full network.
pub fn profiles(run: &Run) -> Vec<Profile<'_>> {
    let keys = distinct(run.distances.iter().map(|d| (d.metric.as_str(), d.curvature.as_str())));
    let profile = |(metric, curvature)| {
        let of_key = |d: &&DistanceRecord| (d.metric.as_str(), d.curvature.as_str()) == (metric, curvature);
        let records: Vec<_> =
            run.distances.iter().filter(of_key).filter_map(|d| Some((layer_against_full(d)?, d))).collect();
        let mut epochs = distinct(records.iter().map(|(_, d)| d.epoch));
        epochs.sort_unstable();
        Profile {
            metric,
            curvature,
            layers: distinct(records.iter().map(|(layer, _)| *layer)),
            epochs,
            records,
        }
    };
    keys.into_iter().map(profile).filter(|p| !p.records.is_empty()).collect()
}

/// The layer, if exactly one of the two groups is the full network.
fn layer_against_full(distance: &DistanceRecord) -> Option<&str> {
    match (distance.left.as_str(), distance.right.as_str()) {
        (FULL, FULL) => None,
        (layer, FULL) | (FULL, layer) => Some(layer),
        _ => None,
    }
}

/// The mass at zero. Less than 1e-12 counts as 0: the weights add up to 1 only within rounding.
pub fn mass_at_zero(record: &ProbeRecord) -> f64 {
    let zero = record.mass_at_zero();
    if zero < 1e-12 { 0.0 } else { zero }
}

/// Whether all eigenvalues that the record knows are 0.
pub fn is_zero(record: &ProbeRecord) -> bool {
    let is_known = record.exact || !record.eigenvalues.is_empty();
    record.has_spectrum() && is_known && record.eigenvalues.iter().all(|value| *value == 0.0)
}

/// Whether an eigenvalue is larger than any axis shows, so that no density can be drawn; the range
/// of such eigenvalues overflows.
pub fn is_too_wide(record: &ProbeRecord) -> bool {
    record.eigenvalues.iter().any(|value| value.is_finite() && value.abs() > LARGEST)
}

/// Whether no eigenvalue of the curvature is negative.
pub fn is_nonnegative(curvature: &str) -> bool {
    matches!(curvature, "gauss-newton" | "fisher" | "empirical-fisher")
}

/// The |λ| below which rounding makes an eigenvalue of an exact spectrum indistinguishable from 0;
/// `None` if the spectrum has no such eigenvalues.
pub fn rounding(record: &ProbeRecord) -> Option<f64> {
    record.rounding.filter(|bound| record.exact && *bound > 0.0 && mass_at_zero(record) > 0.0)
}

/// The larger absolute value of a record's two extreme eigenvalues.
fn size(record: &ProbeRecord) -> Option<f64> {
    record.lambda_max.into_iter().chain(record.lambda_min).map(f64::abs).reduce(f64::max)
}

/// The intervals in which the largest and the smallest eigenvalue lie; `None` for a converged one.
pub fn unconverged(record: &ProbeRecord) -> [Option<[f64; 2]>; 2] {
    let told = |[low, high]: &[f64; 2]| size(record).is_some_and(|size| high - low > CONVERGED * size);
    let of = |which: usize| record.extremes().map(|extremes| extremes[which]).filter(told);
    [of(1), of(0)]
}

/// The largest and the smallest eigenvalue as text: "33.0 [33.0, 34.1]" if not converged, "–" if
/// there are no eigenvalues.
pub fn extremes(record: &ProbeRecord, digits: usize) -> [String; 2] {
    let [largest, smallest] = unconverged(record);
    let of = |value: Option<f64>, open: Option<[f64; 2]>| {
        let value = value.map_or("–".into(), |value| significant(value, digits));
        open.map_or(value.clone(), |ends| {
            let [low, high] = ends.map(|end| significant(end, digits));
            format!("{value} [{low}, {high}]")
        })
    };
    [of(record.lambda_max, largest), of(record.lambda_min, smallest)]
}

/// A number that may be larger than it is known to be: "33.0 [32.8, 34.1]".
pub fn significant_interval(number: &Number, digits: usize) -> String {
    let value = significant(number.value, digits);
    number.interval().map_or(format!("{value} ± ?"), |[low, high]| {
        format!("{value} [{}, {}]", significant(low, digits), significant(high, digits))
    })
}

/// A number that cannot be negative, with its error; an interval that goes below 0 ends there, as
/// in "0.53 [0, 1.7]".
pub fn from_zero(number: &Number) -> String {
    match number.interval() {
        Some([low, high]) if low < 0.0 && number.value >= 0.0 => {
            format!("{} [0, {}]", significant(number.value, 2), significant(high, 2))
        }
        _ if number.has_converged() => with_interval(*number, 4),
        _ => significant_interval(number, 4),
    }
}

/// Whether f64 would separate more eigenvalues from 0: the rounding bound is far above that of f64.
pub fn wants_f64(record: &ProbeRecord) -> bool {
    rounding(record).zip(size(record)).is_some_and(|(rounding, largest)| rounding > 1e-9 * largest)
}

/// A curvature's name as written in prose.
pub fn prose(curvature: &str) -> String {
    match curvature {
        "hessian" => "Hessian".into(),
        "gauss-newton" => "Gauss-Newton".into(),
        "fisher" => "Fisher".into(),
        "empirical-fisher" => "empirical Fisher".into(),
        other => match other.split_once(' ') {
            // A part of a curvature, such as "gauss-newton G1".
            Some((whole, part)) => format!("{}, {part}", prose(whole)),
            None => other.to_owned(),
        },
    }
}

/// The items without repetitions, in order of first appearance.
pub fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{from_zero, is_too_wide, is_zero, profiles, series};
    use crate::sample::{distance, probe};
    use eigenscape_analysis::uncertainty::Number;
    use eigenscape_core::results::Run;

    #[test]
    fn the_whole_network_comes_first_and_estimators_are_told_apart() {
        let probes = [("fc1", "gram"), ("full", "gram"), ("full", "lanczos"), ("fc2", "gram")]
            .map(|(group, estimator)| probe(1, group, estimator, 4, &[1.0]));
        let run = Run { probes: probes.to_vec(), ..Run::default() };
        let labels: Vec<_> = series(&run, "hessian").into_iter().map(|s| s.label).collect();
        assert_eq!(labels, ["full (gram)", "full (lanczos)", "fc1", "fc2"]);
    }

    #[test]
    fn what_cannot_be_negative_has_an_interval_that_ends_at_0() {
        let mean = |values: [f64; 2]| from_zero(&Number::over_runs(&values.map(Number::exact)).unwrap());
        // t(0.975; 1) = 12.706 times the standard error: 0.1 and 0.01.
        assert_eq!(mean([0.4, 0.6]), "0.50 [0, 1.8]");
        assert_eq!(mean([0.49, 0.51]), "0.50 ± 0.13");
        assert_eq!(from_zero(&Number::exact(0.25)), "0.2500");
    }

    #[test]
    fn a_range_that_overflows_is_told() {
        let of = |eigenvalues: &[f64]| is_too_wide(&probe(1, "fc1", "gram", 4, eigenvalues));
        assert!(of(&[1e308, -1e308]) && !of(&[1e300, -1e300]) && !of(&[]));
    }

    #[test]
    fn a_spectrum_of_zeros_is_told() {
        assert!(is_zero(&probe(1, "fc1", "gram", 4, &[])) && is_zero(&probe(1, "fc1", "dense", 4, &[0.0])));
        assert!(!is_zero(&probe(1, "fc1", "gram", 4, &[1.0])));
        let mut lanczos = probe(1, "full", "lanczos", 4, &[]);
        lanczos.exact = false;
        assert!(!is_zero(&lanczos), "nothing is known");
    }

    #[test]
    fn a_profile_takes_the_layer_from_either_side() {
        let distances = vec![
            distance(2, "fc1", "full", 0.5),
            distance(2, "full", "fc2", 0.25),
            distance(2, "fc1", "fc2", 9.0),
        ];
        let run = Run { distances, ..Run::default() };
        let profiles = profiles(&run);
        assert_eq!(profiles.len(), 1);
        assert_eq!(profiles[0].layers, ["fc1", "fc2"]);
        assert_eq!(profiles[0].extremes(), Some([("fc2", 0.25), ("fc1", 0.5)]));
    }
}
