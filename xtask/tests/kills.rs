//! Runs that are killed or stopped, again and again: the same command goes on, and comes to the same bits.
//!
//! `EIGENSCAPE_KILLS=50 cargo test -p xtask --test kills` kills fifty times each; the default is a handful.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Tensor};
use rand::{Rng, RngExt};
use serde_json::Value;
use tempfile::TempDir;

/// Everything that has a state, or draws at random: dropout, batch normalisation, moments, penalties with probes, a schedule.
const EXPERIMENT: &str = r#"
name = "killed"
seed = 3
[data]
name = "tensors"
path = "xy.safetensors"
[model]
name = "sequential"
layers = [
    { op = "linear", in = 2, out = 24 },
    { op = "residual", body = [{ op = "batch_norm1d" }, { op = "gelu" }, { op = "dropout", p = 0.25 }, { op = "linear", out = 24 }] },
    { op = "linear", out = 3 },
]
[train]
epochs = 8
batch_size = 7
optimizer = { name = "adamw", lr = 0.01 }
schedule = { name = "cosine", warmup_steps = 20 }
keep_every = 0.0
[[train.regularizer]]
name = "hessian-trace"
strength = 1e-3
every = 3
[[probe]]
at = [0, 3, 5, 8]
samples_per_class = 9
groups = ["full", "parameters"]
curvature = ["hessian", "gauss-newton"]
estimator = { name = "lanczos", steps = 24, probes = 2 }
[[probe]]
at = [0, 5, 8]
samples_per_class = 9
groups = ["full", "layers"]
curvature = "gauss-newton"
estimator = "gram"
[[distance]]
name = "wasserstein"
[report]
tensorboard = true
"#;

fn folder(experiment: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("killed.toml"), experiment).unwrap();
    let points = (0..120).flat_map(|i| {
        let (angle, radius) = (2.0 * f64::from(i % 3) + f64::from(i) / 90.0, 1.0 + f64::from(i) / 40.0);
        [radius * angle.cos(), radius * angle.sin()]
    });
    let x = Tensor::from_iter(points, &Device::Cpu).unwrap().reshape((120, 2)).unwrap();
    let y = Tensor::from_iter((0..120_i64).map(|i| i % 3), &Device::Cpu).unwrap();
    let tensors = HashMap::from([("x", x.to_dtype(DType::F32).unwrap()), ("y", y)]);
    candle_core::safetensors::save(&tensors, folder.path().join("xy.safetensors")).unwrap();
    folder
}

fn command(folder: &Path, out: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["reproduce", "killed.toml", "--out", out]).current_dir(folder);
    command
}

fn words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the numbers of a folder of results are: `results.json` but for seconds, and the bytes of every checkpoint; of event files the length.
fn numbers(folder: &Path) -> (Value, BTreeMap<String, Vec<u8>>) {
    let text = fs::read_to_string(folder.join("results.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    without_seconds(&mut results);
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.join("checkpoints"), folder.join("tensorboard")];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let bytes = fs::read(&path).unwrap();
            let bytes = if name.starts_with("checkpoints") { bytes } else { vec![0; bytes.len()] };
            files.insert(name, bytes);
        }
    }
    (results, files)
}

fn without_seconds(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| key != "seconds");
            object.values_mut().for_each(without_seconds);
        }
        Value::Array(values) => values.iter_mut().for_each(without_seconds),
        _ => {}
    }
}

/// Everything in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn kills() -> usize {
    std::env::var("EIGENSCAPE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

/// Kills a process after so long; whether it had ended before.
fn killed(mut process: Child, after: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < after {
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return true;
        }
        thread::sleep(Duration::from_micros(500));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    false
}

/// Runs an experiment as it is, and again with so many kills at random moments, and compares.
fn survives(experiment: &str, seed: u64) {
    let folder = folder(experiment);
    let start = Instant::now();
    let output = command(folder.path(), "whole").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let took = start.elapsed();
    let expected = numbers(&folder.path().join("whole/killed"));
    let mut random = rand_chacha_like(seed);
    let (mut killed_so_far, mut round) = (0, 0);
    while killed_so_far < kills() {
        round += 1;
        let out = format!("round-{round}");
        let here = folder.path().join(&out);
        let mut ended = false;
        while !ended && killed_so_far < kills() {
            let process = command(folder.path(), &out).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
            ended = killed(process.unwrap(), took.mul_f64(random()));
            killed_so_far += usize::from(!ended);
        }
        if !ended {
            let output = command(folder.path(), &out).output().unwrap();
            assert!(output.status.success(), "{}", words(&output));
        }
        assert!(numbers(&here.join("killed")) == expected, "round {round} has other numbers");
        assert_eq!(names(&here), ["killed"], "what is left after round {round}");
        fs::remove_dir_all(here).unwrap();
    }
}

/// Numbers from 0 to 1, more of them near 1: the last steps are short, and many.
fn rand_chacha_like(seed: u64) -> impl FnMut() -> f64 {
    let mut stream = eigenscape_core::Random::new(seed).stream("kills", 0);
    move || {
        let (even, near_the_end): (f64, bool) = (stream.random(), stream.next_u32().is_multiple_of(3));
        if near_the_end { 0.8 + 0.25 * even } else { even }
    }
}

#[test]
fn a_run_that_is_killed_comes_to_the_same_bits() {
    survives(EXPERIMENT, 1);
}

#[test]
fn a_sweep_that_is_killed_comes_to_the_same_bits() {
    let sweep = EXPERIMENT.replace("epochs = 8", "epochs = 5").replace("at = [0, 3, 5, 8]", "at = [0, 3]");
    let sweep = sweep.replace("at = [0, 5, 8]", "at = [5]");
    survives(&format!("{sweep}\n[sweep]\n\"train.optimizer.lr\" = [0.01, 0.02]\nseed = [1, 2]\n"), 2);
}
