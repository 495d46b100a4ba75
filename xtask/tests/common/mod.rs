//! Runs the command in a folder of its own, with an experiment and data.

#![allow(dead_code, clippy::unwrap_used, reason = "each test target uses its part of it")]

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use tempfile::TempDir;

/// Trains and measures a small network.
pub const EXPERIMENT: &str = r#"
name = "small"
seed = 3
[data]
name = "tensors"
path = "xy.safetensors"
[model]
name = "mlp"
widths = [5]
[train]
epochs = 2
batch_size = 8
optimizer = { name = "sgd", lr = 0.1, momentum = 0.9 }
[[probe]]
at = [0, 2]
samples_per_class = 4
groups = ["full", "layers"]
estimator = "dense"
[[distance]]
name = "wasserstein"
"#;

/// Its network is a list of layers, among them batch normalisation and dropout.
pub const SEQUENTIAL: &str = r#"
name = "own"
[data]
name = "tensors"
path = "xy.safetensors"
[model]
name = "sequential"
layers = [
    { op = "linear", in = 2, out = 6 },
    { op = "residual", body = [{ op = "batch_norm1d" }, { op = "gelu" }, { op = "dropout", p = 0.5 }, { op = "linear", out = 6 }] },
    { op = "linear", out = 3 },
]
[train]
epochs = 2
batch_size = 8
optimizer = { name = "sgd", lr = 0.1 }
[[probe]]
at = [0, 2]
samples = 12
groups = ["full"]
estimator = "dense"
"#;

/// A folder with an experiment in `NAME.toml`.
pub fn folder(name: &str, experiment: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{name}.toml")), experiment).unwrap();
    folder
}

/// Writes inputs and targets to `xy.safetensors`.
pub fn save(folder: &Path, x: Tensor, y: Tensor) {
    let tensors = HashMap::from([("x", x), ("y", y)]);
    candle_core::safetensors::save(&tensors, folder.join("xy.safetensors")).unwrap();
}

/// Writes `count` points, of three classes in turn, to `xy.safetensors`; `place` gives a point's
/// angle and radius.
pub fn save_points(folder: &Path, count: i64, place: impl Fn(i64) -> (f64, f64)) {
    let points = (0..count).flat_map(|i| {
        let (angle, radius) = place(i);
        [radius * angle.cos(), radius * angle.sin()]
    });
    let x = Tensor::from_iter(points, &Device::Cpu).unwrap().reshape((count as usize, 2)).unwrap();
    let y = Tensor::from_iter((0..count).map(|i| i % 3), &Device::Cpu).unwrap();
    save(folder, x.to_dtype(DType::F32).unwrap(), y);
}

/// A folder with the experiment `small` and twenty points on three rays.
pub fn small(experiment: &str) -> TempDir {
    let folder = folder("small", experiment);
    save_points(folder.path(), 20, |i| (2.0 * (i % 3) as f64, 1.0 + i as f64 / 10.0));
    folder
}

/// The command in a folder, not yet started.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).current_dir(folder);
    command
}

pub fn xtask(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The text on stderr without the line breaks and bars of the terminal's layout.
pub fn words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `results.json` in a folder of one run, without the times.
pub fn results(folder: &Path) -> Value {
    let mut results: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("results.json")).unwrap()).unwrap();
    for probe in results["runs"][0]["probes"].as_array_mut().unwrap() {
        probe["seconds"] = Value::Null;
    }
    results
}

/// The names in a folder, sorted; empty if there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
