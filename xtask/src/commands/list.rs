//! `list`: plugins with their keys.

use eigenscape_core::{Registry, registry::nearest};
use eigenscape_experiment::{
    Failure, Result,
    diagnostic::suggestion,
    schema::{Key, Kind, kinds},
};

/// Lists the plugins of a kind, or of all.
pub fn run(kind: Option<&str>, registry: &Registry) -> Result<()> {
    let mut kinds = kinds(registry);
    if let Some(wanted) = kind {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        let nearest = nearest(wanted, names.iter().copied());
        let remedy = suggestion(nearest.as_deref(), "kinds", &names);
        kinds.retain(|kind| wanted == kind.name || wanted.strip_suffix('s') == Some(kind.name));
        if kinds.is_empty() {
            return Err(Failure::Usage { problem: format!("there is no kind `{wanted}`"), remedy });
        }
    }
    let texts: Vec<String> = kinds.iter().map(describe).collect();
    crate::print(texts.join("\n\n"));
    Ok(())
}

fn describe(kind: &Kind) -> String {
    let mut lines = vec![format!("{}s", kind.name)];
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
