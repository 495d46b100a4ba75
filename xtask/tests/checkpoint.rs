//! Networks trained and saved in PyTorch (by `checkpoint/generate.py`), analysed from a TOML file
//! alone.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use candle_core::{Device, Tensor};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint")
}

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).current_dir(fixtures()).output().unwrap()
}

/// The loss, and all eigenvalues of the Hessian in all parameters, largest first, including zeros.
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
    // Of five results, and of the verdict.
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("relative error").count(), 6);
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

#[test]
fn a_network_is_verified_by_the_loss_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    // A file, a text in it and its replacement, words of the message, and whether the loss is then
    // that of the file with PyTorch's numbers.
    let cases: &[(&str, &str, &str, &str, bool)] = &[
        ("images", "", "", "cross-entropy", true),
        ("pixels", "", "", "cross-entropy, classes weighted by [1.0, 2.0, 0.5], labels 255 ignored", true),
        ("pixels", "weight = [1.0, 2.0, 0.5], ", "", "cross-entropy, labels 255 ignored", false),
        ("pixels", "loss = ", "# ", "number the classes from 0; -100 is ignored", false),
        ("bits", "", "", "binary cross-entropy on logits, labels 0 and 1 for one output each", true),
        ("bits", "loss = ", "# ", "loss = \"binary-cross-entropy\"", false),
        ("values", "", "", "mean squared error", true),
        ("values", "[data]", "loss = \"binary-cross-entropy\"\n[data]", "targets from 0 to 1", false),
    ];
    for (name, from, to, words, holds) in cases {
        let toml = fs::read_to_string(fixtures().join(format!("{name}.toml"))).unwrap();
        let path = folder.path().join("model.toml");
        fs::write(&path, toml.replace(from, to)).unwrap();
        let file = format!("{name}_verify.safetensors");
        let model = path.to_str().unwrap();
        let output = xtask(&["verify", &file, "--model", model, "--dtype", "f64", "--tolerance", "1e-9"]);
        let [said, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert_eq!(output.status.code(), Some(i32::from(!holds)), "{name} {to}: {said}{wrong}");
        let first = said.lines().next().unwrap_or_default();
        if said.is_empty() {
            let wrong = wrong.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(wrong.contains(words), "{name} {to}: {wrong}");
        } else {
            assert_eq!(first, format!("derivatives of the loss: {words}"));
        }
    }
}

/// A file, `--set` flags, and what the message must contain.
type Mistake<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

