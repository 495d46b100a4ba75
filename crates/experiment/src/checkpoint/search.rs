//! Finds the state dict among the dictionaries of an object given to `torch.save`.

use std::collections::{BTreeMap, HashSet};

use eigenscape_formats::{
    Refusal,
    pickle::{Document, Value},
};

/// The dictionary under `key`, or without a key the only dictionary of tensors; with notes on the
/// choice.
use super::state_dict::{SHOWN, shown, unusual_tensor};

/// The dictionary of tensors that is asked for, or the one that must be meant.
pub(super) fn dictionary(document: &Document, key: Option<&str>) -> Result<(u32, Vec<String>), Refusal> {
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
    let class = document.class(value);
    let remedy = match class.map(unusual_tensor) {
        Some(Some(remedy)) => remedy,
        Some(None) => {
            "save the weights instead of the object: torch.save(model.state_dict(), path) (no class or function is \
             loaded from a file, and none is called)"
        }
        None => "save the weights with torch.save(model.state_dict(), path)",
    };
    Refusal::new(problem, remedy)
}

/// The value under a key, or under keys joined by dots. Keys may contain dots themselves: a shorter
/// first key is tried first. Each dictionary is tried once per position in the path, since
/// dictionaries may contain each other.
fn lookup(document: &Document, root: u32, path: &str) -> Option<Value> {
    let (mut next, mut tried) = (vec![(root, 0)], HashSet::new());
    while let Some((dictionary, start)) = next.pop() {
        if !tried.insert((dictionary, start)) {
            continue;
        }
        let rest = &path[start..];
        // The last of several rows with the same key counts.
        let mut inner = BTreeMap::new();
        let mut found = None;
        for row in document.rows(dictionary) {
            match rest.strip_prefix(document.key(row)) {
                Some("") => found = Some(row.value),
                Some(rest) if rest.starts_with('.') => {
                    inner.insert(path.len() - rest.len() + 1, row.value);
                }
                _ => {}
            }
        }
        if found.is_some() {
            return found;
        }
        // The entry pushed last, with the shortest key, is tried next.
        let inner = inner.into_iter().rev();
        next.extend(inner.filter_map(|(start, value)| match value {
            Value::Dict(inner) => Some((inner, start)),
            _ => None,
        }));
    }
    None
}

/// A dictionary on the way down from the root.
struct Step<'c> {
    dictionary: u32,
    /// The index of the step whose dictionary contains this one. `key` is the key there.
    parent: usize,
    key: &'c str,
}

/// The only dictionary with tensors, not counting the state of an optimiser.
///
/// Tensors beside a dictionary of tensors (a best accuracy, say) do not make the root a state dict.
fn search(document: &Document, root: u32) -> Result<(u32, Vec<String>), Refusal> {
    let mut steps = vec![Step { dictionary: root, parent: 0, key: "" }];
    let (mut seen, mut found) = (HashSet::from([root]), Vec::new());
    let mut next = 0;
    while let Some(step) = steps.get(next) {
        let rows = document.rows(step.dictionary);
        let has = |key: &str| rows.iter().any(|row| document.key(row) == key);
        if has("param_groups") && has("state") {
            if next == 0 {
                return Err(Refusal::new(
                    "holds the state of an optimizer, and no weights",
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

/// The keys from the root to a dictionary, joined by dots.
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
