//! Studies: the experiments of this repository, and files of several experiments.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{collections::HashMap, fs, path::Path};

use candle_core::{DType, Device, Tensor};
use common::xtask;
use eigenscape_experiment::{cases, choices::Choices};
use tempfile::TempDir;

/// The settings that the cases share.
const SMALL: &str = r#"
name = "small"
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
at = "end"
samples_per_class = 4
groups = ["full", "layers"]
estimator = "dense"
"#;

/// Zero images in a data set's shape with labels of every class, instead of the data set.
fn stand_in(folder: &Path, data: &str) -> String {
    let (channels, classes) = match data {
        "cifar-100" => (3, 100),
        "cifar-10" | "svhn" => (3, 10),
        _ => (1, 10),
    };
    let path = folder.join(format!("{channels}-{classes}.safetensors"));
    if !path.exists() {
        let count = 10 * classes;
        let x = Tensor::zeros((count, channels, 32, 32), DType::F32, &Device::Cpu).unwrap();
        let y = Tensor::from_iter((0..count).map(|i| (i % classes) as i64), &Device::Cpu).unwrap();
        let test = [("x_test", x.clone()), ("y_test", y.clone())];
        let tensors: HashMap<_, _> = [("x", x), ("y", y)].into_iter().chain(test).collect();
        candle_core::safetensors::save(&tensors, &path).unwrap();
    }
    format!("data = {{ name = \"tensors\", path = \"{}\" }}", path.display())
}

/// The data sets that experiments name need not be on this machine.
#[test]
fn every_experiment_of_the_folder_is_usable() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let data = tempfile::tempdir().unwrap();
    let studies = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let studies = studies.filter(|path| path.is_dir() && !path.ends_with("base"));
    let files =
        std::iter::once(folder.clone()).chain(studies).flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        for experiment in cases::read(&file, &Choices::default()).unwrap() {
            let name = experiment.document.find("data.name").map(|node| node.to_value());
            let name = name.as_ref().and_then(toml::Value::as_str).unwrap();
            let set = stand_in(data.path(), name).replace("data = ", "data=");
            let file = file.to_string_lossy();
            let mut arguments = vec!["check", &*file, "--profile", "full", "--set", &set];
            arguments.extend(experiment.case.iter().flat_map(|case| ["--only", case]));
            let output = xtask(&folder, &arguments);
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            checked += 1;
        }
    }
    assert!(checked >= 40, "{checked} experiments were checked");
}

const STUDY: &str = r#"
extends = "base/small.toml"
name = "study"
[[case]]
name = "slow"
train.optimizer.lr = 1e-3
[[case]]
name = "fast"
extends = "base/fast.toml"
profile.small = { "train.epochs" = 1 }
[[case]]
name = "elsewhere"
data.path = "nowhere.safetensors"
"#;

/// A folder with a study of three cases.
fn study() -> TempDir {
    let folder = common::small(SMALL);
    let experiments = folder.path().join("experiments/layers");
    fs::create_dir_all(experiments.join("base")).unwrap();
    fs::copy(folder.path().join("xy.safetensors"), experiments.join("xy.safetensors")).unwrap();
    fs::write(experiments.join("base/small.toml"), SMALL).unwrap();
    fs::write(experiments.join("base/fast.toml"), "seed = 3\ntrain.optimizer.lr = 0.5\n").unwrap();
    fs::write(experiments.join("study.toml"), STUDY).unwrap();
    folder
}

#[test]
fn one_case_of_a_file_is_an_experiment_of_its_own() {
    let folder = study();
    let output = xtask(folder.path(), &["reproduce", "study", "--only", "fast"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let resolved = fs::read_to_string(folder.path().join("runs/study-fast/experiment.toml")).unwrap();
    let resolved: toml::Table = resolved.parse().unwrap();
    assert_eq!(resolved["name"].as_str(), Some("study-fast"));
    assert_eq!(resolved["train"]["epochs"].as_integer(), Some(1));
    // What a case inherits overrides the file.
    assert_eq!(resolved["seed"].as_integer(), Some(3));
    assert_eq!(resolved["train"]["optimizer"]["lr"].as_float(), Some(0.5));
    assert!(!folder.path().join("runs/study-slow").exists() && !resolved.contains_key("case"));
}

#[test]
fn all_cases_of_a_file_are_run_but_those_that_cannot_be() {
    let folder = study();
    let output = xtask(folder.path(), &["reproduce", "study", "--set", "train.epochs=1"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    for name in ["study-slow", "study-fast"] {
        assert!(folder.path().join("runs").join(name).join("report.html").exists(), "{stderr}");
    }
    assert!(stdout.contains("study-elsewhere is left out") && stdout.contains("claims.html"), "{stdout}");
    let output = xtask(folder.path(), &["check", "study"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("study-slow") && stdout.contains("study-fast"), "{stdout}");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for part in ["1 of 3 experiments cannot run", "cannot run: study --only elsewhere"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn what_is_no_case_is_told_from_those_that_are() {
    let folder = study();
    let wrong = |arguments: &[&str], parts: &[&str]| {
        let output = xtask(folder.path(), arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        parts.iter().for_each(|part| assert!(stderr.contains(part), "no {part:?} in {stderr}"));
    };
    wrong(&["reproduce", "study-fast"], &["no experiment `study-fast`", "study --only fast"]);
    wrong(&["reproduce", "study", "--only", "fats"], &["no such case", "did you mean `fast`"]);
    wrong(&["check", "small.toml", "--only", "fast"], &["small.toml has no [[case]]", "leave --only out"]);
    wrong(&["list", "groups", "study"], &["has 3 experiments", "--only: slow, fast, elsewhere"]);
    wrong(&["check", "experiments/study.toml"], &["experiments/layers/study.toml"]);
    for (cases, problem) in [
        ("case = 7", "`case` must be a list of tables"),
        ("case = []", "`case` lists 0 cases"),
        ("[[case]]\nseed = 1", "a case has no name"),
        ("[[case]]\nname = 'a'\n[[case]]\nname = 'a'", "two cases are named \"a\""),
        ("[[case]]\nname = 'a'\nextends = 'nowhere.toml'", "there is no file"),
        ("[[case]]\nname = 'a'\n[[case.case]]\nname = 'b'", "`case` has no effect here"),
        ("profile.small.case = []", "`case` has no effect here"),
    ] {
        let text = format!("extends = 'base/small.toml'\nname = 'wrong'\n{cases}\n");
        fs::write(folder.path().join("experiments/layers/wrong.toml"), text).unwrap();
        wrong(&["check", "wrong"], &[problem]);
    }
}
