//! The documentation: its links lead somewhere, its examples are accepted, and that of the README
//! runs as it stands.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use common::{folder, words, xtask};
use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The pages that users read.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    let others = ["README.md", "ARCHITECTURE.md", "crates/python/README.md"];
    pages.extend(others.map(|name| root().join(name)));
    pages.sort();
    pages
}

/// The lines of a page outside (`false`) or inside (`true`) of its fenced blocks, each with the
/// language of its block.
fn lines(text: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    let mut language = None;
    text.lines().filter_map(move |line| match (line.trim_start().strip_prefix("```"), language) {
        (Some(_), Some(_)) => {
            language = None;
            None
        }
        (Some(named), None) => {
            language = Some(named);
            Some((language, "\0"))
        }
        (None, _) => Some((language, line)),
    })
}

/// The blocks in TOML.
fn examples(text: &str) -> Vec<String> {
    let toml: Vec<&str> =
        lines(text).filter(|(language, _)| *language == Some("toml")).map(|(_, line)| line).collect();
    toml.split(|line| *line == "\0").skip(1).map(|block| block.join("\n")).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines(text).filter(|(language, line)| language.is_none() && line.starts_with('#'));
    headings
        .map(|(_, line)| {
            let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            heading.chars().filter(kept).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        })
        .collect()
}

/// The targets of a page's links, without those on the network.
fn links(text: &str) -> Vec<String> {
    let prose: Vec<&str> = lines(text).filter(|(block, _)| block.is_none()).map(|(_, line)| line).collect();
    let prose = prose.join("\n");
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).filter(|target| !target.starts_with("http")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let has_anchor = || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor));
            if !target.exists() || !(anchor.is_empty() || has_anchor()) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// An example with its own name and data that come with the program is a whole experiment.
#[test]
fn every_example_is_valid_and_every_experiment_is_accepted() {
    let mut accepted = 0;
    for page in pages() {
        for example in examples(&fs::read_to_string(&page).unwrap()) {
            let table: Table =
                toml::from_str(&example).map_err(|error| format!("{}: {error}", page.display())).unwrap();
            let data = table.get("data").and_then(|data| data.get("name")).and_then(|name| name.as_str());
            if table.contains_key("name") && data == Some("fashion-mnist") {
                let place = folder("example", &example);
                let output = xtask(place.path(), &["check", "example.toml"]);
                assert!(output.status.success(), "{}: {}", page.display(), words(&output));
                accepted += 1;
            }
        }
    }
    assert!(accepted >= 3, "those of README.md, experiments.md and probes.md: {accepted}");
}

#[test]
fn the_example_of_the_readme_runs_as_it_stands() {
    let [example] = &examples(&fs::read_to_string(root().join("README.md")).unwrap())[..] else {
        panic!("one example expected");
    };
    let place = folder("mine", example);
    let output = xtask(place.path(), &["reproduce", "mine.toml"]);
    assert!(output.status.success(), "{}", words(&output));
    assert!(place.path().join("runs/mine/report.html").exists());
}
