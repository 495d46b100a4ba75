//! Which layers are most like the whole network: distances by normalised depth.

use std::collections::{BTreeMap, BTreeSet};

use eigenscape_core::results::{DistanceRecord, Run};

use crate::{expectation::When, measured::best};

/// The group of all parameters.
pub(crate) const FULL: &str = "full";

/// The distances of a run's layers to the whole network, at an epoch or summed over epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// (layer, distance) in the order of depth; at least one.
    pub layers: Vec<(String, f64)>,
}

impl Profile {
    /// The distances by `metric` between spectra of `curvature`, each the mean over the batches of an epoch. Where the distance of a layer is
    /// missing, that batch of that epoch does not count: the layer would seem nearer than it is.
    ///
    /// # Errors
    /// In words, why there are none.
    pub fn new<'a>(run: &'a Run, metric: &str, curvature: &str, when: When) -> Result<Self, String> {
        let ours = |d: &&DistanceRecord| d.metric == metric && d.curvature == curvature;
        let record = |d: &'a DistanceRecord| Some((layer(d)?, (d.epoch, d.batch), d.value));
        let records: Vec<_> = run.distances.iter().filter(ours).filter_map(record).collect();
        let mut moments = complete(&records);
        let last = match when {
            When::All => None,
            When::Last => moments.last().map(|(epoch, _)| *epoch),
            When::Best => {
                let best = best(&run.training).ok_or("without a test split there is no best epoch")?.epoch;
                moments.retain(|(epoch, _)| *epoch <= best);
                moments.last().map(|(epoch, _)| *epoch)
            }
        };
        moments.retain(|(epoch, _)| last.is_none_or(|last| *epoch == last));
        let batches = |of: usize| moments.iter().filter(|(epoch, _)| *epoch == of).count() as f64;
        let mut layers: Vec<(String, f64)> = Vec::new();
        for (layer, moment, value) in &records {
            let share = if moments.contains(moment) { *value / batches(moment.0) } else { 0.0 };
            match layers.iter_mut().find(|(name, _)| name == layer) {
                Some((_, sum)) => *sum += share,
                None => layers.push(((*layer).to_owned(), share)),
            }
        }
        if moments.is_empty() || layers.is_empty() {
            return Err(format!("no {metric} distances between spectra of the {curvature} were measured"));
        }
        if let Some((layer, _)) = layers.iter().find(|(_, value)| !value.is_finite()) {
            return Err(format!("the {metric} distance of {layer} is not finite"));
        }
        Ok(Self { layers })
    }

    /// i/(n − 1) of the i-th of n layers, from 0; 0 for an only one.
    #[must_use]
    pub fn depth(&self, index: usize) -> f64 {
        index as f64 / self.layers.len().saturating_sub(1).max(1) as f64
    }

    /// The index of the layer at the least distance, the first of several.
    #[must_use]
    pub fn least(&self) -> usize {
        let indexed = self.layers.iter().map(|(_, value)| *value).enumerate();
        indexed
            .reduce(|least, next| if next.1 < least.1 { next } else { least })
            .map_or(0, |(index, _)| index)
    }

    /// Whether a layer is in the middle half of the depth.
    #[must_use]
    pub fn is_in_the_middle_half(&self, index: usize) -> bool {
        (0.25..=0.75).contains(&self.depth(index))
    }

    /// Whether the least distance is in the middle half of the depth.
    #[must_use]
    pub fn is_least_in_the_middle_half(&self) -> bool {
        self.is_in_the_middle_half(self.least())
    }

    /// The distance at a depth from 0 to 1, linear between the layers.
    #[must_use]
    pub fn at(&self, depth: f64) -> f64 {
        let place = depth.clamp(0.0, 1.0) * self.layers.len().saturating_sub(1) as f64;
        let (below, share) = (place.floor() as usize, place.fract());
        let value = |index: usize| self.layers.get(index).map(|(_, value)| *value);
        let low = value(below).unwrap_or(f64::NAN);
        value(below + 1).map_or(low, |high| low + share * (high - low))
    }
}

/// An epoch, and which of its batches where there are several.
type Moment = (usize, Option<usize>);

/// The moments at which every layer has a distance, from (layer, moment, distance).
fn complete(records: &[(&str, Moment, f64)]) -> BTreeSet<Moment> {
    let layers: BTreeSet<&str> = records.iter().map(|record| record.0).collect();
    let mut measured = BTreeMap::<Moment, BTreeSet<&str>>::new();
    for (layer, moment, _) in records {
        measured.entry(*moment).or_default().insert(layer);
    }
    let all = measured.into_iter().filter(|(_, found)| found.len() == layers.len());
    all.map(|(moment, _)| moment).collect()
}

/// The other one, where exactly one of the two is the whole network.
fn layer(distance: &DistanceRecord) -> Option<&str> {
    match (distance.left.as_str(), distance.right.as_str()) {
        (FULL, FULL) => None,
        (layer, FULL) | (FULL, layer) => Some(layer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
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
        // Without a distance of b's after epoch 3 that epoch counts for no layer.
        let mut partial = run.clone();
        partial.distances.retain(|d| (d.epoch, d.left.as_str()) != (3, "b"));
        let profile = |when| Profile::new(&partial, "wasserstein", "hessian", when).unwrap();
        let values = |when| profile(when).layers.iter().map(|layer| layer.1).collect::<Vec<_>>();
        assert_eq!(values(When::All), [6.0, 3.0, 10.0]);
        assert_eq!(values(When::Last), [3.0, 1.0, 9.0]);
    }
}
