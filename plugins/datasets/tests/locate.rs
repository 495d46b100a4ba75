//! `locate`: where a published set is searched for, what was found, and what to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{fs, path::Path};

use common::{assert_says, write_set};
use eigenscape_core::registry::Environment;
use eigenscape_datasets::{locate, locate::Report, location::Roots, sets::FASHION_MNIST};

fn roots(folder: &Path) -> Roots {
    Roots { system: folder.join("system"), home: Some(folder.join("home")), beside: folder.join("data") }
}

#[test]
fn an_unknown_set_is_an_error_with_the_nearest_name() {
    let message = |name| locate(name, &Environment::default()).unwrap_err().to_string();
    assert_says(&message("fashion-mnits"), &["`fashion-mnits`", "did you mean `fashion-mnist`?"]);
    assert_says(&message("tensors"), &["fashion-mnist"]);
    for name in ["tensors", "images", "iris"] {
        assert_says(&message(name), &["no published files", &format!("list dataset {name}")]);
    }
    assert_says(&message("emnist"), &["several", "emnist-balanced, emnist-byclass"]);
}

#[test]
fn every_customary_place_is_named_even_when_empty() {
    let folder = tempfile::tempdir().unwrap();
    let report = Report::new(FASHION_MNIST, &roots(folder.path()));
    assert!(report.chosen().is_none());
    let text = report.to_string();
    for part in [
        "system/fashion-mnist",
        "data/FashionMNIST/raw",
        "home/data/FashionMNIST/raw",
        "home/.keras/datasets/fashion-mnist",
        "none of the four files",
        "inside the program",
        "install Debian's package dataset-fashion-mnist",
        "https://github.com/zalandoresearch/fashion-mnist",
    ] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn the_first_complete_place_is_taken_and_its_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let incomplete = folder.path().join("system/fashion-mnist");
    write_set(&incomplete, &[0, 1], &[2], true);
    fs::remove_file(incomplete.join("train-labels-idx1-ubyte.gz")).unwrap();
    let complete = folder.path().join("home/data/FashionMNIST/raw");
    write_set(&complete, &[0, 1, 2], &[2], false);

    let report = Report::new(FASHION_MNIST, &roots(folder.path()));
    let chosen = report.chosen().unwrap();
    assert_eq!(chosen.place.folder, complete);
    assert_eq!((&chosen.train.verdict, &chosen.test.verdict), (&Some(Ok(3)), &Some(Ok(1))));
    let text = report.to_string();
    for part in [
        "train-images-idx3-ubyte: 2368 bytes",
        "ok: 3 images",
        "train-labels-idx1-ubyte: missing",
        "`source = \"full\"` takes",
    ] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    let places = FASHION_MNIST.customary_places(&roots(folder.path()));
    assert_eq!(FASHION_MNIST.choose(&places).unwrap().folder, complete, "what is reported is what is loaded");
}

#[test]
fn damage_is_reported_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("system/fashion-mnist");
    write_set(&place, &[0, 1], &[2], true);
    write_set(&folder.path().join("data/FashionMNIST/raw"), &[0], &[2], true);
    fs::write(place.join("train-labels-idx1-ubyte.gz"), b"no").unwrap();
    let report = Report::new(FASHION_MNIST, &roots(folder.path()));
    assert_eq!(report.chosen().unwrap().place.folder, place);
    let text = report.to_string();
    assert!(text.contains("damaged") && text.contains("Its files are damaged: install Debian"), "{text}");
}
