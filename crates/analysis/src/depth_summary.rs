//! Distances by depth over several experiments: at which depth the layers most similar to the whole
//! network are.

use eigenscape_core::results::Run;

use crate::{
    depth::{Errors, FULL, Profile},
    expectation::When,
    reruns::grouped,
};

/// The metrics: the Wasserstein distance, the paper's other distance, and what the published code
/// computes.
pub const METRICS: [&str; 3] = ["wasserstein", "kl", "wasserstein-density-values"];
/// The times: summed over the epochs, and at the best epoch.
pub const TIMES: [When; 2] = [When::All, When::Best];
/// The number of steps of the depth grid on which means are computed.
const STEPS: usize = 40;

/// One network on one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The experiment's name, followed by the variant if it has several.
    pub name: String,
    /// The curvature.
    pub curvature: String,
    /// Whether the spectra of all layers are exact.
    pub exact: bool,
    /// The profiles in the order of [`METRICS`], then [`TIMES`].
    profiles: Vec<Profile>,
}

impl Entry {
    /// The variants of an experiment that were measured by all of [`METRICS`], each averaged over
    /// its reruns. Excludes networks of one or two layers (they have no middle), runs that diverged
    /// (they have no last epoch), and runs that miss a spectrum (they lack layers).
    #[must_use]
    pub fn all(experiment: &str, runs: &[Run]) -> Vec<Self> {
        let mut entries = Vec::new();
        for (variant, runs) in grouped(runs) {
            let runs: Vec<&Run> = runs.into_iter().filter(|run| run.diverged.is_none()).collect();
            let name = match variant {
                "" => experiment.to_owned(),
                variant => format!("{experiment}: {variant}"),
            };
            for curvature in curvatures(&runs) {
                let runs: Vec<&Run> =
                    runs.iter().copied().filter(|run| !run.misses(curvature, None)).collect();
                let keys = METRICS.iter().flat_map(|metric| TIMES.map(|when| (*metric, when)));
                let profiles = keys.map(|(metric, when)| relative(&runs, metric, curvature, when));
                if let Some(profiles) = profiles.collect() {
                    let (name, exact) = (name.clone(), exact(&runs, curvature));
                    entries.push(Self { name, curvature: curvature.to_owned(), exact, profiles });
                }
            }
        }
        entries
    }

    /// The distances of the layers by `METRICS[metric]` at `TIMES[time]`, divided by the
    /// largest.
    #[must_use]
    pub fn profile(&self, metric: usize, time: usize) -> &Profile {
        &self.profiles[metric * TIMES.len() + time]
    }

    /// The probability that a random layer is in the middle half of the depth.
    #[must_use]
    pub fn chance(&self) -> f64 {
        let profile = &self.profiles[0];
        let layers = profile.layers.len();
        (0..layers).filter(|&layer| profile.is_in_the_middle_half(layer)).count() as f64 / layers as f64
    }
}

/// The mean of several profiles at evenly spaced depths from 0 to 1: (depth, value).
#[must_use]
pub fn mean(profiles: &[&Profile]) -> Vec<(f64, f64)> {
    let depths = (0..=STEPS).map(|step| step as f64 / STEPS as f64);
    let value = |depth| profiles.iter().map(|profile| profile.at(depth)).sum::<f64>() / profiles.len() as f64;
    depths.map(|depth| (depth, value(depth))).collect()
}

fn curvatures<'a>(runs: &[&'a Run]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for distance in runs.iter().flat_map(|run| &run.distances) {
        if !found.contains(&distance.curvature.as_str()) {
            found.push(&distance.curvature);
        }
    }
    found
}

fn exact(runs: &[&Run], curvature: &str) -> bool {
    let layers = || {
        let probes = runs.iter().flat_map(|run| &run.probes);
        probes.filter(|probe| probe.curvature == curvature && probe.group != FULL)
    };
    layers().next().is_some() && layers().all(|probe| probe.exact)
}

