//! `fashion-mnist` from files: where they are searched for, how they are prepared, what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::fs;

use candle_core::IndexOp;
use common::{assert_says, build, gzip, idx, load, refusal, write_set};
use eigenscape_core::{Split, Targets, registry::PluginError};
use eigenscape_datasets::pixels::normalised;
use tempfile::{TempDir, tempdir};

/// A folder with `set/`: 4 training images of classes 0 1 0 9 and 2 test images of class 5.
fn small_set(gzipped: bool) -> TempDir {
    let folder = tempdir().unwrap();
    write_set(&folder.path().join("set"), &[0, 1, 0, 9], &[5, 5], gzipped);
    folder
}

#[test]
fn pixels_have_the_bits_that_torch_gives_them() {
    // torch.arange(256, dtype=torch.uint8).to(torch.float32).div(255).sub_(0.5).div_(0.5), viewed
    // as int32.
    for (byte, bits) in [
        (0, 0xbf80_0000),
        (1, 3_212_705_278),
        (77, 3_200_961_226),
        (127, 3_145_760_896),
        (128, 998_277_376),
        (200, 1_058_115_986),
        (255, 0x3f80_0000),
    ] {
        assert_eq!(normalised(byte).to_bits(), bits, "byte {byte}");
    }
}

#[test]
fn files_are_found_in_a_folder_and_in_torchvisions_layout() {
    for gzipped in [false, true] {
        let folder = small_set(gzipped);
        let set = load("fashion-mnist", "path = 'set'", folder.path());
        let train = set.examples(Split::Train).unwrap();
        assert_eq!(train.inputs.dims(), [4, 1, 32, 32]);
        let Targets::Classes { labels, classes: 10 } = &train.targets else { panic!("ten classes expected") };
        assert_eq!(labels.to_vec1::<u32>().unwrap(), [0, 1, 0, 9]);
        assert_eq!(set.examples(Split::Test).unwrap().len(), 2);
        assert!(set.description().contains("set"), "{}", set.description());
    }
    let folder = tempdir().unwrap();
    write_set(&folder.path().join("root/FashionMNIST/raw"), &[3], &[4], false);
    assert_eq!(
        load("fashion-mnist", "path = 'root'", folder.path()).examples(Split::Train).unwrap().len(),
        1
    );
}

#[test]
fn images_are_normalised_then_framed_in_black() {
    let folder = small_set(true);
    let set = load("fashion-mnist", "path = 'set'\npad = 3", folder.path());
    let inputs = set.examples(Split::Train).unwrap().inputs.all().unwrap();
    assert_eq!(inputs.dims(), [4, 1, 34, 34]);
    for n in 0..4 {
        let image: Vec<Vec<f32>> = inputs.i((n, 0)).unwrap().to_vec2().unwrap();
        for (row, values) in image.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                let inside = (3..31).contains(&row) && (3..31).contains(&column);
                let byte = u8::try_from(n).unwrap();
                assert_eq!(
                    *value,
                    if inside { normalised(byte) } else { -1.0 },
                    "image {n} at {row}, {column}"
                );
            }
        }
    }
    let unpadded = load("fashion-mnist", "path = 'set'\npad = 0", folder.path());
    assert_eq!(unpadded.examples(Split::Test).unwrap().inputs.dims(), [2, 1, 28, 28]);
}

#[test]
fn images_are_prepared_when_they_are_asked_for() {
    let inputs = load("fashion-mnist", "train_per_class = 3", std::path::Path::new(""));
    let inputs = inputs.examples(Split::Train).unwrap().inputs;
    let all: Vec<Vec<f32>> = inputs.all().unwrap().flatten_from(1).unwrap().to_vec2().unwrap();
    let some = |found: candle_core::Tensor| found.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(some(inputs.range(5, 7).unwrap()), all[5..12]);
    let chosen = some(inputs.select(&[29, 0, 29]).unwrap());
    assert_eq!(chosen, [29, 0, 29].map(|index: usize| all[index].clone()));
    assert_eq!(inputs.select(&[]).unwrap().dims(), [0, 1, 32, 32]);
    assert!(inputs.select(&[30]).is_err() && inputs.range(29, 2).is_err());
}

