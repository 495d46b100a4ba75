//! Downloaded archives, read as they are: `.tar.gz` and `.zip`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{assert_says, gzip, idx, md5, tarred, zipped};
use eigenscape_core::Split;
use eigenscape_datasets::{
    archive::read,
    checksum::Checksum,
    location::Location,
    published::{Archive, PublishedSet, Release},
    sets::{EMNIST_DIGITS, TINY_IMAGENET},
};
use eigenscape_formats::archive::{Wanted, zipped as unzip};
use image::{ImageFormat, RgbImage};
use tempfile::tempdir;

const FILES: [(&str, &[u8]); 5] = [
    ("set/b", b"two"),
    ("set/deep/readme", b""),
    ("./set/a", b"one"),
    ("other/c", b"three"),
    ("set/../set/d", b"four"),
];

fn checksum(contents: &[u8]) -> Checksum {
    Checksum { bytes: contents.len() as u64, md5: md5(contents).leak() }
}

/// The files of these names in the folder `set` of an archive with right sums.
fn found(name: &str, contents: &[u8], names: &[&str]) -> Result<Vec<Vec<u8>>, String> {
    let folder = tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, contents).unwrap();
    let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    let wanted = Wanted { folder: "set", files: &files, folders: &[] };
    let found = read(&path, &checksum(contents), wanted).map_err(|error| error.to_string())?;
    assert_eq!(found.len(), names.len(), "nothing else is kept");
    Ok(files.iter().map(|file| found[file].clone()).collect())
}

#[test]
fn files_are_read_where_they_are() {
    for (name, contents) in [
        ("set.tar.gz", tarred(&FILES)),
        ("set.zip", zipped(&FILES, false)),
        ("set.zip", zipped(&FILES, true)),
    ] {
        assert_eq!(found(name, &contents, &["a", "b"]).unwrap(), [b"one", b"two"]);
        assert_says(&found(name, &contents, &["a", "c"]).unwrap_err(), &[name, "no file set/c"]);
        // A path with steps upwards is that of no file, even where it leads to one.
        assert_says(&found(name, &contents, &["d"]).unwrap_err(), &["no file set/d"]);
        assert_says(&found(name, &contents, &["../other/c"]).unwrap_err(), &["no file"]);
    }
}

#[test]
fn nothing_is_read_of_an_archive_that_is_not_the_published_one() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.zip");
    let whole = zipped(&FILES, true);
    let refused = |contents: &[u8]| {
        fs::write(&path, contents).unwrap();
        let wanted = Wanted { folder: "set", files: &[], folders: &[] };
        read(&path, &checksum(&whole), wanted).unwrap_err().to_string()
    };
    assert_says(&refused(&whole[1..]), &["set.zip", "bytes", "download it again"]);
    assert_says(&refused(&[&whole[1..], &[0]].concat()), &["set.zip", "damaged: its MD5"]);
}

/// Written by Python's `zipfile`, see `generate_archives.py` beside them.
#[test]
fn pythons_archives_are_read() {
    for contents in [
        &include_bytes!("archives/stored.zip")[..],
        include_bytes!("archives/deflated.zip"),
        include_bytes!("archives/streamed.zip"),
    ] {
        assert_eq!(found("x.zip", contents, &["a", "deep/b"]).unwrap(), [&b"one ".repeat(100)[..], b"two"]);
    }
    let bzip2 = include_bytes!("archives/bzip2.zip");
    assert_says(&found("x.zip", bzip2, &["a"]).unwrap_err(), &["x.zip", "set/a", "method 12", "deflate"]);
}

