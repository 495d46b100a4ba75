//! Walks `tests/diagnostics`: each `.toml` file there is a mistake, the `.txt` beside it the
//! message a user sees. A line `# set: FLAG` is a `--set` flag. `UPDATE_EXPECT=1 cargo test`
//! rewrites the messages.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use eigenscape_core::registry::Environment;
use eigenscape_experiment::{
    Failure, check,
    choices::Choices,
    diagnostic::{Result, Source},
    document::Node,
    plan::ExperimentPlan,
};
use miette::{GraphicalReportHandler, GraphicalTheme};

fn plan(case: &Path) -> Result<ExperimentPlan> {
    let text = fs::read_to_string(case).unwrap();
    let document = Node::parse(&Source::new("experiment.toml", text.as_str()))?;
    let set = text.lines().filter_map(|line| line.strip_prefix("# set: ")).map(str::to_owned).collect();
    let choices = Choices { set, ..Choices::default() };
    check::document_plan(&document, &Environment::default(), &choices, &common::registry())
}

fn render(failure: &Failure) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    let mut text = String::new();
    handler.render_report(&mut text, failure).unwrap();
    text
}

#[test]
fn every_mistake_has_its_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "the cases are missing");
    let mut different = Vec::new();
    for case in cases {
        let Err(failure) = plan(&case) else { panic!("{} is accepted", case.display()) };
        assert_eq!(failure.exit_code(), 2, "{}", case.display());
        let message = render(&failure);
        let expected = case.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, &message).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != message {
            different.push(format!("{}:\n{message}", case.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
