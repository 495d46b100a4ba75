//! Guesses which names of a file correspond to which of the network's, from shapes and the order of
//! modules.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, HashSet},
};

use eigenscape_program::Network;

use super::{
    difference::{UNUSED, declared, known, lookup},
    pattern::Rename,
    rename::patterns,
    state_dict::{Entry, StateDict, shown},
};

/// The maximum length of a name that is considered, in bytes.
const LONGEST: usize = 500;
/// The maximum number of prefixes that are tried.
const PREFIXES: usize = 8;

/// A proposal for `rename`.
#[derive(Default)]
pub(super) struct Guess {
    /// The entries; empty if nothing can be guessed.
    pub rename: Vec<Rename>,
    /// The reasons for the guess, and what it leaves open.
    pub why: Vec<String>,
}

/// A tensor's name in the file and in the network.
pub(super) type Pair<'a> = (&'a str, String);

/// Proposes renames from names that the network does not have to names that the file lacks.
pub(super) fn names(network: &Network, state: &StateDict) -> Guess {
    let known = known(network);
    let is_extra = |entry: &&Entry| {
        let is_usable = entry.item.stored().is_some() && entry.name.len() <= LONGEST;
        is_usable && !known.contains(&*entry.name) && !entry.name.ends_with(UNUSED)
    };
    let mut extra: Vec<&Entry> = state.entries.iter().filter(is_extra).collect();
    extra.sort_by_key(|entry| entry.place);
    let missing = declared(network).filter(|declared| lookup(network, state, &declared.name).is_none());
    let missing: Vec<Tensor> =
        missing.map(|declared| (declared.name.as_str(), declared.shape.clone())).collect();
    if missing.is_empty() || extra.is_empty() {
        return Guess::default();
    }
    if let Some((prefix, pairs)) = prefixed(&known, &missing, &extra) {
        let why = format!("the names fit with {prefix:?} before them");
        return Guess { rename: patterns(&pairs, &known, state), why: vec![why] };
    }
    let stored: Vec<Tensor> =
        extra.iter().filter_map(|entry| Some((entry.stored_as, entry.item.shape()?))).collect();
    let (pairs, why) = by_module(&stored, &missing, state.ordered);
    Guess { rename: patterns(&pairs, &known, state), why }
}

/// A prefix that turns names of the file into all missing names, with the resulting pairs.
fn prefixed<'a>(
    known: &HashSet<&str>,
    missing: &[Tensor],
    extra: &[&'a Entry<'a>],
) -> Option<(String, Vec<Pair<'a>>)> {
    let names: HashSet<&str> = extra.iter().map(|entry| entry.stored_as).collect();
    let (first, _) = missing.first()?;
    let prefixes = first.match_indices('.').map(|(dot, _)| &first[..=dot]).take(PREFIXES);
    let mut fitting = prefixes.filter(|prefix| {
        missing.iter().all(|(name, _)| name.strip_prefix(prefix).is_some_and(|rest| names.contains(rest)))
    });
    let prefix = fitting.next()?;
    let pair = |entry: &&'a Entry| {
        let target = format!("{prefix}{}", entry.stored_as);
        known.contains(target.as_str()).then_some((entry.stored_as, target))
    };
    Some((prefix.to_owned(), extra.iter().filter_map(pair).collect()))
}

/// A name with a shape.
type Tensor<'a> = (&'a str, Vec<usize>);

/// A module's tensors: the last part of each name, with the shape.
struct Module<'a> {
    name: &'a str,
    tensors: BTreeMap<&'a str, Vec<usize>>,
}

/// Tensor names of Keras and Flax, with PyTorch's names.
const CALLED: [(&str, &str); 8] = [
    ("kernel", "weight"),
    ("gamma", "weight"),
    ("scale", "weight"),
    ("embedding", "weight"),
    ("embeddings", "weight"),
    ("beta", "bias"),
    ("moving_mean", "running_mean"),
    ("moving_variance", "running_var"),
];

/// Splits a name into the module's name and the last part.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// The network's name for the file's `leaf`: `leaf` itself, unless the missing names have only
/// PyTorch's equivalent.
fn called<'a>(leaf: &'a str, missing: &[Tensor]) -> &'a str {
    let has = |leaf: &str| missing.iter().any(|(name, _)| split(name).1 == leaf);
    let other = CALLED.iter().find(|(theirs, ours)| *theirs == leaf && !has(leaf) && has(ours));
    other.map_or(leaf, |(_, ours)| ours)
}

impl<'a> Module<'a> {
    /// Groups tensors by module. `called` translates the last part of a name into the network's.
    fn all(tensors: &[Tensor<'a>], called: impl Fn(&'a str) -> &'a str) -> Vec<Self> {
        let mut modules: Vec<Self> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (name, shape) in tensors {
            let (module, leaf) = split(name);
            let place = *places.entry(module).or_insert_with(|| {
                modules.push(Self { name: module, tensors: BTreeMap::new() });
                modules.len() - 1
            });
            modules[place].tensors.insert(called(leaf), shape.clone());
        }
        modules
    }

