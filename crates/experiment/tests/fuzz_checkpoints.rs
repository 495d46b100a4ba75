//! 100,000 randomly changed files: no panic, no memory beyond the file's size, no long computation.
//!
//! The changes depend on the case's number, so that a failure can be reproduced. The test is alone
//! in its binary, because it measures the memory of the whole process.

#![expect(clippy::unwrap_used, reason = "a test")]

mod archives;

use std::time::{Duration, Instant};

use archives::{Entries, fixture, pack, unpack};
use eigenscape_core::Random;
use eigenscape_experiment::checkpoint::{self, Selection};
use eigenscape_program::{Network, nn};
use peak_alloc::PeakAlloc;
use rand::{Rng, RngExt};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CASES: u64 = 100_000;
/// Bytes that a case may need in addition to its file's size: the network's weights, a message, the
/// description of the file's contents.
const CONSTANT: usize = 256 << 10;
/// The time limit of a case, which usually takes some microseconds.
const LONGEST: Duration = Duration::from_secs(2);

const PICKLED: [&str; 8] = [
    "state_dict.pth",
    "protocol5.pth",
    "nested.pth",
    "deeper.pth",
    "data_parallel.pth",
    "layouts.pth",
    "module.pth",
    "harm_in_state_dict.pth",
];
const SAFETENSORS: [&str; 2] = ["state_dict.safetensors", "types.safetensors"];

/// Replacements for lengths, counts and positions.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, u64::MAX >> 1, u64::MAX - 7, u64::MAX];
/// Every instruction of pickles, and some bytes that are not instructions.
const INSTRUCTIONS: &[u8] =
    b"\x80\x95N\x88\x89GCB\x8e\x96U\x8cTX\x8dKMJ\x8a\x8b]\x8f}l\x91dae\x90su)\x85\x86\x87tc\x93R\x81\x92bQqr\x94hj(012.I\xff";

struct Seeds {
    archives: Vec<Vec<u8>>,
    entries: Vec<Entries>,
    safetensors: Vec<Vec<u8>>,
}

fn one<'a, T>(rng: &mut impl Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}

/// One change of a byte sequence.
fn change(rng: &mut impl Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.push(rng.random());
    }
    let at = rng.random_range(0..bytes.len());
    let end = rng.random_range(at..=bytes.len().min(at + 64));
    match rng.random_range(0..9) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => bytes[at] = *one(rng, INSTRUCTIONS),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let twice = bytes[at..end].to_vec();
            bytes.splice(at..at, twice);
        }
        6 => {
            let from = rng.random_range(0..other.len());
            let to = rng.random_range(from..=other.len().min(from + 64));
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        7 => {
            let number = one(rng, &NUMBERS).to_le_bytes();
            let width = *one(rng, &[1, 2, 4, 8]);
            bytes.iter_mut().skip(at).zip(&number[..width]).for_each(|(byte, new)| *byte = *new);
        }
        _ => {
            let instruction = *one(rng, INSTRUCTIONS);
            let count = *one(rng, &[1, 2, 100, 3000]);
            bytes.splice(at..at, std::iter::repeat_n(instruction, count));
        }
    }
}

fn changes(rng: &mut impl Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.random_range(1..5) {
        change(rng, bytes, other);
    }
}

/// An archive of changed entries with correct checksums, so that the damage reaches the code that
/// reads the entries.
fn changed_entries(rng: &mut impl Rng, seeds: &Seeds) -> Vec<u8> {
    let mut entries = one(rng, &seeds.entries).clone();
    let index = rng.random_range(0..entries.len());
    match rng.random_range(0..8) {
        0 => drop(entries.remove(index)),
        1 => entries.push(entries[index].clone()),
        2 => entries.swap(0, index),
        3 => changes(rng, &mut entries[index].1, b"little"),
        _ => {
            let other = &one(rng, &seeds.entries)[0].1;
            changes(rng, &mut entries[0].1, other);
        }
    }
    pack(&entries)
}

