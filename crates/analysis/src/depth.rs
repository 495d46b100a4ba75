//! Which layers are most similar to the full network: distances by normalised depth.

use std::collections::{BTreeMap, BTreeSet};

use eigenscape_core::results::{DistanceRecord, Run};

use crate::{
    digits::significant,
    expectation::When,
    measured::best,
    uncertainty::{Number, Uncertainty},
};

/// The group of all parameters.
pub(crate) const FULL: &str = "full";

/// The maximum number of a layer's rivals that are listed by name.
const NAMED: usize = 3;

/// The distances of a run's layers to the full network, at an epoch or summed over epochs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// (layer, distance) in the order of depth; at least one.
    pub layers: Vec<(String, f64)>,
    /// (bandwidth, distances of the layers) at other bandwidths, if the metric smooths spectra.
    pub band: Vec<(f64, Vec<f64>)>,
    /// What is known of the errors of the layers' distances.
    pub errors: Errors,
}

/// What is known of the errors of several distances to the same spectrum.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Errors {
    /// The distances have no random error.
    #[default]
    Exact,
    /// The distances have random errors of unknown size: the spectra come from a single random
    /// vector, or from different numbers of them.
    Unknown,
    /// The distances of all layers, recomputed without each random vector in turn.
    LeftOut(Vec<Vec<f64>>),
}

impl Profile {
    /// The distances by `metric` between spectra of `curvature`, averaged over the batches of an
    /// epoch. Ignores a batch of an epoch if any layer's distance is missing there: otherwise that
    /// layer would seem nearer than it is.
    ///
    /// # Errors
    /// Says in words why there are no distances.
    pub fn new(run: &Run, metric: &str, curvature: &str, when: When) -> Result<Self, String> {
        let ours = |d: &&DistanceRecord| d.metric == metric && d.curvature == curvature;
        let records: Vec<_> =
            run.distances.iter().filter(ours).filter_map(|d| Some((layer(d)?, d))).collect();
        let mut measurements = complete(&records);
        let last = match when {
            When::All => None,
            When::Last => measurements.last().map(|(epoch, _)| *epoch),
            When::Best => {
                let best = best(&run.training).ok_or("without a test split there is no best epoch")?.epoch;
                measurements.retain(|(epoch, _)| *epoch <= best);
                measurements.last().map(|(epoch, _)| *epoch)
            }
        };
        measurements.retain(|(epoch, _)| last.is_none_or(|last| *epoch == last));
        let Some(layers) =
            summed(&records, &measurements, |d| Some(d.value)).filter(|_| !measurements.is_empty())
        else {
            return Err(format!("no {metric} distances between spectra of the {curvature} were measured"));
        };
        if let Some((layer, _)) = layers.iter().find(|(_, value)| !value.is_finite()) {
            return Err(format!("the {metric} distance of {layer} is not finite"));
        }
        let bandwidths =
            records.first().and_then(|(_, d)| d.band.as_ref()).map_or(&[][..], |b| &b.bandwidths);
        let at = |&bandwidth: &f64| {
            let values = summed(&records, &measurements, |d| at(d, bandwidth))?;
            Some((bandwidth, values.into_iter().map(|(_, value)| value).collect()))
        };
        let band = bandwidths.iter().filter_map(at).collect();
        let errors = Errors::of(&records, &measurements);
        Ok(Self { layers, band, errors })
    }

    /// How much farther one layer is than another, with the jackknife error of the difference,
    /// which is recomputed without each random vector. Effects of a random vector on both distances
    /// thus cancel.
    #[must_use]
    pub fn difference(&self, farther: usize, nearer: usize) -> Number {
        let value = self.layers[farther].1 - self.layers[nearer].1;
        match &self.errors {
            Errors::Exact => Number::exact(value),
            Errors::Unknown => Number::new(value, Uncertainty::Unknown),
            Errors::LeftOut(all) => {
                let without: Vec<f64> = all.iter().map(|values| values[farther] - values[nearer]).collect();
                Number::jackknife(value, &without)
            }
        }
    }

    /// The layers that may have layer `of`'s place in the order: the 95 % interval of the
    /// difference contains 0 or is unknown.
    #[must_use]
    pub fn rivals(&self, of: usize) -> Vec<usize> {
        let is_rival = |&other: &usize| {
            let interval = self.difference(other, of).interval();
            other != of
                && self.errors != Errors::Exact
                && interval.is_none_or(|[low, high]| low <= 0.0 && high >= 0.0)
        };
        (0..self.layers.len()).filter(is_rival).collect()
    }

    /// Whether the least distance is in the middle half of the depth; `None` if the errors leave
    /// this undecided.
    #[must_use]
    pub fn tells_the_middle_half(&self) -> Option<bool> {
        let found = self.is_least_in_the_middle_half();
        let open =
            self.rivals(self.least()).into_iter().any(|rival| self.is_in_the_middle_half(rival) != found);
        (!open).then_some(found)
    }

