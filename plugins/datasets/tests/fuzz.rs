//! Every reader on changed files: each gives data that agree with themselves, or one error with a
//! remedy. None panics, or takes more memory than follows from the size of its files.
//!
//! The changes follow from the reader and the case's number, so that a failure can be repeated.
//! Alone in its binary, because it measures the memory of the whole process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{borrow::Cow, path::Path};

use common::{
    formats::{compressed, mat_file, matrix, pickle},
    gzip, idx, tarred, zipped,
};
use eigenscape_core::{Error, Random, Result};
use eigenscape_datasets::{
    Tensors,
    format::Format,
    labelled::LabelledImages,
    source::{Contents, Source},
    tensors::Classes,
    tiny_imagenet::{ANNOTATIONS, CLASSES},
};
use eigenscape_formats::{
    archive::{self, Files, Wanted},
    mat,
};
use image::{ImageFormat, RgbImage};
use peak_alloc::PeakAlloc;
use rand::{Rng, RngExt};
use safetensors::{Dtype, tensor::TensorView};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For each reader.
const CASES: u64 = 5000;
/// Of each set.
const CLASSES_EACH: usize = 10;
/// Bytes for messages and tables beside what the files account for.
const CONSTANT: usize = 4 << 20;
/// Images are decoded by libraries that are given this much, whatever a header claims, and twice:
/// as stored, and converted.
const DECODING: usize = 2 * (256 << 20);
/// Memory by the size of files: numbers become 8 bytes, and buffers grow by doubling.
const PLAIN: usize = 32;
/// What is packed may unpack to 1032 times as much.
const PACKED: usize = 3 * 1032;

/// Numbers that lengths, counts and places are replaced by.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, u64::MAX >> 1, u64::MAX - 7, u64::MAX];

/// From files to the number of bytes that were read of them.
type Read = dyn Fn(&[Vec<u8>]) -> Result<usize>;

/// A reader with files that it reads.
struct Reader {
    name: &'static str,
    files: Vec<Vec<u8>>,
    /// Checks what was read against itself, too.
    read: Box<Read>,
    /// Memory by the size of the files, and beside it.
    memory: [usize; 2],
}

impl Reader {
    fn new(
        name: &'static str,
        files: &[Vec<u8>],
        memory: [usize; 2],
        read: impl Fn(&[Vec<u8>]) -> Result<usize> + 'static,
    ) -> Self {
        Self { name, files: files.to_vec(), read: Box::new(read), memory }
    }

    /// Of a format whose files are a split.
    fn of(name: &'static str, format: Format, shape: [usize; 3], factor: usize, files: &[Vec<u8>]) -> Self {
        Self::new(name, files, [factor, CONSTANT], move |files| {
            let contents =
                |bytes: &Vec<u8>| Contents { subject: "FILE".to_owned(), bytes: Cow::Owned(bytes.clone()) };
            let mut contents: Vec<Contents<'_>> = files.iter().map(contents).collect();
            let found = format.read(&mut contents, &Source::Folder("nowhere".into()), shape, CLASSES_EACH)?;
            Ok(checked(&found, CLASSES_EACH))
        })
    }

    /// Whether the changed files are refused.
    fn refuses(&self, number: u64) -> bool {
        let mut generator = Random::new(number).stream(self.name, 0);
        let mut files = self.files.clone();
        for _ in 0..generator.random_range(1..4) {
            let which = generator.random_range(0..files.len());
            change(&mut files[which], &mut generator);
        }
        let size: usize = files.iter().map(Vec::len).sum();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let found = (self.read)(&files);
        let taken = MEMORY.peak_usage().saturating_sub(before);
        let [factor, constant] = self.memory;
        let Self { name, .. } = self;
        assert!(taken <= constant + factor * size, "{name}, case {number}: {taken} bytes for {size}");
        match found {
            Ok(bytes) => {
                assert!(bytes <= factor * size, "{name}, case {number}: {bytes} bytes out of {size}");
                false
            }
            Err(error @ Error::Input { .. }) => {
                let message = error.to_string();
                assert!(message.contains("help: ") && message.len() < 4096 + 2 * size, "{name}: {message}");
                true
            }
            Err(error) => panic!("{name}, case {number}: not an input error: {error:?}"),
        }
    }
}

