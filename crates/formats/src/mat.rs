//! MATLAB's MAT-files of level 5: numeric arrays, plain or in zlib streams, which is what `save
//! -v6` and `save -v7` write.
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 116 + 8 | a text, and an offset that is of no use here |
//! | 2 + 2 | the version, `0x0100`, and `IM` where numbers are little-endian |
//! | then, for each variable | a tag (type, number of bytes; 4 bytes each) and the data; type 15 is a zlib stream of one such element |
//!
//! A matrix (type 14) is itself elements, each padded to 8 bytes: class and flags, dimensions,
//! name, numbers. An element of up to 4 bytes may have the number of bytes in the upper half of its
//! type, with its data in the tag's second half.
//!
//! Source: The MathWorks, *MAT-File Format*, chapter 1. Written anew because crates for it read
//! whole files into `f64`.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use crate::{Error, Result};

const HEADER: usize = 128;
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Of a matrix: complex numbers.
const COMPLEX: u32 = 0x0800;
/// Classes double to uint32: arrays of numbers.
const NUMERIC: std::ops::RangeInclusive<u32> = 6..=13;
/// Small elements (flags, dimensions, names) have no more bytes than this.
const LONGEST_SMALL: u64 = 1024;
const REMEDY: &str = "fetch the file again; it must be a MAT-file of version 5 with arrays of numbers";

/// An array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The lengths along each axis; the first axis is the fastest.
    pub shape: Vec<usize>,
    /// The numbers, as they are stored.
    pub numbers: Numbers,
}

/// Numbers of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Unsigned bytes.
    Bytes(Vec<u8>),
    /// Anything else.
    Other(Vec<f64>),
}

impl Numbers {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Other(numbers) => numbers.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whole numbers that are not negative; `None` where there are others.
    #[must_use]
    pub fn whole(&self) -> Option<Vec<u32>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.iter().map(|byte| u32::from(*byte)).collect()),
            Self::Other(numbers) => {
                let whole = |x: &f64| {
                    (x.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(x)).then_some(*x as u32)
                };
                numbers.iter().map(whole).collect()
            }
        }
    }
}

/// The variables of the given names, in the order asked for; others are passed over without being
/// kept. `subject` names the file in errors.
///
/// # Errors
/// When the contents are no such file, are damaged or cut short, or lack a variable.
pub fn read<const N: usize>(subject: &str, contents: &[u8], names: [&str; N]) -> Result<[Array; N]> {
    let refuse = |problem: String| Error::input(subject, problem, REMEDY);
    let mut rest = match contents.get(124..HEADER) {
        Some([0x00, 0x01, b'I', b'M']) => &contents[HEADER..],
        Some([0x01, 0x00, b'M', b'I']) => return Err(refuse("its numbers are big-endian".to_owned())),
        Some(_) if contents.starts_with(b"\x89HDF") || contents.starts_with(b"MATLAB 7.3") => {
            return Err(refuse("it is a MAT-file of version 7.3, which is HDF5".to_owned()));
        }
        _ => return Err(refuse("it is no MAT-file of version 5".to_owned())),
    };
    let mut found: [Option<Array>; N] = std::array::from_fn(|_| None);
    while !rest.is_empty() && found.iter().any(Option::is_none) {
        let variable = variable(&mut rest, &names).map_err(|problem| refuse(problem.into_owned()))?;
        if let Some((index, array)) = variable {
            found[index] = Some(array);
        }
    }
    if let Some(index) = found.iter().position(Option::is_none) {
        return Err(refuse(format!("it has no array `{}`", names[index])));
    }
    // Every entry is there: the default is never taken.
    Ok(found.map(|array| array.unwrap_or(Array { shape: Vec::new(), numbers: Numbers::Bytes(Vec::new()) })))
}

type Problem = std::borrow::Cow<'static, str>;

/// The next variable, where it is one of the names: which, and its array.
fn variable(rest: &mut &[u8], names: &[&str]) -> Result<Option<(usize, Array)>, Problem> {
    let (kind, size) = tag(rest)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= rest.len());
    let (data, after) = rest.split_at(size.ok_or("truncated: a variable reaches beyond the file's end")?);
    *rest = after;
    match kind {
        COMPRESSED => {
            let mut stream = ZlibDecoder::new(data);
            // What the stream says of itself bounds what is taken from it.
            let (kind, size) = tag(&mut stream)?;
            if kind == MATRIX { matrix(&mut stream.take(size.into()), names) } else { Ok(None) }
        }
        MATRIX => matrix(&mut &data[..], names),
        _ => Ok(None),
    }
}

