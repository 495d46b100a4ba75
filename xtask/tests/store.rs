//! Folders of results as a user sees them: one process at a time, and nothing is lost, mixed up or
//! computed twice.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use common::{command, names, words, xtask};
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
at = "end"
samples_per_class = 4
groups = ["full", "layers"]
estimator = "dense"
[[distance]]
name = "wasserstein"
"#;

/// A sweep with a quick run and a run that takes longer than any test.
const SLOW: &str =
    "\n[[sweep.case]]\nname = \"quick\"\n[[sweep.case]]\nname = \"slow\"\n\"train.epochs\" = 1000000\n";

/// A folder with the experiment, extended by `added`, and its data.
fn folder(added: &str) -> TempDir {
    common::small(&format!("{EXPERIMENT}{added}"))
}

/// The text of a call on stderr; asserts its exit code.
fn says(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = xtask(folder, arguments);
    let text = words(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
    text
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until `ready`; the process must keep running.
fn wait(process: &mut Child, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(process.try_wait().unwrap().is_none(), "it has ended by itself");
        assert!(start.elapsed() < Duration::from_secs(120), "nothing happens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

/// Whether the process has written its lock file.
fn locked(folder: &Path) -> bool {
    fs::metadata(folder.join("runs/.small.lock")).is_ok_and(|file| file.len() > 0)
}

/// The finished runs that are kept for later calls.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("runs/.small.runs")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_none()).collect()
}

/// Starts the sweep and kills it once its first run has finished.
fn interrupted_sweep(folder: &Path) {
    let mut process = start(folder, &["reproduce", "small.toml", "-q"]);
    wait(&mut process, || !kept(folder).is_empty());
    kill(process);
}

/// All numbers in a folder of results: the results without times, and the weights.
fn numbers(folder: &Path) -> (Value, BTreeMap<String, Vec<u8>>) {
    let text = fs::read_to_string(folder.join("results.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    for run in results["runs"].as_array_mut().unwrap() {
        run["probes"].as_array_mut().unwrap().iter_mut().for_each(|probe| probe["seconds"] = Value::Null);
    }
    let mut weights = BTreeMap::new();
    let mut folders = vec![folder.join("checkpoints")];
    while let Some(below) = folders.pop() {
        for path in fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                weights.insert(
                    path.strip_prefix(folder).unwrap().display().to_string(),
                    fs::read(path).unwrap(),
                );
            }
        }
    }
    (results, weights)
}

#[test]
fn a_second_process_is_told_of_the_first_and_a_dead_one_is_no_hindrance() {
    let folder = folder("");
    let here = folder.path();
    says(here, &["reproduce", "small.toml"], 0);
    let before = numbers(&here.join("runs/small"));
    let mut process = start(here, &["reproduce", "small.toml", "--set", "train.epochs=1000000"]);
    wait(&mut process, || locked(here));
    let other = "train.optimizer.lr=0.2";
    for second in [
        &["reproduce", "small.toml", "--set", "train.epochs=1000000"][..],
        &["reproduce", "small.toml", "--set", other],
        &["reproduce", "small.toml", "--out", "./runs/../runs"],
        &["report", "runs/small"],
    ] {
        let text = says(here, second, 1);
        let process = format!("process {} on ", process.id());
        for part in ["another process is writing", &process, "since 20", "reproduce small.toml", "--out DIR"]
        {
            assert!(text.contains(part), "{second:?}: no {part:?} in {text}");
        }
    }
    assert_eq!(numbers(&here.join("runs/small")), before);
    says(here, &["reproduce", "small.toml", "--out", "elsewhere"], 0);
    // Two files with the same name are refused before anything is run.
    fs::write(here.join("other.toml"), format!("out = \"./runs\"\n{EXPERIMENT}")).unwrap();
    let text = says(here, &["reproduce", "small.toml", "other.toml"], 2);
    assert!(text.contains("two experiments would write to"), "{text}");
    kill(process);
    assert!(locked(here), "it had no time to remove its lock");
    says(here, &["report", "runs/small"], 0);
    says(here, &["reproduce", "small.toml", "--set", other], 0);
    assert!(!names(&here.join("runs")).contains(&".small.lock".to_owned()));
}

#[test]
fn of_processes_that_start_at_once_one_does_it_all() {
    let folder = folder("\n[sweep]\nseed = [1, 2, 3]\n");
    let here = folder.path();
    let calls: Vec<Child> = (0..4).map(|_| start(here, &["reproduce", "small.toml", "-q"])).collect();
    let codes: Vec<_> = calls.into_iter().map(|mut call| call.wait().unwrap().code()).collect();
    assert!(
        codes.contains(&Some(0)) && codes.iter().all(|code| [Some(0), Some(1)].contains(code)),
        "{codes:?}"
    );
    assert_eq!(names(&here.join("runs")), ["small"]);
    assert_eq!(names(&here.join("runs/small/checkpoints")), ["seed=1", "seed=2", "seed=3"]);
    let results = numbers(&here.join("runs/small"));
    says(here, &["reproduce", "small.toml", "--out", "again"], 0);
    assert_eq!(results, numbers(&here.join("again/small")));
}

#[test]
fn every_case_has_a_folder_of_its_own() {
    let cases =
        ["mit-ä", "mit-ö", "a b", "a/b", "a-b", "A-B", "a-b-2", "..", ".", "../../x", &"long".repeat(90)];
    let case = |(index, name): (usize, &&str)| {
        format!("[[sweep.case]]\nname = \"{name}\"\n\"train.optimizer.lr\" = {}\n", 0.01 * (index + 1) as f64)
    };
    let folder = folder(&cases.iter().enumerate().map(case).collect::<String>());
    let here = folder.path();
    says(here, &["reproduce", "small.toml"], 0);
    let run = here.join("runs/small");
    let (results, weights) = numbers(&run);
    let folders = names(&run.join("checkpoints"));
    assert_eq!((results["runs"].as_array().unwrap().len(), folders.len()), (cases.len(), cases.len()));
    let lower: std::collections::HashSet<String> = folders.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), cases.len(), "{folders:?}");
    let different: std::collections::HashSet<&Vec<u8>> = weights.values().collect();
    assert_eq!((weights.len(), different.len()), (cases.len(), cases.len()), "each has its own weights");
    let notes = fs::read_to_string(run.join("notes.json")).unwrap();
    assert!(notes.contains("checkpoints/mit-") && notes.contains("checkpoints/a-b-"), "{notes}");
    let figures = names(&run.join("figures"));
    let drawn = figures.iter().filter(|name| run.join("figures").join(name).is_dir()).count();
    assert_eq!(drawn, cases.len(), "{figures:?}");
    // Nothing is written elsewhere.
    assert_eq!(names(here), ["runs", "small.toml", "xy.safetensors"]);
    assert_eq!(names(&here.join("runs")), ["small"]);
}