#[test]
fn a_zip_that_lies_is_refused() {
    let whole = zipped(&[("set/a", &[7; 5000])], true);
    let directory = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[directory + at..directory + at + bytes.len()].copy_from_slice(bytes);
        found("x.zip", &file, &["a"]).unwrap_err()
    };
    assert_says(&with(8, &[1]), &["x.zip", "set/a is encrypted", "download it again"]);
    assert_says(&with(10, &[99]), &["method 99"]);
    assert_says(&with(16, &[0; 4]), &["set/a does not have its checksum"]);
    assert_says(&with(20, &[7, 0]), &["x.zip", "set/a"]);
    assert_says(&with(20, &[3, 0]), &["more than it can hold"]);
    assert_says(&with(20, &[0xff; 2]), &["set/a is not where it should be"]);
    // A size that is wrong, and one that nothing so short can have.
    for size in [4999_u32, 5001] {
        assert_says(&with(24, &size.to_le_bytes()), &["set/a has not the"]);
    }
    assert_says(&with(24, &[0xff, 0xff, 0xff, 0x7f]), &["more than it can hold"]);
    assert_says(&with(42, &[9]), &["set/a is not where it should be"]);
    assert_says(&found("x.zip", &whole[..whole.len() / 2], &["a"]).unwrap_err(), &["cut short"]);
    // A bomb: what it holds is more than it says, and is read no further.
    let bomb = zipped(&[("set/a", &vec![0; 20_000_000])], true);
    let at = bomb.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap() + 24;
    let lie = [&bomb[..at], &10_u32.to_le_bytes(), &bomb[at + 4..]].concat();
    assert_says(&found("x.zip", &lie, &["a"]).unwrap_err(), &["has not the 10 bytes"]);
    let nothing = Wanted { folder: "set", files: &[], folders: &[] };
    assert!(unzip(&lie, nothing).unwrap().is_empty(), "what is not wanted is not unpacked");
}

/// A tar entry that claims to be holes throughout, as sparse files may.
#[test]
fn holes_in_a_tar_take_no_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_path("set/a").unwrap();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::GNUSparse);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 40);
    header.set_cksum();
    let file = gzip(&[header.as_bytes().as_slice(), &[0; 1024]].concat());
    found("x.tar.gz", &file, &["a"]).unwrap_err();
}

/// A set as it is published, but with an archive of ours.
fn with_archive(set: PublishedSet, contents: &[u8]) -> PublishedSet {
    let release = set.releases[0];
    let archive = release.archive.map(|archive| Archive { checksum: checksum(contents), ..archive });
    PublishedSet { releases: vec![Release { archive, ..release }].leak(), ..set }
}

fn chosen(set: &PublishedSet, path: &Path) -> Location {
    set.choose(&set.places_in(path)).unwrap()
}

#[test]
fn emnist_is_read_from_its_archive_in_torchvisions_layout() {
    let images = |count: u32| gzip(&idx(&[count, 28, 28], &vec![9; count as usize * 784]));
    let labels = |labels: &[u8]| gzip(&idx(&[labels.len() as u32], labels));
    let files = [
        ("emnist-digits-train-images-idx3-ubyte.gz", images(3)),
        ("emnist-digits-train-labels-idx1-ubyte.gz", labels(&[0, 9, 4])),
        ("emnist-digits-test-images-idx3-ubyte.gz", images(1)),
        ("emnist-digits-test-labels-idx1-ubyte.gz", labels(&[7])),
    ];
    let names: Vec<String> = files.iter().map(|(name, _)| format!("gzip/{name}")).collect();
    let mut entries: Vec<(&str, &[u8])> =
        names.iter().zip(&files).map(|(name, (_, contents))| (name.as_str(), &contents[..])).collect();
    entries.push(("gzip/emnist-letters-train-images-idx3-ubyte.gz", b"damaged, and not looked at"));
    let archive = zipped(&entries, true);
    let set = with_archive(EMNIST_DIGITS, &archive);

    let folder = tempdir().unwrap();
    let raw = folder.path().join("EMNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    fs::write(raw.join("gzip.zip"), &archive).unwrap();
    for path in [folder.path(), &raw, &raw.join("gzip.zip")] {
        let place = chosen(&set, path);
        assert_eq!(place.to_string(), format!("the archive {}", raw.join("gzip.zip").display()));
        let opened = place.open().unwrap();
        assert_eq!(set.read(&opened, Split::Train).unwrap().labels(), [0, 9, 4]);
        assert_eq!(set.read(&opened, Split::Test).unwrap().labels(), [7]);
    }
    // Unpacked in its place, and as torchvision leaves it: these come before the archive.
    for (place, unpack) in [("EMNIST/raw/gzip", false), ("EMNIST/raw", true)] {
        fs::create_dir_all(folder.path().join(place)).unwrap();
        for (name, contents) in &files {
            let path = folder.path().join(place).join(name);
            if unpack {
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&contents[..]), &mut plain)
                    .unwrap();
                fs::write(path.with_extension(""), plain).unwrap();
            } else {
                fs::write(path, contents).unwrap();
            }
        }
        let place = folder.path().join(place);
        let found = chosen(&set, folder.path());
        assert_eq!(found.to_string(), format!("the files in {}", place.display()));
        assert_eq!(set.read(&found.open().unwrap(), Split::Train).unwrap().labels(), [0, 9, 4]);
    }
}

