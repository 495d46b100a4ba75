//! Malicious files: each is refused with a message, in a short time and with little memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod archives;

use std::time::{Duration, Instant};

use archives::{fixture, of_pickle, pack, unpack};
use eigenscape_experiment::checkpoint::{self, Selection};
use eigenscape_program::{Network, nn};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that the reader may need: see `checkpoint/contents.rs`. Lists grow by doubling.
fn allowed(file: usize) -> usize {
    3 * (file + (1 << 20))
}

/// The message about a file. Asserts that reading it takes little time and memory.
fn refusal(file: &[u8]) -> String {
    refusal_of(file, None)
}

/// The message about the value under a key of a file.
fn refusal_of(file: &[u8], key: Option<String>) -> String {
    let network = Network::new(&[3], |scope, x| nn::linear(&mut scope.at("0"), x, 4, true)).unwrap();
    let selection = Selection { path: "a.pth".into(), key, ..Selection::default() };
    MEMORY.reset_peak_usage();
    let (before, start) = (MEMORY.current_usage(), Instant::now());
    let result = checkpoint::read(file, &selection, &network);
    let (time, memory) = (start.elapsed(), MEMORY.peak_usage() - before);
    assert!(time < Duration::from_secs(5), "{time:?}");
    assert!(memory < allowed(file.len()), "{memory} bytes for a file of {}", file.len());
    match result {
        Ok(_) => panic!("the file is accepted"),
        Err(error) => error.to_string(),
    }
}

fn assert_refused(file: &[u8], text: &str) {
    let message = refusal(file);
    assert!(message.contains(text), "{text:?} is not in: {message}");
    assert!(message.len() < 10_000, "{} bytes of message", message.len());
}

/// One test, since the memory is that of the whole process.
#[test]
fn hostile_files_are_refused_at_once() {
    pickles_that_grow();
    pickles_that_nest();
    names_without_end();
    tensors_out_of_bounds();
    archives_that_lie();
    headers_that_lie();
    keys_that_lead_in_circles();
}

fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    of_pickle(&[b"\x80\x02", &parts.concat()[..], b"."].concat())
}

const MANY: usize = 2_000_000;

