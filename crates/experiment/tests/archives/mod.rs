//! Packs and unpacks zip archives, so that tests can change contents that a checksum protects.

#![allow(dead_code, clippy::unwrap_used, reason = "tests use what they need, and fail by panicking")]

use std::{fs, path::Path};

/// Names with contents, in the order of the directory.
pub type Entries = Vec<(String, Vec<u8>)>;

/// A file of `tests/checkpoints`.
pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name)).unwrap()
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + N].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The entries of a small archive of stored entries.
pub fn unpack(archive: &[u8]) -> Entries {
    let find = |magic: &[u8]| archive.windows(4).rposition(|window| window == magic).unwrap();
    let end = find(b"PK\x05\x06");
    let (count, mut at) = (number::<2>(archive, end + 10), number::<4>(archive, end + 16));
    let mut entries = Entries::new();
    for _ in 0..count {
        let (size, local) = (number::<4>(archive, at + 24), number::<4>(archive, at + 42));
        let [name, extra, comment] = [28, 30, 32].map(|place| number::<2>(archive, at + place));
        let start = local + 30 + number::<2>(archive, local + 26) + number::<2>(archive, local + 28);
        let text = String::from_utf8(archive[at + 46..at + 46 + name].to_vec()).unwrap();
        entries.push((text, archive[start..start + size].to_vec()));
        at += 46 + name + extra + comment;
    }
    entries
}

/// An archive of these entries, with their checksums.
pub fn pack(entries: &Entries) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in entries {
        let offset = archive.len() as u32;
        let size = (contents.len() as u32).to_le_bytes();
        let sizes = [&crc32fast::hash(contents).to_le_bytes()[..], &size, &size].concat();
        let lengths = [(name.len() as u16).to_le_bytes(), [0; 2]].concat();
        archive.extend([b"PK\x03\x04", &[0; 10][..], &sizes, &lengths, name.as_bytes(), contents].concat());
        let rest = [&[0; 10][..], &offset.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02", &[0; 12][..], &sizes, &lengths, &rest, name.as_bytes()].concat());
    }
    let counts = [(entries.len() as u16).to_le_bytes(); 2].concat();
    let [size, start] = [directory.len(), archive.len()].map(|number| (number as u32).to_le_bytes());
    archive.extend([&directory[..], b"PK\x05\x06", &[0; 4], &counts, &size, &start, &[0; 2]].concat());
    archive
}

/// What `torch.save` would write for a pickle without tensors.
pub fn of_pickle(pickle: &[u8]) -> Vec<u8> {
    pack(&vec![("a/data.pkl".to_owned(), pickle.to_vec())])
}
