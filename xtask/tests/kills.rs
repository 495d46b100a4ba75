//! Runs that are killed or stopped repeatedly: the same command resumes them, and the results have
//! the same bits.
//!
//! `EIGENSCAPE_KILLS=50 cargo test -p xtask --test kills` kills each run fifty times; the default
//! is three.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{names, words};
use rand::{Rng, RngExt};
use serde_json::Value;
use tempfile::TempDir;

/// Uses everything that has a state or draws at random: dropout, batch normalisation, moments,
/// penalties with probes, a schedule.
const EXPERIMENT: &str = r#"
name = "killed"
seed = 3
[data]
name = "tensors"
path = "xy.safetensors"
[model]
name = "sequential"
layers = [
    { op = "linear", in = 2, out = 24 },
    { op = "residual", body = [{ op = "batch_norm1d" }, { op = "gelu" }, { op = "dropout", p = 0.25 }, { op = "linear", out = 24 }] },
    { op = "linear", out = 3 },
]
[train]
epochs = 8
batch_size = 9
optimizer = { name = "adamw", lr = 0.01 }
schedule = { name = "cosine", warmup_steps = 20 }
keep_every = 0.0
[[train.regularizer]]
name = "hessian-trace"
strength = 1e-3
every = 3
[[probe]]
at = [0, 3, 5, 8]
samples_per_class = 9
groups = ["full", "parameters"]
estimator = { name = "lanczos", steps = 24, probes = 2 }
[[probe]]
at = [0, 5, 8]
samples_per_class = 9
groups = ["full", "layers"]
curvature = "gauss-newton"
estimator = "gram"
[[distance]]
name = "wasserstein"
[report]
tensorboard = true
"#;

fn folder(experiment: &str) -> TempDir {
    let folder = common::folder("killed", experiment);
    common::save_points(folder.path(), 120, |i| {
        (2.0 * (i % 3) as f64 + i as f64 / 90.0, 1.0 + i as f64 / 40.0)
    });
    folder
}

fn command(folder: &Path, out: &str) -> Command {
    common::command(folder, &["reproduce", "killed.toml", "--out", out])
}

/// The numbers in a folder of results: `results.json` without seconds, the bytes of every
/// checkpoint, and the lengths of event files.
fn numbers(folder: &Path) -> (Value, BTreeMap<String, Vec<u8>>) {
    let text = fs::read_to_string(folder.join("results.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    without_seconds(&mut results);
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.join("checkpoints"), folder.join("tensorboard")];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let bytes = fs::read(&path).unwrap();
            let bytes = if name.starts_with("checkpoints") { bytes } else { vec![0; bytes.len()] };
            files.insert(name, bytes);
        }
    }
    (results, files)
}

fn without_seconds(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| key != "seconds");
            object.values_mut().for_each(without_seconds);
        }
        Value::Array(values) => values.iter_mut().for_each(without_seconds),
        _ => {}
    }
}

