//! Checks which keys are tables, lists of tables or strings. Serde would read a list as a table's
//! values in order, and would report only that no form fits for a key with several forms.

use crate::{
    diagnostic::ConfigError,
    document::{Node, Tree},
};

/// What a key must be.
#[derive(Clone, Copy)]
enum Shape {
    /// A table, with an example of its keys.
    Table(&'static str),
    /// A list of tables.
    Tables,
    /// A string, with an example.
    Word(&'static str),
    /// A string or a list of strings, with an example.
    Words(&'static str),
}

/// Keys whose shape does not depend on the rest of the file.
const KEYS: [(&str, Shape); 16] = [
    ("data", Shape::Table("name = \"fashion-mnist\"")),
    ("model", Shape::Table("name = \"lenet\"")),
    ("train", Shape::Table("epochs = 10")),
    ("report", Shape::Table("tensorboard = true")),
    ("probe", Shape::Tables),
    ("distance", Shape::Tables),
    ("expect", Shape::Tables),
    ("train.optimizer", Shape::Table("name = \"sgd\", lr = 0.1")),
    ("train.schedule", Shape::Table("name = \"cosine\"")),
    ("train.regularizer", Shape::Tables),
    ("model.name", Shape::Word("lenet")),
    ("data.name", Shape::Word("fashion-mnist")),
    ("model.checkpoint.key", Shape::Word("model")),
    ("model.checkpoint.strip_prefix", Shape::Words("module.")),
    ("model.checkpoint.rename", Shape::Table("\"fc1.*\" = \"0.*\"")),
    ("model.checkpoint.transpose", Shape::Words("*.c_attn.weight")),
];

/// Checks every key that is present.
///
/// # Errors
/// The first key of another shape.
pub fn check(document: &Node) -> Result<(), ConfigError> {
    KEYS.iter()
        .try_for_each(|(path, shape)| document.find(path).map_or(Ok(()), |node| one(path, *shape, node)))
}

fn one(path: &str, shape: Shape, node: &Node) -> Result<(), ConfigError> {
    let key = path.rsplit('.').next().unwrap_or(path);
    let (what, help) = match (shape, &node.value) {
        (Shape::Table(_), Tree::Table(_))
        | (Shape::Word(_) | Shape::Words(_), Tree::Scalar(toml::Value::String(_))) => return Ok(()),
        (Shape::Table(example), Tree::Array(_)) => {
            let help = format!("write it once, with one bracket: [{path}], or {key} = {{ {example} }}");
            ("a table, and not a list", help)
        }
        (Shape::Table(_), Tree::Scalar(toml::Value::String(word))) if key != "report" => {
            let more = if key == "optimizer" { ", lr = 0.1" } else { "" };
            ("a table", format!("write {key} = {{ name = \"{word}\"{more} }}"))
        }
        (Shape::Table(example), _) => ("a table", format!("write it as in {key} = {{ {example} }}")),
        (Shape::Tables, Tree::Array(elements)) => {
            let Some(other) = elements.iter().find(|element| !matches!(element.value, Tree::Table(_))) else {
                return Ok(());
            };
            return Err(error(
                path,
                "a list of tables",
                format!("write `[[{path}]]`, and its keys below"),
                other,
            ));
        }
        (Shape::Tables, Tree::Table(_)) if node.site.text().starts_with('[') => {
            let problem = format!("`[{path}]` is one table, but a list of tables is expected");
            return Err(node.site.error(problem, Some(format!("write `[[{path}]]`"))));
        }
        (Shape::Tables, _) => ("a list of tables", format!("write `[[{path}]]`, and its keys below")),
        (Shape::Word(example), _) => ("a string", format!("write it in quotes, as in {key} = \"{example}\"")),
        (Shape::Words(example), Tree::Array(elements)) => {
            let is_word = |element: &&Node| matches!(element.value, Tree::Scalar(toml::Value::String(_)));
            let Some(other) = elements.iter().find(|element| !is_word(element)) else { return Ok(()) };
            return Err(error(
                path,
                "a list of strings",
                format!("write it as in {key} = [\"{example}\"]"),
                other,
            ));
        }
        (Shape::Words(example), _) => {
            ("a string or a list of strings", format!("write it as in {key} = [\"{example}\"]"))
        }
    };
    Err(error(path, what, help, node))
}

fn error(path: &str, what: &str, help: String, node: &Node) -> ConfigError {
    node.site.error(format!("`{path}` must be {what}"), Some(help))
}
