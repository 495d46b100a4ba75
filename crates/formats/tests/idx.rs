//! The IDX reader: what is whole is read, and everything else is one clear error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;

use common::{assert_says, gzip, idx};
use eigenscape_formats::{Error, idx::Idx};

const PIXELS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255];

fn images() -> Vec<u8> {
    idx(&[2, 2, 3], &PIXELS)
}

fn refusal(contents: &[u8], rank: usize) -> String {
    match Idx::decode("FILE", contents, rank).unwrap_err() {
        error @ Error::Input { .. } => error.to_string(),
        error => panic!("not an input error: {error:?}"),
    }
}

#[test]
fn plain_and_gzipped_files_are_told_apart_by_their_contents() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in [("plain.gz", images()), ("gzipped", gzip(&images()))] {
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        let array = Idx::read(&path, 3).unwrap();
        assert_eq!((array.shape(), array.bytes()), (&[2, 2, 3][..], &PIXELS[..]));
    }
}

#[test]
fn gzip_members_may_follow_each_other() {
    let whole = images();
    let (first, second) = whole.split_at(20);
    let contents = [gzip(first), gzip(second)].concat();
    assert_eq!(Idx::decode("FILE", &contents, 3).unwrap().bytes(), PIXELS);
}

#[test]
fn encoding_is_the_inverse_of_decoding() {
    let mut written = Vec::new();
    Idx::decode("FILE", &images(), 3).unwrap().encode(&mut written).unwrap();
    assert_eq!(written, images());
}

#[test]
fn selection_keeps_the_order_asked_for() {
    let selected = Idx::decode("FILE", &images(), 3).unwrap().select(&[1, 0, 1]);
    assert_eq!(selected.shape(), [3, 2, 3]);
    assert_eq!(selected.bytes()[..7], [6, 7, 8, 9, 10, 255, 0]);
}

#[test]
fn an_array_has_as_many_bytes_as_its_shape_says() {
    assert!(Idx::new(vec![2, 3], vec![0; 6]).is_some());
    assert!(Idx::new(vec![2, 3], vec![0; 5]).is_none());
    assert!(Idx::new(vec![usize::MAX, 2], vec![]).is_none());
}

#[test]
fn every_truncation_is_noticed() {
    for whole in [images(), gzip(&images())] {
        for length in 0..whole.len() {
            assert_says(&refusal(&whole[..length], 3), &["FILE", "truncated"]);
        }
    }
}

#[test]
fn bytes_too_many_are_noticed() {
    let longer = [images(), vec![0]].concat();
    assert_says(&refusal(&longer, 3), &["FILE", "12 bytes of data, but more follow"]);
    assert_says(&refusal(&gzip(&longer), 3), &["12 bytes of data, but more follow"]);
    assert_says(&refusal(&[gzip(&images()), vec![7; 20]].concat(), 3), &["damaged gzip data"]);
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let mut contents = gzip(&images());
    let checksum = contents.len() - 8;
    contents[checksum] ^= 1;
    assert_says(&refusal(&contents, 3), &["FILE", "damaged gzip data"]);
}

#[test]
fn another_format_is_named_as_such() {
    assert_says(&refusal(b"<!DOCTYPE html>", 3), &["not an IDX file", "<!DO"]);
    assert_says(&refusal(&[0, 0, 0x0d, 3, 0, 0, 0, 0], 3), &["32-bit floats, not unsigned bytes"]);
    assert_says(&refusal(&[0, 0, 0x42, 3, 0, 0, 0, 0], 3), &["unknown type 0x42"]);
    assert_says(&refusal(&images(), 1), &["3 dimensions where 1 were expected", "exchanged"]);
}

#[test]
fn a_header_that_lies_takes_no_memory() {
    for shape in [[u32::MAX; 3], [u32::MAX, 1, 1], [60_000, 28, 28]] {
        let lie = idx(&shape, &[0; 100]);
        assert_says(&refusal(&lie, 3), &["truncated", "more than the file can hold"]);
    }
    assert_says(&refusal(&gzip(&idx(&[u32::MAX; 3], &[])), 3), &["more than the file can hold"]);
    // Small enough to be compressed data, so it is read, as far as there is any.
    assert_says(
        &refusal(&gzip(&idx(&[10_000, 1, 1], &[0; 100])), 3),
        &["promises 10000 bytes", "100 are there"],
    );
}

#[test]
fn a_gzip_bomb_is_read_no_further_than_its_header_says() {
    let bomb = gzip(&idx(&[4, 1, 1], &vec![0; 10_000_000]));
    assert_says(&refusal(&bomb, 3), &["4 bytes of data, but more follow"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = Idx::read(&folder.path().join("none.gz"), 3).unwrap_err().to_string();
    assert_says(&message, &["none.gz", "no such file"]);
    assert!(Idx::read(folder.path(), 3).is_err(), "a folder is no file");
}
