//! Crates outside the workspace that add plugins: the example, and what `new` writes.
//!
//! They use the dependencies that were compiled for the workspace's tests, in the same target
//! folder: the same versions (`Cargo.lock`), features and profile. Eigenscape's own crates are
//! compiled again, since cargo distinguishes crates in a target folder by the location of their
//! workspace; without optimisation this takes a minute.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

/// Serialises cargo: builds wait for one another anyway, and each writes the lock file.
static CARGO: Mutex<()> = Mutex::new(());

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The folder of this test's profile, such as `target/debug` for `target/debug/deps/plugin-...`.
fn binaries() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// The workspace's profiles, with Eigenscape's crates, which are dependencies here, unoptimised.
fn profiles() -> String {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let mut text = toml::Table::from_iter([("profile".to_owned(), manifest["profile"].clone())]).to_string();
    for name in manifest["workspace"]["dependencies"].as_table().unwrap().keys() {
        if name.starts_with("eigenscape") {
            writeln!(text, "[profile.dev.package.{name}]\nopt-level = 0\ndebug = false").unwrap();
        }
    }
    text
}

/// Runs cargo on a crate that is a workspace of its own.
fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let _alone = CARGO.lock().unwrap_or_else(PoisonError::into_inner);
    let config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(config.path(), profiles()).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let profile = if binaries().ends_with("release") { "release" } else { "dev" };
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--profile", profile])
        .args(["--offline", "--target-dir"])
        .arg(binaries().parent().unwrap())
        .arg("--config")
        .arg(config.path())
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}{}", String::from_utf8_lossy(&output.stdout));
    output
}

/// Runs a crate's binary in a folder.
fn run(binary: &str, folder: &Path, arguments: &[&str]) -> Output {
    let name = format!("{binary}{}", std::env::consts::EXE_SUFFIX);
    Command::new(binaries().join(name)).args(arguments).current_dir(folder).output().unwrap()
}

/// The number of non-empty lines of all files in a folder.
fn lines_of_code(folder: &Path) -> usize {
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    files.map(|text| text.lines().filter(|line| !line.trim().is_empty()).count()).sum()
}

#[test]
fn the_example_obeys_its_laws_and_runs() {
    let folder = root().join("examples/plugin");
    let lines = lines_of_code(&folder.join("src"));
    assert!(lines < 150, "it has {lines} lines");
    // Its tests, including the laws, and its binary.
    cargo(&folder, &["test"]);
    let binary = "eigenscape-example-plugin";
    let results = TempDir::new().unwrap();
    let out = results.path().to_str().unwrap();
    let output = run(binary, &folder, &["reproduce", "experiment.toml", "--quiet", "--out", out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = fs::read_to_string(results.path().join("mirror/results.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let probes = found["runs"][0]["probes"].as_array().unwrap();
    let of = |estimator: &str| probes.iter().filter(|probe| probe["estimator"] == estimator).count();
    // Two layers and the full network, before and after training.
    assert_eq!((of("gram"), of("two-atoms")), (4, 2), "{found:#}");
    assert!(!found["runs"][0]["distances"].as_array().unwrap().is_empty());
    let output = run(binary, &folder, &["list", "estimator", "two-atoms"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("probes (required)"), "{output:?}");
}

fn new(folder: &Path, kind: &str, name: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(["new", kind, name]).current_dir(folder).output().unwrap()
}

/// Runs the tests and the experiment of each kind's template.
#[test]
fn what_new_writes_obeys_its_laws_and_runs() {
    let folder = TempDir::new().unwrap();
    for kind in ["architecture", "distance", "estimator", "primitive"] {
        let name = format!("my-{kind}");
        let output = new(folder.path(), kind, &name);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let krate = folder.path().join(&name);
        cargo(&krate, &["test"]);
        let output = run(&name, &krate, &["reproduce", "experiment.toml", "--quiet"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(krate.join("runs").join(&name).join("report.html").is_file());
    }
}

#[test]
fn new_replaces_nothing() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("yours"), "mine").unwrap();
    for name in ["mine", "yours", "no name", "lanczos"] {
        let output = new(folder.path(), "estimator", name);
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(folder.path().join("yours")).unwrap(), "mine");
    // Inside the repository the path to its crates is relative.
    let inside = tempfile::tempdir_in(binaries()).unwrap();
    if inside.path().starts_with(root()) {
        assert!(new(inside.path(), "distance", "near").status.success());
        let manifest = fs::read_to_string(inside.path().join("near/Cargo.toml")).unwrap();
        assert!(manifest.contains("\"../../../../crates/eigenscape\""), "{manifest}");
    }
}
