//! A state dict: names with tensors, found in a file.

use std::{borrow::Cow, collections::HashSet, path::PathBuf};

use super::{
    contents::Contents,
    pickle::{Document, Value},
    refusal::{Refusal, Result},
    stored::Stored,
};

/// At most so many names of a list are shown.
const SHOWN: usize = 20;
/// At most so many characters of a name are shown.
const LONGEST_SHOWN: usize = 100;

/// Which file, and which part of it, under which names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The file.
    pub path: PathBuf,
    /// The dictionary of tensors in the file, keys joined by dots; `None` for the file's own, or the only one in it.
    pub key: Option<String>,
    /// Prefixes to take away from names, one after the other.
    pub strip_prefix: Vec<String>,
}

/// Names with what stands under them, sorted.
#[derive(Debug)]
pub struct StateDict<'c> {
    entries: Vec<(&'c str, Item<'c>)>,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'c> {
    /// A tensor.
    Tensor(Stored<'c>),
    /// Anything else: module and name of its class, where it is an object.
    Other(Option<[&'c str; 2]>),
}

impl<'c> StateDict<'c> {
    /// The dictionary that is asked for, and what should be known about the choice.
    pub(super) fn find(contents: &'c Contents, selection: &Selection) -> Result<(Self, Vec<String>)> {
        let (mut found, notes) = match contents {
            Contents::Safetensors(tensors) => {
                if let Some(key) = &selection.key {
                    return Err(Refusal::new(
                        format!("is a safetensors file, which has no dictionary `{key}`"),
                        "remove `key`",
                    ));
                }
                let entries = tensors.iter().map(|(name, tensor)| (name, Item::Tensor(tensor))).collect();
                (Self { entries }, Vec::new())
            }
            Contents::Pickled(document) => {
                let (dictionary, notes) = dictionary(document, selection.key.as_deref())?;
                (Self { entries: entries(document, dictionary) }, notes)
            }
        };
        for prefix in &selection.strip_prefix {
            found.strip(prefix)?;
        }
        found.entries.sort_unstable_by_key(|(name, _)| *name);
        match found.entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok((found, notes)),
            Some(pair) => Err(Refusal::new(
                format!("has two tensors of the name {}", short(pair[0].0)),
                "change `strip_prefix` so that names stay different, or save the file again",
            )),
        }
    }

    /// Names with what stands under them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&'c str, Item<'c>)> {
        self.entries.iter().copied()
    }

    /// What stands under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Item<'c>> {
        let index = self.entries.binary_search_by_key(&name, |(name, _)| name).ok()?;
        Some(self.entries[index].1)
    }

    fn strip(&mut self, prefix: &str) -> Result<()> {
        let mut stripped = false;
        for (name, _) in &mut self.entries {
            if let Some(rest) = name.strip_prefix(prefix) {
                (*name, stripped) = (rest, true);
            }
        }
        if stripped {
            return Ok(());
        }
        let names = shown(self.entries.iter().map(|(name, _)| *name));
        Err(Refusal::new(
            format!("has no name that begins with {prefix:?}; its names are: {names}"),
            "correct or remove `strip_prefix`",
        ))
    }
}

/// The entries of a dictionary, the last of each key.
fn entries<'c>(document: &'c Document, dictionary: u32) -> Vec<(&'c str, Item<'c>)> {
    let mut entries: Vec<(&str, Item)> = document
        .rows(dictionary)
        .iter()
        .rev()
        .map(|row| {
            let other = || Item::Other(document.class(row.value));
            (document.key(row), document.tensor(row.value).map_or_else(other, Item::Tensor))
        })
        .collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.dedup_by_key(|(name, _)| *name);
    entries
}

/// The dictionary of tensors that is asked for, or the one that must be meant.
fn dictionary(document: &Document, key: Option<&str>) -> Result<(u32, Vec<String>)> {
    let Value::Dict(root) = document.root() else { return Err(no_dictionary("", document, document.root())) };
    let Some(key) = key else { return search(document, root) };
    match lookup(document, root, key) {
        Some(Value::Dict(dictionary)) => Ok((dictionary, Vec::new())),
        Some(other) => Err(no_dictionary(&format!("under the key `{key}` "), document, other)),
        None => {
            let keys = shown(document.rows(root).iter().map(|row| document.key(row)));
            Err(Refusal::new(format!("has no key `{key}`; its keys are: {keys}"), "correct or remove `key`"))
        }
    }
}