#[test]
fn tiny_imagenet_is_read_from_its_archive() {
    let image = |colour: u8, format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(64, 64, image::Rgb([colour; 3])).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let (red, blue, grey) =
        (image(1, ImageFormat::Png), image(2, ImageFormat::Png), image(3, ImageFormat::Jpeg));
    let entries: [(&str, &[u8]); 9] = [
        ("tiny-imagenet-200/wnids.txt", b"n02\nn01\n"),
        ("tiny-imagenet-200/train/n01/n01_boxes.txt", b"n01_0.JPEG\t0\t0\t63\t63\n"),
        ("tiny-imagenet-200/train/n01/images/n01_1.JPEG", &blue),
        ("tiny-imagenet-200/train/n01/images/n01_0.JPEG", &red),
        ("tiny-imagenet-200/train/n02/images/n02_0.JPEG", &grey),
        ("tiny-imagenet-200/val/val_annotations.txt", b"val_0.JPEG\tn02\t0\t0\t63\t63\n"),
        ("tiny-imagenet-200/val/images/val_0.JPEG", &blue),
        ("tiny-imagenet-200/test/images/test_0.JPEG", b"not looked at"),
        ("tiny-imagenet-200/words.txt", b"not looked at"),
    ];
    let archive = zipped(&entries, true);
    let set = with_archive(TINY_IMAGENET, &archive);
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("tiny-imagenet-200.zip"), &archive).unwrap();
    let opened = chosen(&set, folder.path()).open().unwrap();
    assert_eq!(set.class_names(&opened).unwrap(), ["n01", "n02"]);
    let train = set.read(&opened, Split::Train).unwrap();
    assert_eq!((train.labels(), train.size()), (&[0, 0, 1][..], [3, 64, 64]));
    let firsts: Vec<u8> = train.images().bytes().chunks(3 * 64 * 64).map(|image| image[0]).collect();
    assert_eq!(firsts, [1, 2, 3]);
    assert_eq!(set.read(&opened, Split::Test).unwrap().labels(), [1]);

    let missing = zipped(&[entries[0], entries[5]], true);
    let set = with_archive(TINY_IMAGENET, &missing);
    fs::write(folder.path().join("tiny-imagenet-200.zip"), &missing).unwrap();
    let opened = chosen(&set, folder.path()).open().unwrap();
    let message = set.read(&opened, Split::Test).unwrap_err().to_string();
    assert_says(&message, &["val/images/val_0.JPEG in ", "tiny-imagenet-200.zip", "no such file"]);
    let message = set.read(&opened, Split::Train).unwrap_err().to_string();
    assert_says(&message, &["tiny-imagenet-200.zip", "holds no pixel"]);
}
