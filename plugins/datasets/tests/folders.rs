//! Folders of PNG and JPEG files, and the folders of Tiny ImageNet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{fs, path::Path};

use candle_core::IndexOp;
use common::{assert_says, build, load, refusal};
use eigenscape_core::{Split, Targets, registry::PluginError};
use image::{Rgb, RgbImage};
use tempfile::tempdir;

fn write(path: &Path, [height, width]: [u32; 2], colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut image = RgbImage::from_pixel(width, height, Rgb(colour));
    image.put_pixel(width - 1, 0, Rgb([0, 0, 255]));
    image.save(path).unwrap();
}

#[test]
fn classes_are_folders_in_alphabetical_order() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("set");
    write(&root.join("train/dog/b.png"), [2, 3], [10, 20, 30]);
    write(&root.join("train/cat/a.png"), [2, 3], [40, 50, 60]);
    write(&root.join("val/dog/c.PNG"), [2, 3], [70, 80, 90]);
    fs::write(root.join("train/cat/notes.txt"), "not an image").unwrap();
    let set = load("images", "path = 'set'\nmean = [0.0]\nstd = [1.0]", folder.path());
    assert_eq!(set.class_names(), ["cat", "dog"]);
    let train = set.examples(Split::Train).unwrap();
    assert_eq!(train.inputs.dims(), [2, 3, 2, 3]);
    let Targets::Classes { labels, classes: 2 } = &train.targets else { panic!("two classes expected") };
    assert_eq!(labels.to_vec1::<u32>().unwrap(), [0, 1]);
    let image: Vec<Vec<Vec<f32>>> = train.inputs.all().unwrap().i(1).unwrap().to_vec3().unwrap();
    for (channel, (colour, corner)) in [(10, 0), (20, 0), (30, 255)].into_iter().enumerate() {
        assert_eq!(
            image[channel],
            [[colour, colour, corner], [colour; 3]].map(|row| row.map(|b| b as f32 / 255.0))
        );
    }
    assert_eq!(set.examples(Split::Test).unwrap().len(), 1);

    let grey = load("images", "path = 'set'\nchannels = 'grey'\nsize = [4, 4]\npad = 1", folder.path());
    assert_eq!(grey.examples(Split::Train).unwrap().inputs.dims(), [2, 1, 6, 6]);
}

#[test]
fn what_is_not_read_is_said() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("set");
    for class in ["a", "b"] {
        write(&root.join(format!("train/{class}/1.png")), [2, 2], [0; 3]);
    }
    write(&root.join("test/a/1.png"), [2, 2], [0; 3]);
    let warnings = || load("images", "path = 'set'", folder.path()).warnings().to_vec();
    fs::write(root.join("train/a/.DS_Store"), "hidden").unwrap();
    fs::write(root.join("train/a/._1.png"), "hidden").unwrap();
    fs::create_dir(root.join("train/.ipynb_checkpoints")).unwrap();
    assert!(warnings().is_empty());
    for name in ["2.bmp", "3.BMP", "more.d/5.png", "README"] {
        write(&root.join("train/b/9.png"), [2, 2], [0; 3]);
        let path = root.join("train/b").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(root.join("train/b/9.png"), path).unwrap();
    }
    fs::write(root.join("test/a/labels.txt"), "").unwrap();
    let [train, test] = warnings().try_into().unwrap();
    assert!(train.contains("set/train, 4 are"), "{train}");
    assert!(train.ends_with("left out: 2 .bmp, 1 folders, 1 without an ending"), "{train}");
    assert!(test.contains("set/test, 1 is") && test.ends_with("left out: 1 .txt"), "{test}");
}

/// Its name cannot be that of a class, and without it the other classes would have other numbers.
#[test]
#[cfg(unix)]
fn a_class_whose_name_is_not_utf_8_is_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let folder = tempdir().unwrap();
    for class in [&b"a"[..], b"b", b"caf\xe9"] {
        write(&folder.path().join("set").join(OsStr::from_bytes(class)).join("1.png"), [2, 2], [0; 3]);
    }
    assert_says(
        &refusal("images", "path = 'set'", folder.path()),
        &["set", r#""caf\xE9" is not text"#, "help"],
    );
}

