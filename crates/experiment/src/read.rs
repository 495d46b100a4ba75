//! Deserialises the document into the raw types, with serde's errors reworded for the file's
//! author.

mod missing;

use eigenscape_core::{Registry, registry::nearest};
use serde::de::DeserializeOwned;

use crate::{
    diagnostic::{ConfigError, suggestion},
    document::{Node, Tree},
    raw::Experiment,
    shapes,
};

/// Reads the raw experiment.
///
/// # Errors
/// An unknown or missing key, a value of a wrong type, or a number that is not finite.
pub fn experiment(document: &Node, registry: &Registry) -> Result<Experiment, ConfigError> {
    finite(document, "")?;
    shapes::check(document)?;
    part(document, "").map_err(|error| missing::with_names(error, registry))
}

/// Deserialises the value at `path` of the document.
///
/// # Errors
/// As [`experiment`].
pub fn part<T: DeserializeOwned>(document: &Node, path: &str) -> Result<T, ConfigError> {
    let node = if path.is_empty() { document } else { document.at(path) };
    serde_path_to_error::deserialize(node.to_value()).map_err(|error| {
        let within = error.path().to_string();
        let path = match (path, within.as_str()) {
            (path, ".") => path.to_owned(),
            ("", within) => within.to_owned(),
            (path, within) => format!("{path}.{within}"),
        };
        complaint(document.at(&path), &path, error.inner().message())
    })
}

/// Refuses numbers that are NaN or infinite: no key has a use for them.
///
/// # Errors
/// The first such number.
pub fn finite(node: &Node, path: &str) -> Result<(), ConfigError> {
    match &node.value {
        Tree::Scalar(toml::Value::Float(number)) if !number.is_finite() => {
            Err(node.site.error(format!("`{path}` is {number}"), Some("use a finite number".to_owned())))
        }
        Tree::Scalar(_) => Ok(()),
        Tree::Array(elements) => {
            let mut elements = elements.iter().enumerate();
            elements.try_for_each(|(index, element)| finite(element, &format!("{path}[{index}]")))
        }
        Tree::Table(entries) => entries.iter().try_for_each(|(key, value)| {
            let dot = if path.is_empty() { "" } else { "." };
            finite(value, &format!("{path}{dot}{key}"))
        }),
    }
}

/// Rewords a message from serde about the value at `path`.
#[must_use]
pub fn complaint(node: &Node, path: &str, message: &str) -> ConfigError {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let word = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let help = |what| Some(suggestion(word, what, &known));
    if message.starts_with("unknown field") {
        // If serde lost track of the position, the path leads to the table, not to the key.
        let within = node.get(word).filter(|_| last_step(path) != word);
        let (key, table) = within.map_or((node, parent(path)), |within| (within, path));
        // A key of the experiment below the header of a table belongs to that table.
        let of_root = !table.is_empty() && !known.contains(&word) && ROOT.contains(&word);
        let help = if of_root { Some(of_experiment(word)) } else { help("keys") };
        return key.key.error(format!("unknown key `{word}`{}", inside(table)), help);
    }
    if message.starts_with("unknown variant") {
        let (value, path) = blamed(node, path, &toml::Value::from(word));
        return value.site.error(format!("`{path}` cannot be \"{word}\""), help("values"));
    }
    if message.starts_with("missing field") {
        let help = match word {
            "data" | "model" => format!("add a table `[{word}]`"),
            // A misspelt key of a table with plugin keys is not an unknown field for serde.
            _ => match misspelt(node, word) {
                Some(written) => format!("add `{word} = ...`, or correct `{written}`"),
                None => format!("add `{word} = ...`"),
            },
        };
        return node.site.error(format!("the key `{word}` is missing{}", inside(path)), Some(help));
    }
    let found = node.to_value();
    node.site
        .error(format!("`{path}`: {}", wrong_type(message, &found)), Some(example(path, message, &found)))
}

/// The experiment's own keys that are not tables.
pub const ROOT: [&str; 8] = ["name", "seed", "device", "tf32", "out", "memory", "reruns", "extends"];

/// The remedy for a key of the experiment in a table.
#[must_use]
pub fn of_experiment(key: &str) -> String {
    format!("`{key}` is a key of the experiment: write it above the first [table]")
}

