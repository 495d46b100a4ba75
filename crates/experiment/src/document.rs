//! An experiment's file as a tree in which every key and value has its source location.
//!
//! Serde's types say *what* is wrong at which path. This tree says *where* it is, even after
//! `--set` flags and a sweep have replaced values.

mod nesting;

use std::path::Path;

use eigenscape_formats::{Error, regular_file};
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use crate::{
    diagnostic::{ConfigError, Failure, Result, Site, Source},
    limits::{DEPTH, KEYS, TEXT, VALUES},
};

/// A key or element of the document.
#[derive(Debug, Clone)]
pub struct Node {
    /// The location of the key, or of the element if the node is an element of an array.
    pub key: Site,
    /// The location of the value.
    pub site: Site,
    /// The value.
    pub value: Tree,
}

/// A TOML value whose parts have source locations.
#[derive(Debug, Clone)]
pub enum Tree {
    /// Anything without parts.
    Scalar(toml::Value),
    /// Elements in their order.
    Array(Vec<Node>),
    /// Keys with values, in the file's order.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not TOML.
    pub fn read(path: &Path) -> Result<Self> {
        let text = regular_file::read_text(path).map_err(|error| match error {
            Error::Io { source, .. } => Failure::Usage {
                problem: format!("cannot read the experiment {}: {source}", path.display()),
                remedy: "give the path of an experiment's TOML file, or the name of one in experiments/"
                    .to_owned(),
            },
            Error::Input { subject, problem, remedy } => {
                Failure::Usage { problem: format!("the experiment {subject} {problem}"), remedy }
            }
        })?;
        Ok(Self::parse(&Source::new(path.display().to_string(), text))?)
    }