#[test]
fn without_splits_no_image_is_held_out() {
    let folder = tempdir().unwrap();
    write(&folder.path().join("set/a/1.png"), [2, 2], [0; 3]);
    write(&folder.path().join("set/b/1.jpg"), [2, 2], [0; 3]);
    let set = load("images", "path = 'set'", folder.path());
    assert!(!set.has_test_split());
    assert_says(&set.examples(Split::Test).unwrap_err().to_string(), &["images", "no test split"]);
    assert!(set.description().contains("no test split"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("set");
    let message = |parameters: &str| refusal("images", parameters, folder.path());
    assert_says(&message("path = 'set'"), &["set", "no such folder"]);
    write(&root.join("a/1.png"), [2, 2], [0; 3]);
    assert_says(&message("path = 'set'"), &["1 folders", "train/CLASS/FILE"]);
    fs::create_dir(root.join("b")).unwrap();
    fs::write(root.join("b/2.webp"), "of another kind").unwrap();
    assert_says(&message("path = 'set'"), &["set/b", "no images", "PNG or JPEG"]);
    match build("images", "path = 'set'\nsize = [0, 4]", folder.path()).err() {
        Some(PluginError::Parameter { key, .. }) => assert_eq!(key, "size[0]"),
        other => panic!("{other:?}"),
    }
    write(&root.join("b/2.png"), [2, 3], [0; 3]);
    assert_says(&message("path = 'set'"), &["2.png", "2x3", "data.size"]);
    assert_says(&message("path = 'set'\nsize = [4, 4]\nstd = [1e-45]"), &["data.std", "not finite"]);
    assert_says(&message("path = 'set'\nsize = [4, 4]\nmean = [1e39]"), &["data.std", "not finite"]);
    let whole = fs::read(root.join("b/2.png")).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"<!DOCTYPE html>", b""] {
        fs::write(root.join("b/2.png"), damaged).unwrap();
        assert_says(&message("path = 'set'"), &["2.png", "cannot be decoded"]);
    }
    // A header that declares 2^31 - 1 pixels per side.
    let mut bomb = whole.clone();
    bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    fs::write(root.join("b/2.png"), bomb).unwrap();
    assert_says(&message("path = 'set'"), &["2.png", "cannot be decoded"]);
}

#[test]
fn tiny_imagenets_annotations_are_followed() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("root/tiny-imagenet-200");
    for (class, colour) in [("n02", 50), ("n01", 200)] {
        write(&root.join(format!("train/{class}/images/{class}_0.png")), [64, 64], [colour; 3]);
    }
    write(&root.join("val/images/val_0.png"), [64, 64], [9; 3]);
    fs::write(root.join("wnids.txt"), "n02\nn01\n").unwrap();
    fs::write(root.join("val/val_annotations.txt"), "val_0.png\tn02\t0\t0\t63\t63\n").unwrap();
    let set = load("tiny-imagenet", "path = 'root'", folder.path());
    assert_eq!(set.class_names(), ["n01", "n02"]);
    let labels = |split| match set.examples(split).unwrap().targets {
        Targets::Classes { labels, classes: 2 } => labels.to_vec1::<u32>().unwrap(),
        _ => panic!("two classes expected"),
    };
    assert_eq!((labels(Split::Train), labels(Split::Test)), (vec![0, 1], vec![1]));
    for (text, problem) in [
        ("val_0.png\tn09\n", "not in wnids.txt"),
        ("../x\tn01\n", "no file beside it"),
        ("x", "no file and class"),
        (".\tn01\n", "no file beside it"),
        ("/etc/x.png\tn01\n", "no file beside it"),
    ] {
        fs::write(root.join("val/val_annotations.txt"), text).unwrap();
        assert_says(
            &refusal("tiny-imagenet", "path = 'root'", folder.path()),
            &["val_annotations.txt, line 1", problem],
        );
    }
    for class in ["../n01", "/n01", ".."] {
        fs::write(root.join("wnids.txt"), format!("n02\n{class}\n")).unwrap();
        let message = refusal("tiny-imagenet", "path = 'root'", folder.path());
        assert_says(&message, &["wnids.txt", &format!("`{class}` names no folder")]);
    }
}

/// Reading a FIFO waits for a writer, and reading a device never ends: a test that did would hang.
#[test]
#[cfg(unix)]
fn what_is_no_file_is_not_read() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("set");
    write(&root.join("a/1.png"), [2, 2], [0; 3]);
    write(&root.join("b/1.png"), [2, 2], [0; 3]);
    let message = || refusal("images", "path = 'set'", folder.path());
    let odd = root.join("b/2.png");
    std::os::unix::fs::symlink("/dev/zero", &odd).unwrap();
    assert_says(&message(), &["b/2.png", "is not a file, but a device"]);
    fs::remove_file(&odd).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&odd).status().unwrap().success());
    assert_says(&message(), &["b/2.png", "is not a file, but a FIFO"]);
    let tensors = refusal("tensors", "path = 'set/b/2.png'", folder.path());
    assert_says(&tensors, &["b/2.png", "is not a file, but a FIFO"]);
    fs::remove_file(&odd).unwrap();
    fs::create_dir(&odd).unwrap();
    assert_says(&message(), &["b/2.png", "is not a file, but a folder"]);
}