fn pickles_that_grow() {
    for instruction in *b"}](N" {
        assert_refused(&pickle(&[&[instruction].repeat(MANY)]), "describes more than its size allows");
    }
    // A text and a dictionary with many references to them.
    let rows = b"h\x00h\x01s".repeat(MANY / 5);
    assert_refused(
        &pickle(&[b"X\x01\x00\x00\x00aq\x00}q\x01", &rows]),
        "describes more than its size allows",
    );
    assert_refused(&pickle(&[b"X\xff\xff\xff\xffabc"]), "it ends too early");
    assert_refused(&pickle(&[b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc"]), "it ends too early");
    assert_refused(&pickle(&[b"\x8b\xff\xff\xff\xff"]), "it ends too early");
}

fn pickles_that_nest() {
    // ((((...)))): a tuple in a tuple, and so on.
    assert_refused(&pickle(&[b")", &b"\x85".repeat(20_000)]), "holds a tuple, and not a dictionary");
    // A dictionary that holds itself.
    assert_refused(&pickle(&[b"}q\x00X\x01\x00\x00\x00ah\x00s"]), "holds no tensors; its keys are: a");
    // A dictionary in a dictionary, and so on, 10,000 times.
    let nested = [b"}".repeat(10_000), b"X\x01\x00\x00\x00a}s".to_vec()].concat();
    let deep = b"}X\x01\x00\x00\x00a".repeat(3000);
    assert_refused(&pickle(&[&deep, b"}", &b"s".repeat(3000)]), "holds no tensors; its keys are: a");
    assert_refused(&pickle(&[&nested]), "holds no tensors");
    // A function made by functions.
    let call = b"ctorch._tensor\n_rebuild_from_type_v2\nq\x00N)t";
    assert_refused(&pickle(&[b"(", call]), "holds a tuple");
    let mut calls = b"ctorch._tensor\n_rebuild_from_type_v2\nq\x00)q\x01".to_vec();
    calls.extend(b"h\x00(h\x00Nh\x01tR".repeat(10_000));
    assert_refused(&pickle(&[&calls]), "an object of torch._tensor._rebuild_from_type_v2");
}

fn names_without_end() {
    let length = 500_000_u32;
    let text = [&b"X"[..], &length.to_le_bytes(), &b"a".repeat(length as usize), b"q\x00"].concat();
    assert_refused(&pickle(&[&text, &b"h\x00h\x00\x93".repeat(1000)]), "a class has an endless name");
    let rows = b"h\x00Ns".repeat(1000);
    assert_refused(&pickle(&[&text, b"0}", &rows]), "holds no tensors; its keys are: (none)");
    let storages = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nh\x00NK\x00tQ".repeat(1000);
    assert_refused(&pickle(&[&text, &storages]), "a storage has an endless name");
}

/// A tensor of 3 floats as the pickle describes it: offset, shape and strides are written as tuples
/// of integers.
fn tensor(count: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage =
        [b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000N", count, b"tQ"].concat();
    let rebuild = [&storage[..], offset, b"(", shape, b"t(", strides, b"t\x89Nt"].concat();
    let value = [b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n", &rebuild[..], b"Rs"].concat();
    let pickle = [b"\x80\x02", &value[..], b"."].concat();
    pack(&vec![("a/data.pkl".to_owned(), pickle), ("a/data/0".to_owned(), vec![0; 12])])
}

fn tensors_out_of_bounds() {
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let beyond = "a tensor reaches beyond its storage";
    assert_refused(&tensor(b"K\x03", b"K\x00", b"K\x03", b"K\x01"), "a         -        [3]");
    assert_refused(&tensor(b"K\x04", b"K\x00", b"K\x03", b"K\x01"), "differ in size");
    assert_refused(&tensor(huge, b"K\x00", b"K\x03", b"K\x01"), "differ in size");
    assert_refused(&tensor(b"J\xff\xff\xff\xff", b"K\x00", b"K\x03", b"K\x01"), "differ in size");
    assert_refused(&tensor(b"K\x03", b"K\x01", b"K\x03", b"K\x01"), beyond);
    assert_refused(&tensor(b"K\x03", huge, b"K\x03", b"K\x01"), beyond);
    assert_refused(&tensor(b"K\x03", b"K\x00", b"K\x04", b"K\x01"), beyond);
    assert_refused(&tensor(b"K\x03", b"K\x00", b"K\x02K\x02", b"K\x02K\x01"), beyond);
    assert_refused(&tensor(b"K\x03", b"K\x00", huge, huge), beyond);
    assert_refused(&tensor(b"K\x03", b"K\x00", &[huge, &huge[..]].concat(), b"K\x00K\x00"), beyond);
    assert_refused(&tensor(b"K\x03", b"K\x00", b"K\x03", b"K\x01K\x01"), "differ in number");
    assert_refused(&tensor(b"K\x03", b"K\x00", b"J\xff\xff\xff\xff", b"K\x01"), "negative");
    assert_refused(&tensor(b"K\x03", b"K\x00", b"N", b"K\x01"), "a tensor's shape is no shape");
    // 10¹² repeated elements take no memory until a network has a parameter of that size.
    let trillion = b"\x8a\x06\x00\x10\xa5\xd4\xe8\x00";
    assert_refused(&tensor(b"K\x03", b"K\x00", trillion, b"K\x00"), "[1000000000000]");
}

fn archives_that_lie() {
    let entries = unpack(&fixture("state_dict.pth"));
    let whole = pack(&entries);
    let end = whole.len() - 22;
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    assert_refused(&whole[..whole.len() - 1], "not a complete zip archive");
    assert_refused(&with(end + 10, b"\xff\xff"), "its directory is damaged");
    assert_refused(&with(end + 12, b"\xff\xff\xff\xff"), "not a complete zip archive");
    assert_refused(&with(end + 16, b"\xff\xff\xff\xff"), "not a complete zip archive");
    let directory = u32::from_le_bytes(*whole[end + 16..].first_chunk().unwrap()) as usize;
    assert_refused(&with(directory + 42, b"\x05"), "is not where it should be");
    assert_refused(&with(directory + 20, b"\xff\xff\xff\x00"), "is not where it should be");
    assert_refused(&with(60, b"\x00"), "does not have its checksum");
    let mut twice = entries.clone();
    twice.push(entries[0].clone());
    assert_refused(&pack(&twice), "is there twice");
    // All entries of the directory refer to the same bytes: reading each would take quadratic time.
    let big = pack(&vec![("a/data.pkl".to_owned(), vec![b'N'; 1 << 20])]);
    let at = big.len() - 22 - 46 - 10;
    let (front, entry) = (&big[..at], &big[at..big.len() - 22]);
    let count = 60_000_usize;
    let mut bomb = [front, &entry.repeat(count)].concat();
    let (size, start) = ((entry.len() * count) as u32, at as u32);
    bomb.extend(
        [b"PK\x05\x06\0\0\0\0", &(count as u16).to_le_bytes()[..], &(count as u16).to_le_bytes()].concat(),
    );
    bomb.extend([&size.to_le_bytes()[..], &start.to_le_bytes(), &[0; 2]].concat());
    assert_refused(&bomb, "its entries overlap");
}

fn header(json: &str, data: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat()
}

fn headers_that_lie() {
    let tensor = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"U8","shape":[{shape}],"data_offsets":[{from},{to}]}}"#)
    };
    let one = |shape: &str, from, to| header(&format!(r#"{{"a":{}}}"#, tensor(shape, from, to)), 4);
    assert_refused(&one("4", 0, 4), "a         -        [4]");
    assert_refused(&one("5", 0, 5), "are not where they should be");
    assert_refused(&one("3", 0, 3), "4 bytes of elements instead of 3");
    assert_refused(&one("3", 1, 4), "are not where they should be");
    assert_refused(&one("4", 4, 0), "are not where they should be");
    assert_refused(&one("18446744073709551615", 0, u64::MAX), "are not where they should be");
    assert_refused(&one("4294967296,4294967296", 0, 0), "are not where they should be");
    assert_refused(&one(&"0,".repeat(100_000), 0, 0), "more than 64 axes");
    // Seven tensors of 2⁶¹ bytes, together nearly 2⁶⁴ bytes.
    let part = 1_u64 << 61;
    let tensors: Vec<_> =
        (0..7).map(|i| format!(r#""{i}":{}"#, tensor(&part.to_string(), i * part, (i + 1) * part))).collect();
    assert_refused(&header(&format!("{{{}}}", tensors.join(",")), 4), "are not where they should be");
    let twice = format!(r#"{{"a":{},"a":{}}}"#, tensor("2", 0, 2), tensor("2", 2, 4));
    assert_refused(&header(&twice, 4), "the tensor a is there twice");
    assert_refused(&header(&format!("{{\"a\":{}", "[".repeat(100_000)), 4), "its header is damaged");
    let long = format!(r#"{{"{}":{}}}"#, "b".repeat(1_000_000), tensor("4", 0, 4));
    assert_refused(&header(&long, 4), "bbb...");
    let mut lengths = one("4", 0, 4);
    lengths[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_refused(&lengths, "its header is cut short");
}

/// A dictionary that contains itself under "a" and "a.a": the number of paths through it to a key
/// of n parts grows like the Fibonacci numbers.
fn keys_that_lead_in_circles() {
    let file = pickle(&[b"}q\x00(X\x01\x00\x00\x00ah\x00X\x03\x00\x00\x00a.ah\x00u"]);
    let message = refusal_of(&file, Some("a.".repeat(500) + "b"));
    assert!(message.contains("its keys are: a, a.a"), "{message}");
    // This key leads to the dictionary itself.
    let message = refusal_of(&file, Some("a.".repeat(500) + "a"));
    assert!(message.contains("holds no tensors") || message.contains("does not fit"), "{message}");
}