fn matrix(data: &mut impl Read, names: &[&str]) -> Result<Option<(usize, Array)>, Problem> {
    let flags = integers(data)?.first().copied().unwrap_or_default();
    let dimensions = integers(data)?;
    let name = small(data)?.1;
    let Some(index) = names.iter().position(|wanted| wanted.as_bytes() == name) else { return Ok(None) };
    if !NUMERIC.contains(&(flags & 0xff)) || flags & COMPLEX != 0 {
        return Err(format!("`{}` is no array of real numbers", names[index]).into());
    }
    let shape: Vec<usize> = dimensions.iter().map(|d| *d as usize).collect();
    let count = shape.iter().try_fold(1_u64, |product, d| product.checked_mul(*d as u64));
    let (kind, size, mut data) = element(data)?;
    count
        .filter(|count| width(kind).and_then(|width| count.checked_mul(width)) == Some(u64::from(size)))
        .ok_or_else(|| {
            format!("`{}` has {size} bytes of numbers of type {kind} for the shape {shape:?}", names[index])
        })?;
    // Grows with what is there, not with what is promised.
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() != size as usize {
        return Err(format!(
            "truncated: `{}` promises {size} bytes, {} are there",
            names[index],
            bytes.len()
        )
        .into());
    }
    let numbers = numbers(kind, bytes);
    Ok(Some((index, Array { shape, numbers })))
}

/// Bytes of a number of a type; `None` for types that are not read.
fn width(kind: u32) -> Option<u64> {
    Some(match kind {
        INT8 | UINT8 => 1,
        INT16 | UINT16 => 2,
        INT32 | UINT32 => 4,
        DOUBLE => 8,
        _ => return None,
    })
}

fn numbers(kind: u32, bytes: Vec<u8>) -> Numbers {
    fn widen<T: Into<f64>, const WIDTH: usize>(bytes: &[u8], from: fn([u8; WIDTH]) -> T) -> Numbers {
        Numbers::Other(bytes.as_chunks::<WIDTH>().0.iter().map(|bytes| from(*bytes).into()).collect())
    }
    match kind {
        UINT8 => Numbers::Bytes(bytes),
        INT8 => widen(&bytes, i8::from_le_bytes),
        INT16 => widen(&bytes, i16::from_le_bytes),
        UINT16 => widen(&bytes, u16::from_le_bytes),
        INT32 => widen(&bytes, i32::from_le_bytes),
        UINT32 => widen(&bytes, u32::from_le_bytes),
        _ => widen(&bytes, f64::from_le_bytes),
    }
}

/// Type and number of bytes.
fn tag(data: &mut impl Read) -> Result<(u32, u32), Problem> {
    Ok((word(data)?, word(data)?))
}

fn word(data: &mut impl Read) -> Result<u32, Problem> {
    let mut word = [0; 4];
    data.read_exact(&mut word).map_err(|error| unreadable(&error))?;
    Ok(u32::from_le_bytes(word))
}

/// The next element of a matrix, ordinary or with its data in its tag: type, number of bytes, the
/// bytes.
fn element<R: Read>(data: &mut R) -> Result<(u32, u32, impl Read), Problem> {
    let head = word(data)?;
    let (kind, size) = if head >> 16 == 0 { (head, word(data)?) } else { (head & 0xffff, head >> 16) };
    if head >> 16 != 0 && size > 4 {
        return Err("a small element is too long for its place".into());
    }
    Ok((kind, size, data.take(size.into())))
}

/// The next element, which is small, and the padding behind it.
fn small(data: &mut impl Read) -> Result<(u32, Vec<u8>), Problem> {
    let head = word(data)?;
    let (kind, size, place) = match head >> 16 {
        0 => {
            let size = word(data)?;
            (head, size, u64::from(size).next_multiple_of(8))
        }
        size => (head & 0xffff, size, 4),
    };
    if place > LONGEST_SMALL || u64::from(size) > place {
        return Err("a name or a list of dimensions is too long".into());
    }
    let mut bytes = vec![0; place as usize];
    data.read_exact(&mut bytes).map_err(|error| unreadable(&error))?;
    bytes.truncate(size as usize);
    Ok((kind, bytes))
}

/// The next element, 32-bit integers.
fn integers(data: &mut impl Read) -> Result<Vec<u32>, Problem> {
    let (kind, bytes) = small(data)?;
    if !matches!(kind, INT32 | UINT32) {
        return Err("a matrix does not begin with its class and dimensions".into());
    }
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
}

fn unreadable(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "truncated: a variable ends too early".into(),
        _ => format!("damaged compressed data: {error}").into(),
    }
}
