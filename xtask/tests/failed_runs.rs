//! Runs that fail while they run: one clear error, and what was measured before is kept.

mod common;

use std::{collections::HashMap, fs};

use candle_core::{Device, Tensor};
use common::{EXPERIMENT, SEQUENTIAL, results, small, words, xtask};
use serde_json::Value;

#[test]
fn an_earlier_result_survives_a_run_that_fails() {
    let folder = small(EXPERIMENT);
    fs::write(folder.path().join("own.toml"), SEQUENTIAL).unwrap();
    assert!(xtask(folder.path(), &["reproduce", "own.toml", "-q"]).status.success());
    let before = results(&folder.path().join("runs/own"));
    let huge = "{ op = 'residual', body = [{ op = 'identity' }], scale = 1e38 }";
    let layers = format!("model.layers=[{huge}, {huge}, {{ op = 'linear', out = 3 }}]");
    let output = xtask(folder.path(), &["reproduce", "own.toml", "--set", &layers]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("the loss after epoch 0 is"), "{stderr}");
    assert_eq!(results(&folder.path().join("runs/own")), before);
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 1);
}

#[test]
fn a_training_that_diverges_keeps_what_was_measured_before() {
    let folder = small(EXPERIMENT);
    let sweep = EXPERIMENT.replace("seed = 3", "seed = 3\nreruns = 2");
    let sweep = format!("{sweep}\n[sweep]\n\"train.optimizer.lr\" = [1e30, 0.1]\n");
    fs::write(folder.path().join("small.toml"), sweep).unwrap();
    let reproduce = || {
        let output = xtask(folder.path(), &["reproduce", "small.toml"]);
        let words = words(&output);
        (output, words)
    };
    let (output, message) = reproduce();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "runs/small/report.html");
    assert_eq!(message.matches('×').count(), 1, "{message}");
    for text in
        ["2 of 4 runs diverged", "learning rate", "last finite loss", "lower", "results up to there are in"]
    {
        assert!(message.contains(text), "no {text:?} in {message}");
    }
    let run = folder.path().join("runs/small");
    let results: Value =
        serde_json::from_str(&fs::read_to_string(run.join("results.json")).unwrap()).unwrap();
    for record in results["runs"].as_array().unwrap() {
        let name = record["name"].as_str().unwrap();
        let diverges = name.contains("1e30") || name.contains("lr=1000");
        let moments = if diverges { 1 } else { 2 };
        assert_eq!(record["probes"].as_array().unwrap().len(), moments * 3, "{name}");
        assert_eq!(record["distances"].as_array().unwrap().len(), moments * 2, "{name}");
        let divergence = &record["diverged"];
        assert_eq!(divergence.is_object(), diverges, "{name}: {divergence}");
        if diverges {
            assert_eq!(divergence["learning_rate"], 1e30);
            assert!(divergence["step"].as_u64() > Some(0) && divergence["last_finite_loss"].is_number());
            let whole = divergence["epoch"].as_u64().unwrap();
            assert_eq!(record["training"].as_array().unwrap().len() as u64, whole, "the epochs before it");
        }
    }
    let counts: Vec<u64> =
        results["variants"].as_array().unwrap().iter().map(|v| v["diverged"].as_u64().unwrap_or(0)).collect();
    assert_eq!(counts, [2, 0]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("training diverged: the loss") && page.contains("2, 2 diverged"), "{page}");
    assert!(!run.join(".small.runs").exists());
    // The same call fails in the same way.
    assert_eq!(reproduce().0.status.code(), Some(1));
}

/// Activations of 1e20 and weights of 1e-3: the loss is finite in f32, and the last layer's
/// curvature, 1e40, is not.
#[test]
fn a_spectrum_that_cannot_be_measured_is_told_and_everything_else_is_kept() {
    let folder = small(EXPERIMENT);
    let (before, _) = EXPERIMENT.split_once("[model]").unwrap();
    let huge = format!(
        r#"loss = "mean-squared-error"
{before}
[model]
name = "sequential"
layers = [{{ op = "linear", out = 4, bias = false }}, {{ op = "linear", out = 3, bias = false }}]
checkpoint = "huge.safetensors"
[[probe]]
at = "end"
samples = 6
groups = "layers"
estimator = {{ name = "lanczos", steps = 4 }}
[[probe]]
at = "end"
samples = 6
groups = "0.weight"
estimator = "gram"
"#
    );
    fs::write(folder.path().join("small.toml"), huge).unwrap();
    let full = |value: f32, shape: (usize, usize)| Tensor::full(value, shape, &Device::Cpu).unwrap();
    let weights = HashMap::from([("0.weight", full(1e20, (4, 2))), ("1.weight", full(1e-3, (3, 4)))]);
    candle_core::safetensors::save(&weights, folder.path().join("huge.safetensors")).unwrap();
    let output = xtask(folder.path(), &["reproduce", "small.toml"]);
    let message = words(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "runs/small/report.html");
    assert_eq!(message.matches('×').count(), 1, "{message}");
    for text in [
        "warning: not measured: hessian of 1.weight",
        "a spectrum could not be measured hessian of 1.weight after epoch 0, by lanczos ([[probe]] number 1)",
        "NaN or infinite",
        "everything else is in runs/small",
    ] {
        assert!(message.contains(text), "no {text:?} in {message}");
    }
    let run = folder.path().join("runs/small");
    let results = results(&run);
    let groups: Vec<&Value> =
        results["runs"][0]["probes"].as_array().unwrap().iter().map(|probe| &probe["group"]).collect();
    assert_eq!(groups, ["0.weight", "0.weight"], "the other group and the other probe are measured");
    let failures = results["runs"][0]["failures"].as_array().unwrap();
    assert_eq!((failures.len(), &failures[0]["group"]), (1, &Value::from("1.weight")));
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("A spectrum is missing.") && page.contains("hessian of 1.weight"), "{page}");
}

#[test]
fn a_loss_that_is_not_finite_before_any_step_is_not_the_learning_rate() {
    let folder = small(EXPERIMENT);
    let (before, rest) = SEQUENTIAL.split_once("layers = [").unwrap();
    let (_, after) = rest.split_once("\n]\n").unwrap();
    let (_, probe) = after.split_once("[[probe]]\nat = [0, 2]").unwrap();
    let huge = "{ op = \"residual\", body = [{ op = \"identity\" }], scale = 1e38 }";
    let layers = format!("layers = [{huge}, {huge}, {{ op = \"linear\", out = 3 }}]");
    for rest in [after.to_owned(), format!("[[probe]]{probe}")] {
        fs::write(folder.path().join("own.toml"), format!("{before}{layers}\n{rest}")).unwrap();
        let output = xtask(folder.path(), &["reproduce", "own.toml"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("the loss after epoch 0 is") && stderr.contains("[model]"), "{stderr}");
        assert!(!stderr.contains("train.optimizer.lr"), "{stderr}");
    }
}
