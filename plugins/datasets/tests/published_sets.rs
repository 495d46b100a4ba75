//! Published sets from small files in their exact formats, laid out as torchvision does it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{fs, path::Path};

use candle_core::IndexOp;
use common::{
    assert_says,
    formats::{compressed, mat_file, matrix, pickle},
    gzip, idx, load, refusal,
};
use eigenscape_core::{Dataset, Split, Targets, registry::Environment};
use eigenscape_datasets::locate;
use tempfile::tempdir;

/// A pixel that tells its image, channel, row and column.
fn pixel(n: usize, channel: usize, row: usize, column: usize) -> u8 {
    ((n * 89 + channel * 53 + row * 7 + column * 3) % 256) as u8
}

/// Images \[N, C, S, S\] of [`pixel`]s; `by_columns` exchanges the last two axes.
fn images(count: usize, channels: usize, size: usize, by_columns: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..count {
        for channel in 0..channels {
            for slow in 0..size {
                for fast in 0..size {
                    let (row, column) = if by_columns { (fast, slow) } else { (slow, fast) };
                    bytes.push(pixel(n, channel, row, column));
                }
            }
        }
    }
    bytes
}

fn write(path: &Path, contents: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

/// Asserts labels and every pixel of a split, read with mean 0, deviation 1 and no padding.
#[track_caller]
fn assert_split(set: &dyn Dataset, split: Split, labels: &[u32], [channels, size]: [usize; 2]) {
    let examples = set.examples(split).unwrap();
    let inputs = examples.inputs.all().unwrap();
    assert_eq!(inputs.dims(), [labels.len(), channels, size, size]);
    let Targets::Classes { labels: found, .. } = &examples.targets else { panic!("classes expected") };
    assert_eq!(found.to_vec1::<u32>().unwrap(), labels);
    for n in 0..labels.len() {
        for channel in 0..channels {
            let plane: Vec<Vec<f32>> = inputs.i((n, channel)).unwrap().to_vec2().unwrap();
            for (row, values) in plane.iter().enumerate() {
                for (column, value) in values.iter().enumerate() {
                    let expected = f32::from(pixel(n, channel, row, column)) / 255.0;
                    assert_eq!(*value, expected, "image {n}, channel {channel}, {row}, {column}");
                }
            }
        }
    }
}

const PLAIN: &str = "path = 'root'\nmean = [0.0]\nstd = [1.0]\npad = 0";

#[test]
fn mnist_and_emnist_lie_below_torchvisions_root() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("root");
    common::write_set(&root.join("MNIST/raw"), &[7, 0], &[3], false);
    let mnist = load("mnist", "path = 'root'", folder.path());
    let train = mnist.examples(Split::Train).unwrap();
    assert_eq!(train.inputs.dims(), [2, 1, 32, 32]);
    // The padding is black before normalisation: (0 - 0.1307) / 0.3081.
    assert_eq!(
        train.inputs.all().unwrap().i((0, 0, 0, 0)).unwrap().to_scalar::<f32>().unwrap(),
        -0.1307_f32 / 0.3081
    );
    assert_eq!(mnist.background().unwrap(), [-0.1307_f32 / 0.3081]);

    for (split, labels, stored) in [("letters", [0, 25], [1, 26]), ("byclass", [61, 0], [61, 0])] {
        for (part, count) in [("train", 2_usize), ("test", 1)] {
            let stem = root.join(format!("EMNIST/raw/emnist-{split}-{part}"));
            let file = |kind: &str| stem.with_file_name(format!("emnist-{split}-{part}-{kind}-ubyte.gz"));
            let shape = [count as u32, 28, 28];
            write(&file("images-idx3"), &gzip(&idx(&shape, &images(count, 1, 28, true))));
            write(&file("labels-idx1"), &gzip(&idx(&shape[..1], &stored[..count])));
        }
        let set = load("emnist", &format!("split = '{split}'\n{PLAIN}"), folder.path());
        assert_split(&*set, Split::Train, &labels, [1, 28]);
        assert_split(&*set, Split::Test, &labels[..1], [1, 28]);
    }
    let message = refusal("emnist", PLAIN, folder.path());
    assert_says(&message, &["EMNIST", "emnist-balanced-train-images-idx3-ubyte", "nist.gov", "EMNIST/raw"]);
    write(&root.join("EMNIST/raw/gzip.zip"), b"PK");
    let problem = ["EMNIST/raw/gzip.zip", "2 bytes", "561753746", "download it again"];
    assert_says(&refusal("emnist", PLAIN, folder.path()), &problem);
}

