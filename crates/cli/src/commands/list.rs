//! `list`: plugins with their keys, or an experiment's groups.

use eigenscape_core::{
    Registry,
    registry::{nearest, plural},
};
use eigenscape_experiment::{
    Failure, Result,
    choices::Choices,
    diagnostic::suggestion,
    schema::{Key, Kind, kinds},
};

/// Lists the groups of an experiment, the plugins of a kind, one plugin, or all of them.
pub fn run(kind: Option<&str>, name: Option<&str>, choices: &Choices, registry: &Registry) -> Result<()> {
    match (kind, name) {
        (Some("groups"), Some(file)) => super::groups::run(file, choices, registry),
        (Some("groups"), None) => Err(Failure::Usage {
            problem: "groups belong to an experiment".to_owned(),
            remedy: "name its file, as in `list groups experiments/quickstart.toml`".to_owned(),
        }),
        (kind, name) => plugins(kind, name, registry),
    }
}

fn plugins(kind: Option<&str>, name: Option<&str>, registry: &Registry) -> Result<()> {
    let mut kinds = kinds(registry);
    if let Some(wanted) = kind {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        let nearest = nearest(wanted, names.iter().copied());
        let remedy = suggestion(nearest.as_deref(), "kinds", &[names.as_slice(), &["groups"]].concat());
        kinds.retain(|kind| wanted == kind.name || wanted == plural(kind.name));
        if kinds.is_empty() {
            return Err(Failure::Usage { problem: format!("there is no kind `{wanted}`"), remedy });
        }
    }
    if let Some(name) = name {
        kinds.iter_mut().try_for_each(|kind| only(kind, name))?;
    }
    let texts: Vec<String> = kinds.iter().map(describe).collect();
    crate::print(texts.join("\n\n"))
}

/// Keeps only the plugin of this name.
fn only(kind: &mut Kind, name: &str) -> Result<()> {
    let known: Vec<String> = kind.plugins.iter().map(|plugin| plugin.name.clone().into_owned()).collect();
    kind.plugins.retain(|plugin| plugin.name == name);
    if !kind.plugins.is_empty() {
        return Ok(());
    }
    let remedy = if name.ends_with(".toml") {
        format!("list what an experiment measures with `list groups {name}`")
    } else {
        let nearest = nearest(name, known.iter().map(String::as_str));
        suggestion(nearest.as_deref(), &plural(kind.name), &known)
    };
    Err(Failure::Usage { problem: format!("there is no {} `{name}`", kind.name), remedy })
}

fn describe(kind: &Kind) -> String {
    let mut lines = vec![plural(kind.name)];
    for plugin in &kind.plugins {
        lines.push(format!("  {}: {}", plugin.name, plugin.summary));
        lines.extend(plugin.keys.iter().map(key));
    }
    lines.join("\n")
}

fn key(key: &Key) -> String {
    let value = match (&key.default, key.required) {
        (Some(default), _) => format!(" = {default}"),
        (None, true) => " (required)".to_owned(),
        (None, false) => String::new(),
    };
    format!("    {}{value}: {}. {}", key.name, key.kind, key.summary)
}
