//! The help for a missing key that names a plugin: what to write, and the names that there are.

use eigenscape_core::{Registry, registry::plural};

use crate::{
    diagnostic::{ConfigError, listed},
    schema,
};

/// A key that names a plugin.
struct Naming {
    /// The table that it stands in, without the number of a list's element.
    table: &'static str,
    key: &'static str,
    kind: &'static str,
    /// What to write, where a common name may stand for `*`.
    line: &'static str,
    common: &'static str,
}

const fn naming(
    table: &'static str,
    key: &'static str,
    kind: &'static str,
    line: &'static str,
    common: &'static str,
) -> Naming {
    Naming { table, key, kind, line, common }
}

const NAMINGS: [Naming; 10] = [
    naming("", "data", "dataset", "a table [data] with name = \"*\"", "fashion-mnist"),
    naming("", "model", "architecture", "a table [model] with name = \"*\"", "lenet"),
    naming("data", "name", "dataset", "name = \"*\"", "fashion-mnist"),
    naming("model", "name", "architecture", "name = \"*\"", "lenet"),
    naming("probe", "estimator", "estimator", "estimator = \"*\"", "lanczos"),
    naming("distance", "name", "distance", "name = \"*\"", "wasserstein"),
    naming("train", "optimizer", "optimizer", "optimizer = { name = \"*\", lr = 0.1 }", "sgd"),
    naming("train.optimizer", "name", "optimizer", "name = \"*\"", "sgd"),
    naming("train.schedule", "name", "schedule", "name = \"*\"", "cosine"),
    naming("train.regularizer", "name", "regularizer", "name = \"*\"", "hessian-trace"),
];

/// The error with the names that may be written, if it is about a missing key that names a plugin.
pub(super) fn with_names(error: ConfigError, registry: &Registry) -> ConfigError {
    let Some((key, table)) = missing(error.problem()) else { return error };
    let table = table.split('[').next().unwrap_or_default();
    let Some(naming) = NAMINGS.iter().find(|naming| naming.table == table && naming.key == key) else {
        return error;
    };
    let kinds = schema::kinds(registry);
    let Some(kind) = kinds.iter().find(|kind| kind.name == naming.kind) else { return error };
    let names: Vec<&str> = kind.plugins.iter().map(|plugin| plugin.name.as_ref()).collect();
    let name = names.iter().find(|name| **name == naming.common).or(names.first()).copied();
    let line = naming.line.replace('*', name.unwrap_or("NAME"));
    error.helped(format!("add {line}\n{}", listed(&plural(naming.kind), &names)))
}

/// The key, and the table in which it is missing: of "the key `name` is missing in `model`".
fn missing(problem: &str) -> Option<(&str, &str)> {
    let (key, rest) = problem.strip_prefix("the key `")?.split_once("` is missing")?;
    let table = rest.strip_prefix(" in `").and_then(|rest| rest.strip_suffix('`'));
    Some((key, table.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn the_key_and_the_table_are_known() {
        assert_eq!(missing("the key `name` is missing in `model`"), Some(("name", "model")));
        assert_eq!(missing("the key `data` is missing"), Some(("data", "")));
        assert_eq!(missing("unknown key `name`"), None);
    }
}
