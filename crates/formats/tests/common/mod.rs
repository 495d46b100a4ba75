//! Files of single formats, written by the tests themselves.

#![allow(dead_code, missing_docs, reason = "each test target uses its part of it")]

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

/// A well-formed IDX file of unsigned bytes.
pub fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, u8::try_from(shape.len()).unwrap()];
    file.extend(shape.iter().flat_map(|d| d.to_be_bytes()));
    file.extend(data);
    file
}

pub fn gzip(contents: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents).unwrap();
    encoder.finish().unwrap()
}

/// What `cPickle.dump({"data": ..., "filenames": ..., labels: ...}, protocol=2)` writes in Python 2.
pub fn pickle(key: &str, labels: &[u8], pixels: &[u8]) -> Vec<u8> {
    let rows = u16::try_from(labels.len()).unwrap().to_le_bytes();
    let mut file = b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05".to_vec();
    file.extend(
        [&b"(K\x01M"[..], &rows, b"M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07"].concat(),
    );
    file.extend(b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    file.extend((pixels.len() as u32).to_le_bytes());
    file.extend(
        [
            pixels,
            b"tbU\x09filenamesq\x08]q\x09(U\x05a.pngq\x0aU\x05b.pngq\x0be",
            &[b'U', key.len() as u8],
            key.as_bytes(),
        ]
        .concat(),
    );
    file.extend(b"q\x0c]q\x0d(");
    file.extend(labels.iter().flat_map(|label| [b'K', *label]));
    file.extend(b"eu.");
    file
}

/// An element of a MAT-file, padded to 8 bytes.
pub fn element(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [&kind.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), data].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// A matrix element; `class` 9 is uint8 and 6 double, `kind` how its numbers are stored.
pub fn matrix(name: &str, class: u8, shape: &[u32], kind: u32, numbers: &[u8]) -> Vec<u8> {
    let dimensions: Vec<u8> = shape.iter().flat_map(|d| d.to_le_bytes()).collect();
    // A name of up to four characters is written into its tag.
    let mut short = [&[1, 0][..], &(name.len() as u16).to_le_bytes(), name.as_bytes()].concat();
    short.resize(8, 0);
    let parts =
        [element(6, &[class, 0, 0, 0, 0, 0, 0, 0]), element(5, &dimensions), short, element(kind, numbers)];
    element(14, &parts.concat())
}

pub fn compressed(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    let data = encoder.finish().unwrap();
    [&15_u32.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &data].concat()
}

pub fn mat_file(variables: &[Vec<u8>]) -> Vec<u8> {
    let mut header = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".to_vec();
    header.resize(124, b' ');
    header.extend([0x00, 0x01, b'I', b'M']);
    [header, variables.concat()].concat()
}

/// Asserts that a message has every part, and a remedy.
#[track_caller]
pub fn assert_says(message: &str, parts: &[&str]) {
    for part in parts.iter().chain(&["help: "]) {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}
