//! The command line as a user sees it: a small experiment from end to end, and one clear error for
//! every mistake.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{fs, process::Command};

use common::{EXPERIMENT, SEQUENTIAL, results, small, words, xtask};

#[test]
fn an_experiment_from_end_to_end() {
    let folder = small(EXPERIMENT);
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

/// Arguments, exit code, and what the message must contain.
type Mistake<'a> = (&'a [&'a str], i32, &'a [&'a str]);

#[test]
fn every_mistake_is_one_clear_error_and_leaves_nothing() {
    let folder = small(EXPERIMENT);
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
            &[
                "not piecewise affine",
                "groups = \"layers\"",
                "lanczos",
                "\"dense\" (a matrix of 33 x 33, 8.5 KiB)",
            ],
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
        (&["check", "small.toml", "--set", "tf32=true"], 2, &["TF32 needs a GPU", "cuda:0"]),
        (&["check", "small.toml", "--set", "memory=1KiB"], 2, &["1.0 KiB are allowed", "raise `memory`"]),
        (&["reproduce", "small.toml", "--set", "train.epochs=1000000000000"], 2, &["use at most 1000000"]),
        (&["list", "estimater"], 2, &["did you mean `estimator`?"]),
        (&["list", "estimator", "lanczo"], 2, &["there is no estimator `lanczo`", "did you mean `lanczos`?"]),
        (&["data", "nothing"], 2, &["nothing"]),
        (
            &["new", "loss", "mine"],
            2,
            &["no template for a loss", "plugins/losses", "ARCHITECTURE.md", "templates: "],
        ),
        (&["new", "estimatr", "mine"], 2, &["no kind of plugin `estimatr`", "did you mean `estimator`?"]),
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
fn what_there_is_can_be_seen() {
    let folder = small(EXPERIMENT);
    for (arguments, texts) in [
        (&["list"][..], &["lenet", "fashion-mnist", "lanczos", "wasserstein", "list dataset cifar-10`"][..]),
        (&["list", "estimators"], &["gram", "dense", "list estimator class-structure` says which keys"]),
        (
            &["list", "dataset", "cifar-10"],
            &["dataset cifar-10", "[data], name = \"cifar-10\"", "path: string"],
        ),
        (&["list", "layers"], &["conv_transpose2d"]),
        (&["list", "layer", "conv_transpose2d"], &["{ op = \"conv_transpose2d\"", "kernel (required)"]),
        (&["list", "estimator", "lanczos"], &["steps = 128"]),
        (&["list", "optimizer", "sgd"], &["momentum", "lr (required)"]),
        (&["list", "schedules"], &["cosine", "milestones"]),
        (&["list", "--help"], &["architecture, layer", "regularizer, optimizer or schedule"]),
        (
            &["list", "groups", "small.toml"],
            &[
                "probe 1: on 12 samples",
                "0.weight [5, 2], 0.bias [5]",
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
                "on 12 training samples, 4 of each class, drawn at random, in f32",
                "loss: cross-entropy",
                "run (seed 3): data: ",
                "training: 2 epochs of 3 steps, batch size 8",
                "optimizer: SGD, learning rate 0.1, momentum 0.9",
                "0.weight (10), 2.weight (15): 6 spectra, 116 products",
                "time: about ",
                "per second on this machine",
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
            &["run (x 2 seeds: 1, 2): data: ", "penalty: 0.5 times", "every 3 steps", "time in all: about "],
        ),
        (
            &["check", "small.toml", "--set", "sweep.train.optimizer.lr=[1e25, 0.5]"],
            &[
                "all 2 runs: data: ",
                "run lr=1e25 (seed 3): optimizer: SGD, learning rate 1e25",
                "run lr=0.5 (seed 3): optimizer: SGD, learning rate 0.5",
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
        (&["schema", "results"], &["\"mass_at_zero\"", "\"kurtosis_stderr\""]),
        (
            &["data"],
            &[
                "fashion-mnist found: ",
                "iris found: it is part of the program",
                "tensors yours: give its `data.path`",
            ],
        ),
        (&["data", "fashion-mnist"], &["train-images-idx3-ubyte"]),
        (&["--help"], &["reproduce", "check"]),
    ] {
        let output = xtask(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8_lossy(&output.stdout);
        // Long lines are broken at spaces.
        let words = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(words.contains(text), "{arguments:?}: no {text:?} in\n{stdout}");
        }
    }
}

#[test]
fn lists_have_names_alone_and_lines_fit_a_page() {
    let folder = small(EXPERIMENT);
    let said = |arguments: &[&str]| String::from_utf8(xtask(folder.path(), arguments).stdout).unwrap();
    let all = said(&["list"]);
    assert!(!all.contains("steps = 128") && all.lines().count() < 40, "{all}");
    for arguments in
        [&["list"][..], &["list", "estimators"], &["list", "layer", "conv2d"], &["check", "small.toml"]]
    {
        for line in said(arguments).lines() {
            assert!(line.chars().count() <= 100, "{arguments:?}: {line}");
        }
    }
}

/// Replaces the layers of [`SEQUENTIAL`] and returns the message of the refused experiment.
fn refused_layers(layers: &str) -> String {
    let folder = small(EXPERIMENT);
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
                "the output of `2` for each of 20 samples",
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
    let folder = small(EXPERIMENT);
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

#[test]
fn unknown_vector_instructions_are_refused() {
    let run = |level: &str| {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["list", "estimator"])
            .env("EIGENSCAPE_SIMD", level)
            .output()
            .unwrap()
    };
    for level in ["", "scalar"] {
        assert!(run(level).status.success());
    }
    let refused = run("avx3");
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(message.contains("EIGENSCAPE_SIMD = \"avx3\"") && message.contains("scalar"), "{message}");
}