#[test]
fn pixels_keep_their_places() {
    let folder = small_set(false);
    let pixels: Vec<u8> = (0..4 * 784).map(|i| u8::try_from(i % 251).unwrap()).collect();
    fs::write(folder.path().join("set/train-images-idx3-ubyte"), idx(&[4, 28, 28], &pixels)).unwrap();
    let set = load("fashion-mnist", "path = 'set'\npad = 1", folder.path());
    let inputs = set.examples(Split::Train).unwrap().inputs.all().unwrap();
    for (n, row, column) in [(0, 0, 0), (0, 0, 27), (1, 5, 9), (3, 27, 27)] {
        let value = inputs.i((n, 0, row + 1, column + 1)).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(value, normalised(pixels[n * 784 + row * 28 + column]));
    }
}

#[test]
fn fewer_training_images_a_class_on_request() {
    let set = load("fashion-mnist", "train_per_class = 7", std::path::Path::new(""));
    assert_eq!(set.examples(Split::Train).unwrap().len(), 70);
    assert_eq!(set.examples(Split::Test).unwrap().len(), 1000);
    let message = refusal("fashion-mnist", "train_per_class = 601", std::path::Path::new(""));
    assert_says(&message, &["data.train_per_class", "only 600", "at most 600"]);
}

#[test]
fn a_missing_file_is_never_replaced_by_something_else() {
    let folder = small_set(true);
    fs::remove_file(folder.path().join("set/t10k-labels-idx1-ubyte.gz")).unwrap();
    let message = refusal("fashion-mnist", "path = 'set'", folder.path());
    assert_says(&message, &["set lacks t10k-labels-idx1-ubyte", "dataset-fashion-mnist", "zalandoresearch"]);
    let message = refusal("fashion-mnist", "path = 'nowhere'", folder.path());
    assert_says(&message, &["nowhere", "none of the set's four files", "data.path"]);
}

#[test]
fn damaged_files_are_refused_by_name() {
    let spoil = |name: &str, contents: &[u8]| {
        let folder = small_set(true);
        fs::write(folder.path().join("set").join(name), contents).unwrap();
        refusal("fashion-mnist", "path = 'set'", folder.path())
    };
    let whole = gzip(&idx(&[4, 28, 28], &[0; 4 * 784]));
    let message = spoil("train-images-idx3-ubyte.gz", &whole[..whole.len() / 2]);
    assert_says(&message, &["train-images-idx3-ubyte.gz", "truncated"]);
    let message = spoil("t10k-images-idx3-ubyte.gz", &gzip(&idx(&[2, 27, 28], &[0; 2 * 27 * 28])));
    assert_says(&message, &["t10k-images-idx3-ubyte.gz", "27x28, not 28x28"]);
    let message = spoil("train-labels-idx1-ubyte.gz", &idx(&[3], &[0, 1, 2]));
    assert_says(&message, &["train-labels-idx1-ubyte.gz", "3 labels for the 4 images"]);
    let message = spoil("t10k-labels-idx1-ubyte.gz", &idx(&[2], &[1, 10]));
    assert_says(&message, &["t10k-labels-idx1-ubyte.gz", "label 1 is 10"]);
    let message = spoil("t10k-labels-idx1-ubyte.gz", &whole);
    assert_says(&message, &["t10k-labels-idx1-ubyte.gz", "exchanged"]);
}

#[test]
fn contradicting_and_wrong_parameters_are_refused() {
    let folder = small_set(true);
    let message = refusal("fashion-mnist", "path = 'set'\nsource = 'embedded'", folder.path());
    assert_says(&message, &["data.path", "remove one"]);
    assert_eq!(
        load("fashion-mnist", "path = 'set'\nsource = 'full'", folder.path())
            .examples(Split::Train)
            .unwrap()
            .len(),
        4
    );
    for (parameters, wrong) in [
        ("pad = 99", "pad"),
        ("pad = -1", "pad"),
        ("source = 'half'", "source"),
        ("train_per_class = 0", "train_per_class"),
        ("pda = 2", "pda"),
    ] {
        match build("fashion-mnist", parameters, folder.path()).err() {
            Some(PluginError::Parameter { key, .. }) => assert_eq!(key, wrong),
            other => panic!("{parameters}: {other:?}"),
        }
    }
}
