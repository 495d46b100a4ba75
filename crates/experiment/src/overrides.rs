//! Values put into a document before it is checked: by `--set key=value`, by a profile, by a case
//! of a sweep.

use toml::Value;

use crate::{
    diagnostic::{ConfigError, Site, Source},
    document::{Node, Tree, too_deep},
    limits::DEPTH,
};

/// Applies one `--set` flag.
///
/// The key is a dotted path (`model.name`, `probe.0.samples`). An array without an index in the
/// path stands for all its elements. The value is TOML; anything that is not valid TOML is taken as
/// a string, so that quotes need no escaping.
///
/// # Errors
/// When there is no `=`, a key is empty, or the path leads through a value that has no keys.
pub fn apply(document: &mut Node, flag: &str) -> Result<(), ConfigError> {
    let source = Source::new("--set", flag);
    let Some(equals) = flag.find('=') else {
        return Err(source.site(0..flag.len()).error(
            format!("`{flag}` has no value"),
            Some("write --set key=value, for example --set train.epochs=2".to_owned()),
        ));
    };
    let value = value(&source, equals)?;
    set(document, &steps(&source, flag[..equals].trim_end()), &value)
}

/// A step of a path with its location.
pub type Step = (String, Site);

/// Splits a path at its dots. The text of `source` starts with the path.
pub fn steps(source: &Source, path: &str) -> Vec<Step> {
    let mut start = 0;
    let steps = path.split('.').map(|step| {
        let site = source.site(start..start + step.len());
        start += step.len() + 1;
        (step.trim().to_owned(), site)
    });
    steps.collect()
}

/// Puts every value of a table of overrides into the document, and returns the changes as text.
/// Nested tables and dotted keys are paths, as in a `--set` flag; any other value replaces the
/// existing one.
///
/// # Errors
/// When it is not a table, or a path cannot be followed.
pub fn merge(document: &mut Node, overrides: &Node) -> Result<Vec<String>, ConfigError> {
    let Tree::Table(_) = &overrides.value else {
        let help = "write a table of keys, as in { \"train.epochs\" = 2 }".to_owned();
        return Err(overrides.site.error("overrides must be a table", Some(help)));
    };
    let mut leaves = Vec::new();
    collect(overrides, &mut Vec::new(), &mut leaves);
    let mut changes = Vec::new();
    for (path, value) in leaves {
        let name = path.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>().join(".");
        let before = document.find(&name).map(|node| node.to_value().to_string());
        set(document, &path, value)?;
        let after = value.to_value().to_string();
        if before.as_ref() != Some(&after) {
            let instead = before.map_or(String::new(), |before| format!(" instead of {before}"));
            changes.push(format!("{name} = {after}{instead}"));
        }
    }
    Ok(changes)
}

/// Collects the values below a table, with their paths. An empty table is a value.
fn collect<'n>(node: &'n Node, path: &mut Vec<Step>, leaves: &mut Vec<(Vec<Step>, &'n Node)>) {
    match &node.value {
        Tree::Table(entries) if !entries.is_empty() => {
            for (key, child) in entries {
                let depth = path.len();
                path.extend(key.split('.').map(|step| (step.trim().to_owned(), child.key.clone())));
                collect(child, path, leaves);
                path.truncate(depth);
            }
        }
        // The document itself is not a value, so an empty case changes nothing.
        _ if path.is_empty() => {}
        _ => leaves.push((path.clone(), node)),
    }
}

/// The table of overrides that turns `from` into `to`: the values of `to` that `from` lacks or has
/// with another value.
#[must_use]
pub fn difference(from: &Node, to: &Node) -> toml::Table {
    let mut leaves = Vec::new();
    collect(to, &mut Vec::new(), &mut leaves);
    let mut table = toml::Table::new();
    for (path, value) in leaves {
        let name = path.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>().join(".");
        let value = value.to_value();
        if from.find(&name).is_none_or(|node| node.to_value() != value) {
            table.insert(name, value);
        }
    }
    table
}

/// The value after the `=`: TOML, or a bare word.
fn value(source: &Source, equals: usize) -> Result<Node, ConfigError> {
    if let Some(node) = Node::parse_value(source, equals) {
        return Ok(node);
    }
    let start = equals + 1;
    let site = source.site(start..source.text().len());
    let word = source.text()[start..].trim();
    if word.starts_with(['[', '{', '"', '\'']) {
        let help =
            "strings in lists and tables need quotes, as in --set 'probe.groups=[\"full\", \"layers\"]'";
        return Err(site.error(format!("`{word}` is not a TOML value"), Some(help.to_owned())));
    }
    Ok(Node { key: site.clone(), site, value: Tree::Scalar(Value::String(word.to_owned())) })
}

/// Sets the value at a path, and creates missing tables on the way.
///
/// # Errors
/// When a step is empty, an index is out of range, or a value on the way has no keys.
pub fn set(node: &mut Node, path: &[Step], value: &Node) -> Result<(), ConfigError> {
    if let Some((_, place)) = path.get(DEPTH) {
        return Err(too_deep(place));
    }
    put(node, "", path, value)
}

/// Like [`set`], for the value of `key`.
fn put(node: &mut Node, key: &str, path: &[Step], value: &Node) -> Result<(), ConfigError> {
    let Some(((step, site), rest)) = path.split_first() else {
        node.site = value.site.clone();
        node.value = value.value.clone();
        return Ok(());
    };
    if step.is_empty() {
        return Err(site.error("a key is empty", Some("write keys as in model.name".to_owned())));
    }
    // A bare plugin name is short for a table with that `name`, a bare checkpoint for one with that
    // `path`.
    if let Tree::Scalar(Value::String(_)) = &node.value {
        let own = if key == "checkpoint" { "path" } else { "name" };
        node.value = Tree::Table(vec![(own.to_owned(), node.clone())]);
    }
    match &mut node.value {
        Tree::Scalar(scalar) => {
            let problem = format!("the value before `.{step}` is {scalar}, which has no keys");
            Err(site.error(problem, Some(format!("leave out `.{step}`"))))
        }
        Tree::Array(elements) => set_elements(elements, path, value),
        Tree::Table(entries) => {
            if !entries.iter().any(|(name, _)| name == step) {
                let empty = Node { key: site.clone(), site: site.clone(), value: Tree::Table(Vec::new()) };
                entries.push((step.clone(), empty));
            }
            let child = entries.iter_mut().find(|(name, _)| name == step).map(|(_, child)| child);
            child.map_or(Ok(()), |child| put(child, step, rest, value))
        }
    }
}

fn set_elements(elements: &mut [Node], path: &[Step], value: &Node) -> Result<(), ConfigError> {
    let Some(((step, site), rest)) = path.split_first() else { return Ok(()) };
    let count = elements.len();
    let Ok(index) = step.parse::<usize>() else {
        if count == 0 {
            let help = "the list is empty: set it as a whole, as in --set 'probe=[{ ... }]'".to_owned();
            return Err(site.error(format!("there is no element to set `{step}` of"), Some(help)));
        }
        return elements.iter_mut().try_for_each(|element| set(element, path, value));
    };
    let element = elements.get_mut(index).ok_or_else(|| {
        let help = format!("the list has length {count}, and elements are counted from 0");
        site.error(format!("there is no element {index}"), Some(help))
    })?;
    set(element, rest, value)
}