/// The number of bytes of images that agree with their labels.
fn checked(images: &LabelledImages, classes: usize) -> usize {
    let bytes = images.images().bytes().len();
    assert_eq!(images.len() * images.size().iter().product::<usize>(), bytes);
    assert!(images.labels().iter().all(|label| (*label as usize) < classes));
    bytes
}

/// One change of a file.
fn change(file: &mut Vec<u8>, generator: &mut impl Rng) {
    if file.is_empty() {
        file.push(generator.random());
    }
    let at = generator.random_range(0..file.len());
    let end = generator.random_range(at..=file.len().min(at + 64));
    match generator.random_range(0..9) {
        0 => file[at] ^= 1 << generator.random_range(0..8),
        1 => file[at] = generator.random(),
        2 => file.truncate(at),
        3 => drop(file.drain(at..end)),
        4 => {
            let twice = file[at..end].to_vec();
            file.splice(at..at, twice);
        }
        5 => file.insert(at, generator.random()),
        // The rest is chance.
        6 => file[at..].iter_mut().for_each(|byte| *byte = generator.random()),
        which => {
            let number = NUMBERS[generator.random_range(0..NUMBERS.len())];
            let width = [1, 2, 4, 8][generator.random_range(0..4)];
            let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
            let written = if which == 7 { &little[..width] } else { &big[8 - width..] };
            file.iter_mut().skip(at).zip(written).for_each(|(byte, new)| *byte = *new);
        }
    }
}

/// A file out of an archive that is damaged.
fn damaged(found: Result<Files, String>) -> Result<usize> {
    let found = found.map_err(|why| Error::input("FILE", why, "download it again"))?;
    Ok(found.values().map(Vec::len).sum())
}

const ALL: Wanted<'_> = Wanted { folder: "set", files: &[], folders: &[""] };

fn archives() -> Vec<Reader> {
    let files: [(&str, &[u8]); 3] = [("set/a", &[7; 700]), ("set/deep/b", b"two"), ("other/c", b"three")];
    let tar = {
        let mut tar = Vec::new();
        let packed = tarred(&files);
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut tar).unwrap();
        tar
    };
    let unzip = |files: &[Vec<u8>]| damaged(archive::zipped(&files[0], ALL));
    let memory = [PACKED, CONSTANT];
    vec![
        Reader::new("stored zip", &[zipped(&files, false)], memory, unzip),
        Reader::new("deflated zip", &[zipped(&files, true)], memory, unzip),
        Reader::new("tar.gz", &[gzip(&tar)], memory, |files| damaged(archive::tarred(&files[0][..], ALL))),
        Reader::new("tar in gz", &[tar], memory, |files| damaged(archive::tarred(&gzip(&files[0])[..], ALL))),
    ]
}

fn formats() -> Vec<Reader> {
    let images = idx(&[2, 2, 3], &[7; 12]);
    let square = idx(&[2, 3, 3], &[7; 18]);
    let labels = idx(&[2], &[1, 2]);
    let record: Vec<u8> = [&[1, 2][..], &[9; 3072]].concat();
    let mat = |pack: fn(&[u8]) -> Vec<u8>| {
        let x = matrix("X", 9, &[4, 4, 3, 2], 2, &[5; 96]);
        mat_file(&[pack(&x), pack(&matrix("y", 9, &[2, 1], 2, &[10, 1]))])
    };
    let (grey, colour, small) = ([1, 28, 28], [3, 32, 32], [3, 4, 4]);
    vec![
        Reader::of("idx", Format::Idx, grey, PLAIN, &[images.clone(), labels.clone()]),
        Reader::of("gzipped idx", Format::Idx, grey, PACKED, &[gzip(&images), gzip(&labels)]),
        Reader::of("emnist", Format::Emnist { first: 1 }, grey, PLAIN, &[square, labels]),
        Reader::of("cifar records", Format::CifarRecords(2), colour, PLAIN, &[record]),
        Reader::of(
            "cifar pickles",
            Format::CifarPickles("labels"),
            colour,
            PLAIN,
            &[pickle("labels", &[3, 4], &[7; 2 * 3072])],
        ),
        Reader::of("mat", Format::Svhn, small, PLAIN, &[mat(<[u8]>::to_vec)]),
        Reader::of("compressed mat", Format::Svhn, small, PACKED, &[mat(compressed)]),
        Reader::of("stl", Format::Stl, small, PLAIN, &[vec![8; 96], vec![1, 10]]),
    ]
}