    /// Parses a document.
    ///
    /// # Errors
    /// When it is not TOML, or larger or deeper than an experiment can be.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let length = source.text().len();
        if length > TEXT {
            let help = format!("an experiment has at most {TEXT} bytes: give an experiment, not data");
            return Err(source.site(0..0).error(format!("the file has {length} bytes"), Some(help)));
        }
        if let Some(key) = nesting::too_deep(source.text()) {
            return Err(too_deep(&source.site(key)));
        }
        let document = DeTable::parse(source.text()).map_err(|error| syntax_error(source, &error))?;
        let start = source.site(0..0);
        let (span, value) = (document.span(), DeValue::Table(document.into_inner()));
        Self::from_value(source, start, span, value, &mut Room::default())
    }

    /// Parses the value after the `=` at byte `equals` of the source; `None` when it is not TOML.
    #[must_use]
    pub fn parse_value(source: &Source, equals: usize) -> Option<Self> {
        // A placeholder of the same length replaces the key, so that offsets stay those of the
        // source.
        let document = "k".repeat(equals) + source.text().get(equals..)?;
        if nesting::too_deep(&document).is_some() {
            return None;
        }
        let table = DeTable::parse(&document).ok()?.into_inner();
        let [(_, value)] = <[_; 1]>::try_from(table.into_iter().collect::<Vec<_>>()).ok()?;
        let site = source.site(value.span());
        Self::from_value(source, site, value.span(), value.into_inner(), &mut Room::default()).ok()
    }

    fn from_value(
        source: &Source,
        key: Site,
        span: std::ops::Range<usize>,
        value: DeValue,
        room: &mut Room,
    ) -> Result<Self, ConfigError> {
        let site = source.site(span.clone());
        room.enter(&key)?;
        let value = match value {
            DeValue::Table(table) if table.len() > KEYS => {
                let problem = format!("a table of {} keys", table.len());
                return Err(
                    key.error(problem, Some(format!("a table has at most {KEYS} keys: leave some out")))
                );
            }
            DeValue::Table(table) => {
                let entries = table.into_iter().map(|(key, value)| {
                    let site = source.site(key.span());
                    let node = Self::from_value(source, site, value.span(), value.into_inner(), room)?;
                    Ok((key.into_inner().into_owned(), node))
                });
                Tree::Table(entries.collect::<Result<_, ConfigError>>()?)
            }
            DeValue::Array(array) => {
                let elements = array.into_iter().map(|value| {
                    let site = source.site(value.span());
                    Self::from_value(source, site, value.span(), value.into_inner(), room)
                });
                Tree::Array(elements.collect::<Result<_, ConfigError>>()?)
            }
            scalar => {
                let deserializer = ValueDeserializer::from(Spanned::new(span, scalar));
                Tree::Scalar(
                    toml::Value::deserialize(deserializer).map_err(|error| syntax_error(source, &error))?,
                )
            }
        };
        room.leave();
        Ok(Self { key, site, value })
    }

    /// The number of values in this node, including tables and lists.
    #[must_use]
    pub fn values(&self) -> usize {
        1 + match &self.value {
            Tree::Scalar(_) => 0,
            Tree::Array(elements) => elements.iter().map(Self::values).sum(),
            Tree::Table(entries) => entries.iter().map(|(_, node)| node.values()).sum(),
        }
    }

    /// The value without locations.
    #[must_use]
    pub fn to_value(&self) -> toml::Value {
        match &self.value {
            Tree::Scalar(value) => value.clone(),
            Tree::Array(elements) => toml::Value::Array(elements.iter().map(Self::to_value).collect()),
            Tree::Table(entries) => {
                toml::Value::Table(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    /// The value of a key of this table.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Tree::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The keys of this table, in the file's order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.value {
            Tree::Table(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, _)| key.as_str())
    }

    /// A key of this table with its value.
    pub fn entry_mut(&mut self, key: &str) -> Option<&mut (String, Self)> {
        let Tree::Table(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|(name, _)| name == key)
    }

    /// Removes a key of this table.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        let Tree::Table(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|(name, _)| name == key)?;
        Some(entries.remove(index).1)
    }

    /// The node at a path such as `train.epochs` or `probe.0.at`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, step| match &node.value {
            Tree::Array(elements) => elements.get(step.parse::<usize>().ok()?),
            _ => node.get(step),
        })
    }

    /// The node at a path such as `probe[0].estimator.steps`, or the deepest one on the way to it
    /// that exists.
    #[must_use]
    pub fn at(&self, path: &str) -> &Self {
        let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
        let mut node = self;
        for step in steps {
            let next = match &node.value {
                Tree::Array(elements) => step.parse::<usize>().ok().and_then(|index| elements.get(index)),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}

/// The number of values that a document may still have, and the current nesting depth.
struct Room {
    values: usize,
    depth: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { values: VALUES, depth: 0 }
    }
}

impl Room {
    /// Counts a value at a location and enters it.
    fn enter(&mut self, place: &Site) -> Result<(), ConfigError> {
        if self.depth > DEPTH {
            return Err(too_deep(place));
        }
        let Some(left) = self.values.checked_sub(1) else {
            let help = "make its lists shorter".to_owned();
            return Err(place.error(format!("an experiment of more than {VALUES} values"), Some(help)));
        };
        (self.values, self.depth) = (left, self.depth + 1);
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// The error for a value that is nested too deeply.
pub(crate) fn too_deep(place: &Site) -> ConfigError {
    let problem = format!("more than {DEPTH} tables and lists within one another");
    place.error(problem, Some("no key of an experiment is nested that deeply: use fewer levels".to_owned()))
}

fn syntax_error(source: &Source, error: &toml::de::Error) -> ConfigError {
    let end = source.text().len();
    let span = error.span().unwrap_or(end..end);
    let message = error.message();
    if message.contains("as i128") || message.contains("as u128") {
        let help = format!("whole numbers go up to {}", i64::MAX);
        return source.site(span).error("the number is too large", Some(help));
    }
    let help = if message.contains("duplicate key") {
        "remove one of the two: a key or a table may occur only once in a file"
    } else if message.contains("invalid boolean") || message.contains("must be quoted") {
        "write strings in quotes, as in \"word\", and true and false in lower case"
    } else {
        "write one `key = value` per line: strings in quotes, lists as [1, 2], tables below [name]"
    };
    source.site(span).error(format!("not valid TOML: {message}"), Some(help.to_owned()))
}
