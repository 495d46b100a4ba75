//! `[[case]]`: several experiments in one file.
//!
//! A case is equivalent to a file that `extends` this one: its keys override the file's. Its own
//! `extends`, if any, overrides the file and is overridden by the case's keys. The case
//! `lenet-mnist` in the file of `layerwise` is the experiment `layerwise-lenet-mnist`, with a
//! results folder of that name.

use std::{collections::HashSet, path::Path};

use eigenscape_core::{Registry, registry::Environment};
use toml::Value;

use crate::{
    check,
    choices::Choices,
    diagnostic::{ConfigError, Failure, Result, Source, suggestion},
    document::{Node, Tree},
    extends,
    limits::ENTRIES,
    plan::ExperimentPlan,
};

/// The key of the list of cases.
pub(crate) const KEY: &str = "case";

/// An unchecked experiment of a file, with everything that it inherits.
#[derive(Clone)]
pub struct Experiment {
    /// The name of its case; `None` in a file without cases.
    pub case: Option<String>,
    /// The experiment's keys and values.
    pub document: Node,
    environment: Environment,
}

impl Experiment {
    /// Applies the command line's choices and checks everything that can be checked before the
    /// network is built.
    ///
    /// # Errors
    /// The first invalid value in the document or the flags.
    pub fn plan(&self, choices: &Choices, registry: &Registry) -> Result<ExperimentPlan> {
        check::document_plan(&self.document, &self.environment, choices, registry)
    }

    /// The name of the experiment, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.document.get("name").and_then(word)
    }
}

/// Reads the experiments of a file. If the file has cases, these are the cases chosen by `--only`,
/// or all cases without `--only`.
///
/// # Errors
/// When a file cannot be read, a case has no unique name, or a chosen case does not exist.
pub fn read(file: &Path, choices: &Choices) -> Result<Vec<Experiment>> {
    of_document(extends::read(file)?, file, choices)
}

/// As [`read`], for the text of a file that does not exist: `source` has its text and its name in
/// messages, and relative paths are looked up in `folder` first.
///
/// # Errors
/// As [`read`].
pub fn parse(source: &Source, folder: &Path, choices: &Choices) -> Result<Vec<Experiment>> {
    let file = folder.join(source.name());
    of_document(extends::complete(Node::parse(source)?, &file)?, &file, choices)
}

/// The one experiment of `source`; `choose` says how one of several is chosen, in the message.
///
/// # Errors
/// When there are several: the message names them.
pub fn only<'e>(experiments: &'e [Experiment], source: &str, choose: &str) -> Result<&'e Experiment> {
    if let [one] = experiments {
        return Ok(one);
    }
    let names: Vec<&str> = experiments.iter().filter_map(|one| one.case.as_deref()).collect();
    Err(Failure::Usage {
        problem: format!("{source} has {} experiments", names.len()),
        remedy: format!("choose one with {choose}: {}", names.join(", ")),
    })
}

fn of_document(mut document: Node, file: &Path, choices: &Choices) -> Result<Vec<Experiment>> {
    let environment =
        Environment { base: file.parent().unwrap_or(Path::new("")).to_owned(), ..Environment::default() };
    let Some(list) = document.remove(KEY) else {
        return match choices.only.first() {
            None => Ok(vec![Experiment { case: None, document, environment }]),
            Some(name) => Err(Failure::Usage {
                problem: format!("--only {name}: {} has no [[case]]", file.display()),
                remedy: "leave --only out".to_owned(),
            }),
        };
    };
    let cases = named(&list, &WORDS)?;
    if cases.is_empty() || cases.len() > ENTRIES {
        let help = format!("write from 1 to {ENTRIES} tables [[case]]");
        return Err(list.key.error(format!("`case` lists {} cases", cases.len()), Some(help)).into());
    }
    for name in &choices.only {
        chosen(name, &cases, file)?;
    }
    let is_chosen =
        |(name, _): &&(&str, &Node)| choices.only.is_empty() || choices.only.iter().any(|only| only == name);
    let experiment = |&(name, case): &(&str, &Node)| Experiment {
        case: Some(name.to_owned()),
        document: experiment(document.clone(), name, case),
        environment: environment.clone(),
    };
    Ok(cases.iter().filter(is_chosen).map(experiment).collect())
}

/// Terms used in messages about a list of cases.
pub(crate) struct Words {
    /// The key of the list.
    pub key: &'static str,
    /// What an element of the list is called.
    pub case: &'static str,
    /// An example of a name.
    pub example: &'static str,
}

const WORDS: Words = Words { key: KEY, case: "a case", example: "lenet-mnist" };

/// The tables of a list by name. Names must be unique.
///
/// # Errors
/// When `list` is not a list of tables, a table has no name, or two tables have the same name.
pub(crate) fn named<'n>(list: &'n Node, words: &Words) -> Result<Vec<(&'n str, &'n Node)>, ConfigError> {
    let Words { key, case, example } = words;
    let Tree::Array(elements) = &list.value else {
        let help = format!("write every case as a table [[{key}]] with a name and the keys it sets");
        return Err(list.key.error(format!("`{key}` must be a list of tables"), Some(help)));
    };
    let mut seen = HashSet::new();
    let named = |element: &'n Node| {
        let name = element.get("name").and_then(|node| Some((word(node)?, &node.site)));
        let Some((name, site)) = name.filter(|(name, _)| !name.is_empty()) else {
            let help = format!("give it one as in name = \"{example}\"");
            return Err(element.site.error(format!("{case} has no name"), Some(help)));
        };
        if !seen.insert(name) {
            let help = "give each case a name of its own".to_owned();
            return Err(site.error(format!("two cases are named \"{name}\""), Some(help)));
        }
        Ok((name, element))
    };
    elements.iter().map(named).collect()
}

fn word(node: &Node) -> Option<&str> {
    match &node.value {
        Tree::Scalar(Value::String(word)) => Some(word),
        _ => None,
    }
}

fn chosen(name: &str, cases: &[(&str, &Node)], file: &Path) -> Result<()> {
    if cases.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    let known: Vec<&str> = cases.iter().map(|(known, _)| *known).collect();
    Err(Failure::Usage {
        problem: format!("--only {name}: {} has no such case", file.display()),
        remedy: suggestion(name, "cases", &known),
    })
}

/// The document of a case: `base` overridden by the case's keys, with both names joined.
fn experiment(base: Node, name: &str, case: &Node) -> Node {
    let mut own = case.clone();
    if let (Some(study), Tree::Table(entries)) = (base.get("name").and_then(word), &mut own.value) {
        let whole = format!("{study}-{name}");
        if let Some((_, node)) = entries.iter_mut().find(|(key, _)| key == "name") {
            node.value = Tree::Scalar(Value::String(whole));
        }
    }
    extends::merge(base, own)
}
