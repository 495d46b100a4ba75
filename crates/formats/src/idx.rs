//! The IDX format of the MNIST family: a big-endian header, then unsigned bytes; plain or gzipped.
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 2 | zero |
//! | 1 | element type; `0x08` is the unsigned byte, the only one that image sets use |
//! | 1 | rank |
//! | 4 each | the dimensions |
//! | product of the dimensions | the elements, last dimension fastest |
//!
//! Source: the file-format section of Y. LeCun, C. Cortes and C. Burges, *The MNIST database of
//! handwritten digits*.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result, regular_file, zip::DEFLATE_MAX_RATIO};

const UNSIGNED_BYTE: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const REMEDY: &str = "fetch the file again; it must be an IDX file of unsigned bytes, plain or gzipped";

/// An array of unsigned bytes, row-major: its length is the product of its dimensions, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Idx {
    /// The array of a shape; `None` unless the product of the dimensions is the number of bytes.
    #[must_use]
    pub fn new(shape: Vec<usize>, bytes: Vec<u8>) -> Option<Self> {
        let size = shape.iter().try_fold(1_usize, |product, d| product.checked_mul(*d))?;
        (size == bytes.len()).then_some(Self { shape, bytes })
    }

    /// Reads a file that must hold an array of `rank` dimensions.
    ///
    /// # Errors
    /// When the file is absent, unreadable, damaged, truncated, longer than its header says, or of
    /// another type or rank.
    pub fn read(path: &Path, rank: usize) -> Result<Self> {
        let subject = path.display().to_string();
        let file = regular_file::open(path).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Error::input(&subject, "there is no such file", "check the path")
            }
            other => other,
        })?;
        let length = file.metadata().map_err(|error| Error::io(path, error))?.len();
        from_reader(&subject, BufReader::new(file), length, rank)
    }

    /// Decodes the contents of a file; `subject` names them in errors.
    ///
    /// ```
    /// use eigenscape_formats::idx::Idx;
    /// let labels = Idx::decode("labels", &[0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9], 1)?;
    /// assert_eq!((labels.shape(), labels.bytes()), (&[3][..], &[7, 8, 9][..]));
    /// # Ok::<(), eigenscape_formats::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn decode(subject: &str, contents: &[u8], rank: usize) -> Result<Self> {
        from_reader(subject, contents, contents.len() as u64, rank)
    }

    /// Writes the array in the IDX format.
    ///
    /// # Errors
    /// When the writer fails, or a dimension does not fit the format's 32 bits.
    pub fn encode(&self, mut writer: impl Write) -> io::Result<()> {
        let narrow = |value: usize| u32::try_from(value).map_err(io::Error::other);
        let rank = u8::try_from(self.shape.len()).map_err(io::Error::other)?;
        writer.write_all(&[0, 0, UNSIGNED_BYTE, rank])?;
        for dimension in &self.shape {
            writer.write_all(&narrow(*dimension)?.to_be_bytes())?;
        }
        writer.write_all(&self.bytes)
    }

    /// The dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, last dimension fastest.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements alone.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The number of items along the first dimension.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items along the first dimension at `indices`, in that order.
    ///
    /// # Panics
    /// When an index is out of range, as slices do.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let size: usize = self.shape.iter().skip(1).product();
        let bytes = indices.iter().flat_map(|i| &self.bytes[i * size..(i + 1) * size]).copied().collect();
        let shape = [indices.len()].into_iter().chain(self.shape.iter().skip(1).copied()).collect();
        Self { shape, bytes }
    }
}

/// `stored` is the number of bytes that `reader` can give, before any decompression.
fn from_reader(subject: &str, mut reader: impl BufRead, stored: u64, rank: usize) -> Result<Idx> {
    let head = reader.fill_buf().map_err(|error| Error::io(subject, error))?;
    if head.starts_with(&GZIP_MAGIC) {
        let most = stored.saturating_mul(DEFLATE_MAX_RATIO);
        parse(subject, MultiGzDecoder::new(reader), most, rank)
    } else {
        parse(subject, reader, stored, rank)
    }
}

/// `most` bounds what `reader` can give: memory is only ever taken for bytes that exist and that
/// the header asks for.
fn parse(subject: &str, mut reader: impl Read, most: u64, rank: usize) -> Result<Idx> {
    let shape = header(subject, &mut reader, rank)?;
    let product = shape.iter().try_fold(1_u64, |product, d| product.checked_mul(u64::from(*d)));
    let expected = product.filter(|size| *size <= most).ok_or_else(|| {
        damaged(
            subject,
            format!("truncated: the header promises {shape:?} bytes, more than the file can hold"),
        )
    })?;
    let mut bytes = Vec::new();
    // One byte more than expected, to notice what follows and to let gzip check its checksum at the
    // end.
    reader
        .take(expected.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(subject, error))?;
    let found = bytes.len() as u64;
    if found < expected {
        let problem = format!("truncated: the header promises {expected} bytes of data, {found} are there");
        return Err(damaged(subject, problem));
    }
    if found > expected {
        let problem = format!("the header promises {expected} bytes of data, but more follow");
        return Err(damaged(subject, problem));
    }
    let shape = shape.iter().map(|d| *d as usize).collect();
    Idx::new(shape, bytes).ok_or_else(|| damaged(subject, "the header contradicts the data".to_owned()))
}

fn header(subject: &str, reader: &mut impl Read, rank: usize) -> Result<Vec<u32>> {
    let mut magic = [0; 4];
    fill(subject, reader, &mut magic)?;
    let [0, 0, kind, found_rank] = magic else {
        return Err(damaged(
            subject,
            format!("not an IDX file: it starts with \"{}\"", magic.escape_ascii()),
        ));
    };
    if kind != UNSIGNED_BYTE {
        return Err(damaged(subject, format!("its elements are {}, not unsigned bytes", element_name(kind))));
    }
    if usize::from(found_rank) != rank {
        let problem = format!("it has {found_rank} dimensions where {rank} were expected");
        let remedy = "images have 3 dimensions (idx3) and labels 1 (idx1): were two files exchanged?";
        return Err(Error::input(subject, problem, remedy));
    }
    (0..rank)
        .map(|_| {
            let mut word = [0; 4];
            fill(subject, reader, &mut word)?;
            Ok(u32::from_be_bytes(word))
        })
        .collect()
}

fn fill(subject: &str, reader: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    reader.read_exact(buffer).map_err(|error| unreadable(subject, error))
}

/// Damage in the file is the file's fault; anything else is the operating system's.
fn unreadable(subject: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(subject, "truncated: the file ends too early".to_owned()),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            damaged(subject, format!("damaged gzip data: {error}"))
        }
        _ => Error::io(subject, error),
    }
}

fn damaged(subject: &str, problem: String) -> Error {
    Error::input(subject, problem, REMEDY)
}

fn element_name(kind: u8) -> String {
    match kind {
        0x09 => "signed bytes".to_owned(),
        0x0b => "16-bit integers".to_owned(),
        0x0c => "32-bit integers".to_owned(),
        0x0d => "32-bit floats".to_owned(),
        0x0e => "64-bit floats".to_owned(),
        other => format!("of the unknown type 0x{other:02x}"),
    }
}