fn kills() -> usize {
    std::env::var("EIGENSCAPE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

/// Kills a process after a delay; returns whether it had already ended.
fn killed(mut process: Child, after: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < after {
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return true;
        }
        thread::sleep(Duration::from_micros(500));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    false
}

/// Runs an experiment without interruption and again with kills at random moments, and compares the
/// results.
fn survives(experiment: &str, seed: u64) {
    let folder = folder(experiment);
    let start = Instant::now();
    let output = command(folder.path(), "whole").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let took = start.elapsed();
    let expected = numbers(&folder.path().join("whole/killed"));
    let mut random = moments(seed);
    let (mut killed_so_far, mut round) = (0, 0);
    while killed_so_far < kills() {
        round += 1;
        let out = format!("round-{round}");
        let here = folder.path().join(&out);
        let mut ended = false;
        while !ended && killed_so_far < kills() {
            let process = command(folder.path(), &out).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
            ended = killed(process.unwrap(), took.mul_f64(random()));
            killed_so_far += usize::from(!ended);
        }
        if !ended {
            let output = command(folder.path(), &out).output().unwrap();
            assert!(output.status.success(), "{}", words(&output));
        }
        assert!(numbers(&here.join("killed")) == expected, "round {round} has other numbers");
        assert_eq!(names(&here), ["killed"], "what is left after round {round}");
        fs::remove_dir_all(here).unwrap();
    }
}

/// Random numbers between 0 and about 1, more of them near 1, since the last steps are short and
/// many.
fn moments(seed: u64) -> impl FnMut() -> f64 {
    let mut stream = eigenscape_core::Random::new(seed).stream("kills", 0);
    move || {
        let (even, near_the_end): (f64, bool) = (stream.random(), stream.next_u32().is_multiple_of(3));
        if near_the_end { 0.8 + 0.25 * even } else { even }
    }
}

#[test]
fn a_run_that_is_killed_comes_to_the_same_bits() {
    survives(EXPERIMENT, 1);
}

#[test]
fn a_sweep_that_is_killed_comes_to_the_same_bits() {
    let short = EXPERIMENT.replace("epochs = 8", "epochs = 4").replace("[0, 3, 5, 8]", "[0, 3]");
    survives(&format!("{}\n[sweep]\nseed = [1, 2]\n", short.replace("[0, 5, 8]", "[4]")), 2);
}

/// Reads a process' stderr until a line contains `text`.
fn said(process: &mut Child, text: &str) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for line in BufReader::with_capacity(1, process.stderr.as_mut().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().unwrap().contains(text) {
            return said;
        }
    }
    panic!("it never said {text:?}: {said:#?}");
}

fn signal(process: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// An experiment that takes a minute or more, in training or in a spectrum.
fn slow(what: &str) -> String {
    let slow = match what {
        "training" => EXPERIMENT.replace("epochs = 8", "epochs = 2000"),
        _ => EXPERIMENT.replacen("steps = 24, probes = 2", "steps = 600, probes = 500", 1),
    };
    slow.replace("at = [0, 3, 5, 8]", "at = [0, 3]").replace("at = [0, 5, 8]", "at = [0]")
}

#[test]
fn a_signal_stops_where_nothing_is_lost_and_says_what_is_kept() {
    for (what, name) in [("training", "INT"), ("spectra", "TERM")] {
        let folder = folder(&slow(what));
        let mut process = command(folder.path(), "out").stderr(Stdio::piped()).spawn().unwrap();
        said(&mut process, if what == "training" { "epoch 4/" } else { "epoch 0/" });
        thread::sleep(Duration::from_millis(300));
        signal(&process, name);
        let start = Instant::now();
        let output = process.wait_with_output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        let words = words(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("interrupted") && words.contains("give the same command again"), "{words}");
        let left = names(&folder.path().join("out"));
        if what == "training" {
            assert!(
                words.contains("the training up to epoch ") && words.contains(" is kept in out/"),
                "{words}"
            );
            assert_eq!(left, [".killed.runs"]);
            let mut process = command(folder.path(), "out").stderr(Stdio::piped()).spawn().unwrap();
            let said = said(&mut process, "epoch ");
            assert!(said.last().unwrap().contains("goes on from epoch "), "{said:#?}");
            // The second signal ends the process at once.
            signal(&process, "INT");
            signal(&process, "INT");
            process.wait().unwrap();
        } else {
            assert!(left.is_empty(), "no spectrum was finished: {left:?}");
            assert!(
                words.contains("before anything was finished") && words.contains("starts anew"),
                "{words}"
            );
        }
    }
}

/// The folder of an unfinished run's state.
fn state(out: &Path) -> PathBuf {
    let runs = out.join(".killed.runs");
    let partial = names(&runs).into_iter().find(|name| name.ends_with(".partial")).unwrap();
    runs.join(partial).join("state")
}

/// Runs until a line contains `text`, then kills the process.
fn killed_after(folder: &Path, text: &str) {
    let mut process = command(folder, "out").stderr(Stdio::piped()).spawn().unwrap();
    said(&mut process, text);
    process.kill().unwrap();
    process.wait().unwrap();
}

/// The numbers of the generations in a state folder, ascending.
fn generations(state: &Path) -> Vec<u64> {
    let generation = |name: &String| name.strip_prefix("training.")?.parse::<u64>().ok();
    let mut generations: Vec<u64> = names(state).iter().filter_map(generation).collect();
    generations.sort_unstable();
    generations
}

fn change(file: &Path) {
    let mut contents = fs::read(file).unwrap();
    let middle = contents.len() / 2;
    contents[middle] ^= 4;
    fs::write(file, contents).unwrap();
}

#[test]
fn what_is_damaged_is_named_and_not_used() {
    let moments = EXPERIMENT.replace("at = [0, 5, 8]", "at = [8]").replace("at = [0, 3, 5, 8]", "at = [1]");
    let folder = folder(&moments);
    let output = command(folder.path(), "whole").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let expected = numbers(&folder.path().join("whole/killed"));
    let out = folder.path().join("out");
    for damage in ["newest cut", "newest changed", "all", "checkpoint"] {
        let (state, generations) = loop {
            killed_after(folder.path(), "epoch 5/");
            let state = state(&out);
            let generations = generations(&state);
            // While a generation is being written, there is only one other.
            if generations.len() == 2 {
                break (state, generations);
            }
            fs::remove_dir_all(&out).unwrap();
        };
        let file = |generation: u64| state.join(format!("training.{generation}"));
        let (newest, checkpoint) =
            (file(generations[1]), state.with_file_name("checkpoints").join("epoch-1.safetensors"));
        let (named, goes_on) = match damage {
            "newest cut" => {
                let contents = fs::read(&newest).unwrap();
                fs::write(&newest, &contents[..contents.len() - 1]).unwrap();
                (&newest, Some(true))
            }
            "newest changed" => {
                change(&newest);
                (&newest, Some(true))
            }
            "all" => {
                generations.iter().for_each(|generation| change(&file(*generation)));
                (&newest, Some(false))
            }
            _ => {
                fs::remove_file(&checkpoint).unwrap();
                // A state from before the checkpoint was written may still exist.
                (&checkpoint, None)
            }
        };
        let named = named.file_name().unwrap().to_str().unwrap();
        let output = command(folder.path(), "out").output().unwrap();
        let words = words(&output);
        assert!(output.status.success(), "{words}");
        assert!(words.contains("warning:") && words.contains(named), "{damage}: {words}");
        let does = words.contains("goes on from epoch");
        assert!(goes_on.is_none_or(|goes_on| goes_on == does), "{damage}: {words}");
        assert!(numbers(&out.join("killed")) == expected, "{damage}: other numbers");
        fs::remove_dir_all(&out).unwrap();
    }
}

/// A small file system, if this process may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }

    /// Fills the disk.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.path().join("filling")).unwrap();
        while file.write_all(&[1; 512]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

#[test]
fn a_full_disk_at_the_end_of_a_training_keeps_the_training() {
    let Some(disk) = SmallDisk::new("2m") else {
        eprintln!("skipped: only root can mount a disk of 2 MiB");
        return;
    };
    // 60 kB of weights; the disk is filled during the fifth of many epochs.
    let experiment = EXPERIMENT.replace("out = 24", "out = 120").replace("epochs = 8", "epochs = 40");
    let experiment =
        experiment.replace("at = [0, 3, 5, 8]", "at = [0, 3]").replace("at = [0, 5, 8]", "at = [40]");
    let folder = folder(&experiment);
    let output = command(folder.path(), "whole").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let out = disk.0.path().to_str().unwrap().to_owned();
    let mut process = command(folder.path(), &out).stderr(Stdio::piped()).spawn().unwrap();
    said(&mut process, "epoch 5/");
    disk.fill();
    let output = process.wait_with_output().unwrap();
    let text = words(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "epoch 40/40",
        "No space left on device",
        "the training goes on without it",
        "free space on that disk",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    disk.grow("32m");
    let output = command(folder.path(), &out).output().unwrap();
    let text = words(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("goes on from epoch 40 of 40") || text.contains("finished earlier"), "{text}");
    assert!(!text.contains("epoch 39/40"), "{text}");
    let found = numbers(&disk.0.path().join("killed"));
    assert!(found == numbers(&folder.path().join("whole/killed")), "other numbers");
    assert_eq!(names(disk.0.path()), ["filling", "killed"]);
}