    /// The names and shapes that two modules must share to correspond. With `either_way`, the
    /// orientation of matrices is ignored.
    fn signature(&self, either_way: bool) -> Vec<(&'a str, Vec<usize>)> {
        let shape = |shape: &Vec<usize>| {
            let mut shape = shape.clone();
            if either_way && shape.len() == 2 {
                shape.sort_unstable();
            }
            shape
        };
        self.tensors.iter().map(|(leaf, axes)| (*leaf, shape(axes))).collect()
    }
}

/// Pairs modules of the file with modules of the network that have the same tensors, then single
/// tensors whose shape occurs once on each side.
fn by_module<'a>(
    stored: &[Tensor<'a>],
    missing: &[Tensor<'a>],
    ordered: bool,
) -> (Vec<Pair<'a>>, Vec<String>) {
    let called = |leaf| called(leaf, missing);
    let (file, network) = (Module::all(stored, called), Module::all(missing, |leaf| leaf));
    let found = [false, true].map(|either_way| Paired::of(&file, &network, either_way, ordered));
    let [exact, either_way] = found;
    let paired = if either_way.modules.len() > exact.modules.len() { either_way } else { exact };
    let mut modules = paired.modules;
    modules.sort_by_cached_key(|(_, theirs)| network.iter().position(|module| module.name == theirs.name));
    let mut pairs: Vec<Pair> = Vec::new();
    for (ours, theirs) in &modules {
        let join = |module: &Module, leaf: &str| {
            if module.name.is_empty() { leaf.to_owned() } else { format!("{}.{leaf}", module.name) }
        };
        let tensors = stored.iter().filter(|(name, _)| split(name).0 == ours.name);
        pairs.extend(tensors.map(|(name, _)| (*name, join(theirs, called(split(name).1)))));
    }
    single(stored, missing, &mut pairs);
    let mut why = Vec::new();
    if !pairs.is_empty() {
        why.push("the names differ, but by their shapes these are the same tensors".to_owned());
    }
    if !paired.in_order.is_empty() {
        let modules = shown(paired.in_order.iter().copied());
        why.push(format!(
            "{modules} have equal shapes and are taken in order: compare with `cargo xtask verify`"
        ));
    }
    if !paired.open.is_empty() {
        let modules = shown(paired.open.iter().copied());
        why.push(format!("the shapes do not show which modules {modules} are: add them to `rename`"));
    }
    (pairs, why)
}

/// Pairs the remaining tensors whose shape occurs exactly once on each side.
fn single<'a>(stored: &[Tensor<'a>], missing: &[Tensor<'a>], pairs: &mut Vec<Pair<'a>>) {
    let is_left = |name: &str| pairs.iter().all(|(ours, theirs)| *ours != name && theirs != name);
    let left: Vec<&Tensor> = stored.iter().filter(|(name, _)| is_left(name)).collect();
    let wanted: Vec<&Tensor> = missing.iter().filter(|(name, _)| is_left(name)).collect();
    let count =
        |tensors: &[&Tensor], shape: &[usize]| tensors.iter().filter(|(_, other)| other == shape).count();
    for (name, shape) in &wanted {
        if count(&wanted, shape) == 1
            && count(&left, shape) == 1
            && let Some((ours, _)) = left.iter().find(|(_, other)| other == shape)
        {
            pairs.push((ours, (*name).to_owned()));
        }
    }
}

/// Modules of a file, paired with modules of a network.
struct Paired<'m, 'a> {
    modules: Vec<(&'m Module<'a>, &'m Module<'a>)>,
    /// Modules of the file that were paired in order, because several have the same signature.
    in_order: Vec<&'a str>,
    /// Modules of the file that were not paired: file and network have equally many with their
    /// signature, but the order is unknown.
    open: Vec<&'a str>,
}

impl<'m, 'a> Paired<'m, 'a> {
    fn of(file: &'m [Module<'a>], network: &'m [Module<'a>], either_way: bool, ordered: bool) -> Self {
        let mut kinds: BTreeMap<_, [Vec<&Module>; 2]> = BTreeMap::new();
        for (side, modules) in [file, network].into_iter().enumerate() {
            for module in modules {
                kinds.entry(module.signature(either_way)).or_default()[side].push(module);
            }
        }
        let mut found = Self { modules: Vec::new(), in_order: Vec::new(), open: Vec::new() };
        for [mut ours, theirs] in kinds.into_values().filter(|[ours, theirs]| ours.len() == theirs.len()) {
            let names = ours.iter().map(|module| module.name);
            if ours.len() > 1 {
                if !ordered && !numbered(&ours) {
                    found.open.extend(names);
                    continue;
                }
                found.in_order.extend(names);
            }
            if !ordered {
                ours.sort_by(|a, b| natural(a.name, b.name));
            }
            found.modules.extend(ours.into_iter().zip(theirs));
        }
        found
    }
}

/// Whether names differ only in their numbers, which then define the order.
fn numbered(modules: &[&Module]) -> bool {
    let words = |module: &Module| module.name.replace(|c: char| c.is_ascii_digit(), "");
    modules.windows(2).all(|pair| words(pair[0]) == words(pair[1]))
}

/// Compares names by the numbers in them: "fc2" before "fc10".
fn natural(a: &str, b: &str) -> Ordering {
    let numbers = |name: &str| -> Vec<u64> {
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    numbers(a).cmp(&numbers(b)).then_with(|| a.cmp(b))
}
