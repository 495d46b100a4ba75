//! `extends = "base.toml"`: a file that inherits from others and sets only what differs.
//!
//! The path is relative to the file that contains it. Later files of a list override earlier ones.
//! Tables are merged key by key; everything else, including a list, replaces the inherited value.
//! Every value keeps its location, so that a message about an inherited value underlines it in the
//! file that it comes from.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use eigenscape_core::Error;
use eigenscape_formats::regular_file;

use crate::{
    cases,
    diagnostic::{ConfigError, Result},
    document::{Node, Tree},
    limits::FILES,
};

/// The key of the inherited files.
pub(crate) const KEY: &str = "extends";

/// Reads a file with everything that it inherits.
///
/// # Errors
/// When a file cannot be read or is not TOML, `extends` is not a path or a list of paths, or a file
/// inherits from itself.
pub fn read(path: &Path) -> Result<Node> {
    inherited(path, &mut Vec::new(), &mut 0)
}

/// Adds to a document everything that it inherits, as if it stood in the file `path`.
///
/// # Errors
/// As [`read`].
pub fn complete(document: Node, path: &Path) -> Result<Node> {
    with_cases(document, path, &mut Vec::new(), &mut 0)
}

/// Reads a file with everything that it inherits. `descendants` are the files on the path from the
/// experiment to this one, excluding it. `read` counts the files read besides the experiment's own.
fn inherited(path: &Path, descendants: &mut Vec<PathBuf>, read: &mut usize) -> Result<Node> {
    with_cases(Node::read(path)?, path, descendants, read)
}

/// `own`, the content of a file, with everything that it and its cases inherit.
fn with_cases(mut own: Node, path: &Path, descendants: &mut Vec<PathBuf>, read: &mut usize) -> Result<Node> {
    if let Some((_, Node { value: Tree::Array(cases), .. })) = own.entry_mut(cases::KEY) {
        for case in cases {
            *case = over(path, case.clone(), descendants, read)?;
        }
    }
    over(path, own, descendants, read)
}

/// Merges `own`, a file or a case in it, over the files that it inherits.
fn over(path: &Path, mut own: Node, descendants: &mut Vec<PathBuf>, read: &mut usize) -> Result<Node> {
    let Some(extends) = own.remove(KEY) else { return Ok(own) };
    descendants.push(path.to_owned());
    let mut merged: Option<Node> = None;
    for (word, place) in words(&extends)? {
        let file = path.parent().unwrap_or(Path::new("")).join(word);
        check(&file, place, descendants)?;
        *read += 1;
        if *read > FILES {
            let problem = format!("more than {FILES} files are inherited, repetitions included");
            let help = "merge them into fewer files".to_owned();
            return Err(place.site.error(problem, Some(help)).into());
        }
        let base = inherited(&file, descendants, read)?;
        merged = Some(match merged {
            None => base,
            Some(earlier) => merge(earlier, base),
        });
    }
    descendants.pop();
    Ok(match merged {
        None => own,
        Some(base) => merge(base, own),
    })
}

/// The inherited paths with their nodes.
fn words(extends: &Node) -> Result<Vec<(&str, &Node)>, ConfigError> {
    match &extends.value {
        Tree::Array(elements) => elements.iter().map(word).collect(),
        _ => Ok(vec![word(extends)?]),
    }
}

fn word(node: &Node) -> Result<(&str, &Node), ConfigError> {
    if let Tree::Scalar(toml::Value::String(word)) = &node.value {
        return Ok((word, node));
    }
    let help = "write it as in extends = \"base.toml\"".to_owned();
    Err(node.site.error("`extends` must be a path or a list of paths", Some(help)))
}