#[test]
fn what_does_not_fit_is_refused_before_anything_is_measured() {
    let mistakes: &[Mistake] = &[
        ("tokens.toml", &["loss=cross-entropy"], &["[3, 2] is -1", "ignore_index = -1", "tokens.toml"]),
        ("tokens.toml", &["loss.ignore_index=-5"], &["[3, 2] is -1"]),
        ("tokens.toml", &["loss=mean-squared-error"], &["[3, 2] is -1"]),
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

#[test]
fn a_file_of_a_class_of_the_users_own_is_verified_by_the_names_of_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let own = |name: &str| name.replace("0.", "conv.").replace("1.", "norm.").replace("5.", "head.");
    let load = |path: PathBuf| candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let tensors = load(fixtures().join("images_verify.safetensors"));
    let tensors: HashMap<String, Tensor> =
        tensors.into_iter().map(|(name, tensor)| (own(&name), tensor)).collect();
    let path = folder.path().join("own.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let toml = fs::read_to_string(fixtures().join("images.toml")).unwrap();
    let rename = r#"rename = { "conv.*" = "0.*", "norm.*" = "1.*", "head.*" = "5.*" }, strip_prefix"#;
    let file = folder.path().join("own.toml");
    fs::write(&file, toml.replace("strip_prefix", rename)).unwrap();
    let verify = |file: &Path| {
        let [path, file] = [&path, file].map(|path| path.to_str().unwrap().to_owned());
        xtask(&["verify", &path, "--model", &file, "--dtype", "f64", "--tolerance", "1e-9"])
    };
    let output = verify(&file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = verify(&fixtures().join("images.toml"));
    let message = String::from_utf8_lossy(&output.stderr);
    for text in ["has no tensor `0.weight`", "conv.weight", "[model.checkpoint]", "\"conv.*\" = \"0.*\""] {
        assert!(message.contains(text), "no {text} in {message}");
    }
    let output = xtask(&["verify", "nope", "--model", "images.toml"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && stderr.contains("nope does not exist") && stderr.contains("help")
    );
}

/// The weights of a small GPT with nanoGPT's names, and as Hugging Face's library saves them.
fn gpt2() -> [HashMap<String, Tensor>; 2] {
    let mut shapes = vec![
        ("transformer.wte.weight".to_owned(), vec![7, 4]),
        ("transformer.wpe.weight".to_owned(), vec![5, 4]),
    ];
    let mut norm =
        |name: String| shapes.extend(["weight", "bias"].map(|leaf| (format!("{name}.{leaf}"), vec![4])));
    norm("transformer.ln_f".to_owned());
    for block in 0..2 {
        norm(format!("transformer.h.{block}.ln_1"));
        norm(format!("transformer.h.{block}.ln_2"));
    }
    for block in 0..2 {
        for (layer, out, of) in
            [("attn.c_attn", 12, 4), ("attn.c_proj", 4, 4), ("mlp.c_fc", 16, 4), ("mlp.c_proj", 4, 16)]
        {
            shapes.push((format!("transformer.h.{block}.{layer}.weight"), vec![out, of]));
            shapes.push((format!("transformer.h.{block}.{layer}.bias"), vec![out]));
        }
    }
    let mut nano = HashMap::new();
    for (index, (name, shape)) in shapes.into_iter().enumerate() {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| (1.3 * index as f32 + 2.7 * i as f32).sin()).collect();
        nano.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }
    let mut hugging_face = nano.clone();
    for (name, tensor) in &mut hugging_face {
        if name.contains(".c_") && name.ends_with(".weight") {
            *tensor = tensor.t().unwrap().contiguous().unwrap();
        }
    }
    hugging_face.insert("lm_head.weight".to_owned(), nano["transformer.wte.weight"].clone());
    let mask = Tensor::ones((1, 1, 5, 5), candle_core::DType::U8, &Device::Cpu).unwrap();
    hugging_face.insert("transformer.h.0.attn.bias".to_owned(), mask);
    [nano, hugging_face]
}

#[test]
fn gpt2_of_hugging_face_has_the_loss_of_the_right_network_once_its_message_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let [nano, hugging_face] = gpt2();
    candle_core::safetensors::save(&nano, folder.path().join("nano.safetensors")).unwrap();
    candle_core::safetensors::save(&hugging_face, folder.path().join("hf.safetensors")).unwrap();
    let tokens = |step: i64| -> Tensor {
        let tokens: Vec<i64> = (0..30).map(|i| (i * i + step * i + step) % 7).collect();
        Tensor::from_vec(tokens, (6, 5), &Device::Cpu).unwrap()
    };
    let data = HashMap::from([("x".to_owned(), tokens(1)), ("y".to_owned(), tokens(3))]);
    candle_core::safetensors::save(&data, folder.path().join("data.safetensors")).unwrap();
    let run = |file: &str, keys: &str| {
        let toml = format!(
            "name = 'gpt'\ndata = {{ name = 'tensors', path = 'data.safetensors' }}\n[model]\nname = 'gpt'\nn_layer = 2\nn_head = 2\n\
             n_embd = 4\ngelu = 'tanh'\n[model.checkpoint]\npath = '{file}.safetensors'\n{keys}\n"
        );
        let path = folder.path().join("gpt.toml");
        fs::write(&path, toml).unwrap();
        let out = folder.path().join("out");
        let [path, results] = [&path, &out].map(|path| path.to_str().unwrap().to_owned());
        let output = xtask(&["reproduce", &path, "-q", "--fresh", "--out", &results]);
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(2));
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let results = fs::read_to_string(out.join("gpt/results.json")).unwrap();
        let results: Value = serde_json::from_str(&results).unwrap();
        Ok(results["runs"][0]["training"][0]["train_loss"].as_f64().unwrap())
    };
    let right = run("nano", "").unwrap();
    let message = run("hf", "").unwrap_err();
    let line = message.lines().find_map(|line| Some(&line[line.find("transpose = [")?..])).unwrap();
    assert_eq!(run("hf", line).unwrap(), right, "{line}");
    // The transposed tensors as the shapes alone suggest.
    let message =
        run("hf", r#"transpose = ["*.c_attn.weight", "*.c_fc.weight", "*.mlp.c_proj.weight"]"#).unwrap_err();
    assert!(message.contains("c_proj.weight"), "{message}");
}
