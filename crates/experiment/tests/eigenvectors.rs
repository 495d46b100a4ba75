//! Eigenvectors from an experiment's file to the folder of results and back.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/points.rs"]
mod points;

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Account, Context, CurvatureOperator, Estimate, Findings, Interrupt, ProbeEstimator, Result,
    notes::Notes,
    results::{ProbeRecord, Results},
};
use eigenscape_estimators::lanczos::{Lanczos, LanczosParameters};
use eigenscape_experiment::{Failure, check, choices::Choices, progress::Display, run};

const EXPERIMENT: &str = r#"
name = "vectors"
[data]
name = "points"
[model]
name = "mlp"
widths = [5]
[train]
epochs = 2
batch_size = 2
optimizer = { name = "sgd", lr = 0.1, weight_decay = 0.25 }
[[probe]]
samples = 4
at = [0, 1, 2]
groups = ["full", "layers", "2.weight[0:1]"]
"#;

/// The files of a folder with their contents, without those of the report.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The interrupt, and after how many estimates it is requested.
type Stop = (Arc<AtomicUsize>, usize);

/// Lanczos, which counts its estimates and requests an interrupt after one of them.
struct Counted {
    lanczos: Box<dyn ProbeEstimator>,
    stop: Stop,
    interrupt: Interrupt,
}

impl ProbeEstimator for Counted {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        self.lanczos.estimate(operator, context)
    }

    fn estimate_parts(
        &self,
        operators: &[&dyn CurvatureOperator],
        context: &Context,
    ) -> Result<Vec<Findings>> {
        let found = self.lanczos.estimate_parts(operators, context);
        if self.stop.0.fetch_add(1, Ordering::Relaxed) + 1 == self.stop.1 {
            self.interrupt.request();
        }
        found
    }

    fn with_eigenvectors(self: Box<Self>, count: NonZeroUsize) -> Option<Box<dyn ProbeEstimator>> {
        let Self { lanczos, stop, interrupt } = *self;
        Some(Box::new(Self { lanczos: lanczos.with_eigenvectors(count)?, stop, interrupt }))
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        self.lanczos.memory(operators, allowed)
    }

    fn products(&self, dimension: usize) -> usize {
        self.lanczos.products(dimension)
    }

    fn description(&self) -> String {
        "counted".to_owned()
    }
}

/// Runs the experiment with these keys of its probe and other tables, and stops it as `stop` says.
fn execute(folder: &Path, keys: &str, stop: &Stop) -> Result<(PathBuf, Results), Failure> {
    let file = folder.join("vectors.toml");
    fs::write(&file, format!("{EXPERIMENT}{keys}")).unwrap();
    let display = Display::new(true);
    let (stop, interrupt) = (stop.clone(), display.interrupt().clone());
    let mut registry = points::registry();
    eigenscape_estimators::register(&mut registry);
    registry.estimators.add("counted", "Counts", move |_: points::NoKeys, _| {
        let lanczos = Box::new(Lanczos::new(LanczosParameters::default()));
        let (stop, interrupt) = (stop.clone(), interrupt.clone());
        Ok(Box::new(Counted { lanczos, stop, interrupt }))
    });
    let choices = Choices { out: Some(folder.join("runs")), ..Choices::default() };
    let plan = check::plan(&file, &choices, &registry)?;
    let folder = run::execute(&plan, false, &display, |_| Ok(()))?.folder;
    let text = fs::read_to_string(folder.join("results.json")).unwrap();
    let results: Results = serde_json::from_str(&text).unwrap();
    results.check().unwrap();
    Ok((folder, results))
}

fn never() -> Stop {
    (Arc::default(), 0)
}