#[test]
fn a_quick_try_takes_nothing_from_an_interrupted_sweep() {
    let folder = folder(SLOW);
    let here = folder.path();
    interrupted_sweep(here);
    fs::write(here.join("try.toml"), EXPERIMENT.replace("epochs = 2", "epochs = 1")).unwrap();
    let text = says(here, &["reproduce", "try.toml"], 0);
    assert!(text.contains("of other settings are kept in runs/.small.runs"), "{text}");
    assert_eq!(kept(here).len(), 1);
    // One of the sweep's own runs: it is in the results of the try, and not computed again either.
    fs::write(here.join("try.toml"), format!("{EXPERIMENT}\n[[sweep.case]]\nname = \"the same\"\n")).unwrap();
    assert!(says(here, &["reproduce", "try.toml"], 0).contains("run the same: finished earlier"));
    fs::write(here.join("small.toml"), format!("{EXPERIMENT}{}", SLOW.replace("1000000", "3"))).unwrap();
    let text = says(here, &["reproduce", "small.toml"], 0);
    assert!(text.contains("run quick: finished earlier"), "{text}");
    says(here, &["reproduce", "small.toml", "--out", "again"], 0);
    assert_eq!(numbers(&here.join("runs/small")), numbers(&here.join("again/small")));
}

