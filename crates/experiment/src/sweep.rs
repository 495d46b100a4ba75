//! `[sweep]`: every combination of the listed values is a run.

use crate::{
    diagnostic::{ConfigError, Source},
    document::{Node, Tree},
    overrides,
};

/// One combination.
pub struct Combination {
    /// "model.name=lenet,seed=1"; empty without a sweep.
    pub name: String,
    /// The document with the values put in.
    pub document: Node,
}

/// Takes `[sweep]` out of the document and makes one document a combination; the first key varies slowest.
///
/// # Errors
/// When a key's value is not a list, a list is empty, or a key leads nowhere.
pub fn expand(mut document: Node) -> Result<Vec<Combination>, ConfigError> {
    let sweep = document.remove("sweep");
    let axes = sweep.as_ref().map_or(Ok(Vec::new()), |sweep| axes(sweep, ""))?;
    let mut combinations = vec![Combination { name: String::new(), document }];
    for axis in &axes {
        let mut next = Vec::with_capacity(combinations.len() * axis.values.len());
        for combination in &combinations {
            for value in axis.values {
                next.push(combination.with(axis, value)?);
            }
        }
        combinations = next;
    }
    Ok(combinations)
}

struct Axis<'a> {
    path: String,
    key: &'a Node,
    values: &'a [Node],
}

/// The lists below a table; unquoted dotted keys (`model.name = [...]`) are tables in tables.
fn axes<'a>(table: &'a Node, prefix: &str) -> Result<Vec<Axis<'a>>, ConfigError> {
    let Tree::Table(entries) = &table.value else {
        return Err(table.site.error("`sweep` must be a table of lists", None));
    };
    let mut axes = Vec::new();
    for (name, node) in entries {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match &node.value {
            Tree::Table(_) => axes.extend(self::axes(node, &path)?),
            Tree::Array(values) if !values.is_empty() => axes.push(Axis { path, key: node, values }),
            _ => return Err(not_a_list(node, &path)),
        }
    }
    for axis in &axes {
        if matches!(axis.path.as_str(), "name" | "out") {
            return Err(axis.key.key.error(
                format!("`{}` cannot be swept", axis.path),
                Some("every run of a sweep belongs to the one experiment".to_owned()),
            ));
        }
    }
    Ok(axes)
}

fn not_a_list(node: &Node, path: &str) -> ConfigError {
    let help = format!("write the values to run as in \"{path}\" = [1, 2]");
    node.site.error(format!("`sweep.{path}` must be a list of at least one value"), Some(help))
}

impl Combination {
    fn with(&self, axis: &Axis, value: &Node) -> Result<Self, ConfigError> {
        let mut document = self.document.clone();
        // The path was written in the file; a step that leads nowhere is shown there.
        let path = overrides::steps(&Source::new("", axis.path.as_str()), &axis.path);
        let path: Vec<_> = path.into_iter().map(|(step, _)| (step, axis.key.key.clone())).collect();
        overrides::set(&mut document, &path, value)?;
        let separator = if self.name.is_empty() { "" } else { "," };
        let name = format!("{}{separator}{}={}", self.name, axis.path, label(&value.to_value()));
        Ok(Self { name, document })
    }
}

/// A value in a run's name: strings bare, everything else as TOML.
fn label(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
