//! Finds few patterns that perform given renames.

use std::collections::{HashMap, HashSet};

use super::{
    difference::UNUSED,
    guess::Pair,
    pattern::{Rename, STAR},
    state_dict::StateDict,
};

/// Entries of `rename` that map each name in the file to its name in the network, and leave other
/// names that the network knows unchanged.
pub(super) fn patterns(pairs: &[Pair], known: &HashSet<&str>, state: &StateDict) -> Vec<Rename> {
    let targets: HashMap<&str, &str> = pairs.iter().map(|(name, target)| (*name, target.as_str())).collect();
    let is_right = |rename: &Rename| {
        state.entries.iter().all(|entry| {
            match (rename.apply(entry.stored_as), targets.get(entry.stored_as)) {
                (None, _) => true,
                (Some(result), Some(target)) => result == *target,
                (Some(_), None) => entry.name.ends_with(UNUSED) || !known.contains(&*entry.name),
            }
        })
    };
    let mut rename: Vec<Rename> = Vec::new();
    let mut tried: HashMap<(String, String), bool> = HashMap::new();
    for (name, target) in pairs {
        if rename.iter().any(|entry| entry.apply(name).is_some()) {
            continue;
        }
        let found = candidates(name, target).into_iter().find_map(|(from, to)| {
            let entry = Rename::new(&from, &to).ok()?;
            tried.entry((from, to)).or_insert_with(|| is_right(&entry)).then_some(entry)
        });
        rename.extend(found);
    }
    rename
}

/// Patterns that map `name` to `target`, the most general first.
fn candidates(name: &str, target: &str) -> Vec<(String, String)> {
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (name.split('.').collect(), target.split('.').collect());
    let same = ours.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut all = Vec::new();
    for kept in (1..=same).rev() {
        // "fc1.weight" and "0.weight": "fc1.*" and "0.*".
        let pattern = |steps: &[&str]| {
            let mut steps = steps[..steps.len() - kept].to_vec();
            steps.push("*");
            steps.join(".")
        };
        all.push((pattern(&ours), pattern(&theirs)));
    }
    for (i, step) in ours.iter().enumerate().filter(|(_, step)| step.parse::<u64>().is_ok()) {
        if let Some(j) = theirs.iter().position(|other| other == step) {
            // A block's number is the same on both sides.
            let pattern = |steps: &[&str], at: usize| {
                let mut steps = steps.to_vec();
                steps[at] = "*";
                steps.join(".")
            };
            all.push((pattern(&ours, i), pattern(&theirs, j)));
        }
    }
    all.push((name.to_owned(), target.to_owned()));
    // A star within a name of the file would act as a wildcard.
    all.retain(|(from, to)| from.matches(STAR).count() == to.matches(STAR).count());
    all
}