/// A pickle of random instructions with random operands.
fn random_pickle(rng: &mut impl Rng, seeds: &Seeds) -> Vec<u8> {
    let mut entries = one(rng, &seeds.entries).clone();
    let bytes = std::iter::repeat_with(|| {
        if rng.random_range(0..3) == 0 { rng.random_range(0..5) } else { *one(rng, INSTRUCTIONS) }
    });
    entries[0].1 = bytes.take(400).collect();
    pack(&entries)
}

/// A safetensors file with a changed header of correct length.
fn changed_header(rng: &mut impl Rng, seeds: &Seeds) -> Vec<u8> {
    let file = one(rng, &seeds.safetensors);
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let (mut header, data) = (file[8..8 + length].to_vec(), &file[8 + length..]);
    let words: [&[u8]; 8] =
        [b"18446744073709551615", b"-1", b"1e9", b"[[[[", b"\"F64\"", b"null", b",0,0", b"\"0.weight\":"];
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..header.len());
        let end = (at + rng.random_range(0..4)).min(header.len());
        header.splice(at..end, one(rng, &words).iter().copied());
    }
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

fn case(rng: &mut impl Rng, seeds: &Seeds) -> Vec<u8> {
    let mut raw = match rng.random_range(0..8) {
        0 => one(rng, &seeds.archives).clone(),
        1 => one(rng, &seeds.safetensors).clone(),
        2 => return changed_header(rng, seeds),
        3 => return random_pickle(rng, seeds),
        _ => return changed_entries(rng, seeds),
    };
    let other = one(rng, &seeds.archives).clone();
    changes(rng, &mut raw, &other);
    raw
}

/// Prints the number of the current case when a test panics.
struct Case(u64);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("case {}", self.0);
        }
    }
}

#[test]
fn changed_files_do_no_harm() {
    let seeds = Seeds {
        archives: PICKLED.map(fixture).to_vec(),
        entries: PICKLED.map(|name| unpack(&fixture(name))).to_vec(),
        safetensors: SAFETENSORS.map(fixture).to_vec(),
    };
    let network = Network::new(&[3], |scope, x| {
        let x = nn::linear(&mut scope.at("0"), x, 4, true)?;
        let x = nn::batch_norm(&mut scope.at("1"), x)?;
        nn::linear(&mut scope.at("3"), x, 2, true)
    })
    .unwrap();
    let selections = [(None, None), (Some("model"), None), (None, Some("module."))].map(|(key, prefix)| {
        let strip_prefix: Vec<String> = prefix.into_iter().map(str::to_owned).collect();
        Selection { path: "a.pth".into(), key: key.map(str::to_owned), strip_prefix, ..Selection::default() }
    });
    let (mut accepted, mut slowest, mut most) = (0, Duration::ZERO, 0);
    for number in 0..CASES {
        let _guard = Case(number);
        let mut rng = Random::new(0).stream("fuzz", number);
        let (file, selection) = (case(&mut rng, &seeds), one(&mut rng, &selections));
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let loaded = checkpoint::read(&file, selection, &network);
        let (time, memory) = (start.elapsed(), MEMORY.peak_usage() - before);
        if let Ok(loaded) = &loaded {
            accepted += 1;
            let shapes = loaded.weights.parameters.iter().map(|tensor| tensor.dims());
            assert!(shapes.eq(network.parameters().iter().map(|declared| declared.shape.as_slice())));
        }
        assert!(memory <= file.len() + CONSTANT, "{memory} bytes for a file of {}", file.len());
        assert!(time < LONGEST, "{time:?}");
        (slowest, most) = (slowest.max(time), most.max(memory.saturating_sub(file.len())));
    }
    println!("{accepted} of {CASES} read; at most {slowest:?} and {most} bytes beyond the file's size");
    // Changes that mean nothing, and those of an optimiser's tensors, leave a file readable; most
    // must be noticed.
    assert!((1000..CASES / 2).contains(&accepted), "{accepted}");
}