/// CIFAR-10's six files as records, from the labels of each.
fn write_records(folder: &Path, prefix: &[u8], files: &[(&str, &[u8])]) {
    for (name, labels) in files {
        let pixels = images(labels.len(), 3, 32, false);
        let record =
            |(n, label): (usize, &u8)| [prefix, &[*label], &pixels[n * 3072..(n + 1) * 3072]].concat();
        write(&folder.join(name), &labels.iter().enumerate().flat_map(record).collect::<Vec<u8>>());
    }
}

#[test]
fn cifar_records_are_read() {
    let folder = tempdir().unwrap();
    let ten = folder.path().join("root/cifar-10-batches-bin");
    let batch = |n: u8| -> (String, Vec<u8>) { (format!("data_batch_{n}.bin"), vec![n]) };
    let batches: Vec<_> = (1..=5).map(batch).collect();
    let mut files: Vec<(&str, &[u8])> =
        batches.iter().map(|(name, labels)| (name.as_str(), &labels[..])).collect();
    files.push(("test_batch.bin", &[9, 0]));
    write_records(&ten, &[], &files);
    let set = load("cifar-10", PLAIN, folder.path());
    assert_split(&*set, Split::Test, &[9, 0], [3, 32]);
    let train = set.examples(Split::Train).unwrap();
    let Targets::Classes { labels, classes: 10 } = &train.targets else { panic!("ten classes expected") };
    assert_eq!(labels.to_vec1::<u32>().unwrap(), [1, 2, 3, 4, 5]);

    // The coarse class comes first.
    write_records(
        &folder.path().join("root/cifar-100-binary"),
        &[19],
        &[("train.bin", &[99, 7]), ("test.bin", &[0])],
    );
    let set = load("cifar-100", PLAIN, folder.path());
    assert_split(&*set, Split::Train, &[99, 7], [3, 32]);
    assert_eq!(set.class_names()[99], "worm");

    let defaults = load("cifar-10", "path = 'root/cifar-10-batches-bin'", folder.path());
    let black = defaults.background().unwrap();
    assert_eq!(black[0], -(125.3_f32 / 255.0) / (63.0 / 255.0));
    let message = refusal("cifar-10", "path = 'root'\nstd = [0.1, 0.2]", folder.path());
    assert_says(&message, &["data.std", "2 numbers are given for 3 channels"]);

    fs::write(ten.join("test_batch.bin"), [0; 3000]).unwrap();
    assert_says(
        &refusal("cifar-10", PLAIN, folder.path()),
        &["test_batch.bin", "no whole number of records"],
    );
    write_records(&ten, &[], &[("test_batch.bin", &[10])]);
    assert_says(&refusal("cifar-10", PLAIN, folder.path()), &["test_batch.bin", "label 0 is 10"]);
    fs::remove_file(ten.join("data_batch_3.bin")).unwrap();
    assert_says(&refusal("cifar-10", PLAIN, folder.path()), &["lacks data_batch_3.bin", "kriz/cifar.html"]);
}

#[test]
fn cifar_pickles_are_read_and_nothing_in_them_is_run() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("root");
    let file = |key: &str, labels: &[u8]| pickle(key, labels, &images(labels.len(), 3, 32, false));
    for n in 1..=5 {
        write(&root.join(format!("cifar-10-batches-py/data_batch_{n}")), &file("labels", &[n]));
    }
    write(&root.join("cifar-10-batches-py/test_batch"), &file("labels", &[4, 9]));
    let set = load("cifar-10", PLAIN, folder.path());
    assert_split(&*set, Split::Test, &[4, 9], [3, 32]);
    assert_eq!(set.examples(Split::Train).unwrap().len(), 5);

    write(&root.join("cifar-100-python/train"), &file("fine_labels", &[99, 0]));
    write(&root.join("cifar-100-python/test"), &file("fine_labels", &[1]));
    assert_split(&*load("cifar-100", PLAIN, folder.path()), Split::Train, &[99, 0], [3, 32]);

    let refused = |contents: &[u8]| {
        write(&root.join("cifar-10-batches-py/test_batch"), contents);
        refusal("cifar-10", PLAIN, folder.path())
    };
    assert_says(&refused(b"\x80\x02cos\nsystem\nU\x02ls\x85R."), &["test_batch", "no dictionary"]);
    assert_says(&refused(&file("fine_labels", &[1])), &["no dictionary with the key `labels`"]);
    assert_says(&refused(&pickle("labels", &[1, 2], &[0; 3072])), &["test_batch", "not [N, 3072]"]);
    assert_says(&refused(&file("labels", &[1])[..3000]), &["test_batch", "ends too early"]);
    // A file of the published size is compared with the published sum.
    assert_says(
        &refused(&vec![0; 31_035_526]),
        &["test_batch", "damaged: its MD5", "40351d587109b95175f43aff81a1287e"],
    );
}