/// The mean over reruns, divided by its largest value.
fn relative(runs: &[&Run], metric: &str, curvature: &str, when: When) -> Option<Profile> {
    let profiles = runs.iter().map(|run| Profile::new(run, metric, curvature, when).ok());
    let mut profiles = profiles.collect::<Option<Vec<_>>>()?.into_iter();
    let mut sum = profiles.next()?;
    for profile in profiles {
        for ((name, total), (theirs, value)) in sum.layers.iter_mut().zip(&profile.layers) {
            (name == theirs).then(|| *total += value)?;
        }
        // Keeps only bandwidths that all reruns have.
        sum.band.retain_mut(|(bandwidth, totals)| {
            let theirs = profile.band.iter().find(|(other, _)| other == bandwidth);
            if let Some((_, values)) = theirs {
                totals.iter_mut().zip(values).for_each(|(total, value)| *total += value);
            }
            theirs.is_some()
        });
        sum.errors = sum.errors.plus(&profile.errors);
    }
    let largest = sum.layers.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    sum.layers.iter_mut().for_each(|(_, value)| *value /= largest);
    sum.band.iter_mut().flat_map(|(_, values)| values).for_each(|value| *value /= largest);
    if let Errors::LeftOut(all) = &mut sum.errors {
        all.iter_mut().flatten().for_each(|value| *value /= largest);
    }
    (sum.layers.len() > 2 && largest > 0.0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use eigenscape_core::results::{Band, DistanceRecord, ProbeRecord};

    use super::*;
    use crate::verdict::tests::{distance, divergence, probe, trained};

    /// Three epochs of these distances, by all metrics; the second epoch is the best.
    fn run(seed: u64, epochs: [[f64; 5]; 3]) -> Run {
        let mut run = Run { seed, ..Run::default() };
        for (epoch, values) in epochs.iter().enumerate() {
            run.training.push(trained(epoch, [0.1, 0.9, 0.8][epoch]));
            for metric in METRICS {
                for (layer, value) in values.iter().enumerate() {
                    let record = distance(epoch, &format!("l{layer}"), *value);
                    run.distances.push(DistanceRecord { metric: metric.into(), ..record });
                }
            }
        }
        run
    }

    const FLAT: [f64; 5] = [4.0, 4.0, 4.0, 4.0, 4.0];

    #[test]
    fn an_entry_is_relative_to_its_largest_distance() {
        let runs = [run(0, [FLAT, [4.0, 1.0, 2.0, 8.0, 8.0], [8.0, 7.0, 0.0, 4.0, 4.0]])];
        let [entry] = Entry::all("lenet", &runs).try_into().unwrap();
        assert_eq!((entry.name.as_str(), entry.exact), ("lenet", false));
        for metric in 0..METRICS.len() {
            let values = |time| entry.profile(metric, time).layers.iter().map(|l| l.1).collect::<Vec<_>>();
            assert_eq!(values(0), [1.0, 0.75, 0.375, 1.0, 1.0]);
            assert_eq!(values(1), [0.5, 0.125, 0.25, 1.0, 1.0]);
        }
        let least = |time| entry.profile(0, time).depth(entry.profile(0, time).least());
        assert_eq!((least(0), least(1)), (0.5, 0.25));
        assert_eq!(entry.chance(), 0.6);
    }

    #[test]
    fn the_order_at_other_bandwidths_is_that_of_all_reruns() {
        let banded = |seed, narrow: [f64; 5]| {
            let mut run = run(seed, [[8.0, 4.0, 2.0, 4.0, 8.0]; 3]);
            for (i, distance) in run.distances.iter_mut().enumerate() {
                distance.band =
                    Some(Band { bandwidths: vec![0.002, 0.01], values: vec![narrow[i % 5], distance.value] });
            }
            run
        };
        // The second run alone has its least distance in the middle half.
        let runs = [banded(0, [0.0, 8.0, 8.0, 8.0, 8.0]), banded(1, [4.0, 4.0, 2.0, 4.0, 4.0])];
        let [entry] = Entry::all("lenet", &runs).try_into().unwrap();
        let profile = entry.profile(0, 1);
        assert_eq!(profile.flips(), [0.002]);
        assert_eq!(profile.band[0].1, [0.25, 0.75, 0.625, 0.75, 0.75]);
        let plain = run(2, [[8.0, 4.0, 2.0, 4.0, 8.0]; 3]);
        let [entry] = Entry::all("lenet", &[runs[0].clone(), plain]).try_into().unwrap();
        assert!(entry.profile(0, 1).band.is_empty(), "one of them has none");
    }

    #[test]
    fn reruns_are_one_entry_and_variants_several() {
        let low = run(0, [[1.0, 2.0, 3.0, 4.0, 4.0]; 3]);
        let high = run(1, [[4.0, 3.0, 2.0, 1.0, 6.0]; 3]);
        let diverged = Run { diverged: Some(divergence()), ..run(2, [[9.0, 0.0, 0.0, 0.0, 0.0]; 3]) };
        let [entry] = Entry::all("x", &[low.clone(), high.clone(), diverged.clone()]).try_into().unwrap();
        let values: Vec<f64> = entry.profile(0, 1).layers.iter().map(|l| l.1).collect();
        assert_eq!(values, [0.5, 0.5, 0.5, 0.5, 1.0]);
        let named = |run: &Run, variant: &str| Run { variant: variant.into(), ..run.clone() };
        let entries = Entry::all("x", &[named(&low, "a"), named(&high, "b"), named(&diverged, "c")]);
        assert_eq!(entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["x: a", "x: b"]);
    }

    #[test]
    fn who_was_not_measured_by_all_metrics_has_no_part() {
        let whole = run(0, [FLAT; 3]);
        for metric in METRICS {
            let mut run = whole.clone();
            run.distances.retain(|distance| distance.metric != metric);
            assert!(Entry::all("x", &[run]).is_empty(), "{metric}");
        }
        let mut two = whole.clone();
        two.distances.retain(|distance| ["l0", "l1"].contains(&distance.left.as_str()));
        assert!(Entry::all("x", &[two]).is_empty());
        assert!(Entry::all("x", &[Run::default()]).is_empty());
        assert!(Entry::all("x", &[run(0, [[0.0; 5]; 3])]).is_empty(), "nothing to be relative to");
    }

    #[test]
    fn exact_layers_are_told_from_estimated_ones() {
        let mut run = run(0, [FLAT; 3]);
        let estimated = |group| ProbeRecord { exact: false, ..probe(1, group, &[1.0]) };
        // The full network may be estimated.
        run.probes = vec![estimated("full"), probe(1, "l0", &[1.0])];
        assert!(Entry::all("x", std::slice::from_ref(&run))[0].exact);
        run.probes.push(estimated("l1"));
        assert!(!Entry::all("x", &[run])[0].exact);
    }

    #[test]
    fn means_are_taken_at_the_same_depths() {
        let profile = |values: &[f64]| Profile {
            layers: values.iter().map(|v| (String::new(), *v)).collect(),
            ..Profile::default()
        };
        // |x − 1/2| on three layers and on five.
        let (three, five) = (profile(&[0.5, 0.0, 0.5]), profile(&[0.5, 0.25, 0.0, 0.25, 0.5]));
        let mean = mean(&[&three, &five]);
        assert_eq!((mean[0].0, mean[STEPS].0, mean.len()), (0.0, 1.0, STEPS + 1));
        for (depth, value) in mean {
            assert!((value - (depth - 0.5).abs()).abs() < 1e-15, "{depth}: {value}");
        }
    }
}
