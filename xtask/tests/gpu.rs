//! An experiment on an emulated GPU, from its file to its results.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{fs, path::Path};

use serde_json::Value;

const EXPERIMENT: &str = r#"
name = "small"
[data]
name = "iris"
[model]
name = "mlp"
widths = [16, 8]
activation = "tanh"
[train]
epochs = 2
batch_size = 30
optimizer = { name = "adamw", lr = 0.01 }
[[train.regularizer]]
name = "hessian-trace"
groups = "full"
strength = 1e-3
every = 2
[[probe]]
at = ["start", "end"]
samples = "all"
groups = ["full", "layers"]
estimator = { name = "lanczos", steps = 12, probes = 2 }
[[probe]]
at = ["end"]
samples_per_class = 5
groups = "layers"
curvature = "gauss-newton"
estimator = "gram"
"#;

/// The results of the experiment's only run on a device.
fn run(folder: &Path, device: &str) -> Value {
    let out = folder.join(device.replace(':', "-"));
    let set = format!("device={device}");
    let arguments = ["reproduce", "small.toml", "-q", "--set", &set, "--out", out.to_str().unwrap()];
    let mut command = common::command(folder, &arguments);
    let output =
        command.env("EIGENSCAPE_CUDA_PATH", eigenscape_cuda_emulator::libraries().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results = fs::read_to_string(out.join("small/results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    results["runs"][0].clone()
}

#[test]
fn training_penalties_and_spectra_agree_with_the_cpu() {
    let folder = common::folder("small", EXPERIMENT);
    let (cpu, gpu) = (run(folder.path(), "cpu"), run(folder.path(), "cuda:0"));
    let close = |kind: &str, names: &[&str]| {
        let (cpu, gpu) = (cpu[kind].as_array().unwrap(), gpu[kind].as_array().unwrap());
        assert_eq!(cpu.len(), gpu.len());
        assert!(!cpu.is_empty());
        for (cpu, gpu) in cpu.iter().zip(gpu) {
            for name in names {
                let (cpu, gpu) = (cpu[name].as_f64().unwrap(), gpu[name].as_f64().unwrap());
                assert!((cpu - gpu).abs() <= 1e-5 * cpu.abs().max(1e-3), "{name}: {cpu} and {gpu}");
            }
        }
    };
    close("training", &["train_loss", "test_loss", "penalty"]);
    close("probes", &["lambda_max", "trace"]);
}

#[test]
fn what_is_missing_is_said_before_anything_runs() {
    let folder = common::folder("small", EXPERIMENT);
    let run = |path: &Path, device: &str| {
        let set = format!("device={device}");
        let mut command = common::command(folder.path(), &["check", "small.toml", "--set", &set]);
        let output = command.env("EIGENSCAPE_CUDA_PATH", path).output().unwrap();
        (output.status.code(), common::words(&output))
    };
    let (code, words) = run(folder.path(), "cuda:0");
    assert_eq!(code, Some(2), "{words}");
    assert!(
        words.contains("libcuda.so.1 and libnvrtc.so.13 and libcublas.so.13 are not found")
            && words.contains("install NVIDIA's driver"),
        "{words}"
    );
    let (code, words) = run(eigenscape_cuda_emulator::libraries().unwrap(), "cuda:1");
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("there is no cuda:1: 1 device is visible"), "{words}");
    let mut command = common::command(folder.path(), &["check", "small.toml", "--set", "device=cuda"]);
    command.env("EIGENSCAPE_CUDA_PATH", eigenscape_cuda_emulator::libraries().unwrap());
    let words = common::words(&command.env("EIGENSCAPE_EMULATOR_MEMORY", "20000000").output().unwrap());
    assert!(words.contains("the GPU has no room for the workspace of matrix products of 32 MiB"), "{words}");
    // `auto` uses a GPU if there is one; here there is none.
    assert_eq!(run(folder.path(), "auto").0, Some(0));
}

#[test]
fn a_gpu_that_nobody_uses_is_chosen_and_no_more_than_is_free_is_taken() {
    let folder = common::folder("small", EXPERIMENT);
    let run = |device: &str, memory: &str| {
        let (device, memory) = (format!("device={device}"), format!("memory={memory}"));
        let arguments = ["check", "small.toml", "--set", &device, "--set", &memory];
        let mut command = common::command(folder.path(), &arguments);
        command.env("EIGENSCAPE_CUDA_PATH", eigenscape_cuda_emulator::libraries().unwrap());
        let output = command.env("EIGENSCAPE_EMULATOR_BUSY", "2").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", common::words(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let words = run("cuda:0", "1GiB");
    assert!(words.contains("cuda:0, Emulated GPU, 163.8 MiB of its 8.0 GiB free"), "{words}");
    assert!(words.contains(" of 163.8 MiB (`memory`)"), "{words}");
    let words = run("cuda", "1GiB");
    assert!(words.contains("cuda:2, Emulated GPU, "), "{words}");
    assert!(words.contains(" of 1.0 GiB (`memory`)"), "{words}");
}

/// The device that was found counts, not the word that asked for it.
#[test]
fn auto_does_not_take_the_cpus_results_for_a_cards() {
    let folder = common::folder("small", EXPERIMENT);
    let run = |device: &str, on_card: bool| {
        let set = format!("device={device}");
        let mut command = common::command(folder.path(), &["reproduce", "small.toml", "--set", &set]);
        if on_card {
            command.env("EIGENSCAPE_CUDA_PATH", eigenscape_cuda_emulator::libraries().unwrap());
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", common::words(&output));
        common::words(&output)
    };
    let finished = "finished earlier";
    assert!(!run("auto", false).contains(finished));
    assert!(!run("auto", true).contains(finished), "the card's numbers are others");
    assert!(run("cuda:0", true).contains(finished), "by another word for the same card");
}