/// A variable within a zlib stream: changes reach the matrix.
fn variable() -> Reader {
    let y = matrix("y", 9, &[3, 1], 2, &[1, 2, 3]);
    Reader::new("mat in zlib", &[y], [PACKED, CONSTANT], |files| {
        let [y] = mat::read("FILE", &mat_file(&[compressed(&files[0])]), ["y"])?;
        let count = y.shape.iter().product::<usize>();
        assert_eq!(y.numbers.len(), count);
        Ok(count)
    })
}

fn tiny_imagenet() -> Reader {
    let image = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(8, 8, image::Rgb([1, 200, 30])).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let names = [
        CLASSES,
        ANNOTATIONS,
        "train/n01/images/n01_0.JPEG",
        "train/n02/images/n02_0.png",
        "val/images/val_0.JPEG",
    ];
    let files = [
        b"n01\nn02\n".to_vec(),
        b"val_0.JPEG\tn02\t0\t0\t63\t63\n".to_vec(),
        image(ImageFormat::Jpeg),
        image(ImageFormat::Png),
        image(ImageFormat::Jpeg),
    ];
    Reader::new("tiny imagenet", &files, [PLAIN, DECODING], move |files| {
        let files: Files = names.iter().map(Into::into).zip(files.iter().cloned()).collect();
        let source = Source::Archive("FILE".into(), files);
        let split = |name: &str| -> Result<usize> {
            let file = source.read(Path::new(name))?;
            let found = Format::TinyImageNet.read(&mut [file], &source, [3, 8, 8], 0)?;
            Ok(checked(&found, usize::MAX))
        };
        Ok(split(CLASSES)? + split(ANNOTATIONS)?)
    })
}

fn tensors() -> Reader {
    let x: Vec<u8> = [0.5_f32, -1.0, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let y: Vec<u8> = [0_i64, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    let views = [
        ("x", TensorView::new(Dtype::F32, vec![2, 2], &x).unwrap()),
        ("y", TensorView::new(Dtype::I64, vec![2], &y).unwrap()),
    ];
    let file = safetensors::serialize(views, None).unwrap();
    Reader::new("tensors", &[file], [PLAIN, CONSTANT], |files| {
        use eigenscape_core::{Dataset, Split};
        let set = Tensors::parse(Path::new("FILE"), &files[0], Classes::default())?;
        let examples = set.examples(Split::Train)?;
        assert!(!examples.is_empty());
        Ok(examples.inputs.dims().iter().product())
    })
}

#[test]
fn no_change_makes_a_reader_panic_or_take_much_memory() {
    let others = [variable(), tiny_imagenet(), tensors()];
    for reader in archives().into_iter().chain(formats()).chain(others) {
        let whole = (reader.read)(&reader.files);
        assert!(whole.is_ok_and(|bytes| bytes > 0), "{}: its own files", reader.name);
        let refused = (0..CASES).filter(|number| reader.refuses(*number)).count() as u64;
        println!("{}: {refused} of {CASES} refused", reader.name);
        assert!((1..CASES).contains(&refused), "{}: changes do not reach what is read", reader.name);
    }
}