/// The vectors of a record, each joined.
fn vectors(folder: &Path, record: &ProbeRecord) -> Vec<Vec<f64>> {
    let vector = |file: &str| {
        let tensors = candle_core::safetensors::load(folder.join(file), &Device::Cpu).unwrap();
        let names: Vec<&str> = match record.group.as_str() {
            "full" => vec!["0.weight", "0.bias", "2.weight", "2.bias"],
            group => vec![group],
        };
        assert_eq!(tensors.len(), names.len());
        let flat = names.iter().map(|name| tensors[*name].flatten_all().unwrap());
        let flat = Tensor::cat(&flat.collect::<Vec<_>>(), 0).unwrap();
        flat.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()
    };
    record.eigenpairs.iter().map(|pair| vector(&pair.file)).collect()
}

fn dot(v: &[f64], w: &[f64]) -> f64 {
    v.iter().zip(w).map(|(v, w)| v * w).sum()
}

/// All estimators find the same vectors, orthonormal and with small residuals.
#[test]
fn every_estimator_gives_the_same_vectors_by_name() {
    let found = ["dense", "gram", "lanczos"].map(|estimator| {
        let out = tempfile::tempdir().unwrap();
        let keys = format!(
            "eigenvectors = 3\nestimator = \"{estimator}\"\ncurvature = \"gauss-newton\"\ndtype = \"f64\"\n"
        );
        let (folder, results) = execute(out.path(), &keys, &never()).unwrap();
        let sums = fs::read_to_string(folder.join("MD5SUMS")).unwrap();
        let probes = &results.runs[0].probes;
        assert_eq!(probes.len(), 3 * 4);
        let of = |record: &ProbeRecord| {
            assert!(record.eigenpairs.iter().all(|pair| pair.residual < 1e-10 && sums.contains(&pair.file)));
            (record.eigenpairs.iter().map(|pair| pair.value).collect(), vectors(&folder, record))
        };
        probes.iter().map(of).collect::<Vec<(Vec<f64>, Vec<Vec<f64>>)>>()
    });
    let [dense, others @ ..] = &found;
    for other in others {
        for ((values, vectors), (others, other_vectors)) in dense.iter().zip(other) {
            assert!(!values.is_empty() && values.len() == others.len());
            for k in 0..values.len() {
                assert!((values[k] - others[k]).abs() < 1e-10);
                for (l, vector) in vectors.iter().enumerate() {
                    let expected = f64::from(u8::from(k == l));
                    let along = dot(vector, &other_vectors[k]);
                    assert!((along - expected).abs() < 1e-6, "{k} and {l}: {along}");
                    assert!((dot(vector, &vectors[k]) - expected).abs() < 1e-12);
                }
            }
        }
    }
}

#[test]
fn weight_decay_moves_values_and_no_vector() {
    let found = ["false", "true"].map(|decays| {
        let out = tempfile::tempdir().unwrap();
        let keys =
            format!("eigenvectors = 3\nestimator = \"dense\"\ndtype = \"f64\"\nweight_decay = {decays}\n");
        let (folder, results) = execute(out.path(), &keys, &never()).unwrap();
        let record = results.runs[0].probes[0].clone();
        (vectors(&folder, &record), record.eigenpairs)
    });
    let [(vectors, pairs), (moved_vectors, moved)] = found;
    for (index, moved) in moved.iter().enumerate() {
        let before = pairs.iter().position(|pair| (pair.value + 0.25 - moved.value).abs() < 1e-12).unwrap();
        assert_eq!((moved.residual, &moved_vectors[index]), (pairs[before].residual, &vectors[before]));
    }
}