fn no_dictionary(place: &str, document: &Document, value: Value) -> Refusal {
    let problem = format!("holds {place}{}, and not a dictionary of tensors", document.describe(value));
    let remedy = match value {
        Value::Object(_) => {
            "save the weights instead of the object: torch.save(model.state_dict(), path) (no class or function is \
             loaded from a file, and none is called)"
        }
        _ => "save the weights with torch.save(model.state_dict(), path)",
    };
    Refusal::new(problem, remedy)
}

/// What stands under a key, or under keys that are joined by dots.
fn lookup(document: &Document, dictionary: u32, path: &str) -> Option<Value> {
    let under = |key: &str| {
        let row = document.rows(dictionary).iter().rev().find(|row| document.key(row) == key)?;
        Some(row.value)
    };
    under(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| match under(&path[..dot]) {
            Some(Value::Dict(inner)) => lookup(document, inner, &path[dot + 1..]),
            _ => None,
        })
    })
}

/// A dictionary on the way down from the root.
struct Step<'c> {
    dictionary: u32,
    /// The dictionary that this one is in, by place in the search, and its key there.
    parent: usize,
    key: &'c str,
}

/// The only dictionary with tensors; what belongs to an optimiser does not count.
///
/// Tensors beside such a dictionary (a best accuracy, say) do not make a state dict of the dictionary that both are in.
fn search(document: &Document, root: u32) -> Result<(u32, Vec<String>)> {
    let mut steps = vec![Step { dictionary: root, parent: 0, key: "" }];
    let (mut seen, mut found) = (HashSet::from([root]), Vec::new());
    let mut next = 0;
    while let Some(step) = steps.get(next) {
        let rows = document.rows(step.dictionary);
        let has = |key: &str| rows.iter().any(|row| document.key(row) == key);
        if has("param_groups") && has("state") {
            if next == 0 {
                return Err(Refusal::new(
                    "holds the state of an optimiser, and no weights",
                    "give the file of model.state_dict()",
                ));
            }
            next += 1;
            continue;
        }
        if rows.iter().any(|row| matches!(row.value, Value::Tensor(_))) {
            found.push(next);
        }
        for row in rows {
            if let Value::Dict(dictionary) = row.value
                && seen.insert(dictionary)
            {
                steps.push(Step { dictionary, parent: next, key: document.key(row) });
            }
        }
        next += 1;
    }
    if found.len() > 1 {
        found.retain(|index| *index != 0);
    }
    match *found {
        [] => Err(nothing(document, root)),
        [0] => Ok((root, Vec::new())),
        [index] => {
            let note = format!("the dictionary `{}`, the only one with tensors", path(&steps, index));
            Ok((steps[index].dictionary, vec![note]))
        }
        [first, ..] => {
            let paths: Vec<_> = found.iter().take(SHOWN + 1).map(|index| path(&steps, *index)).collect();
            Err(Refusal::new(
                format!("holds several dictionaries of tensors: {}", shown(paths.iter().map(String::as_str))),
                format!("say which: checkpoint = {{ path = ..., key = {:?} }}", path(&steps, first)),
            ))
        }
    }
}

/// The keys from the root on, joined by dots.
fn path(steps: &[Step], mut index: usize) -> String {
    let mut keys = Vec::new();
    while index > 0 {
        keys.push(steps[index].key);
        index = steps[index].parent;
    }
    keys.reverse();
    keys.join(".")
}

fn nothing(document: &Document, root: u32) -> Refusal {
    let rows = document.rows(root);
    let objects = rows.iter().find(|row| document.class(row.value).is_some());
    if let Some(row) = objects {
        return no_dictionary(&format!("under the key `{}` ", document.key(row)), document, row.value);
    }
    let keys = shown(rows.iter().map(|row| document.key(row)));
    Refusal::new(
        format!("holds no tensors; its keys are: {keys}"),
        "save the weights with torch.save(model.state_dict(), path)",
    )
}

/// A name as it is shown: a file may have names as long as itself.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_SHOWN) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}...", &name[..end])),
    }
}

/// The first names of a list.
fn shown<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names = names.peekable();
    let mut text = names.by_ref().take(SHOWN).map(short).collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        text.push_str("(none)");
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