/// As SVHN is published: 10 stands for 0.
fn svhn(labels: &[u8], pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let count = labels.len() as u32;
    let x = matrix("X", 9, &[32, 32, 3, count], 2, &images(labels.len(), 3, 32, true));
    mat_file(&[pack(&x), pack(&matrix("y", 9, &[count, 1], 2, labels))])
}

#[test]
fn svhn_is_read_from_mat_files() {
    for pack in [compressed, <[u8]>::to_vec] {
        let folder = tempdir().unwrap();
        let root = folder.path().join("root");
        write(&root.join("train_32x32.mat"), &svhn(&[10, 1, 9], pack));
        write(&root.join("test_32x32.mat"), &svhn(&[2], pack));
        let set = load("svhn", PLAIN, folder.path());
        assert_split(&*set, Split::Train, &[0, 1, 9], [3, 32]);
        assert_split(&*set, Split::Test, &[2], [3, 32]);
        let whole = svhn(&[2], pack);
        for length in [0, 100, 128, 130, 140, whole.len() / 2, whole.len() - 1] {
            write(&root.join("test_32x32.mat"), &whole[..length]);
            assert_says(&refusal("svhn", PLAIN, folder.path()), &["test_32x32.mat"]);
        }
        write(&root.join("test_32x32.mat"), &svhn(&[0], pack));
        assert_says(&refusal("svhn", PLAIN, folder.path()), &["numbered from 1"]);
        fs::remove_file(root.join("test_32x32.mat")).unwrap();
        let message = refusal("svhn", PLAIN, folder.path());
        assert_says(&message, &["lacks test_32x32.mat", "http://ufldl.stanford.edu/housenumbers"]);
    }
}

#[test]
fn stl_10_is_read_by_columns_from_one_on() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("root/stl10_binary");
    for (split, labels) in [("train", &[1_u8, 10][..]), ("test", &[5])] {
        write(&root.join(format!("{split}_X.bin")), &images(labels.len(), 3, 96, true));
        write(&root.join(format!("{split}_y.bin")), labels);
    }
    let set = load("stl-10", PLAIN, folder.path());
    assert_split(&*set, Split::Train, &[0, 9], [3, 96]);
    assert_split(&*set, Split::Test, &[4], [3, 96]);
    write(&root.join("test_y.bin"), &[1, 2]);
    assert_says(&refusal("stl-10", PLAIN, folder.path()), &["test_y.bin", "2 labels for the 1 images"]);
    write(&root.join("test_y.bin"), &[0]);
    assert_says(&refusal("stl-10", PLAIN, folder.path()), &["test_y.bin", "numbered from 1"]);
    write(&root.join("test_X.bin"), &[0; 100]);
    assert_says(&refusal("stl-10", PLAIN, folder.path()), &["test_X.bin", "no whole number of images"]);
}

#[test]
fn an_archive_that_is_not_the_published_one_is_not_read() {
    let folder = tempdir().unwrap();
    write(&folder.path().join("root/cifar-10-python.tar.gz"), b"half a download");
    for parameters in ["path = 'root'", "path = 'root/cifar-10-python.tar.gz'"] {
        let message = refusal("cifar-10", parameters, folder.path());
        assert_says(&message, &["cifar-10-python.tar.gz", "15 bytes", "170498071", "download it again"]);
    }
}

#[test]
fn every_set_says_where_it_is_looked_for() {
    for name in ["mnist", "emnist-letters", "cifar-10", "cifar-100", "svhn", "stl-10", "tiny-imagenet"] {
        let text = locate(name, &Environment::default()).unwrap().to_string();
        assert!(text.contains("http") && text.contains("data.path"), "{text}");
    }
}
