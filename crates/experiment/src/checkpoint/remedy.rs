//! Proposes the checkpoint keys with which a file fits the network.

use eigenscape_program::Network;

use super::{
    difference::{Difference, UNUSED, declared, differences, known, lookup},
    guess, orientation,
    pattern::Rename,
    state_dict::{Item, Selection, StateDict, short, shown},
};

/// The maximum number of tensors, of the file and the network together, for which keys are
/// proposed.
const LARGEST: usize = 10_000;
/// The maximum number of prefixes that are tried.
const PREFIXES: usize = 8;
/// The maximum number of remaining differences that are named.
const NAMED: usize = 3;
/// The maximum length of a line, so that it is shown without wrapping. A longer table is written
/// with one line per key.
const WIDTH: usize = 70;

/// The remedy for differences: corrected checkpoint keys, if these are at fault.
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
    // Non-tensors under a parameter's name come first, other non-tensors last.
    no_tensor(true)
        .or_else(|| upright(differences))
        .or_else(|| keys(selection, network, state, differences.len()))
        .or_else(|| no_tensor(false))
        .unwrap_or_else(|| {
            "choose the architecture and settings that the checkpoint was made with".to_owned()
        })
}

/// Advice to remove matrices from `transpose` that fit as they are stored.
fn upright(differences: &[Difference]) -> Option<String> {
    let fits = |difference: &&Difference| matches!(difference.found.map(|entry| entry.item), Some(Item::Transposed(stored)) if Some(stored.shape()) == difference.expected);
    let names = differences.iter().filter(fits).filter_map(|difference| Some(difference.found?.stored_as));
    let names = names.collect::<Vec<_>>();
    (!names.is_empty())
        .then(|| format!("remove from `transpose` what fits as it is stored: {}", shown(names.into_iter())))
}

/// Keys with which fewer than `before` tensors differ, and the remaining differences.
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

/// The tensors under their names in the file, if `rename` is at fault: under these names the file
/// has all of the network's tensors, or the network knows all of the file's names.
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

/// The whole table \[model.checkpoint\], as TOML.
fn block(selection: &Selection) -> String {
    let Selection { path, written, key, strip_prefix, rename, transpose } = selection;
    let path = if written.as_os_str().is_empty() { path } else { written }.to_string_lossy();
    let path = if path.is_empty() { "..." } else { &path };
    let mut lines = vec!["  [model.checkpoint]".to_owned()];
    lines.push(format!("  path = {}", quoted(path)));
    lines.extend(key.iter().map(|key| format!("  key = {}", quoted(key))));
    lines.extend((!transpose.is_empty()).then(|| transpose_line(transpose)));
    lines.extend((!strip_prefix.is_empty()).then(|| list("strip_prefix", strip_prefix)));
    // `rename` comes last: as a table of its own, it would take in the keys below it.
    lines.extend((!rename.is_empty()).then(|| rename_lines(rename)));
    lines.join("\n")
}

/// The remaining differences, as text.
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
    format!("\nWhat still differs depends on the settings in [model]: {each}{more}")
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

/// `rename = { ... }`, or a table with one line per pair if that is too long.
fn rename_lines(rename: &[Rename]) -> String {
    let pairs: Vec<String> =
        rename.iter().map(|pair| format!("{} = {}", quoted(pair.from()), quoted(pair.to()))).collect();
    let line = format!("  rename = {{ {} }}", pairs.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    format!("  [model.checkpoint.rename]\n  {}", pairs.join("\n  "))
}

/// A string as TOML.
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
