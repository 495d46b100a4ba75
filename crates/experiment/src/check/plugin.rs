//! Builds plugins by name and reports their errors at the right place in the file.

use eigenscape_core::{
    Catalog, Error,
    registry::{Built, PluginError, plural},
};

use super::Checker;
use crate::{
    diagnostic::{ConfigError, suggestion},
    document::{Node, Tree},
};

impl Checker<'_> {
    /// Builds the plugin that the table (or bare name) at `path` names, and warns about ignored
    /// keys. `own` lists the table's keys that belong to the runner rather than the plugin.
    pub(super) fn build<T: ?Sized + 'static>(
        &mut self,
        catalog: &Catalog<T>,
        path: &str,
        name: &str,
        parameters: toml::Table,
        own: &[&str],
    ) -> Result<Box<T>, ConfigError> {
        let Built { plugin, ignored } = self.built(catalog, path, name, parameters, own)?;
        for key in &ignored {
            self.warnings.push(format!("{} `{name}` has no use for the key `{key}`: ignored", catalog.kind));
        }
        Ok(plugin)
    }

    /// Like [`Self::build`], but returns the ignored keys, which only other plugins use.
    pub(super) fn built<T: ?Sized + 'static>(
        &self,
        catalog: &Catalog<T>,
        path: &str,
        name: &str,
        parameters: toml::Table,
        own: &[&str],
    ) -> Result<Built<T>, ConfigError> {
        let node = self.document.at(path);
        catalog.build(name, parameters, &self.environment).map_err(|error| match error {
            PluginError::UnknownName { kind, name, known, .. } => node.at("name").site.error(
                format!("there is no {kind} `{name}`"),
                Some(suggestion(&name, &plural(kind), &known)),
            ),
            PluginError::Parameter { key, problem, .. } => {
                parameter(catalog, node, name, &key, &problem, own)
            }
            PluginError::Build(error) => failed(node, &error),
        })
    }
}

fn parameter<T: ?Sized + 'static>(
    catalog: &Catalog<T>,
    node: &Node,
    name: &str,
    key: &str,
    problem: &str,
    own: &[&str],
) -> ConfigError {
    let known: Vec<&str> = catalog
        .iter()
        .filter(|(candidate, _)| *candidate == name)
        .flat_map(|(_, entry)| entry.keys.iter().map(String::as_str))
        .chain(own.iter().copied())
        .collect();
    let help = suggestion(key, "keys", &known);
    if !key.is_empty() && node.get(key).is_some() && !known.contains(&key) {
        return node.at(key).key.error(problem, Some(help));
    }
    if let Some(missing) = problem.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
        && key.is_empty()
    {
        let help =
            format!("add `{missing} = ...`; `cargo xtask list {} {name}` says what it is", catalog.kind);
        let problem = format!("the {} `{name}` needs the key `{missing}`", catalog.kind);
        return node.at("name").site.error(problem, Some(help));
    }
    // An error without a key points at the plugin's name.
    let at = if key.is_empty() { node.at("name") } else { node.at(key) };
    crate::read::complaint(at, key, problem)
}

/// The error of a plugin that refuses its values. It points at the value, or the element of it,
/// that the error names, or else at the plugin's name.
pub(crate) fn failed(node: &Node, error: &Error) -> ConfigError {
    let (subject, problem) = match error {
        Error::Input { subject, problem, .. } => (subject.as_str(), sentence(subject, problem)),
        Error::Io { path, .. } => (path.as_str(), error.to_string()),
        other => ("", other.to_string()),
    };
    let help = error.remedy().to_owned();
    let culprit = match &node.value {
        Tree::Table(entries) => entries.iter().find(|(key, value)| names(subject, key, value)),
        _ => None,
    };
    let index = subject.find('[').map_or("", |start| &subject[start..]);
    culprit.map_or(node.at("name"), |(_, value)| value.at(index)).site.error(problem, Some(help))
}

/// A key and what is wrong with it: "`steps` is 0"; of anything else "net.pt: there is no such file".
fn sentence(subject: &str, problem: &str) -> String {
    let is_key = subject.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.[]".contains(letter));
    let is_verb = ["is ", "has ", "must ", "cannot "].iter().any(|verb| problem.starts_with(verb));
    if is_key && is_verb { format!("`{subject}` {problem}") } else { format!("{subject}: {problem}") }
}

/// Whether the subject of an error is this key, or the file that the key's value names.
fn names(subject: &str, key: &str, value: &Node) -> bool {
    let whole = subject.split('[').next().unwrap_or_default();
    let last = whole.rsplit('.').next();
    let file = value.to_value().as_str().is_some_and(|text| !text.is_empty() && subject.contains(text));
    key != "name" && (last == Some(key) || subject.ends_with(&format!("`{key}`")) || file)
}
