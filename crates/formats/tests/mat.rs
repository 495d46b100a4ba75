//! MAT-files: numbers come back as they were written, and everything else is one clear error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::{assert_says, compressed, mat_file, matrix};
use eigenscape_formats::mat::{self, Numbers};
use proptest::prelude::*;

#[test]
fn mat_files_hold_numbers_of_several_types() {
    let doubles: Vec<u8> = [3.0_f64, 10.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let file =
        mat_file(&[compressed(&matrix("z", 9, &[1, 1], 2, &[1])), matrix("y", 6, &[2, 1], 9, &doubles)]);
    let [y] = mat::read("FILE", &file, ["y"]).unwrap();
    assert_eq!((y.shape, y.numbers.whole()), (vec![2, 1], Some(vec![3, 10])));
    assert_eq!(Numbers::Other(vec![0.5]).whole(), None);
    let message = |file: &[u8]| mat::read("FILE", file, ["y"]).unwrap_err().to_string();
    assert_says(&message(&mat_file(&[])), &["FILE", "no array `y`"]);
    assert_says(&message(b"<!DOCTYPE html>"), &["no MAT-file"]);
    // A lie about the shape takes no memory.
    let lie = mat_file(&[compressed(&matrix("y", 9, &[u32::MAX, u32::MAX], 2, &[1]))]);
    assert_says(&message(&lie), &["1 bytes of numbers"]);
}

/// Written by `scipy.io.savemat`, see `generate_mat.py` beside it.
#[test]
fn scipys_mat_files_are_read() {
    for (file, name) in [
        (&include_bytes!("mat/compressed.mat")[..], "compressed"),
        (&include_bytes!("mat/plain.mat")[..], "plain"),
    ] {
        let [x, y] = mat::read(name, file, ["X", "y"]).unwrap();
        assert_eq!(x.shape, [2, 3, 1, 2]);
        // X[i, j, 0, n] = 100 n + 10 i + j, first axis fastest.
        assert_eq!(x.numbers, Numbers::Bytes(vec![0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112]));
        assert_eq!(y.numbers.whole(), Some(vec![10, 1]));
    }
}

proptest! {
    #[test]
    fn matrices_come_back_as_they_were_written(rows in 0_u32..20, bytes in prop::collection::vec(any::<u8>(), 60)) {
        let numbers = &bytes[..rows as usize * 3];
        let file = mat_file(&[compressed(&matrix("y", 9, &[rows, 3], 2, numbers))]);
        let [y] = mat::read("FILE", &file, ["y"]).unwrap();
        prop_assert_eq!((y.shape, y.numbers), (vec![rows as usize, 3], Numbers::Bytes(numbers.to_vec())));
    }
}