    /// Says which other layers may have the place of the nearest or the farthest layer, as in "not
    /// certain: conv2.weight is as near within the error"; `None` if none may.
    #[must_use]
    pub fn in_doubt(&self, layer: usize) -> Option<String> {
        let rivals: Vec<&str> =
            self.rivals(layer).into_iter().map(|rival| self.layers[rival].0.as_str()).collect();
        let others = match (&self.errors, rivals.as_slice()) {
            (_, []) => return None,
            (Errors::Unknown, _) => {
                return Some("not certain: the error is not known".to_owned());
            }
            (_, [only]) => format!("{only} is"),
            (_, few) if few.len() <= NAMED => format!("{} are", few.join(" and ")),
            (_, many) => format!("{} other groups are", many.len()),
        };
        let as_near = if layer == self.least() { "as near" } else { "as far" };
        Some(format!("not certain: {others} {as_near} within the error"))
    }

    /// The bandwidths at which another layer is the nearest, each with that layer's index.
    pub fn other_least(&self) -> impl Iterator<Item = (f64, usize)> {
        let own = self.least();
        let least = |(bandwidth, values): &(f64, Vec<f64>)| (*bandwidth, least(values.iter().copied()));
        self.band.iter().map(least).filter(move |(_, least)| *least != own)
    }

    /// The bandwidths at which the answer to whether the least distance is in the middle half
    /// differs.
    #[must_use]
    pub fn flips(&self) -> Vec<f64> {
        let own = self.is_least_in_the_middle_half();
        let other = self.other_least().filter(|(_, least)| self.is_in_the_middle_half(*least) != own);
        other.map(|(bandwidth, _)| bandwidth).collect()
    }

    /// The normalised depth index/(n − 1) of a layer, counted from 0; 0 for a single layer.
    #[must_use]
    pub fn depth(&self, index: usize) -> f64 {
        index as f64 / self.layers.len().saturating_sub(1).max(1) as f64
    }

    /// The index of the layer at the least distance; the first one if several are equal.
    #[must_use]
    pub fn least(&self) -> usize {
        least(self.layers.iter().map(|(_, value)| *value))
    }

    /// Whether a layer is in the middle half of the depth.
    #[must_use]
    pub fn is_in_the_middle_half(&self, index: usize) -> bool {
        (0.25..=0.75).contains(&self.depth(index))
    }

    /// The first and the last layer of the middle half; `None` if no layer is in it.
    #[must_use]
    pub fn middle_half(&self) -> Option<[&str; 2]> {
        let mut inside = (0..self.layers.len()).filter(|index| self.is_in_the_middle_half(*index));
        let first = inside.next()?;
        Some([first, inside.next_back().unwrap_or(first)].map(|index| self.layers[index].0.as_str()))
    }

    /// The layer at the second least distance; `None` with one layer.
    #[must_use]
    pub fn runner_up(&self) -> Option<usize> {
        let least = self.least();
        let others = (0..self.layers.len()).filter(|index| *index != least);
        others.min_by(|a, b| self.layers[*a].1.total_cmp(&self.layers[*b].1))
    }

    /// The runner-up and how much farther it is, as in "fc1.weight, 12 % farther".
    #[must_use]
    pub fn runner_up_in_words(&self) -> Option<String> {
        let next = self.runner_up()?;
        let (name, value) = &self.layers[next];
        let least = self.layers[self.least()].1;
        let share = 100.0 * (value / least - 1.0);
        Some(match share {
            _ if value <= &least => format!("{name}, as near"),
            share if (0.5..1000.0).contains(&share) => format!("{name}, {share:.0} % farther"),
            share if share < 0.5 => format!("{name}, less than 1 % farther"),
            _ => format!("{name}, at {} against {}", significant(*value, 2), significant(least, 2)),
        })
    }

    /// Whether the least distance is in the middle half of the depth.
    #[must_use]
    pub fn is_least_in_the_middle_half(&self) -> bool {
        self.is_in_the_middle_half(self.least())
    }

    /// The distance at a depth from 0 to 1, interpolated linearly between layers.
    #[must_use]
    pub fn at(&self, depth: f64) -> f64 {
        let place = depth.clamp(0.0, 1.0) * self.layers.len().saturating_sub(1) as f64;
        let (below, share) = (place.floor() as usize, place.fract());
        let value = |index: usize| self.layers.get(index).map(|(_, value)| *value);
        let low = value(below).unwrap_or(f64::NAN);
        value(below + 1).map_or(low, |high| low + share * (high - low))
    }
}

