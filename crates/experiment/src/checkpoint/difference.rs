//! How a file's tensors differ from those that a network has.

use std::collections::HashSet;

use eigenscape_program::{Network, Parameter};

use super::state_dict::{Entry, Item, SHOWN, StateDict, short};

/// The name of PyTorch's counter of BatchNorm batches, a tensor that no computation uses.
pub(super) const UNUSED: &str = "num_batches_tracked";

/// The number of lines kept for names that the network does not have, however many it misses.
const UNEXPECTED: usize = 5;

/// A tensor that differs between the network and the file.
pub(super) struct Difference<'a> {
    /// The name in the network.
    pub name: &'a str,
    /// The shape in the network; `None` if the network has no such tensor.
    pub expected: Option<&'a [usize]>,
    /// The entry in the file; `None` if the file has none of this name.
    pub found: Option<&'a Entry<'a>>,
}

/// The network's parameters, then its buffers.
pub(super) fn declared(network: &Network) -> impl Iterator<Item = &Parameter> {
    network.parameters().iter().chain(network.buffers())
}

/// The file's entry for a parameter, under its name or an alias: a file may list tied weights once
/// or twice.
pub(super) fn lookup<'s, 'c>(
    network: &Network,
    state: &'s StateDict<'c>,
    name: &str,
) -> Option<&'s Entry<'c>> {
    let aliases = network.aliases().iter().filter(|(_, parameter)| parameter == name);
    state.entry(name).or_else(|| aliases.into_iter().find_map(|(alias, _)| state.entry(alias)))
}

/// The names that a file may have: parameters and buffers, their aliases, and constants that are
/// not needed.
pub(super) fn known(network: &Network) -> HashSet<&str> {
    let aliases = network.aliases().iter().map(|(alias, _)| alias.as_str());
    let unused = network.unused().iter().map(String::as_str);
    declared(network).map(|declared| declared.name.as_str()).chain(aliases).chain(unused).collect()
}

/// All differences: first the network's tensors in order, then tensors that the network does not
/// have.
pub(super) fn differences<'a>(network: &'a Network, state: &'a StateDict) -> Vec<Difference<'a>> {
    let missing = declared(network).filter_map(|declared| {
        let found = lookup(network, state, &declared.name);
        let fits = found.and_then(|entry| entry.item.shape()).is_some_and(|shape| shape == declared.shape);
        (!fits).then_some(Difference { name: &declared.name, expected: Some(&declared.shape), found })
    });
    let known = known(network);
    let unexpected = state
        .entries
        .iter()
        .filter(|entry| !entry.name.ends_with(UNUSED) && !known.contains(&*entry.name))
        .map(|entry| Difference { name: &entry.name, expected: None, found: Some(entry) });
    missing.chain(unexpected).collect()
}

/// The differences as a table, one line each below a header.
pub(super) fn table(differences: &[Difference]) -> String {
    let header = ["tensor", "network", "file"].map(str::to_owned);
    // Names unknown to the network show what the missing tensors may be called in the file.
    let is_unexpected = |difference: &&Difference| difference.expected.is_none();
    let unexpected = differences.iter().filter(is_unexpected).count();
    let missing = SHOWN - unexpected.min(UNEXPECTED);
    let missing = differences.iter().filter(|difference| !is_unexpected(difference)).take(missing);
    let unexpected = differences.iter().filter(is_unexpected);
    let rows = missing.chain(unexpected).take(SHOWN).map(row);
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [first, second] = [0, 1].map(width);
    let mut lines: Vec<String> = rows
        .iter()
        .map(|[name, expected, found]| format!("  {name:first$}  {expected:second$}  {found}"))
        .collect();
    if differences.len() > SHOWN {
        lines.push(format!("  and {} more", differences.len() - SHOWN));
    }
    lines.join("\n")
}

fn row(difference: &Difference) -> [String; 3] {
    let Difference { name, expected, found } = difference;
    let missing = || "-".to_owned();
    let stored = found.map_or_else(missing, |entry| {
        let item = entry.item.to_string();
        if entry.name == entry.stored_as { item } else { format!("{item} (as {})", short(entry.stored_as)) }
    });
    [short(name).into_owned(), expected.map_or_else(missing, |shape| format!("{shape:?}")), stored]
}

impl Difference<'_> {
    /// The remedy if the file's entry is not a tensor.
    pub(super) fn refusal(&self) -> Option<String> {
        let item = self.found.map(|entry| entry.item).filter(|item| matches!(item, Item::Other(_)))?;
        Some(item.refuse(self.name).remedy)
    }
}
