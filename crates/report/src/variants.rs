//! Runs side by side: what differs between them, and what their reruns agree on.

use eigenscape_core::results::{ProbeRecord, Run};

use crate::data::{Series, distinct, prose};

/// Runs that differ only in their seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant<'a> {
    /// What distinguishes it from the other variants, in short; empty for the only one.
    pub label: String,
    /// Its runs; without those that diverged, unless all did.
    pub runs: Vec<&'a Run>,
    /// The number of its runs that diverged and are left out.
    pub diverged: usize,
}

impl<'a> Variant<'a> {
    /// Whether all of its runs diverged, so that no statistics of it are given.
    pub fn all_diverged(&self) -> bool {
        self.runs.iter().all(|run| run.diverged.is_some())
    }

    /// The variants of the runs, in order of appearance.
    pub fn all(runs: &'a [Run]) -> Vec<Self> {
        let names = distinct(runs.iter().map(|run| key(run, runs)));
        let of = |(name, label): (&&str, String)| {
            let (ended, diverged): (Vec<&Run>, Vec<&Run>) =
                runs.iter().filter(|run| key(run, runs) == *name).partition(|run| run.diverged.is_none());
            match ended[..] {
                [] => Self { label, runs: diverged, diverged: 0 },
                _ => Self { label, diverged: diverged.len(), runs: ended },
            }
        };
        names.iter().zip(labels(&names)).map(of).collect()
    }
}

/// The name that reruns share: the variant, or the run's name in results that have no variants.
fn key<'a>(run: &'a Run, runs: &[Run]) -> &'a str {
    let same = |other: &&Run| (&other.variant, other.seed) == (&run.variant, run.seed);
    if runs.iter().filter(same).count() > 1 { &run.name } else { &run.variant }
}

/// Short names: of each setting its last word, and only settings that differ.
fn labels(names: &[&str]) -> Vec<String> {
    if names.len() < 2 {
        return names.iter().map(|_| String::new()).collect();
    }
    let settings: Option<Vec<Vec<(&str, &str)>>> = names.iter().map(|name| settings(name)).collect();
    let whole = || names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let Some(settings) = settings else { return whole() };
    let differs = |setting: &(&str, &str)| !settings.iter().all(|other| other.contains(setting));
    let label = |of: &Vec<(&str, &str)>| {
        let parts = of.iter().filter(|setting| differs(setting));
        parts.map(|(key, value)| format!("{} = {value}", last_word(key))).collect::<Vec<_>>().join(", ")
    };
    let short: Vec<String> = settings.iter().map(label).collect();
    if distinct(&short).len() == short.len() { short } else { whole() }
}

/// The settings of a name such as "train.optimizer.lr=0.1,train.batch_size=64".
fn settings(name: &str) -> Option<Vec<(&str, &str)>> {
    name.split(',').map(|setting| setting.split_once('=')).collect()
}

/// The last word of a key; of "model.name" both, because "name" says nothing.
fn last_word(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((front, "name")) => &key[front.rfind('.').map_or(0, |dot| dot + 1)..],
        Some((_, last)) => last,
        None => key,
    }
}

/// The spectra of one group and one curvature in all runs of a variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectra<'a> {
    /// The variant's index.
    pub variant: usize,
    /// The curvature.
    pub curvature: &'a str,
    /// The group, with the estimator if several measured it.
    pub label: String,
    /// Whether it is of the full network.
    pub is_full: bool,
    /// The epochs, each with the records of the runs.
    pub epochs: Vec<(usize, Vec<&'a ProbeRecord>)>,
}

impl<'a> Spectra<'a> {
    /// The spectra of these curvatures; `series` says which records of a run.
    pub fn all(
        variants: &[Variant<'a>],
        curvatures: &[&'a str],
        series: fn(&'a Run, &str) -> Vec<Series<'a>>,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (variant, of) in variants.iter().enumerate() {
            for &curvature in curvatures {
                for one in of.runs.iter().copied().flat_map(|run| series(run, curvature)) {
                    let same = |spectra: &&mut Self| {
                        (spectra.variant, spectra.curvature, &spectra.label)
                            == (variant, curvature, &one.label)
                    };
                    match all.iter_mut().find(same) {
                        Some(spectra) => spectra.add(&one),
                        None => {
                            let (label, is_full) = (one.label.clone(), one.is_full());
                            let mut spectra = Self { variant, curvature, label, is_full, epochs: Vec::new() };
                            spectra.add(&one);
                            all.push(spectra);
                        }
                    }
                }
            }
        }
        all
    }

    fn add(&mut self, series: &Series<'a>) {
        for record in &series.records {
            match self.epochs.iter_mut().find(|(epoch, _)| *epoch == record.epoch) {
                Some((_, records)) => records.push(record),
                None => self.epochs.push((record.epoch, vec![record])),
            }
        }
        self.epochs.sort_by_key(|(epoch, _)| *epoch);
    }
}

/// The groups, the full network first, and all epochs.
pub fn groups_and_epochs<'a>(spectra: &'a [Spectra]) -> (Vec<&'a str>, Vec<usize>) {
    let (full, layers): (Vec<&Spectra>, Vec<&Spectra>) = spectra.iter().partition(|one| one.is_full);
    let groups = distinct(full.iter().chain(&layers).map(|one| one.label.as_str()));
    let mut epochs = distinct(spectra.iter().flat_map(|one| &one.epochs).map(|(epoch, _)| *epoch));
    epochs.sort_unstable();
    (groups, epochs)
}

/// The name of a curve: its variant and its curvature, where there are several.
pub fn name(variant: Option<&str>, curvature: Option<&str>) -> String {
    let parts = [variant.map(str::to_owned), curvature.map(prose)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Variant, labels};
    use eigenscape_core::results::Run;

    #[test]
    fn labels_are_what_differs() {
        let names = [
            "train.regularizer.0.strength=0.0,model.name=a",
            "train.regularizer.0.strength=0.1,model.name=a",
        ];
        assert_eq!(labels(&names), ["strength = 0.0", "strength = 0.1"]);
        assert_eq!(labels(&["model.name=a", "model.name=b"]), ["model.name = a", "model.name = b"]);
        assert_eq!(labels(&["a.k=1,b.k=2", "a.k=2,b.k=1"]), ["k = 1, k = 2", "k = 2, k = 1"]);
        assert_eq!(labels(&["one", "two"]), ["one", "two"]);
        assert_eq!(labels(&["one"]), [""]);
    }

    #[test]
    fn runs_of_one_seed_are_no_reruns() {
        let run = |variant: &str, name: &str, seed| Run {
            variant: variant.into(),
            name: name.into(),
            seed,
            ..Run::default()
        };
        let count = |runs: &[Run]| Variant::all(runs).iter().map(|v| v.runs.len()).collect::<Vec<_>>();
        assert_eq!(count(&[run("", "seed=0", 0), run("", "seed=1", 1)]), [2]);
        assert_eq!(count(&[run("", "a", 0), run("", "b", 0)]), [1, 1]);
        assert_eq!(count(&[run("a", "a,0", 0), run("b", "b,0", 0), run("a", "a,1", 1)]), [2, 1]);
    }
}