impl Errors {
    /// The errors of the summed distances of two runs with independent random vectors: vectors with
    /// the same index are left out together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let add = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a + b).collect();
        match (self, other) {
            (Self::Exact, Self::Exact) => Self::Exact,
            (Self::LeftOut(a), Self::LeftOut(b)) if a.len() == b.len() => {
                Self::LeftOut(a.iter().zip(b).map(add).collect())
            }
            _ => Self::Unknown,
        }
    }

    /// The errors of sums over measurements: a random vector is left out at all measurements at
    /// once, since each measurement uses the same vectors.
    fn of(records: &[(&str, &DistanceRecord)], measurements: &BTreeSet<Measurement>) -> Self {
        let mut used = records
            .iter()
            .map(|(_, record)| record)
            .filter(|record| measurements.contains(&measurement(record)));
        let mut parts = None;
        let fits = |record: &&DistanceRecord| match (record.stderr, record.left_out.len()) {
            (None, _) => false,
            (Some(_), 0) => true,
            (Some(_), count) => *parts.get_or_insert(count) == count,
        };
        if !used.all(fits) {
            return Self::Unknown;
        }
        let Some(parts) = parts else { return Self::Exact };
        let without = |part| {
            let value = |record: &DistanceRecord| Some(*record.left_out.get(part).unwrap_or(&record.value));
            let layers = summed(records, measurements, value)?;
            Some(layers.into_iter().map(|(_, value)| value).collect())
        };
        (0..parts).map(without).collect::<Option<_>>().map_or(Self::Unknown, Self::LeftOut)
    }
}

/// The index of the least value; the first one if several are equal.
fn least(values: impl Iterator<Item = f64>) -> usize {
    let indexed = values.enumerate();
    indexed.reduce(|least, next| if next.1 < least.1 { next } else { least }).map_or(0, |(index, _)| index)
}

/// The distance at one of the bandwidths of the record's band.
fn at(record: &DistanceRecord, bandwidth: f64) -> Option<f64> {
    let band = record.band.as_ref()?;
    let index = band.bandwidths.iter().position(|other| *other == bandwidth)?;
    band.values.get(index).copied()
}

/// The layers in order of appearance, each with the sum over epochs of its mean over an epoch's
/// batches; `None` if there are no layers or a value is missing.
fn summed(
    records: &[(&str, &DistanceRecord)],
    measurements: &BTreeSet<Measurement>,
    value: impl Fn(&DistanceRecord) -> Option<f64>,
) -> Option<Vec<(String, f64)>> {
    let batches = |of: usize| measurements.iter().filter(|(epoch, _)| *epoch == of).count() as f64;
    let mut layers: Vec<(String, f64)> = Vec::new();
    for (layer, record) in records {
        let counts = measurements.contains(&measurement(record));
        let share = if counts { value(record)? / batches(record.epoch) } else { 0.0 };
        match layers.iter_mut().find(|(name, _)| name == layer) {
            Some((_, sum)) => *sum += share,
            None => layers.push(((*layer).to_owned(), share)),
        }
    }
    (!layers.is_empty()).then_some(layers)
}

/// An epoch, and one of its batches if there are several.
type Measurement = (usize, Option<usize>);

fn measurement(record: &DistanceRecord) -> Measurement {
    (record.epoch, record.batch)
}

/// The measurements at which every layer has a distance.
fn complete(records: &[(&str, &DistanceRecord)]) -> BTreeSet<Measurement> {
    let layers: BTreeSet<&str> = records.iter().map(|record| record.0).collect();
    let mut measured = BTreeMap::<Measurement, BTreeSet<&str>>::new();
    for (layer, record) in records {
        measured.entry(measurement(record)).or_default().insert(layer);
    }
    let all = measured.into_iter().filter(|(_, found)| found.len() == layers.len());
    all.map(|(measurement, _)| measurement).collect()
}

