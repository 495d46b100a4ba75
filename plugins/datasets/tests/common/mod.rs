//! Small data sets in the published formats, written by the tests.

#![allow(dead_code, missing_docs, unused_imports, reason = "each test target uses its part of it")]

#[path = "../../../../crates/formats/tests/common/mod.rs"]
pub mod formats;

use std::{fs, io::Write, path::Path};

use eigenscape_core::{
    Dataset, Error, Registry,
    registry::{Built, Environment, PluginError},
};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder},
};
pub use formats::{assert_says, gzip, idx};

/// A gzipped tar archive.
pub fn tarred(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        // Sets the field itself, so that a path may contain `..`, which the reader must refuse.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A zip archive, with its files deflated or stored.
pub fn zipped(files: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in files {
        let packed = if deflated { deflate(contents) } else { contents.to_vec() };
        let mut checksum = flate2::Crc::new();
        checksum.update(contents);
        let numbers = [checksum.sum(), packed.len() as u32, contents.len() as u32].map(u32::to_le_bytes);
        let method = if deflated { 8 } else { 0 };
        // Version, flags, method, time and date, numbers, lengths of the name and of an extra
        // field.
        let header = [
            &[20, 0, 0, 0, method, 0, 0, 0, 0, 0][..],
            &numbers.concat(),
            &(name.len() as u32).to_le_bytes(),
        ]
        .concat();
        let offset = (archive.len() as u32).to_le_bytes();
        directory.extend([&b"PK\x01\x02\x14\0"[..], &header, &[0; 10], &offset, name.as_bytes()].concat());
        archive.extend([&b"PK\x03\x04"[..], &header, name.as_bytes(), &packed].concat());
    }
    let (count, start) = ((files.len() as u16).to_le_bytes(), archive.len() as u32);
    archive.extend(&directory);
    archive.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count].concat());
    archive.extend([&(directory.len() as u32).to_le_bytes()[..], &start.to_le_bytes(), &[0; 2]].concat());
    archive
}

fn deflate(contents: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).unwrap();
    encoder.finish().unwrap()
}

/// The MD5 in hexadecimal digits.
pub fn md5(contents: &[u8]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the four files of a set with images of 28x28: `train` and `test` are the labels, and
/// every pixel of image n is n.
pub fn write_set(folder: &Path, train: &[u8], test: &[u8], gzipped: bool) {
    fs::create_dir_all(folder).unwrap();
    for (stem, labels) in [("train", train), ("t10k", test)] {
        let count = u32::try_from(labels.len()).unwrap();
        let pixels: Vec<u8> = (0..labels.len()).flat_map(|n| vec![u8::try_from(n).unwrap(); 784]).collect();
        let files = [
            (format!("{stem}-images-idx3-ubyte"), idx(&[count, 28, 28], &pixels)),
            (format!("{stem}-labels-idx1-ubyte"), idx(&[count], labels)),
        ];
        for (name, contents) in files {
            if gzipped {
                fs::write(folder.join(format!("{name}.gz")), gzip(&contents)).unwrap();
            } else {
                fs::write(folder.join(name), contents).unwrap();
            }
        }
    }
}

/// Builds a data set as an experiment does: from its name and a table of parameters.
pub fn build(name: &str, parameters: &str, base: &Path) -> Result<Built<dyn Dataset>, PluginError> {
    let mut registry = Registry::default();
    eigenscape_datasets::register(&mut registry);
    let environment =
        Environment { base: base.to_owned(), ignored_label: Some(-100), ..Environment::default() };
    registry.datasets.build(name, parameters.parse().unwrap(), &environment)
}

pub fn load(name: &str, parameters: &str, base: &Path) -> Box<dyn Dataset> {
    match build(name, parameters, base) {
        Ok(built) => built.plugin,
        Err(error) => panic!("{error:?}"),
    }
}

/// The message of the error with which a data set refuses its parameters.
pub fn refusal(name: &str, parameters: &str, base: &Path) -> String {
    match build(name, parameters, base) {
        Ok(_) => panic!("{name} accepted {parameters}"),
        Err(PluginError::Build(error @ Error::Input { .. })) => error.to_string(),
        Err(error) => panic!("not an input error: {error:?}"),
    }
}
