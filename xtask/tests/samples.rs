//! Samples, batches, weight decay and targets, from the command line to `results.json` and the
//! report.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{collections::HashMap, fs, path::Path};

use candle_core::{Device, Tensor};
use common::{words, xtask};
use serde_json::Value;
use tempfile::TempDir;

const EXPERIMENT: &str = r#"
name = "small"
[data]
name = "tensors"
path = "xy.safetensors"
[model]
name = "sequential"
layers = [{ op = "linear", out = 3 }]
[train]
epochs = 1
batch_size = 8
optimizer = { name = "sgd", lr = 0.1, weight_decay = 0.125 }
"#;

/// A folder with the experiment, extended by `lines`, and data: x and labels of these shapes.
fn folder(shape: &[usize], labels: &[usize], label: impl Fn(usize) -> i64, lines: &str) -> TempDir {
    let folder = common::folder("small", &format!("{EXPERIMENT}{lines}"));
    let count = shape.iter().product::<usize>();
    let x = Tensor::from_iter((0..count).map(|i| (i as f64 * 1.3).sin() as f32), &Device::Cpu).unwrap();
    let y = Tensor::from_iter((0..labels.iter().product()).map(label), &Device::Cpu).unwrap();
    common::save(folder.path(), x.reshape(shape).unwrap(), y.reshape(labels).unwrap());
    folder
}