/// The layer, if exactly one of the two groups is the full network.
fn layer(distance: &DistanceRecord) -> Option<&str> {
    match (distance.left.as_str(), distance.right.as_str()) {
        (FULL, FULL) => None,
        (layer, FULL) | (FULL, layer) => Some(layer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_core::results::Band;

    use super::*;
    use crate::verdict::tests::{distance, trained};

    #[test]
    fn distances_are_of_an_epoch_or_summed() {
        let values = [(1, [3.0, 2.0, 1.0]), (2, [3.0, 1.0, 9.0]), (3, [0.0, 1.0, 1.0])];
        let distances = values.iter().flat_map(|(epoch, values)| {
            ["a", "b", "c"].into_iter().zip(values).map(|(layer, value)| distance(*epoch, layer, *value))
        });
        let run = Run {
            distances: distances.collect(),
            training: vec![trained(1, 0.5), trained(2, 0.9), trained(3, 0.8)],
            ..Run::default()
        };
        let least = |when| {
            let profile = Profile::new(&run, "wasserstein", "hessian", when).unwrap();
            (profile.least(), profile.layers[profile.least()].1, profile.is_least_in_the_middle_half())
        };
        assert_eq!(least(When::All), (1, 4.0, true));
        assert_eq!(least(When::Best), (1, 1.0, true));
        assert_eq!(least(When::Last), (0, 0.0, false));
        assert!(Profile::new(&run, "kl", "hessian", When::All).is_err());
        // Epoch 3 lacks b's distance, so it counts for no layer.
        let mut partial = run.clone();
        partial.distances.retain(|d| (d.epoch, d.left.as_str()) != (3, "b"));
        let profile = |when| Profile::new(&partial, "wasserstein", "hessian", when).unwrap();
        let values = |when| profile(when).layers.iter().map(|layer| layer.1).collect::<Vec<_>>();
        assert_eq!(values(When::All), [6.0, 3.0, 10.0]);
        assert_eq!(values(When::Last), [3.0, 1.0, 9.0]);
    }

    /// Four probes of four layers: effects common to both distances do not make their order
    /// uncertain.
    #[test]
    fn an_order_is_told_by_paired_differences() {
        let record = |epoch, layer: &str, left_out: [f64; 4]| DistanceRecord {
            stderr: Some(1.0),
            left_out: left_out.to_vec(),
            ..distance(epoch, layer, left_out.iter().sum::<f64>() / 4.0)
        };
        // b is 0.1 nearer than a whichever probe is left out; b and c change places.
        let moved = [-0.5, 0.5, 0.2, -0.2];
        let run = |epochs: usize| Run {
            distances: (0..epochs)
                .flat_map(|epoch| {
                    [
                        record(epoch, "a", moved.map(|x| 2.1 + x)),
                        record(epoch, "b", moved.map(|x| 2.0 + x)),
                        record(epoch, "c", moved.map(|x| 2.05 - x)),
                        record(epoch, "d", [9.0; 4]),
                    ]
                })
                .collect(),
            ..Run::default()
        };
        for epochs in [1, 3] {
            let profile = Profile::new(&run(epochs), "wasserstein", "hessian", When::All).unwrap();
            assert_eq!((profile.least(), profile.rivals(1)), (1, vec![2]));
            let [low, high] = profile.difference(0, 1).interval().unwrap();
            assert!(low > 0.0 && high - low < 1e-9, "{low} {high}");
            assert_eq!(profile.tells_the_middle_half(), Some(true), "both are in it");
            assert_eq!(profile.in_doubt(1).unwrap(), "not certain: c is as near within the error");
            assert_eq!(profile.in_doubt(3), None);
        }
        // Without d, c is the last layer.
        let mut three = run(1);
        three.distances.pop();
        let profile = Profile::new(&three, "wasserstein", "hessian", When::Last).unwrap();
        assert_eq!(profile.tells_the_middle_half(), None);
        three.distances.iter_mut().for_each(|record| (record.stderr, record.left_out) = (None, Vec::new()));
        let profile = Profile::new(&three, "wasserstein", "hessian", When::Last).unwrap();
        assert_eq!((profile.errors.clone(), profile.tells_the_middle_half()), (Errors::Unknown, None));
        assert!(profile.in_doubt(1).unwrap().contains("the error is not known"));
        three.distances.iter_mut().for_each(|record| record.stderr = Some(0.0));
        let profile = Profile::new(&three, "wasserstein", "hessian", When::Last).unwrap();
        assert_eq!((profile.errors.clone(), profile.tells_the_middle_half()), (Errors::Exact, Some(true)));
    }

    #[test]
    fn the_order_of_layers_is_told_at_every_bandwidth() {
        let banded = |layer: &str, values: [f64; 3]| DistanceRecord {
            band: Some(Band { bandwidths: vec![0.002, 0.01, 0.05], values: values.to_vec() }),
            ..distance(1, layer, values[1])
        };
        let distances = [[3.0, 3.0, 3.0], [4.0, 1.0, 1.0], [1.0, 2.0, 0.5], [2.0, 3.0, 0.1]];
        let names = ["a", "b", "c", "d"];
        let mut run = Run {
            distances: names.into_iter().zip(distances).map(|(name, values)| banded(name, values)).collect(),
            ..Run::default()
        };
        let profile = |run: &Run| Profile::new(run, "wasserstein", "hessian", When::Last).unwrap();
        // b and c are in the middle half, at 1/3 and 2/3; d is not.
        let found = profile(&run);
        assert_eq!((found.least(), found.is_least_in_the_middle_half()), (1, true));
        assert_eq!(found.other_least().collect::<Vec<_>>(), [(0.002, 2), (0.05, 3)]);
        assert_eq!(found.flips(), [0.05]);
        // If one layer has no band, the profile has none.
        run.distances[2].band = None;
        assert!(profile(&run).flips().is_empty());
    }
}
