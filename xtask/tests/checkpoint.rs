//! Networks trained and saved in PyTorch, analysed from a TOML file alone: `tests/checkpoint/generate.py` made them.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use candle_core::Device;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint")
}

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).current_dir(fixtures()).output().unwrap()
}

/// The loss, and the eigenvalues of the Hessian in all parameters from the largest, zeros included.
fn found(name: &str) -> (f64, Vec<f64>) {
    let out = tempfile::tempdir().unwrap();
    let output = xtask(&["reproduce", &format!("{name}.toml"), "-q", "--out", out.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results = fs::read_to_string(out.path().join(name).join("results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let run = &results["runs"][0];
    let probe = &run["probes"][0];
    let listed = probe["eigenvalues"].as_array().unwrap();
    let mut eigenvalues: Vec<f64> = listed.iter().map(|value| value.as_f64().unwrap()).collect();
    eigenvalues.resize(probe["dimension"].as_u64().unwrap() as usize, 0.0);
    eigenvalues.sort_by(|a, b| b.total_cmp(a));
    (run["training"][0]["train_loss"].as_f64().unwrap(), eigenvalues)
}

fn expected(name: &str) -> (f64, Vec<f64>) {
    let path = fixtures().join(format!("{name}_expected.safetensors"));
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    (tensors["loss"].to_scalar().unwrap(), tensors["eigenvalues"].to_vec1().unwrap())
}

#[test]
fn loss_and_eigenvalues_are_those_of_pytorch() {
    for name in ["images", "tokens"] {
        let ((loss, eigenvalues), (expected_loss, expected)) = (found(name), expected(name));
        assert!((loss - expected_loss).abs() <= 1e-9 * expected_loss, "{name}: {loss}, {expected_loss}");
        assert_eq!(eigenvalues.len(), expected.len(), "{name}");
        let worst = eigenvalues.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-9 * expected[0], "{name}: an eigenvalue is off by {worst:e}");
    }
}

#[test]
fn a_network_of_a_file_is_verified() {
    let verify = |more: &[&str]| {
        let arguments = ["verify", "images_verify.safetensors", "--model", "images.toml", "--dtype", "f64"];
        xtask(&[&arguments, more].concat())
    };
    let output = verify(&["--tolerance", "1e-9"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("relative error").count(), 5);
    assert_eq!(verify(&["--tolerance", "0"]).status.code(), Some(1));
    for tolerance in ["nan", "-1", "small"] {
        assert_eq!(verify(&["--tolerance", tolerance]).status.code(), Some(2), "{tolerance}");
    }
    let layers = fs::read_to_string(fixtures().join("images.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.toml");
    fs::write(&path, layers.replace("{ op = \"tanh\" }", "{ op = \"leaky_relu\", slope = nan }")).unwrap();
    let output = xtask(&["verify", "images_verify.safetensors", "--model", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`model.layers[2].slope` is NaN"));
    let output = xtask(&["verify", "images_verify.safetensors", "--model", "generate.toml"]);
    assert_eq!(output.status.code(), Some(2));
}

/// A file, `--set` flags, and what the message must contain.
type Mistake<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

#[test]
fn what_does_not_fit_is_refused_before_anything_is_measured() {
    let mistakes: &[Mistake] = &[
        (
            "tokens.toml",
            &["loss=cross-entropy"],
            &["the label [3, 2] is -1", "ignore_index = -1", "tokens.toml"],
        ),
        ("tokens.toml", &["loss.ignore_index=-5"], &["the label [3, 2] is -1"]),
        ("tokens.toml", &["loss=mean-squared-error"], &["the label [3, 2] is -1"]),
        ("tokens.toml", &["probe=[{samples_per_class=1, estimator=\"dense\"}]"], &["a label for each token"]),
        ("tokens.toml", &["model.checkpoint=images.pth"], &["does not fit the network"]),
        (
            "images.toml",
            &["model.checkpoint=images.pth"],
            &["module.0.weight", "[3, 1, 3, 3]", "strip_prefix = \"module.\""],
        ),
        ("images.toml", &["model.checkpoint.key=net"], &["no key `net`", "epoch, model, optimizer"]),
    ];
    let out = tempfile::tempdir().unwrap();
    for (file, sets, texts) in mistakes {
        let flags = sets.iter().flat_map(|set| ["--set", set]);
        let arguments = ["reproduce", file, "--out", out.path().to_str().unwrap()];
        let output = xtask(&arguments.into_iter().chain(flags).collect::<Vec<_>>());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{sets:?}\n{stderr}");
        let words = stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for text in *texts {
            assert!(words.contains(text), "{sets:?}: no {text:?} in\n{stderr}");
        }
    }
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}
