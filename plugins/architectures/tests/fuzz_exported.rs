//! Files of `torch.export.save` changed at random: no panic, no memory beyond the file's size and a
//! constant, no long computation.
//!
//! The changes follow from the case's number, so that a failure can be repeated. Alone in its
//! binary, because it measures the memory of the whole process.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../../crates/experiment/tests/archives/mod.rs"]
mod archives;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use archives::{Entries, pack, unpack};
use eigenscape_architectures::exported::Exported;
use eigenscape_core::{Architecture, Random};
use eigenscape_program::Network;
use peak_alloc::PeakAlloc;
use rand::{Rng, RngExt};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CASES: u64 = 12_000;
/// What reading a file takes beside the network: the graph as far as it has been read where it is
/// refused.
const TIMES: usize = 1;
/// Bytes beside that: a message.
const CONSTANT: usize = 256 << 10;
/// Bytes of the constants that a graph may ask for, of inputs that are not longer than 1024.
const FOLDED: usize = 64 << 20;
const LONGEST: Duration = Duration::from_secs(20);

/// The files that are changed: those of older versions are of other layouts.
const NAMES: [&str; 18] = [
    "tied",
    "fixed",
    "trained",
    "own_loss",
    "odds",
    "versions/torch-2.6-sequences",
    "versions/torch-2.8-convolutions",
    "sorted",
    "placed",
    "functions",
    "rounded",
    "windows",
    "projected",
    "criteria",
    "decomposed",
    "cells",
    "bags",
    "strided",
];
/// What parts of the text are replaced by.
const WORDS: [&str; 22] = [
    "null",
    "-1",
    "0",
    "1",
    "2",
    "9223372036854775807",
    "1e300",
    "\"Infinity\"",
    "[]",
    "{}",
    "true",
    "\"as_int\"",
    "\"as_tensor\"",
    "\"as_none\"",
    "\"as_sym_int\"",
    "\"as_name\"",
    "\"self\"",
    "\"dim\"",
    "torch.ops.aten.expand.default",
    "torch.ops.aten.arange.default",
    "[[[[[[[[",
    "\"as_ints\":[1,2,3]",
];

fn one<'a, T>(rng: &mut impl Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}

/// One change of a text: a word in it, or a part of it copied to elsewhere.
fn change(rng: &mut impl Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let is_end = |byte: &u8| b",:[]{}\"".contains(byte);
    let at = rng.random_range(0..bytes.len());
    let start = bytes[..at].iter().rposition(is_end).map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(is_end).map_or(bytes.len(), |end| at + end);
    match rng.random_range(0..7) {
        0..=2 => drop(bytes.splice(start..end, one(rng, &WORDS).bytes())),
        3 => bytes[at] ^= 1 << rng.random_range(0..8),
        4 => drop(bytes.drain(at..(at + rng.random_range(0..200)).min(bytes.len()))),
        5 => {
            let from = rng.random_range(0..bytes.len());
            let part = bytes[from..(from + rng.random_range(0..300)).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        _ => {
            // One name of the graph for another.
            let other = rng.random_range(0..bytes.len());
            let from = bytes[..other].iter().rposition(is_end).map_or(0, |end| end + 1);
            let to = bytes[other..].iter().position(is_end).map_or(bytes.len(), |end| other + end);
            let word = bytes[from..to].to_vec();
            bytes.splice(start..end, word);
        }
    }
}

fn case(rng: &mut impl Rng, seeds: &[Entries]) -> Vec<u8> {
    let mut entries = one(rng, seeds).clone();
    match rng.random_range(0..10) {
        0 => {
            let index = rng.random_range(0..entries.len());
            drop(entries.remove(index));
        }
        1 => {
            let mut file = pack(&entries);
            change(rng, &mut file);
            return file;
        }
        2 => {
            let index = rng.random_range(0..entries.len());
            change(rng, &mut entries[index].1);
        }
        _ => {
            let is_graph = |name: &str| name.ends_with("model.json") || name.ends_with("program.json");
            let graph = entries.iter_mut().find(|(name, _)| is_graph(name)).unwrap();
            for _ in 0..rng.random_range(1..4) {
                change(rng, &mut graph.1);
            }
        }
    }
    pack(&entries)
}

/// Says which case was under way when a test panics.
struct Case(u64);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("case {}", self.0);
        }
    }
}

/// Builds the network, for inputs as the file says them.
fn build(exported: Exported) -> bool {
    let size = |size: &Option<usize>| size.unwrap_or(3).min(1 << 10);
    let shapes: Vec<Vec<usize>> =
        exported.inputs().iter().map(|input| input.shape.iter().map(size).collect()).collect();
    let shape = match shapes.as_slice() {
        [one] => one.clone(),
        several => vec![several.iter().map(|shape| shape.iter().product::<usize>()).sum()],
    };
    Network::new(&shape, move |scope, x| exported.build(scope, x, 1)).is_ok()
}

#[test]
fn changed_files_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/exported");
    let seeds = NAMES.map(|name| unpack(&std::fs::read(folder.join(format!("{name}.pt2"))).unwrap()));
    let (mut read, mut built, mut most, mut folded) = (0, 0, 0, 0);
    for number in 0..CASES {
        let _guard = Case(number);
        let mut rng = Random::new(0).stream("fuzz", number);
        let file = case(&mut rng, &seeds);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let exported = Exported::parse(Path::new("a.pt2"), &file, None);
        let held = MEMORY.current_usage() - before;
        let memory = MEMORY.peak_usage() - before - held;
        assert!(memory <= TIMES * file.len() + CONSTANT, "{memory} bytes for a file of {}", file.len());
        most = most.max(memory);
        if let Ok(exported) = exported {
            read += 1;
            built += u64::from(build(exported));
        }
        folded = folded.max(MEMORY.peak_usage() - before);
        assert!(folded <= FOLDED, "{folded} bytes");
        assert!(start.elapsed() < LONGEST, "{:?}", start.elapsed());
    }
    println!(
        "{read} of {CASES} read, {built} built; at most {most} bytes beside a file and its network, {folded} with constants"
    );
    assert!((100..CASES).contains(&read) && built < read, "{read} read, {built} built");
}
