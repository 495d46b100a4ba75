//! Writes NumPy's archives (`.npz`): a zip archive of stored `.npy` files, which `numpy.load` reads.
//!
//! ```
//! use eigenscape_formats::{npz::Npz, zip::Archive};
//! let mut file = Npz::new(Vec::new());
//! file.add("hessian/full/eigenvalues", &[3.0, 1.0])?;
//! let bytes = file.finish()?;
//! let entry = Archive::parse(&bytes).unwrap();
//! assert!(entry.get("hessian/full/eigenvalues.npy").is_some());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The formats are NumPy's `npy` 1.0 and PKWARE's `APPNOTE`. The same arrays give the same bytes:
//! entries have the earliest date that zip archives know.

use std::io::{self, Error, Write};

/// Where the header of an array ends: at a multiple of this.
const ALIGNMENT: usize = 64;
/// The version of zip that is needed to extract a stored entry.
const VERSION: u16 = 20;
/// Names are in UTF-8.
const UTF8: u16 = 1 << 11;
/// 1 January 1980.
const DATE: u16 = 1 << 5 | 1;

/// A type of NumPy's arrays.
pub trait Element: Copy {
    /// Its name in `npy` headers.
    const DESCRIPTION: &'static str;

    /// Appends the number, the least significant byte first.
    fn append(self, bytes: &mut Vec<u8>);
}

impl Element for f64 {
    const DESCRIPTION: &'static str = "<f8";

    fn append(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

impl Element for u32 {
    const DESCRIPTION: &'static str = "<u4";

    fn append(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

/// An archive that is being written.
pub struct Npz<W> {
    out: W,
    /// Bytes written so far.
    written: u32,
    entries: Vec<Entry>,
}

/// What the directory says of an array.
struct Entry {
    name: String,
    sum: u32,
    size: u32,
    start: u32,
}

impl<W: Write> Npz<W> {
    /// An archive without arrays.
    pub fn new(out: W) -> Self {
        Self { out, written: 0, entries: Vec::new() }
    }

    /// Adds a one-dimensional array under a name that no other array has.
    ///
    /// # Errors
    /// When the file cannot be written, or exceeds 4 GiB, where zip archives of this form end.
    pub fn add<T: Element>(&mut self, name: &str, array: &[T]) -> io::Result<()> {
        let contents = npy(array);
        let entry = Entry {
            name: format!("{name}.npy"),
            sum: crc32fast::hash(&contents),
            size: fits(contents.len())?,
            start: self.written,
        };
        self.write(b"PK\x03\x04")?;
        self.write(&entry.common()?)?;
        self.write(&0_u16.to_le_bytes())?;
        self.write(entry.name.as_bytes())?;
        self.write(&contents)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the directory, and returns what was written to.
    ///
    /// # Errors
    /// When the file cannot be written, or has more arrays than zip archives of this form.
    pub fn finish(mut self) -> io::Result<W> {
        let start = self.written;
        let count = u16::try_from(self.entries.len()).map_err(|_| too_large())?;
        for entry in std::mem::take(&mut self.entries) {
            self.write(b"PK\x01\x02")?;
            self.write(&VERSION.to_le_bytes())?;
            self.write(&entry.common()?)?;
            // No extra field, no comment, the first disk, no attributes.
            self.write(&[0; 12])?;
            self.write(&entry.start.to_le_bytes())?;
            self.write(entry.name.as_bytes())?;
        }
        let size = self.written - start;
        self.write(b"PK\x05\x06\0\0\0\0")?;
        self.write(&[count.to_le_bytes(), count.to_le_bytes()].concat())?;
        self.write(&[size.to_le_bytes(), start.to_le_bytes()].concat())?;
        self.write(&[0; 2])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written = self.written.checked_add(fits(bytes.len())?).ok_or_else(too_large)?;
        self.out.write_all(bytes)
    }
}

impl Entry {
    /// The fields that an entry's own header and the directory share, from the version needed to
    /// the length of the name.
    fn common(&self) -> io::Result<Vec<u8>> {
        let length = u16::try_from(self.name.len()).map_err(|_| too_large())?;
        let mut bytes = Vec::new();
        for number in [VERSION, UTF8, 0, 0, DATE] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [self.sum, self.size, self.size] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(length.to_le_bytes());
        Ok(bytes)
    }
}

/// An array as the contents of a `.npy` file.
fn npy<T: Element>(array: &[T]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}", T::DESCRIPTION, array.len());
    const BEFORE: usize = 10;
    let padded = (BEFORE + header.len() + 1).next_multiple_of(ALIGNMENT) - BEFORE;
    header += &" ".repeat(padded - header.len() - 1);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // One line of a few numbers.
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    array.iter().for_each(|number| number.append(&mut bytes));
    bytes
}

fn fits(size: usize) -> io::Result<u32> {
    u32::try_from(size).map_err(|_| too_large())
}

fn too_large() -> Error {
    Error::other("the archive is larger than 4 GiB or has more than 65535 arrays")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zip::Archive;

    #[test]
    fn arrays_are_entries_whose_sums_hold() {
        let mut file = Npz::new(Vec::new());
        file.add("λ", &[1.0, -2.5]).unwrap();
        file.add::<u32>("origins", &[]).unwrap();
        let bytes = file.finish().unwrap();
        let archive = Archive::parse(&bytes).unwrap();
        assert_eq!(archive.entries().count(), 2);
        let whole = archive.get("λ.npy").unwrap().contents().unwrap().into_owned();
        let (header, numbers) = whole.split_at(ALIGNMENT * 2);
        assert!(header.starts_with(b"\x93NUMPY\x01\x00") && header.ends_with(b" \n"));
        assert!(String::from_utf8_lossy(header).contains("'shape': (2,)"));
        assert_eq!(numbers, [1.0_f64.to_le_bytes(), (-2.5_f64).to_le_bytes()].concat());
    }

    #[test]
    fn the_same_arrays_give_the_same_bytes() {
        let write = || {
            let mut file = Npz::new(Vec::new());
            file.add("a", &[1_u32, 2]).unwrap();
            file.finish().unwrap()
        };
        assert_eq!(write(), write());
        let nothing = Npz::new(Vec::new()).finish().unwrap();
        assert_eq!(Archive::parse(&nothing).unwrap().entries().count(), 0);
    }
}