/// The record of the only run, and the text on stderr.
fn reproduced(folder: &Path, set: &[&str]) -> (Value, String) {
    let set = set.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["reproduce", "small.toml", "--fresh"].into_iter().chain(set).collect();
    let output = xtask(folder, &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = fs::read_to_string(folder.join("runs/small/results.json")).unwrap();
    (serde_json::from_str::<Value>(&text).unwrap()["runs"][0].take(), said)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn weight_decay_moves_every_eigenvalue_by_itself() {
    let probe = |estimator: &str| {
        format!(
            "[[probe]]\nsamples = 'all'\ngroups = ['0.weight']\ndtype = 'f64'\nestimator = '{estimator}'\n"
        )
    };
    let folder = folder(&[16, 4], &[16], |i| (i % 3) as i64, &(probe("gram") + &probe("dense")));
    let (plain, _) = reproduced(folder.path(), &[]);
    let (decayed, _) = reproduced(folder.path(), &["probe.weight_decay=true"]);
    for (index, estimator) in ["gram", "dense"].into_iter().enumerate() {
        let (before, after) = (&plain["probes"][index], &decayed["probes"][index]);
        assert_eq!(after["estimator"], estimator);
        assert_eq!(after["exact"], true, "{estimator}");
        let atoms = |record: &Value| -> Vec<(f64, f64)> {
            numbers(&record["eigenvalues"]).into_iter().zip(numbers(&record["weights"])).collect()
        };
        let (before_atoms, after_atoms) = (atoms(before), atoms(after));
        let mut expected: Vec<(f64, f64)> = before_atoms.iter().map(|(v, w)| (v + 0.125, *w)).collect();
        let zero = 1.0 - before_atoms.iter().map(|(_, w)| w).sum::<f64>();
        if zero > 1e-9 {
            // Positive semidefinite: the eigenvalues that were zero come last.
            expected.push((0.125, zero));
        }
        assert_eq!(after_atoms.len(), expected.len(), "{estimator}");
        for ((value, weight), (expected, of)) in after_atoms.iter().zip(expected) {
            assert!(
                (value - expected).abs() < 1e-12 && (weight - of).abs() < 1e-12,
                "{estimator}: {value} {expected}"
            );
        }
        let number = |record: &Value, key: &str| record[key].as_f64().unwrap();
        assert!((number(after, "trace") - number(before, "trace") - 12.0 * 0.125).abs() < 1e-12);
        assert!((number(after, "lambda_min") - number(before, "lambda_min") - 0.125).abs() < 1e-12);
    }
}

#[test]
fn batches_are_measured_one_by_one_and_shown_by_their_spread() {
    let lines = "[[probe]]\nat = [0, 1]\nsamples = 4\nbatches = 3\ngroups = ['full', '0.weight']\nestimator = 'dense'\n\
                 [[distance]]\nname = 'wasserstein'\n\
                 [[expect]]\nclaim = 'it falls'\nquantity = 'trace'\nis = 'falls'\n";
    let folder = folder(&[16, 4], &[16], |i| (i % 3) as i64, lines);
    let (run, said) = reproduced(folder.path(), &[]);
    let probes = run["probes"].as_array().unwrap();
    let at = |epoch: u64, group: &str| -> Vec<&Value> {
        probes.iter().filter(|p| p["epoch"] == epoch && p["group"] == group).collect()
    };
    assert_eq!(probes.len(), 2 * 2 * 3);
    for (epoch, group) in [(0, "full"), (1, "full"), (1, "0.weight")] {
        let records = at(epoch, group);
        let batches: Vec<u64> = records.iter().map(|record| record["batch"].as_u64().unwrap()).collect();
        assert_eq!(batches, [0, 1, 2]);
        assert_ne!(records[0]["eigenvalues"], records[1]["eigenvalues"]);
    }
    let distances = run["distances"].as_array().unwrap();
    assert_eq!(
        distances.iter().map(|d| d["batch"].as_u64().unwrap()).collect::<Vec<_>>(),
        [0, 1, 2, 0, 1, 2]
    );
    // The first batch is the sample that is used without batches.
    let (alone, _) = reproduced(folder.path(), &["probe.samples=4", "probe.batches=1"]);
    assert_eq!(alone["probes"][0]["eigenvalues"], at(0, "full")[0]["eigenvalues"]);
    reproduced(folder.path(), &[]);
    let page = fs::read_to_string(folder.path().join("runs/small/report.html")).unwrap();
    assert!(
        page.contains("Spread over batches")
            && page.contains("3 batches of 4 training samples drawn at random")
    );
    // Claims are about the mean over batches, with its standard error.
    let mean = |epoch| at(epoch, "full").iter().map(|p| p["trace"].as_f64().unwrap()).sum::<f64>() / 3.0;
    // It is rounded where its error's second digit is.
    let told: Vec<&str> = said.split_whitespace().collect();
    let number = |word: &str| word.trim_matches(['(', ')', ',', ';']).parse::<f64>().ok();
    let is_mean = |of: &[&str]| match (number(of[0]), of[1], number(of[2])) {
        (Some(value), "±", Some(half)) => (value - mean(1)).abs() <= 0.05 * half,
        _ => false,
    };
    assert!(told.windows(3).any(is_mean), "{} in {said}", mean(1));
    let output = xtask(folder.path(), &["check", "small.toml", "--set", "probe.batches=5"]);
    let stderr = words(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("5 disjoint batches of 4 samples are 20"), "{stderr}");
}

#[test]
fn without_a_test_split_there_is_no_test_accuracy() {
    let probe = "[[probe]]\nsamples = 'all'\nestimator = 'dense'\n[report]\ntensorboard = true\n";
    let folder = folder(&[16, 4], &[16], |i| (i % 3) as i64, probe);
    let (run, said) = reproduced(folder.path(), &[]);
    for record in run["training"].as_array().unwrap() {
        assert!(record["train_accuracy"].is_number());
        assert!(record["test_loss"].is_null() && record["test_accuracy"].is_null(), "{record}");
    }
    assert!(said.contains("training loss") && !said.contains("test loss"), "{said}");
    let page = fs::read_to_string(folder.path().join("runs/small/report.html")).unwrap();
    assert!(!page.contains("Test accuracy") && page.contains("no test split"));
    let events =
        fs::read(folder.path().join("runs/small/tensorboard/events.out.tfevents.0.eigenscape")).unwrap();
    let has = |tag: &str| events.windows(tag.len()).any(|window| window == tag.as_bytes());
    assert!(has("loss/train") && !has("loss/test") && !has("accuracy/test"));
    for (quantity, epoch) in
        [("test-accuracy", "last"), ("generalisation-gap", "last"), ("train-loss", "best")]
    {
        let claim = format!(
            "expect=[{{claim=\"good\", quantity=\"{quantity}\", epoch=\"{epoch}\", is=\"above\", than=0.5}}]"
        );
        let output = xtask(folder.path(), &["check", "small.toml", "--set", &claim]);
        let stderr = words(&output);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("no test split"), "{stderr}");
    }
}

#[test]
fn pixels_are_classified_and_ignored_ones_are_no_class() {
    let label = |i: usize| if i.is_multiple_of(7) { 255 } else { (i % 3) as i64 };
    let probe = "[[probe]]\nsamples = 4\nestimator = 'dense'\n";
    let folder = folder(&[6, 2, 4, 5], &[6, 4, 5], label, probe);
    let set = [
        "model.layers=[{op=\"conv2d\", out=3, kernel=1}]",
        "loss={name=\"cross-entropy\", ignore_index=255, weight=[1.0, 2.0, 0.5]}",
    ];
    let (run, _) = reproduced(folder.path(), &set);
    assert_eq!(run["probes"][0]["dimension"], 3 * 2 + 3);
    assert!(run["training"][0]["train_accuracy"].is_number());
    // 256 classes would require 256 outputs.
    let output =
        xtask(folder.path(), &["check", "small.toml", "--set", set[0], "--set", "loss=cross-entropy"]);
    let stderr = words(&output);
    assert!(stderr.contains("256 outputs"), "{stderr}");
}

#[test]
fn a_label_of_minus_one_is_the_datas_fault() {
    let folder = folder(&[9, 4], &[9], |i| i as i64 % 4 - 1, "[[probe]]\nsamples = 4\nestimator = 'dense'\n");
    let output = xtask(folder.path(), &["check", "small.toml"]);
    let stderr = words(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for part in
        ["tensor `y`: the element [0] is -1, not a class", "ignore_index = -1", "path = \"xy.safetensors\""]
    {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

#[test]
fn an_encoding_is_called_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("latin.toml"), b"name = \"na\xefve\"\n").unwrap();
    let output = xtask(folder.path(), &["check", "latin.toml"]);
    let stderr = words(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("not text in UTF-8: the byte at 10"), "{stderr}");
}

/// In a ReLU network affinity is proved for each tensor but not for the full network; the trace of
/// the whole Hessian is exact nevertheless.
#[test]
fn the_trace_of_a_whole_network_of_relus_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let file = r#"
name = "traces"
[data]
name = "iris"
[model]
name = "mlp"
widths = [5]
[[probe]]
samples = 20
groups = ["full", "parameters"]
estimator = "trace"
"#;
    fs::write(folder.path().join("traces.toml"), file).unwrap();
    let output = xtask(folder.path(), &["reproduce", "traces.toml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(folder.path().join("runs/traces/results.json")).unwrap();
    let results: Value = serde_json::from_str(&text).unwrap();
    let probes = results["runs"][0]["probes"].as_array().unwrap();
    let traces: Vec<f64> = probes.iter().map(|probe| probe["trace"].as_f64().unwrap()).collect();
    let sum: f64 = traces[1..].iter().sum();
    assert!(traces.len() == 5 && (traces[0] - sum).abs() < 1e-5 * sum, "{traces:?}");
}

/// An exported network that computes its own loss from the argument `t`.
const OWN_LOSS: &str = r#"
name = "small"
loss = "output"
[data]
name = "tensors"
path = "t.safetensors"
[model]
name = "exported"
path = "own_loss.pt2"
[[probe]]
samples = "all"
groups = "full"
dtype = "f64"
estimator = "dense"
"#;

#[test]
fn a_loss_without_targets_needs_no_targets_in_the_data() {
    let folder = common::folder("small", OWN_LOSS);
    let exported = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/exported/own_loss.pt2");
    fs::copy(exported, folder.path().join("own_loss.pt2")).unwrap();
    let t = Tensor::from_iter((0..6).map(|i| f64::from(i) / 6.0), &Device::Cpu).unwrap();
    let t = t.reshape((6, 1)).unwrap();
    let save = |tensors: HashMap<&str, Tensor>| {
        candle_core::safetensors::save(&tensors, folder.path().join("t.safetensors")).unwrap();
    };
    save(HashMap::from([("t", t.clone())]));
    let (without, said) = reproduced(folder.path(), &[]);
    assert!(xtask(folder.path(), &["check", "small.toml"]).status.success(), "{said}");
    save(HashMap::from([("t", t.clone()), ("y", t.zeros_like().unwrap())]));
    let (with, _) = reproduced(folder.path(), &[]);
    assert_eq!(without["probes"][0]["eigenvalues"], with["probes"][0]["eigenvalues"]);
    assert!(numbers(&without["probes"][0]["eigenvalues"]).iter().any(|value| value.abs() > 1e-6));
    // Any other loss needs them.
    save(HashMap::from([("t", t)]));
    let output = xtask(folder.path(), &["check", "small.toml", "--set", "loss=mse"]);
    assert!(words(&output).contains("`y`: the file has no such tensor"), "{}", words(&output));
}
