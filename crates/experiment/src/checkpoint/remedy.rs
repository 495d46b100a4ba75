//! What to write so that a file fits the network.

use eigenscape_program::Network;

use super::{
    difference::{Difference, UNUSED, declared, differences, known, lookup},
    guess, orientation,
    pattern::Rename,
    state_dict::{Item, Selection, StateDict, short, shown},
};

/// With more tensors than these, of the file and the network together, nothing is proposed.
const LARGEST: usize = 10_000;
/// At most so many prefixes are tried.
const PREFIXES: usize = 8;
/// At most so many tensors that still differ are named.
const NAMED: usize = 3;
/// A line is at most so long, so that it stays whole where it is shown: beyond, a table has a line
/// for each of its keys.
const WIDTH: usize = 70;

/// What to do about differences: what the keys of the checkpoint should be where these are at
/// fault.
pub(super) fn of(
    selection: &Selection,
    network: &Network,
    state: &StateDict,
    differences: &[Difference],
) -> String {
    let no_tensor = |of_network: bool| {
        differences
            .iter()
            .filter(|difference| difference.expected.is_some() == of_network)
            .find_map(Difference::refusal)
    };
    // What stands where a parameter should; then whatever else there is beside tensors.
    no_tensor(true)
        .or_else(|| upright(differences))
        .or_else(|| keys(selection, network, state, differences.len()))
        .or_else(|| no_tensor(false))
        .unwrap_or_else(|| {
            "choose the architecture and settings that the checkpoint was made with".to_owned()
        })
}

/// What to take out of `transpose`: matrices that fit as they are stored.
fn upright(differences: &[Difference]) -> Option<String> {
    let fits = |difference: &&Difference| matches!(difference.found.map(|entry| entry.item), Some(Item::Transposed(stored)) if Some(stored.shape()) == difference.expected);
    let names = differences.iter().filter(fits).filter_map(|difference| Some(difference.found?.stored_as));
    let names = names.collect::<Vec<_>>();
    (!names.is_empty())
        .then(|| format!("take out of `transpose` what fits as it is stored: {}", shown(names.into_iter())))
}

/// The keys with which fewer tensors differ than these, and what differs then.
fn keys(selection: &Selection, network: &Network, state: &StateDict, before: usize) -> Option<String> {
    if state.entries.len() + declared(network).count() > LARGEST {
        return None;
    }
    let mut selection = selection.clone();
    let mut state = state.clone();
    let mut why = Vec::new();
    if let Some(plain) = without_rename(&selection, network, &state) {
        state = plain;
        why.push("the names fit as they are: remove `rename`".to_owned());
        selection.rename.clear();
    } else if let Some(prefix) =
        prefix(network, &state).filter(|_| selection.rename.is_empty()).map(str::to_owned)
    {
        state.strip(&prefix).ok()?;
        why.push(format!("the names fit without their prefix {prefix:?}"));
        selection.strip_prefix.push(prefix);
    } else {
        let guess = guess::names(network, &state);
        if !guess.rename.is_empty() {
            selection.rename.extend(guess.rename);
            why.extend(guess.why);
        }
    }
    let named = state.named(&selection.rename, &selection.transpose).ok()?;
    let turning = orientation::turning(network, &named);
    if let Some(turning) = turning {
        let new = turning.patterns.into_iter().filter(|pattern| !selection.transpose.contains(pattern));
        let new: Vec<String> = new.collect();
        selection.transpose.extend(new);
        why.push(turning.why);
    }
    let done = named.named(&selection.rename, &selection.transpose).ok()?;
    let rest = differences(network, &done);
    (rest.len() < before && !why.is_empty()).then(|| {
        format!(
            "{}; write this in place of `checkpoint`, below the other keys of [model]:\n{}{}",
            why.join("; "),
            block(&selection),
            remaining(&rest)
        )
    })
}

/// The tensors under their names in the file, where `rename` is what keeps the network's from being
/// found: all of the network's are there then, or the network has all of the file's.
fn without_rename<'c>(
    selection: &Selection,
    network: &Network,
    state: &StateDict<'c>,
) -> Option<StateDict<'c>> {
    if selection.rename.is_empty() {
        return None;
    }
    let plain = state.clone().named(&[], &selection.transpose).ok()?;
    let known = known(network);
    let has_all = declared(network).all(|declared| lookup(network, &plain, &declared.name).is_some());
    let is_known = |name: &str| known.contains(name) || name.ends_with(UNUSED);
    let is_part =
        plain.iter().all(|(name, _)| is_known(name)) && !state.iter().all(|(name, _)| is_known(name));
    (has_all || is_part).then_some(plain)
}

/// The whole table, as it is to be written.
fn block(selection: &Selection) -> String {
    let Selection { path, written, key, strip_prefix, rename, transpose } = selection;
    let path = if written.as_os_str().is_empty() { path } else { written }.to_string_lossy();
    let path = if path.is_empty() { "..." } else { &path };
    let mut lines = vec!["  [model.checkpoint]".to_owned()];
    lines.push(format!("  path = {}", quoted(path)));
    lines.extend(key.iter().map(|key| format!("  key = {}", quoted(key))));
    lines.extend((!transpose.is_empty()).then(|| transpose_line(transpose)));
    lines.extend((!strip_prefix.is_empty()).then(|| list("strip_prefix", strip_prefix)));
    // It may be a table of its own, which would take in what stands below it.
    lines.extend((!rename.is_empty()).then(|| rename_lines(rename)));
    lines.join("\n")
}

/// What still differs.
fn remaining(rest: &[Difference]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let each = rest.iter().take(NAMED).map(|difference| {
        let network = difference.expected.map_or("-".to_owned(), |shape| format!("{shape:?}"));
        let file = difference.found.map_or("-".to_owned(), |entry| entry.item.to_string());
        format!("{} (network {network}, file {file})", short(difference.name))
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let more = if rest.len() > NAMED { format!(" and {} more", rest.len() - NAMED) } else { String::new() };
    format!("\nWhat differs then is for the settings in [model]: {each}{more}")
}

/// `transpose = [...]`.
pub(super) fn transpose_line(patterns: &[String]) -> String {
    list("transpose", patterns)
}

fn list(key: &str, words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    match words.as_slice() {
        [word] if key == "strip_prefix" => format!("  {key} = {word}"),
        words => format!("  {key} = [{}]", words.join(", ")),
    }
}

/// `rename = { ... }`, or a table with a line for each pair where that is too long.
fn rename_lines(rename: &[Rename]) -> String {
    let pairs: Vec<String> =
        rename.iter().map(|pair| format!("{} = {}", quoted(pair.from()), quoted(pair.to()))).collect();
    let line = format!("  rename = {{ {} }}", pairs.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    format!("  [model.checkpoint.rename]\n  {}", pairs.join("\n  "))
}

/// As TOML writes a string.
fn quoted(word: &str) -> String {
    toml::Value::from(word).to_string()
}

/// A prefix, ending in a dot, without which the file has every name of the network.
fn prefix<'s>(network: &Network, state: &'s StateDict) -> Option<&'s str> {
    let first = declared(network).find(|declared| state.get(&declared.name).is_none())?;
    let candidates = state.iter().filter_map(|(name, _)| name.strip_suffix(first.name.as_str()));
    candidates.filter(|prefix| prefix.ends_with('.')).take(PREFIXES).find(|prefix| {
        declared(network).all(|declared| {
            state.get(&format!("{prefix}{}", declared.name)).is_some() || state.get(&declared.name).is_some()
        })
    })
}
