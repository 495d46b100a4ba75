//! Experiments that request more than is available: `check` refuses each with one message, before
//! anything is allocated or trained.
//!
//! `hostile/` holds the files, and next to each the words that its message must contain. Texts that
//! are too long for a file are made here. `hostile/quick` holds files that request much and may be
//! accepted: `check` counts what they request without iterating over it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use candle_core::{Device, Tensor};
use eigenscape_core::{Catalog, Registry};
use eigenscape_experiment::{Failure, check, choices::Choices, surveyed};
use miette::Diagnostic;

/// Checks a file as the command does, without printing.
fn checked(file: &Path, set: &[String]) -> Result<(), Failure> {
    let choices = Choices { set: set.to_vec(), ..Choices::default() };
    let plan = check::plan(file, &choices, &xtask::plugins())?;
    surveyed::each(&plan, |_| Ok(()))
}

/// The message of a refusal, with the remedy; asserts that the whole report is short.
fn refusal(file: &Path, set: &[String]) -> String {
    let name = file.display();
    let Err(failure) = checked(file, set) else { panic!("{name} is accepted") };
    assert_eq!(failure.exit_code(), 2, "{name}: {failure}");
    let help = failure.help().map(|help| help.to_string()).unwrap_or_default();
    let message = format!("{failure}\n{help}");
    let report = format!("{:?}", miette::Report::new(failure));
    assert!(report.len() < 12_000, "{name}: a report of {} bytes", report.len());
    // A message with the expected type is its own remedy.
    let told = !help.is_empty() || message.contains("not valid TOML") || message.contains("expected a");
    assert!(told, "{name} has no remedy: {message}");
    message
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn each_file_is_refused_by_the_message_beside_it() {
    let files = cases("hostile");
    assert!(files.len() >= 50, "{} files", files.len());
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let message = refusal(file, &[]);
            let words = fs::read_to_string(file.with_extension("txt")).unwrap();
            let missing: Vec<&str> = words.lines().filter(|words| !message.contains(words)).collect();
            (!missing.is_empty()).then(|| format!("{}: {missing:?} not in\n{message}", file.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ten times what the slowest case takes on an idle machine in a nearly unoptimised build.
const AT_ONCE: Duration = Duration::from_secs(30);

#[test]
fn what_is_large_is_counted_and_not_gone_through() {
    let folder = tempfile::tempdir().unwrap();
    let x = Tensor::zeros((500, 3, 32, 32), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = Tensor::from_iter((0..500_i64).map(|i| i % 10), &Device::Cpu).unwrap();
    let tensors = HashMap::from([("x", x), ("y", y)]);
    candle_core::safetensors::save(&tensors, folder.path().join("xy.safetensors")).unwrap();
    let deep = |groups: &str| {
        let layers = "{ op = \"linear\", out = 64 }, { op = \"relu\" }, ".repeat(495);
        format!(
            "name = \"quick\"\n[data]\nname = \"tensors\"\npath = \"xy.safetensors\"\n[model]\nname = \"sequential\"\n\
             layers = [{{ op = \"flatten\" }}, {layers}{{ op = \"linear\", out = 10 }}]\n[[probe]]\nsamples = 10\ngroups = [{groups}]\n\
             curvature = [\"hessian\", \"gauss-newton\", \"residual\"]\nestimator = {{ name = \"lanczos\", steps = 10 }}\n"
        )
    };
    let mut files: Vec<(String, String)> = cases("hostile/quick")
        .iter()
        .map(|file| (file.display().to_string(), fs::read_to_string(file).unwrap()))
        .collect();
    assert!(files.len() >= 10, "{} files", files.len());
    for groups in ["\"full\", \"layers\", \"parameters\", \"modules\"", "\"parameters\"", "\"activation:*\""]
    {
        files.push((format!("deep, {groups}"), deep(groups)));
    }
    let file = folder.path().join("quick.toml");
    for (name, text) in files {
        fs::write(&file, text).unwrap();
        let start = Instant::now();
        if let Err(failure) = checked(&file, &[]) {
            assert_eq!(failure.exit_code(), 2, "{name}: {failure}");
        }
        let seconds = start.elapsed();
        assert!(seconds < AT_ONCE, "{name}: {seconds:?}");
    }
}

const REST: &str = "[data]\nname = \"iris\"\n[model]\nname = \"mlp\"\n";
const PROBE: &str = "[[probe]]\nsamples = 10\nestimator = \"gram\"\n";

/// The message about a file of this text in a folder with these other files.
fn refusal_of(text: &str, others: &[(String, String)], set: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in others {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("mine.toml");
    fs::write(&file, text).unwrap();
    refusal(&file, set)
}

#[test]
fn what_is_long_is_refused_before_it_is_followed() {
    let head = format!("name = \"hostile\"\n{REST}");
    let chain: Vec<_> = (0..5_000)
        .map(|i| (format!("{i}.toml"), format!("extends = \"{}.toml\"\n", i + 1)))
        .chain([("5000.toml".to_owned(), head.clone())])
        .collect();
    let message = refusal_of("extends = \"0.toml\"\n", &chain, &[]);
    assert!(message.contains("more than 64 files are inherited"), "{message}");
    // Thirty files, each of which inherits twice from the next: about 10⁹ reads.
    let doubling: Vec<_> = (0..30)
        .map(|i| (format!("{i}.toml"), format!("extends = [\"{0}.toml\", \"{0}.toml\"]\n", i + 1)))
        .chain([("30.toml".to_owned(), head.clone())])
        .collect();
    let message = refusal_of("extends = \"0.toml\"\n", &doubling, &[]);
    assert!(message.contains("more than 64 files are inherited"), "{message}");

    let many = |text: &str, count: usize| text.repeat(count);
    let list = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let ten = |from: usize| (from..from + 10).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let deep = vec!["a"; 100_000].join(".");
    for (text, words) in [
        (format!("{head}{}", many(PROBE, 2_000)), "`probe` has 2000 entries"),
        (format!("{head}{}", many("[[distance]]\nname = \"kl\"\n", 2_000)), "`distance` has 2000 entries"),
        (
            format!(
                "{head}{}",
                many("[[expect]]\nclaim = \"c\"\nquantity = \"trace\"\nis = \"falls\"\n", 2_000)
            ),
            "`expect` has 2000 entries",
        ),
        (format!("{head}{PROBE}[sweep]\nseed = [{}]\n", list(50_000)), "50000 of `seed` are 50000 runs"),
        (
            format!(
                "{head}{PROBE}[sweep]\n{}",
                (0..10).map(|i| format!("\"k{i}\" = [{}]\n", ten(i))).collect::<String>()
            ),
            "10000000000 runs",
        ),
        (format!("{head}{PROBE}{}", many("[[sweep.case]]\nname = \"x\"\n", 20_000)), "20000 of cases"),
        (format!("name = \"hostile\"\nx = [{}]\n{REST}", list(200_000)), "more than 100000 values"),
        (
            format!(
                "name = \"hostile\"\n{REST}{}",
                (0..6_000).map(|i| format!("k{i} = 1\n")).collect::<String>()
            ),
            "a table of 6001 keys",
        ),
        (format!("{head}# {}\n", many("x", 5 << 20)), "the file has"),
        (format!("{head}[{deep}]\n"), "more than 64 tables and lists"),
        (format!("{head}{deep} = 1\n"), "more than 64 tables and lists"),
        (format!("{head}x = {{ {deep} = 1 }}\n"), "more than 64 tables and lists"),
        (format!("{head}x = {}\n", many("[", 100_000)), "not valid TOML"),
        (format!("{head}x = {}\n", many("{ a = ", 100_000)), "not valid TOML"),
        (format!("{head}{PROBE}groups = [{}]\n", many("\"nothing*\", ", 50_000)), "nothing*"),
        (format!("{head}{PROBE}groups = \"{}\"\n", many("a", 1 << 20)), "aaa"),
        (format!("{head}{PROBE}groups = \"{}\"\n", many("{a,b}", 20_000)), "{a,b}"),
        (
            format!("{head}{PROBE}curvature = [{}]\n", many("\"hessian\", ", 50_000)),
            "\"hessian\" is listed twice",
        ),
        (format!("{head}{PROBE}at = [{}]\n", list(50_000)), "there is no epoch 1"),
        (format!("name = \"{}\"\n{REST}", many("ä", 1 << 20)), "is too long for a folder"),
        (
            format!("name = \"hostile\"\n{REST}widths = [{}]\n{PROBE}", many("1, ", 50_000)),
            "50000 hidden layers",
        ),
        (
            format!(
                "name = \"hostile\"\n[data]\nname = \"{}\"\n[model]\nname = \"mlp\"\n",
                many("iris", 100_000)
            ),
            "there is no dataset",
        ),
        (
            format!(
                "name = \"hostile\"\n[data]\nname = \"iris\"\n[model]\nname = \"sequential\"\nlayers = [{}]\n{PROBE}",
                many("{ op = \"relu\" },", 30_000)
            ),
            "30000 layers",
        ),
    ] {
        let message = refusal_of(&text, &[], &[]);
        assert!(message.contains(words), "{words} is not in {}", &message[..message.len().min(2_000)]);
    }
    let file = format!("{head}{PROBE}");
    let message = refusal_of(&file, &[], &[format!("{deep}=1")]);
    assert!(message.contains("more than 64 tables and lists"), "{message}");
    let message =
        refusal_of(&file, &[], &[format!("model.widths={}1{}", many("[", 5_000), many("]", 5_000))]);
    assert!(message.contains("is not a TOML value"), "{message}");
}

/// A huge number of classes requires as many outputs, and as many target numbers per example.
#[test]
fn a_label_of_thousands_of_millions_is_no_reason_to_allocate() {
    let folder = tempfile::tempdir().unwrap();
    let x = Tensor::zeros((8, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = Tensor::from_iter((0..8_i64).map(|i| i % 2), &Device::Cpu).unwrap();
    candle_core::safetensors::save(
        &HashMap::from([("x", x), ("y", y)]),
        folder.path().join("xy.safetensors"),
    )
    .unwrap();
    let file = folder.path().join("mine.toml");
    let text = "name = \"hostile\"\n[data]\nname = \"tensors\"\npath = \"xy.safetensors\"\nclasses = 4000000000\n[model]\nname = \"mlp\"\n";
    fs::write(&file, format!("{text}{PROBE}")).unwrap();
    let message = refusal(&file, &[]);
    assert!(message.contains("would take"), "{message}");
}

/// Every integer key of every plugin with very large values: refused or accepted, at once and
/// without a panic.
#[test]
fn every_whole_number_of_every_plugin_is_bounded() {
    let registry: Registry = xtask::plugins();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let mut tried = 0;
    for size in [i64::MAX, 1_000_000_000_000, 2_000_000_000, 70_000] {
        let mut each = |key: &str, table: String| {
            fs::write(&file, table).unwrap();
            if let Err(failure) = checked(&file, &[]) {
                assert_eq!(failure.exit_code(), 2, "{key}: {failure}");
            }
            tried += 1;
        };
        let base = "name = \"hostile\"\n[data]\nname = \"iris\"\n";
        for (name, key, list) in integers(&registry.estimators) {
            let value = value(size, list);
            let probe =
                format!("[[probe]]\nsamples = 10\nestimator = {{ name = \"{name}\", {key} = {value} }}\n");
            each(&key, format!("{base}[model]\nname = \"mlp\"\nwidths = [3]\n{probe}"));
        }
        for (name, key, list) in integers(&registry.architectures) {
            let value = value(size, list);
            each(&key, format!("{base}[model]\nname = \"{name}\"\n{key} = {value}\n{PROBE}"));
        }
        for (name, key, list) in integers(&registry.distances) {
            let value = value(size, list);
            let probe = PROBE.replace("samples", "groups = [\"full\", \"layers\"]\nsamples");
            let distance = format!("[[distance]]\nname = \"{name}\"\n{key} = {value}\n");
            each(&key, format!("{base}[model]\nname = \"mlp\"\nwidths = [3]\n{probe}{distance}"));
        }
        for (name, key, list) in integers(&registry.losses) {
            let value = value(size, list);
            let loss = format!("loss = {{ name = \"{name}\", {key} = {value} }}\n");
            each(&key, format!("{loss}{base}[model]\nname = \"mlp\"\nwidths = [3]\n{PROBE}"));
        }
        for (name, key, list) in integers(&registry.regularizers) {
            let train = "[train]\nepochs = 1\nbatch_size = 8\noptimizer = { name = \"sgd\", lr = 0.1 }\n";
            let value = value(size, list);
            let own = format!("[[train.regularizer]]\nname = \"{name}\"\nstrength = 1.0\n{key} = {value}\n");
            each(&key, format!("{base}[model]\nname = \"mlp\"\nwidths = [3]\n{train}{own}"));
        }
    }
    assert!(tried >= 60, "{tried} numbers");
}

fn value(size: i64, list: bool) -> String {
    if list { format!("[{size}, {size}]") } else { size.to_string() }
}

/// The keys of each plugin that are integers or lists of integers.
fn integers<T: ?Sized + 'static>(catalog: &Catalog<T>) -> Vec<(&'static str, String, bool)> {
    let is = |schema: &serde_json::Value| {
        let kind = &schema["type"];
        kind == "integer" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "integer"))
    };
    let mut found = Vec::new();
    for (name, entry) in catalog.iter() {
        let properties = entry.schema.get("properties").and_then(|properties| properties.as_object());
        for (key, schema) in properties.into_iter().flatten() {
            if is(schema) || is(&schema["items"]) {
                found.push((name, key.clone(), is(&schema["items"])));
            }
        }
    }
    found
}