#[test]
fn what_is_kept_and_damaged_is_named_and_made_again() {
    let whole = folder(&SLOW.replace("1000000", "3"));
    says(whole.path(), &["reproduce", "small.toml"], 0);
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("final.safetensors is not as it was written", |run| {
            let file = run.join("checkpoints/final.safetensors");
            let bytes = fs::read(&file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("final.safetensors is missing", |run| {
            fs::remove_file(run.join("checkpoints/final.safetensors")).unwrap();
        }),
        ("run.json is not as it was written", |run| {
            let text = fs::read_to_string(run.join("run.json")).unwrap();
            fs::write(run.join("run.json"), text.replacen('1', "2", 1)).unwrap();
        }),
        ("MD5SUMS is missing", |run| fs::remove_file(run.join("MD5SUMS")).unwrap()),
    ];
    for (problem, damage) in damages {
        let folder = folder(SLOW);
        let here = folder.path();
        interrupted_sweep(here);
        damage(&kept(here)[0]);
        fs::write(here.join("small.toml"), format!("{EXPERIMENT}{}", SLOW.replace("1000000", "3"))).unwrap();
        let text = says(here, &["reproduce", "small.toml"], 0);
        assert!(text.contains(problem) && text.contains("the run is repeated"), "no {problem:?} in {text}");
        assert!(!text.contains("finished earlier"), "{text}");
        assert_eq!(numbers(&here.join("runs/small")), numbers(&whole.path().join("runs/small")));
        assert_eq!(names(&here.join("runs")), ["small"]);
    }
}

#[test]
fn what_has_finished_is_run_again_only_when_it_is_asked_for() {
    let folder = folder("\n[sweep]\nseed = [1, 2]\n");
    let here = folder.path();
    let run = here.join("runs/small");
    let text = says(here, &["reproduce", "small.toml"], 0);
    assert!(text.contains("epoch 2/2"), "{text}");
    let first = numbers(&run);
    let output = xtask(here, &["reproduce", "small.toml"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("has finished with these settings") && text.contains("--fresh"), "{text}");
    assert!(!text.contains("epoch 2/2"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "runs/small/report.html");
    // Only the report is redrawn; a missing checkpoint repeats its run, and the other run is
    // reused.
    fs::remove_file(run.join("report.html")).unwrap();
    assert!(says(here, &["reproduce", "small.toml"], 0).contains("has finished"));
    assert!(run.join("report.html").is_file());
    let checkpoint = run.join("checkpoints/seed=2/final.safetensors");
    fs::remove_file(&checkpoint).unwrap();
    let text = says(here, &["reproduce", "small.toml"], 0);
    for part in ["seed=2/final.safetensors is missing", "run seed=1: finished earlier", "run seed=2 epoch"] {
        assert!(text.contains(part) || text.contains("epoch 2/2"), "no {part:?} in {text}");
    }
    assert!(!text.contains("run seed=2: finished"), "{text}");
    assert_eq!(numbers(&run), first);
    let text = says(here, &["reproduce", "small.toml", "--fresh"], 0);
    assert!(text.contains("epoch 2/2") && !text.contains("finished earlier"), "{text}");
    assert_eq!(numbers(&run), first);
    assert_eq!(names(&here.join("runs")), ["small"], "the same results are replaced");
    // One more seed: the other two runs are reused.
    let text = says(here, &["reproduce", "small.toml", "--set", "sweep.seed=[1, 2, 4]"], 0);
    assert!(
        text.contains("run seed=1: finished earlier run seed=2: finished earlier run seed=4 epoch 0/2"),
        "{text}"
    );
}

#[test]
fn results_of_other_settings_and_files_of_ones_own_are_kept() {
    let folder = folder("");
    let here = folder.path();
    let runs = here.join("runs");
    says(here, &["reproduce", "small.toml"], 0);
    let first = numbers(&runs.join("small"));
    let text = says(here, &["reproduce", "small.toml", "--set", "train.epochs=1"], 0);
    assert!(text.contains("runs/small is of other settings: it will be kept as runs/small~1"), "{text}");
    assert_eq!(numbers(&runs.join("small~1")), first);
    assert_ne!(numbers(&runs.join("small")), first);
    // Files of the user among the results.
    fs::write(runs.join("small/thoughts.md"), "mine").unwrap();
    fs::write(runs.join("small/checkpoints/own.safetensors"), "mine").unwrap();
    for (arguments, aside) in [
        (&["reproduce", "small.toml", "--set", "train.epochs=1", "--fresh"][..], "runs/small~2"),
        (&["reproduce", "small.toml", "--set", "train.epochs=3"], "runs/small~3"),
    ] {
        let text = says(here, arguments, 0);
        assert!(text.contains(&format!("it will be kept as {aside}")), "{text}");
    }
    assert_eq!(fs::read_to_string(runs.join("small~2/thoughts.md")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(runs.join("small~2/checkpoints/own.safetensors")).unwrap(), "mine");
    // A run that fails changes nothing.
    says(here, &["reproduce", "small.toml", "--set", "train.optimizer.lr=-1"], 2);
    assert_eq!(names(&runs), ["small", "small~1", "small~2", "small~3"]);
    // Earlier results are not experiments of a study.
    fs::create_dir(here.join("experiments")).unwrap();
    says(here, &["reproduce"], 0);
    let page = fs::read_to_string(runs.join("claims.html")).unwrap();
    assert!(page.contains("href=\"small/report.html\"") && !page.contains('~'), "{page}");
}

#[test]
fn a_report_on_results_that_do_not_fit_together_is_refused() {
    let folder = folder("");
    let here = folder.path();
    says(here, &["reproduce", "small.toml"], 0);
    let file = here.join("runs/small/results.json");
    let whole: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 5] = [
        ("runs[0].probes[1].weights: 1 for", |run| run["probes"][1]["weights"] = vec![1.0].into()),
        ("runs[0].probes[0].weights: ", |run| run["probes"][0]["weights"][0] = 0.9.into()),
        ("runs[0].distances[0].right: no spectrum", |run| run["distances"][0]["right"] = "fc9".into()),
        ("runs[0].probes[0].eigenvalues[0]: expected a number, found null", |run| {
            run["probes"][0]["eigenvalues"][0] = Value::Null;
        }),
        ("runs[0].training[1].epoch", |run| run["training"][1]["epoch"] = 0.into()),
    ];
    for (problem, change) in cases {
        let mut results = whole.clone();
        change(&mut results["runs"][0]);
        fs::write(&file, serde_json::to_string(&results).unwrap()).unwrap();
        let text = says(here, &["report", "runs/small"], 1);
        assert!(
            text.contains("runs/small/results.json") && text.contains(problem),
            "no {problem:?} in {text}"
        );
    }
    for (seed, problem) in [
        (0, "runs/small/results.json: runs[1].name: `` is there twice"),
        (1, "runs/small/notes.json: runs: 1, and results.json has 2"),
    ] {
        let mut twice = whole.clone();
        let mut run = twice["runs"][0].clone();
        run["seed"] = (run["seed"].as_u64().unwrap() + seed).into();
        twice["runs"].as_array_mut().unwrap().push(run);
        twice.as_object_mut().unwrap().remove("variants");
        fs::write(&file, serde_json::to_string(&twice).unwrap()).unwrap();
        let text = says(here, &["report", "runs/small"], 1);
        assert!(text.contains(problem), "{text}");
    }
    fs::write(&file, serde_json::to_string(&whole).unwrap()).unwrap();
    says(here, &["report", "runs/small"], 0);
    // Results edited by hand are not what was measured: the run is repeated, and the edited results
    // are kept.
    let text = says(here, &["reproduce", "small.toml"], 0);
    assert!(text.contains("has been changed (results.json): it will be kept as runs/small~1"), "{text}");
}

/// `/dev/full` refuses every byte.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_a_failure_and_a_reader_that_went_away_is_none() {
    let folder = folder("");
    let here = folder.path();
    let into = |arguments: &[&str], stdout: Stdio| {
        command(here, arguments).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
    };
    for arguments in [
        &["list"][..],
        &["list", "groups", "small.toml"],
        &["check", "small.toml"],
        &["schema"],
        &["data", "fashion-mnist"],
        &["reproduce", "small.toml", "-q"],
        &["--help"],
        &["--version"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = into(arguments, full.into());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("stdout") && !text.contains("panicked"), "{arguments:?}: {text}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = into(arguments, writer.into());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
    }
}

/// A link to a folder of results on another disk is followed and remains a link.
#[test]
fn a_link_is_followed_and_one_that_leads_nowhere_is_refused_at_once() {
    use std::os::unix::fs::symlink;
    let folder = folder("");
    let (runs, disk) = (folder.path().join("runs"), folder.path().join("disk"));
    fs::create_dir(&runs).unwrap();
    symlink("../disk/here", runs.join("small")).unwrap();
    for command in ["check", "reproduce"] {
        let message = says(folder.path(), &[command, "small.toml"], 1);
        assert!(
            message.contains("is a link to ../disk/here") && message.contains("make that folder"),
            "{message}"
        );
    }
    assert_eq!(names(&runs), ["small"]);
    fs::create_dir_all(disk.join("here")).unwrap();
    says(folder.path(), &["reproduce", "small.toml", "-q"], 0);
    let first = numbers(&disk.join("here"));
    says(folder.path(), &["reproduce", "small.toml", "-q", "--fresh"], 0);
    assert_eq!(numbers(&runs.join("small")), first);
    assert!(runs.join("small").is_symlink());
    assert_eq!((names(&runs), names(&disk)), (vec!["small".to_owned()], vec!["here".to_owned()]));
}

#[test]
fn several_results_are_compared_on_one_page() {
    let folder = folder("");
    let here = folder.path();
    says(here, &["reproduce", "small.toml"], 0);
    says(here, &["reproduce", "small.toml", "--set", "train.epochs=1", "--out", "short"], 0);
    fs::rename(here.join("short/small"), here.join("short/other")).unwrap();
    let before = numbers(&here.join("runs/small"));
    let output = xtask(here, &["report", "runs/small", "short/other"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "comparison/report.html");
    let page = fs::read_to_string(here.join("comparison/report.html")).unwrap();
    for text in ["<h1>small, other</h1>", "../runs/small/results.json", "../short/other/report.html"] {
        assert!(page.contains(text), "no {text:?} in\n{page}");
    }
    // Both are curves of one chart.
    assert!(page.contains("\"name\":\"small\"") && page.contains("\"name\":\"other\""), "{page}");
    assert!(here.join("comparison/figures/eigenvalues-hessian.svg").is_file());
    assert_eq!(numbers(&here.join("runs/small")), before);
    // Again, and elsewhere.
    says(here, &["report", "runs/small", "short/other"], 0);
    says(here, &["report", "runs/small", "short/other", "--out", "both"], 0);
    assert!(here.join("both/report.html").is_file());
    for (arguments, problem) in [
        (&["report", "runs/small", "runs/../runs/small"][..], "given twice"),
        (&["report", "runs/small", "nowhere"], "nowhere/results.json: no such file"),
        (&["report", "runs/small", "short/other", "--out", "runs/small"], "it holds results"),
    ] {
        let text = says(here, arguments, 1);
        assert!(text.contains(problem) && text.contains("help:"), "{arguments:?}: {text}");
    }
    assert_eq!(numbers(&here.join("runs/small")), before);
}
