//! Sweeps, and all experiments of a folder: every run is there once, and none is repeated.

mod common;

use std::fs;

use common::{EXPERIMENT, results, small, xtask};
use serde_json::Value;

#[test]
fn a_sweep_has_a_run_for_every_combination() {
    let folder = small(EXPERIMENT);
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

/// A sweep whose second run takes long, killed after the first has finished.
#[cfg(unix)]
#[test]
fn a_sweep_that_was_killed_goes_on_where_it_stopped() {
    use std::{
        process::Stdio,
        time::{Duration, Instant},
    };
    let folder = small(EXPERIMENT);
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
    let folder = small(EXPERIMENT);
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
    let folder = small(EXPERIMENT);
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