fn check(file: &Path, place: &Node, descendants: &[PathBuf]) -> Result<(), ConfigError> {
    if !file.exists() {
        return Err(place.site.error(
            format!("there is no file {}", file.display()),
            Some("a path in `extends` is relative to the file that contains it".to_owned()),
        ));
    }
    if let Err(error) = regular_file::open(file) {
        let (problem, remedy) = Error::from(error).into_words();
        return Err(place.site.error(problem, remedy));
    }
    let is_it = |other: &&PathBuf| same(other, file);
    if let Some(start) = descendants.iter().position(|other| is_it(&other)) {
        let way: Vec<String> =
            descendants[start..].iter().map(PathBuf::as_path).chain([file]).map(name).collect();
        return Err(place.site.error(
            format!("a file inherits from itself: {}", way.join(" extends ")),
            Some("remove one of these `extends`".to_owned()),
        ));
    }
    Ok(())
}

/// Whether both paths lead to one file.
fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Merges `own` over `base`: tables key by key, everything else replaced.
pub(crate) fn merge(base: Node, own: Node) -> Node {
    let (mut entries, own_entries) = match (base.value, own.value) {
        (Tree::Table(base), Tree::Table(own)) => (base, own),
        (_, value) => return Node { value, ..own },
    };
    let places: HashMap<String, usize> =
        entries.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
    for (key, node) in own_entries {
        match places.get(&key) {
            None => entries.push((key, node)),
            Some(&place) => entries[place].1 = merge(entries[place].1.clone(), node),
        }
    }
    Node { key: own.key, site: own.site, value: Tree::Table(entries) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn tables_merge_and_everything_else_replaces() {
        let folder = folder(&[
            ("base/root.toml", "seed = 1\n[train]\nepochs = 50\nlist = [1, 2]\n"),
            ("base/other.toml", "extends = 'root.toml'\n[train]\nepochs = 40\n[train.optimizer]\nlr = 0.1\n"),
            ("base/last.toml", "out = 'here'\nseed = 2\n"),
            (
                "mine.toml",
                "extends = ['base/other.toml', 'base/last.toml']\n[train]\nlist = [3]\noptimizer.momentum = 0.9\n",
            ),
        ]);
        let found = read(&folder.path().join("mine.toml")).unwrap().to_value();
        let expected: toml::Value = toml::from_str(
            "seed = 2\nout = 'here'\n[train]\nepochs = 40\nlist = [3]\n[train.optimizer]\nlr = 0.1\nmomentum = 0.9\n",
        )
        .unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_ways_to_one_file_are_no_circle_and_one_back_is() {
        let folder = folder(&[
            ("base/root.toml", "seed = 1\n"),
            ("base/a.toml", "extends = 'root.toml'\n"),
            ("base/b.toml", "extends = '../base/root.toml'\n"),
            ("both.toml", "extends = ['base/a.toml', 'base/b.toml']\n"),
            ("base/c.toml", "extends = '../circle.toml'\n"),
            ("circle.toml", "extends = 'base/c.toml'\n"),
        ]);
        assert!(read(&folder.path().join("both.toml")).is_ok());
        let error = read(&folder.path().join("circle.toml")).unwrap_err().to_string();
        assert!(error.contains("circle.toml extends c.toml extends circle.toml"), "{error}");
    }

    #[test]
    fn what_is_no_file_is_shown_where_it_was_written() {
        for (extends, problem) in [
            ("'nowhere.toml'", "there is no file"),
            ("7", "a path or a list of paths"),
            ("['base']", "there is no file"),
            ("['.']", "is not a file, but a folder"),
            #[cfg(unix)]
            ("'/dev/zero'", "is not a file, but a device"),
        ] {
            let folder = folder(&[
                ("base/middle.toml", &format!("seed = 1\nextends = {extends}\n")),
                ("mine.toml", "extends = 'base/middle.toml'\n"),
            ]);
            let error = read(&folder.path().join("mine.toml")).unwrap_err();
            let text = format!("{:?}", miette::Report::new(error));
            assert!(text.contains(problem) && text.contains("middle.toml:2:1"), "{text}");
        }
    }
}