/// What a value of the right type looks like.
fn example(path: &str, message: &str, found: &toml::Value) -> String {
    let step = last_step(path.trim_end_matches(']'));
    let key = match step.rsplit('[').next().unwrap_or(step) {
        "" => "key",
        // An element of a list has no key.
        step if step.bytes().all(|byte| byte.is_ascii_digit()) => "element",
        step => step,
    };
    let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    let word = found.as_str();
    let value = match (key, expected) {
        ("samples" | "samples_per_class", _) => "100".to_owned(),
        ("at", _) => "[\"start\", 5, \"end\"]".to_owned(),
        ("epoch", _) => "\"last\"".to_owned(),
        ("element", _) if path.starts_with("data.augment") => {
            return "write it as in augment = [\"flip\", { rotate = 15 }, { crop = 4 }]".to_owned();
        }
        ("groups", _) => "[\"full\", \"layers\"]".to_owned(),
        ("curvature", _) => "\"hessian\"".to_owned(),
        ("estimator", _) => "\"lanczos\"".to_owned(),
        ("checkpoint", _) => "\"net.pt\"".to_owned(),
        ("memory", _) => "\"4GiB\"".to_owned(),
        ("out", _) => "\"runs\"".to_owned(),
        (_, "usize" | "u64" | "u32" | "i64" | "i32") => "3".to_owned(),
        (_, "a nonzero usize" | "a nonzero u64" | "a nonzero u32") => "1".to_owned(),
        (_, "f64" | "f32") => "0.1".to_owned(),
        (_, "a boolean") => "true".to_owned(),
        (_, "a string" | "path string") => format!("\"{}\"", word.unwrap_or("word")),
        (_, "a sequence") => word.map_or("[1, 2]".to_owned(), |word| format!("[\"{word}\"]")),
        (_, "a map") => "{ name = \"word\" }".to_owned(),
        (_, other) if other.starts_with("struct ") => "{ name = \"word\" }".to_owned(),
        _ => return "`cargo xtask schema` says what every key takes, `cargo xtask list` what a plugin's keys take".to_owned(),
    };
    format!("write it as in {key} = {value}")
}

/// Rewords "invalid type: string "ten", expected usize" without the names of Rust's types.
fn wrong_type(message: &str, value: &toml::Value) -> String {
    if message.starts_with("wanted exactly 1 element") {
        return "expected a word, or a table of one key".to_owned();
    }
    let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.split_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "usize" | "u64" | "u32" => "a whole number, not negative",
        "a nonzero usize" | "a nonzero u64" | "a nonzero u32" => "a whole number, at least 1",
        "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a sequence" => "a list",
        "a map" => "a table",
        "string only" => "a word in quotes",
        "path string" => "a path",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    let found = match found {
        "map" => "table".to_owned(),
        "unit variant" => format!("value {value}"),
        other => other.replace('`', ""),
    };
    format!("expected {expected}, found the {found}")
}

fn inside(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{path}`") }
}

/// The entry of a table with this value, and its path, if there is only one; otherwise the given
/// node and path.
fn blamed<'n>(node: &'n Node, path: &str, value: &toml::Value) -> (&'n Node, String) {
    let Tree::Table(entries) = &node.value else { return (node, path.to_owned()) };
    let is_it = |node: &Node| matches!(&node.value, Tree::Scalar(scalar) if scalar == value);
    let found: Vec<_> = entries.iter().filter(|(_, node)| is_it(node)).collect();
    match found.as_slice() {
        [(key, node)] => (node, format!("{path}.{key}")),
        _ => (node, path.to_owned()),
    }
}

/// The key of a table that is similar to `word`.
fn misspelt(node: &Node, word: &str) -> Option<String> {
    let Tree::Table(entries) = &node.value else { return None };
    nearest(word, entries.iter().map(|(key, _)| key.as_str()))
}

fn last_step(path: &str) -> &str {
    path.rsplit(['.', ']']).next().unwrap_or(path)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::wrong_type;

    #[test]
    fn types_are_named_in_the_words_of_the_file() {
        let zero = "invalid value: integer `0`, expected a nonzero usize";
        let value = toml::Value::from(7);
        assert_eq!(wrong_type(zero, &value), "expected a whole number, at least 1, found the integer 0");
        let text = "invalid type: string \"ten\", expected f64";
        assert_eq!(wrong_type(text, &value), "expected a number, found the string \"ten\"");
        let text = "invalid type: unit variant, expected string only";
        assert_eq!(wrong_type(text, &value), "expected a word in quotes, found the value 7");
    }
}
