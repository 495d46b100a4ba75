//! The command line as a user sees it: a small experiment from end to end, and one clear error for
//! every mistake.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{collections::HashMap, fs, path::Path};

use candle_core::{Device, Tensor};
use common::{words, xtask};
use serde_json::Value;
use tempfile::TempDir;

const EXPERIMENT: &str = r#"
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

/// A folder with the experiment and its data.
fn folder() -> TempDir {
    common::small(EXPERIMENT)
}

fn results(folder: &Path) -> Value {
    let mut results: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("results.json")).unwrap()).unwrap();
    for probe in results["runs"][0]["probes"].as_array_mut().unwrap() {
        probe["seconds"] = Value::Null;
    }
    results
}

#[test]
fn an_experiment_from_end_to_end() {
    let folder = folder();
    let output = xtask(folder.path(), &["reproduce", "small.toml"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("epoch 2/2") && !stderr.contains('\u{1b}'), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "runs/small/report.html");
    let run = folder.path().join("runs/small");
    for file in [
        "experiment.toml",
        "notes.json",
        "report.html",
        "checkpoints/epoch-0.safetensors",
        "checkpoints/final.safetensors",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let first = results(&run);
    let record = &first["runs"][0];
    assert_eq!(record["training"].as_array().unwrap().len(), 3);
    assert_eq!(record["probes"].as_array().unwrap().len(), 2 * 3);
    assert_eq!(record["distances"].as_array().unwrap().len(), 2 * 2);
    assert_eq!(record["distances"][0]["right"], "full");
    let losses: Vec<f64> =
        record["training"].as_array().unwrap().iter().map(|r| r["train_loss"].as_f64().unwrap()).collect();
    assert!(losses[2] < losses[0], "{losses:?}");

    // The same seed gives the same numbers, bit for bit, also from the resolved experiment.
    let resolved = run.join("experiment.toml");
    fs::copy(&resolved, folder.path().join("again.toml")).unwrap();
    assert!(xtask(folder.path(), &["reproduce", "again.toml", "-q", "--out", "again"]).status.success());
    assert_eq!(results(&folder.path().join("again/small")), first);

    // The final weights, analysed without training, have the spectra from the end of training.
    let set = "model.checkpoint=runs/small/checkpoints/final.safetensors";
    let given = fs::read_to_string(folder.path().join("small.toml")).unwrap();
    let (before, after) = given.split_once("[train]").unwrap();
    let given = format!(
        "{before}{}",
        after.split_once("[[probe]]").map(|(_, rest)| format!("[[probe]]{rest}")).unwrap()
    );
    fs::write(folder.path().join("given.toml"), given.replace("[0, 2]", "\"end\"")).unwrap();
    let output = xtask(folder.path(), &["reproduce", "given.toml", "--out", "given", "--set", set]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let given = results(&folder.path().join("given/small"));
    assert_eq!(given["runs"][0]["probes"][0]["eigenvalues"], record["probes"][3]["eigenvalues"]);
    assert_eq!(given["runs"][0]["training"][0]["train_loss"], record["training"][2]["train_loss"]);
}

#[test]
fn a_sweep_has_a_run_for_every_combination() {
    let folder = folder();
    let output = xtask(
        folder.path(),
        &[
            "reproduce",
            "small.toml",
            "--set",
            "sweep.seed=[1, 2]",
            "--set",
            "train.epochs=1",
            "--set",
            "probe.at=end",
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results = results(&folder.path().join("runs/small"));
    let names: Vec<&str> =
        results["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["seed=1", "seed=2"]);
    assert!(folder.path().join("runs/small/checkpoints/seed=2/final.safetensors").is_file());
}

/// Arguments, exit code, and what the message must contain.
type Mistake<'a> = (&'a [&'a str], i32, &'a [&'a str]);

#[test]
fn every_mistake_is_one_clear_error_and_leaves_nothing() {
    let folder = folder();
    let here = folder.path();
    let whole = fs::read(here.join("xy.safetensors")).unwrap();
    fs::write(here.join("cut.safetensors"), &whole[..whole.len() - 9]).unwrap();
    fs::write(here.join("file"), "").unwrap();
    let mistakes: &[Mistake] = &[
        (&["reproduce", "nowhere.toml"], 2, &["nowhere.toml"]),
        (&["reproduce", "nowhere"], 2, &["no experiment `nowhere`"]),
        (&["reproduce", "small.toml", "--set", "train.epoch=1"], 2, &["did you mean `epochs`?", "--set:1:7"]),
        (
            &["reproduce", "small.toml", "--set", "data.path=cut.safetensors"],
            2,
            &["cut.safetensors", "truncated"],
        ),
        (&["reproduce", "small.toml", "--set", "data.path=nowhere.safetensors"], 2, &["no such file"]),
        (&["reproduce", "small.toml", "--set", "model.checkpoint=cut.safetensors"], 2, &["not a complete"]),
        (
            &["reproduce", "small.toml", "--set", "model.checkpoint=xy.safetensors"],
            2,
            &["0.weight", "[5, 2]"],
        ),
        (&["reproduce", "small.toml", "--set", "model.name=lenet"], 2, &["cannot be built", "--set:1:12"]),
        (&["reproduce", "small.toml", "--set", "probe.groups=[\"full\", \"1.weigt\"]"], 2, &["1.weigt"]),
        (
            &[
                "check",
                "small.toml",
                "--set",
                "expect=[{claim=\"so\", quantity=\"trace\", curvature=\"residual\", is=\"falls\"}]",
            ],
            2,
            &["no probe measures the residual of full", "measured: hessian"],
        ),
        (&["reproduce", "small.toml", "--set", "probe.samples_per_class=9"], 2, &["class 0 has 7"]),
        (
            &["reproduce", "small.toml", "--set", "probe.estimator=gram"],
            2,
            &["not piecewise affine", "lanczos"],
        ),
        (&["reproduce", "small.toml", "--out", "file"], 1, &["cannot write results", "--out"]),
        (
            &[
                "check",
                "small.toml",
                "--set",
                "loss=mse",
                "--set",
                "probe.curvature=gauss-newton",
                "--set",
                "probe.estimator=class-structure",
            ],
            2,
            &["knows no classes"],
        ),
        (&["check", "small.toml", "--set", "device=gpu"], 2, &["\"gpu\" is not known", "\"cuda:0\""]),
        (&["check", "small.toml", "--set", "tf32=true"], 2, &["TF32 is a type of GPUs", "cuda:0"]),
        (&["check", "small.toml", "--set", "memory=1KiB"], 2, &["1.0 KiB are allowed", "raise `memory`"]),
        (&["reproduce", "small.toml", "--set", "train.epochs=1000000000000"], 2, &["use at most 1000000"]),
        (&["list", "estimater"], 2, &["did you mean `estimator`?"]),
        (&["list", "estimator", "lanczo"], 2, &["there is no estimator `lanczo`", "did you mean `lanczos`?"]),
        (&["data", "nothing"], 2, &["nothing"]),
        (&["report", "."], 1, &["results.json"]),
    ];
    for (arguments, code, texts) in mistakes {
        let output = xtask(here, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}\n{stderr}");
        let words = words(&output);
        for text in *texts {
            assert!(words.contains(text), "{arguments:?}: no {text:?} in\n{stderr}");
        }
        assert_eq!(stderr.matches('×').count(), 1, "{arguments:?}\n{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let mut left: Vec<_> = fs::read_dir(here).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["cut.safetensors", "file", "small.toml", "xy.safetensors"]);
}

#[test]
fn an_earlier_result_survives_a_run_that_fails() {
    let folder = folder();
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
    let folder = folder();
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
    let folder = folder();
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
fn what_there_is_can_be_seen() {
    let folder = folder();
    for (arguments, texts) in [
        (&["list"][..], &["lenet", "fashion-mnist", "lanczos", "wasserstein", "steps = 128"][..]),
        (&["list", "estimators"], &["gram", "dense"]),
        (&["list", "layers"], &["conv_transpose2d: ", "kernel (required)"]),
        (&["list", "estimator", "lanczos"], &["steps = 128"]),
        (&["list", "optimizer", "sgd"], &["momentum", "lr (required)"]),
        (&["list", "schedules"], &["cosine", "milestones"]),
        (&["list", "--help"], &["architecture, layer", "regularizer, optimizer or schedule"]),
        (
            &["list", "groups", "small.toml"],
            &[
                "probe 1: on 12 examples",
                "    0.weight [5, 2], 0.bias [5]",
                "not proved: matmul in 2 multiplies values that depend on the group",
                "affine: where it is proved",
            ],
        ),
        (
            &["check", "small.toml"],
            &[
                "33 parameters",
                "0.weight (10)",
                "after epochs 0, 2",
                "on 12 training examples, 4 of each class, drawn at random, in f32",
                "loss: cross-entropy",
                "SGD",
                "learning rate 0.1",
                "run:",
            ],
        ),
        (
            &[
                "check",
                "small.toml",
                "--set",
                "sweep.seed=[1, 2]",
                "--set",
                "train.regularizer=[{name=\"l2\", strength=0.5, every=3}]",
            ],
            &[
                "all 2 runs:\n    data: ",
                "penalty: 0.5 times",
                "every 3 steps",
                "\n  run seed=2:\n    seed: 2\n",
            ],
        ),
        (
            &[
                "check",
                "small.toml",
                "--set",
                "memory=40MiB",
                "--set",
                "train.epochs=2000",
                "--set",
                "probe.at=every-epoch",
            ],
            &[
                "for the data set",
                "for the weights",
                "of 40.0 MiB (`memory`)",
                "for the dense matrix",
                "after epochs 1 to 2000",
            ],
        ),
        (&["schema"], &["\"samples_per_class\"", "\"const\": \"lanczos\""]),
        (&["data", "fashion-mnist"], &["train-images-idx3-ubyte"]),
        (&["--help"], &["reproduce", "check"]),
    ] {
        let output = xtask(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8_lossy(&output.stdout);
        for text in texts {
            assert!(stdout.contains(text), "{arguments:?}: no {text:?} in\n{stdout}");
        }
    }
}

const SEQUENTIAL: &str = r#"
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

/// Replaces the layers of [`SEQUENTIAL`] and returns the message of the refused experiment.
fn refused_layers(layers: &str) -> String {
    let folder = folder();
    let (before, rest) = SEQUENTIAL.split_once("layers = [").unwrap();
    let (_, after) = rest.split_once("\n]\n").unwrap();
    fs::write(folder.path().join("own.toml"), format!("{before}layers = [{layers}]\n{after}")).unwrap();
    let output = xtask(folder.path(), &["reproduce", "own.toml"]);
    let message = words(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    message
}

#[test]
fn a_mistake_in_a_list_within_a_layer_is_underlined_itself() {
    let residual = |inner: &str| format!("{{ op = \"residual\", body = [{{ op = \"relu\" }}, {inner}] }}");
    for (inner, texts) in [
        (
            "{ op = \"lineer\", out = 2 }",
            &["`layers[0].body[1].op` cannot be", "`linear`", "own.toml:8:"][..],
        ),
        ("{ op = \"linear\", units = 2 }", &["unknown key `units` in `", "body[1]`"]),
    ] {
        let message = refused_layers(&residual(inner));
        for text in texts {
            assert!(message.contains(text), "no {text:?} in {message}");
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_before_any_step_is_not_the_learning_rate() {
    let folder = folder();
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

#[test]
fn what_no_memory_holds_is_refused_before_it_is_allocated() {
    let wide =
        r#"{ op = "linear", out = 1000000000 }, { op = "linear", out = 1000 }, { op = "linear", out = 3 }"#;
    let image = r#"{ op = "reshape", shape = [1, 1, 2] }, { op = "conv_transpose2d", out = 1, kernel = 3, stride = 1000000 },
        { op = "conv_transpose2d", out = 1, kernel = 1, stride = 500 }, { op = "global_avg_pool" }, { op = "flatten" },
        { op = "linear", out = 3 }"#;
    for (layers, texts) in [
        (
            wide,
            &[
                "the parameters of `sequential` would take 3.6 TiB",
                "`1.weight`, [1000, 1000000000]",
                "own.toml:",
            ][..],
        ),
        (
            image,
            &[
                "evaluating `sequential` would take more",
                "what `2` gives for each of 20 examples",
                "[1, 1001, 500001001]",
            ],
        ),
    ] {
        let message = refused_layers(layers);
        for text in texts {
            assert!(message.contains(text), "no {text:?} in {message}");
        }
    }
}

#[test]
fn a_network_written_in_the_file_drops_as_the_seed_says() {
    let folder = folder();
    fs::write(folder.path().join("own.toml"), SEQUENTIAL).unwrap();
    let run = |out: &str, set: &[&str]| {
        let flags = set.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> =
            ["reproduce", "own.toml", "-q", "--out", out].into_iter().chain(flags).collect();
        let output = xtask(folder.path(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        results(&folder.path().join(out).join("own"))["runs"][0].clone()
    };
    let first = run("a", &[]);
    assert_eq!(run("b", &[]), first);
    // The loss, and in evaluation mode the curvature, are computed without dropout: before the
    // first step the network is the same without dropout.
    let layers = SEQUENTIAL.replace("p = 0.5", "p = 0.0");
    fs::write(folder.path().join("own.toml"), layers).unwrap();
    let without = run("c", &[]);
    assert_eq!(without["training"][0], first["training"][0]);
    assert_eq!(without["probes"][0], first["probes"][0]);
    assert_ne!(without["training"][1], first["training"][1]);
    // In training mode the masks are part of what is measured.
    let without = run("d", &["model.batch_norm=train"]);
    fs::write(folder.path().join("own.toml"), SEQUENTIAL).unwrap();
    let with = run("e", &["model.batch_norm=train"]);
    assert_eq!(with["training"], first["training"]);
    assert_ne!(with["probes"][0]["trace"], without["probes"][0]["trace"]);
    assert_eq!(run("f", &["model.batch_norm=train"]), with);
}

/// A sweep whose second run takes long, killed after the first has finished.
#[cfg(unix)]
#[test]
fn a_sweep_that_was_killed_goes_on_where_it_stopped() {
    use std::{
        process::Stdio,
        time::{Duration, Instant},
    };
    let folder = folder();
    let slow = format!(
        "{EXPERIMENT}\n[[sweep.case]]\nname = \"quick\"\n[[sweep.case]]\nname = \"slow\"\n\"train.epochs\" = 1000000\n"
    );
    let slow = slow.replace("at = [0, 2]", "at = \"end\"");
    fs::write(folder.path().join("small.toml"), &slow).unwrap();
    let mut process = common::command(folder.path(), &["reproduce", "small.toml", "-q"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let kept = folder.path().join("runs/.small.runs");
    let finished = || {
        let names = fs::read_dir(&kept).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.filter(|name| !name.to_string_lossy().ends_with(".partial")).count()
    };
    let start = Instant::now();
    while finished() == 0 {
        assert!(process.try_wait().unwrap().is_none(), "it has ended by itself");
        assert!(start.elapsed() < Duration::from_secs(120), "the first run does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(!folder.path().join("runs/small").exists(), "results before the end");

    // The second run is short now; the first has the same settings as before.
    fs::write(folder.path().join("small.toml"), slow.replace("1000000", "3")).unwrap();
    let say = |arguments: &[&str]| {
        let output = xtask(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = say(&["reproduce", "small.toml"]);
    assert!(text.contains("run quick: finished earlier") && text.contains("run slow\n"), "{text}");
    let run = folder.path().join("runs/small");
    let resumed = fs::read_to_string(run.join("results.json")).unwrap();
    assert!(run.join("checkpoints/quick/final.safetensors").is_file());
    assert!(!kept.exists(), "finished runs of a finished plan are kept");

    // The reused results equal those of a new computation.
    say(&["reproduce", "small.toml", "--out", "again", "--fresh"]);
    let again = fs::read_to_string(folder.path().join("again/small/results.json")).unwrap();
    let without_times = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        for run in value["runs"].as_array_mut().unwrap() {
            run["probes"].as_array_mut().unwrap().iter_mut().for_each(|probe| probe["seconds"] = Value::Null);
        }
        value
    };
    assert_eq!(without_times(&resumed), without_times(&again));
}

#[test]
fn half_a_record_is_no_finished_run() {
    let folder = folder();
    fs::write(folder.path().join("small.toml"), format!("{EXPERIMENT}\n[sweep]\nseed = [1, 2]\n")).unwrap();
    let text = |arguments: &[&str]| {
        let output = xtask(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    text(&["reproduce", "small.toml"]);
    let notes: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("runs/small/notes.json")).unwrap())
            .unwrap();
    let key = notes["runs"][0]["key"].as_str().unwrap();
    // Otherwise nothing would be run.
    fs::remove_dir_all(folder.path().join("runs/small")).unwrap();
    let kept = folder.path().join("runs/.small.runs").join(key);
    fs::create_dir_all(kept.join("checkpoints")).unwrap();
    fs::write(kept.join("run.json"), r#"{"settings": "", "run": {"na"#).unwrap();
    assert!(!text(&["reproduce", "small.toml"]).contains("finished earlier"));
}

#[test]
fn all_experiments_of_a_folder_end_on_one_page_of_claims() {
    let folder = folder();
    let here = folder.path();
    fs::create_dir_all(here.join("experiments/base")).unwrap();
    fs::copy(here.join("xy.safetensors"), here.join("experiments/xy.safetensors")).unwrap();
    fs::write(here.join("experiments/base/small.toml"), EXPERIMENT.replace("at = [0, 2]", "at = \"end\""))
        .unwrap();
    let good = r#"
extends = "base/small.toml"
name = "good"
reruns = 2
profile.small = { "train.epochs" = 1 }
[[expect]]
claim = "Training lowers the loss"
paper = "figure 1"
quantity = "train-loss"
is = "falls"
[[expect]]
claim = "The trace falls"
quantity = "trace"
is = "falls"
"#;
    fs::write(here.join("experiments/good.toml"), good).unwrap();
    let missing = "extends = \"base/small.toml\"\nname = \"missing\"\ndata.path = \"nowhere.safetensors\"\n";
    fs::write(here.join("experiments/missing.toml"), missing).unwrap();
    let output = xtask(here, &["reproduce"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    for text in ["holds", "Training lowers the loss", "not measured", "missing is left out", "claims: 2"] {
        assert!(stdout.contains(text), "no {text:?} in\n{stdout}");
    }
    assert!(stderr.contains("train.epochs = 1 instead of 2"), "{stderr}");
    let page = fs::read_to_string(here.join("runs/claims.html")).unwrap();
    assert!(page.contains("good/report.html") && page.contains("nowhere.safetensors"), "{page}");
    let report = fs::read_to_string(here.join("runs/good/report.html")).unwrap();
    assert!(report.contains("Reruns") && report.contains("Profile “small”"));
    let results: Value =
        serde_json::from_str(&fs::read_to_string(here.join("runs/good/results.json")).unwrap()).unwrap();
    assert_eq!(results["variants"][0]["runs"], 2);
    assert_eq!(results["claims"][0]["verdict"], "holds");
    // A second call repeats no finished experiment. A failing experiment still leaves all others on
    // the page, and determines the exit code.
    let diverges = "extends = \"base/small.toml\"\nname = \"diverges\"\ntrain.optimizer.lr = 1e30\n";
    fs::write(here.join("experiments/diverges.toml"), diverges).unwrap();
    let output = xtask(here, &["reproduce"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stderr.contains("good: finished earlier"), "{stderr}");
    assert!(output.status.code() == Some(1) && stderr.contains("last finite loss"), "{stderr}");
    assert!(stdout.contains("missing is left out") && stdout.contains("claims.html"), "{stdout}");
}
