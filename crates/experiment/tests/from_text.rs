//! An experiment that stands in no file, and whose progress goes to an observer.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/points.rs"]
mod points;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use eigenscape_experiment::{
    cases,
    choices::Choices,
    diagnostic::Source,
    progress::{Display, Observer},
    run,
};

const BASE: &str =
    "[data]\nname = \"points\"\n[model]\nname = \"sequential\"\nlayers = [{ op = \"linear\", out = 2 }]\n";
const OWN: &str = r#"
name = "from-text"
extends = "base.toml"
[train]
epochs = 2
batch_size = 3
optimizer = { name = "sgd", lr = 0.1 }
[[probe]]
samples = 3
groups = "full"
curvature = "hessian"
estimator = { name = "lanczos", steps = 4 }
"#;

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    progress: Mutex<Vec<(String, u64, u64)>>,
}

impl Observer for Heard {
    fn line(&self, text: &str) {
        self.lines.lock().unwrap().push(text.to_owned());
    }

    fn progress(&self, label: &str, done: u64, total: u64) {
        self.progress.lock().unwrap().push((label.to_owned(), done, total));
    }
}

fn registry() -> eigenscape_core::Registry {
    let mut registry = points::registry();
    eigenscape_estimators::register(&mut registry);
    registry
}

#[test]
fn a_text_inherits_from_files_in_its_folder_and_runs_observed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.toml"), BASE).unwrap();
    let choices = Choices { out: Some(folder.path().join("runs")), ..Choices::default() };
    let experiments = cases::parse(&Source::new("experiment", OWN), folder.path(), &choices).unwrap();
    let plan = experiments[0].plan(&choices, &registry()).unwrap();
    let heard = Arc::<Heard>::default();
    let executed = run::execute(&plan, false, &Display::observed(heard.clone()), |_| Ok(())).unwrap();
    assert!(executed.failure().is_none());
    let (lines, progress) = (heard.lines.lock().unwrap(), heard.progress.lock().unwrap());
    assert!(lines.iter().any(|line| line.contains("spectrum in")), "{lines:?}");
    assert!(progress.iter().all(|(_, done, total)| done <= total));
    let (_, done, total) = progress.iter().rfind(|(label, ..)| label == "training").unwrap();
    assert_eq!(done, total);
}

#[test]
fn messages_name_the_text() {
    let error = cases::parse(&Source::new("experiment", "name = "), Path::new(""), &Choices::default());
    let shown = format!("{:?}", miette::Report::new(error.err().unwrap()));
    assert!(shown.contains("experiment:1"), "{shown}");
}
