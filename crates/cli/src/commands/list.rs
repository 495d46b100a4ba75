//! `list`: names of plugins, a plugin's keys, or an experiment's groups.

use eigenscape_core::{Registry, registry::plural};
use eigenscape_experiment::{
    Failure, Result,
    choices::Choices,
    diagnostic::suggestion,
    schema::{Key, Kind, Plugin, kinds},
};

use crate::layout::{indented, table, width};

/// Lists the groups of an experiment, all names, the plugins of a kind, or the keys of one plugin.
pub fn run(kind: Option<&str>, name: Option<&str>, choices: &Choices, registry: &Registry) -> Result<()> {
    match (kind, name) {
        (Some("groups"), Some(file)) => super::groups::run(file, choices, registry),
        (Some("groups"), None) => Err(Failure::Usage {
            problem: "groups belong to an experiment".to_owned(),
            remedy: "name its file, as in `list groups experiments/quickstart.toml`".to_owned(),
        }),
        (None, _) => crate::print(all(&kinds(registry))),
        (Some(kind), None) => crate::print(one_kind(&wanted(kind, registry)?)),
        (Some(kind), Some(name)) => {
            let kind = wanted(kind, registry)?;
            crate::print(one_plugin(&kind, found(&kind, name)?))
        }
    }
}

fn wanted(word: &str, registry: &Registry) -> Result<Kind> {
    let kinds = kinds(registry);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).chain(["groups"]).collect();
    let remedy = suggestion(word, "kinds", &names);
    let is_it = |kind: &Kind| word == kind.name || word == plural(kind.name);
    let problem = format!("there is no kind `{word}`");
    kinds.into_iter().find(is_it).ok_or(Failure::Usage { problem, remedy })
}

fn found<'k>(kind: &'k Kind, name: &str) -> Result<&'k Plugin> {
    let found = kind.plugins.iter().find(|plugin| plugin.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = kind.plugins.iter().map(|plugin| plugin.name.as_ref()).collect();
        let remedy = if name.ends_with(".toml") {
            format!("list what an experiment measures with `list groups {name}`")
        } else {
            suggestion(name, &plural(kind.name), &known)
        };
        Failure::Usage { problem: format!("there is no {} `{name}`", kind.name), remedy }
    })
}

/// All names by kind.
fn all(kinds: &[Kind]) -> String {
    let mut lines = Vec::new();
    for kind in kinds {
        let names: Vec<&str> = kind.plugins.iter().map(|plugin| plugin.name.as_ref()).collect();
        lines.push(plural(kind.name));
        lines.extend(indented(&names.join(", "), "    "));
    }
    let example =
        "`cargo xtask list dataset` says what each set is, `cargo xtask list dataset cifar-10` its keys.";
    format!("{}\n\n{example}", lines.join("\n"))
}

/// The names of a kind, each with what it is.
fn one_kind(kind: &Kind) -> String {
    let rows: Vec<[String; 2]> =
        kind.plugins.iter().map(|plugin| [plugin.name.to_string(), plugin.summary.to_string()]).collect();
    let first = kind.plugins.first().map_or("NAME", |plugin| plugin.name.as_ref());
    let hint = format!("`cargo xtask list {} {first}` says which keys it has.", kind.name);
    format!("{}\n{}\n\n{hint}", plural(kind.name), table(&rows, width()).join("\n"))
}

/// A plugin with its keys.
fn one_plugin(kind: &Kind, plugin: &Plugin) -> String {
    let mut lines = vec![format!("{} {}", kind.name, plugin.name)];
    lines.extend(indented(&format!("{}.", plugin.summary.trim_end_matches('.')), "  "));
    lines.extend([String::new(), format!("  {}", place(kind.name, &plugin.name))]);
    if plugin.keys.is_empty() {
        lines.push("  It has no keys.".to_owned());
    }
    for one in &plugin.keys {
        lines.extend([String::new(), format!("  {}", key(one))]);
        lines.extend(indented(&format!("{}.", one.summary.trim_end_matches('.')), "      "));
    }
    lines.join("\n")
}

/// How a plugin of this kind is named in a file.
fn place(kind: &str, name: &str) -> String {
    match kind {
        "dataset" => format!("In a file: [data], name = \"{name}\", and its keys there."),
        "architecture" => format!("In a file: [model], name = \"{name}\", and its keys there."),
        "layer" => format!("In a file: {{ op = \"{name}\", ... }}, with its keys, among model.layers."),
        "loss" => {
            format!("In a file: loss = \"{name}\", or a table [loss] with name = \"{name}\" and its keys.")
        }
        "estimator" => {
            format!(
                "In a file: [[probe]], estimator = \"{name}\", or {{ name = \"{name}\", ... }} with its keys."
            )
        }
        "distance" => format!("In a file: [[distance]], name = \"{name}\", and its keys there."),
        "regularizer" => {
            format!("In a file: [[train.regularizer]], name = \"{name}\", `strength`, and its keys there.")
        }
        "optimizer" => format!("In a file: [train], optimizer = {{ name = \"{name}\", ... }} with its keys."),
        "schedule" => format!("In a file: [train], schedule = {{ name = \"{name}\", ... }} with its keys."),
        other => format!("In a file: {other} = \"{name}\"."),
    }
}

fn key(key: &Key) -> String {
    let value = match (&key.default, key.required) {
        (Some(default), _) => format!(" = {default}"),
        (None, true) => " (required)".to_owned(),
        (None, false) => String::new(),
    };
    format!("{}{value}: {}", key.name, key.kind)
}