/// Fewer vectors than were asked for are said to be fewer, in the notes.
#[test]
fn what_there_is_not_is_said() {
    for (estimator, why) in [
        ("\"gram\"", "no more non-zero eigenvalues"),
        ("{ name = \"lanczos\", steps = 2 }", "no more of the largest eigenvalues have converged"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let keys = format!("eigenvectors = 9\nestimator = {estimator}\ncurvature = \"gauss-newton\"\n");
        let (folder, results) = execute(out.path(), &keys, &never()).unwrap();
        let last = results.runs[0].probes.iter().rfind(|record| record.group.ends_with(']')).unwrap();
        assert!(last.eigenpairs.len() < 5);
        let text = fs::read_to_string(folder.join("notes.json")).unwrap();
        let notes: Notes = serde_json::from_str(&text).unwrap();
        let said = format!(
            "{} of 9 eigenvectors of gauss-newton of 2.weight[0:1] after epoch 2: ",
            9 - last.eigenpairs.len()
        );
        let lines: Vec<&str> = notes.runs[0].lines.iter().map(|line| line.value.as_str()).collect();
        assert!(lines.iter().any(|line| line.starts_with(&said) && line.contains(why)), "{lines:#?}");
    }
}

/// Runs of a sweep have folders of their own, and are taken over with their vectors by a sweep that
/// contains them.
#[test]
fn vectors_go_with_their_run() {
    let out = tempfile::tempdir().unwrap();
    let keys = |seeds: &str| format!("eigenvectors = 3\nestimator = \"counted\"\n[sweep]\nseed = {seeds}\n");
    let stop = never();
    execute(out.path(), &keys("[0, 1]"), &stop).unwrap();
    let first = stop.0.load(Ordering::Relaxed);
    let (folder, results) = execute(out.path(), &keys("[0, 1, 2]"), &stop).unwrap();
    assert_eq!(stop.0.load(Ordering::Relaxed), first / 2 * 3, "only the new run is estimated");
    let pairs = results.runs.iter().flat_map(|run| run.probes.iter().flat_map(|probe| &probe.eigenpairs));
    let named: Vec<PathBuf> = pairs.map(|pair| PathBuf::from(&pair.file)).collect();
    assert!(named[0].starts_with("vectors/seed=0"), "{}", named[0].display());
    let there: Vec<PathBuf> = files(&folder).into_keys().filter(|file| file.starts_with("vectors")).collect();
    let mut sorted = named.clone();
    sorted.sort();
    assert_eq!(there, sorted);
}

/// An interrupted run ends with the same vectors, to the bit, also if a kept file was damaged
/// meanwhile.
#[test]
fn an_interrupted_run_has_the_same_vectors() {
    let keys = "eigenvectors = 3\nestimator = \"counted\"\n";
    let whole = tempfile::tempdir().unwrap();
    let of_vectors = |folder: &Path| {
        let mut files = files(folder);
        files.retain(|file, _| file.starts_with("vectors"));
        files
    };
    let (folder, _) = execute(whole.path(), keys, &never()).unwrap();
    let expected = of_vectors(&folder);
    assert!(expected.len() > 3 * 4);
    for (stop_after, damage) in [(2, false), (2, true), (6, false), (6, true), (10, true)] {
        let out = tempfile::tempdir().unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        let stopped = execute(out.path(), keys, &(Arc::clone(&made), stop_after)).unwrap_err();
        assert!(matches!(stopped, Failure::Interrupted { .. }), "{stopped}");
        let store = out.path().join("runs/.vectors.runs");
        let kept =
            files(&store).into_keys().find(|file| file.to_string_lossy().contains("/vectors/")).unwrap();
        if damage {
            fs::write(store.join(kept), "damaged").unwrap();
        }
        let (folder, _) = execute(out.path(), keys, &(Arc::clone(&made), 0)).unwrap();
        assert!(of_vectors(&folder) == expected, "stopped after {stop_after}");
        let again = made.load(Ordering::Relaxed) - 3 * 4;
        assert_eq!(again > 0, damage, "{again} are estimated again after {stop_after}");
    }
}

#[test]
fn activations_have_no_eigenvectors() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("vectors.toml");
    let text =
        EXPERIMENT.replace("\"full\"", "\"activation:0\"") + "eigenvectors = 3\nestimator = \"lanczos\"\n";
    fs::write(&file, text).unwrap();
    let mut registry = points::registry();
    eigenscape_estimators::register(&mut registry);
    let plan = check::plan(&file, &Choices::default(), &registry).unwrap();
    let refused = eigenscape_experiment::prepare::prepare(&plan.runs[0]).map(drop).unwrap_err();
    assert!(refused.to_string().contains("an activation has none"), "{refused}");
}
