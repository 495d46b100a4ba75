//! Zip archives, read in place in memory: stored entries, as `torch.save` writes them, and deflated
//! entries, as data sets contain them.
//!
//! ```
//! use eigenscape_formats::zip::Archive;
//! let empty = [&b"PK\x05\x06"[..], &[0; 18]].concat();
//! assert!(Archive::parse(&empty)?.get("weights").is_none());
//! assert!(Archive::parse(b"half a download").is_err());
//! # Ok::<(), String>(())
//! ```
//!
//! The `zip` crate on which Candle depends is not used: it allocates memory for as many entries as
//! the directory claims. Here a stored entry *is* a slice of the file, so that nothing is copied or
//! allocated. Nothing is ever written to disk: an entry's name is only compared with requested
//! names, so that its path is harmless.
//!
//! The format is PKWARE's `APPNOTE`, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to
//! 16 (its end, also in the 64-bit form that `torch.save` uses) and 4.5.3 (64-bit sizes).

use std::{borrow::Cow, io::Read};

use flate2::read::DeflateDecoder;

mod directory;

use directory::{Directory, Header, MINIMUM_HEADER};

/// How a zip archive begins.
pub const MAGIC: &[u8] = b"PK\x03\x04";
/// The maximum expansion ratio of a deflate stream: an entry that declares a larger size is refused
/// before a byte is read.
pub const DEFLATE_MAX_RATIO: u64 = 1032;

/// An archive whose entries lie within the file and together are no larger than it.
#[derive(Debug, Clone)]
pub struct Archive<'a> {
    /// Sorted by name.
    entries: Vec<Entry<'a>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory and checks every stored entry against its checksum.
    ///
    /// # Errors
    /// What is wrong with a file that is not an archive, is damaged or cut short.
    pub fn parse(file: &'a [u8]) -> Result<Self, String> {
        let directory =
            Directory::find(file).ok_or("it is cut short: the directory at its end is missing")?;
        let most = directory.bytes.len() / MINIMUM_HEADER;
        let mut entries = Vec::with_capacity(directory.count.min(most));
        let (mut rest, mut total) = (directory.bytes, 0_usize);
        for _ in 0..directory.count {
            let header = Header::take(&mut rest).ok_or("its directory is damaged")?;
            let entry = Entry::find(&header, directory.before)?;
            total += entry.packed.len();
            // Limits the total size of the entries, so that reading all of them takes no longer
            // than reading the file.
            if total > file.len() {
                return Err("its entries overlap".to_owned());
            }
            entries.push(entry);
        }
        entries.sort_unstable_by_key(|entry| entry.name);
        match entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(twice) => Err(format!("{} is there twice", twice[0].shown())),
            None => Ok(Self { entries }),
        }
    }

    /// The entry of a name; `None` when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry<'a>> {
        let index = self.entries.binary_search_by_key(&name.as_bytes(), |entry| entry.name).ok()?;
        Some(&self.entries[index])
    }

    /// The entries, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter()
    }
}

/// A file in an archive.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    name: &'a [u8],
    packing: Packing,
    /// The contents as stored in the archive.
    packed: &'a [u8],
    /// The number of bytes of the unpacked contents.
    size: u64,
    checksum: u32,
}

/// How an entry is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Stored,
    Deflated,
    Encrypted,
    /// Another method, with this number.
    Other(u16),
}

impl<'a> Entry<'a> {
    fn find(header: &Header<'a>, file: &'a [u8]) -> Result<Self, String> {
        let packing = match header.method {
            _ if header.is_encrypted() => Packing::Encrypted,
            0 => Packing::Stored,
            8 => Packing::Deflated,
            other => Packing::Other(other),
        };
        let &Header { name, size, checksum, .. } = header;
        let packed = header.contents(file).filter(|_| packing != Packing::Stored || size == header.packed);
        let entry = Self { name, packing, packed: packed.unwrap_or_default(), size, checksum };
        if packed.is_none() {
            return Err(format!("{} is not where it should be", entry.shown()));
        }
        if packing == Packing::Stored {
            entry.verify(entry.packed)?;
        }
        Ok(entry)
    }

    /// The entry's name; `None` if it is not UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        str::from_utf8(self.name).ok()
    }

    /// The entry's contents as a slice of the file; `None` if they are packed or encrypted.
    #[must_use]
    pub fn stored(&self) -> Option<&'a [u8]> {
        (self.packing == Packing::Stored).then_some(self.packed)
    }

    /// The entry's contents, unpacked if necessary. Memory is bounded by the declared size, and by
    /// the largest size to which the packed bytes can expand.
    ///
    /// # Errors
    /// When it is damaged, encrypted, or packed by a method other than deflate.
    pub fn contents(&self) -> Result<Cow<'a, [u8]>, String> {
        match self.packing {
            Packing::Stored => Ok(Cow::Borrowed(self.packed)),
            Packing::Deflated => self.inflate().map(Cow::Owned),
            Packing::Encrypted => Err(format!("{} is encrypted", self.shown())),
            Packing::Other(method) => {
                Err(format!("{} is packed by method {method}, and only deflate is read", self.shown()))
            }
        }
    }

    fn inflate(&self) -> Result<Vec<u8>, String> {
        let most = (self.packed.len() as u64).saturating_mul(DEFLATE_MAX_RATIO);
        if self.size > most {
            return Err(format!("{} promises {} bytes, more than it can hold", self.shown(), self.size));
        }
        // Memory grows with the bytes that exist, not with the declared size. One more byte is read
        // to detect a declared size that is too small.
        let mut contents = Vec::new();
        let mut stream = DeflateDecoder::new(self.packed).take(self.size + 1);
        stream
            .read_to_end(&mut contents)
            .map_err(|error| format!("{} cannot be unpacked: {error}", self.shown()))?;
        if contents.len() as u64 != self.size {
            return Err(format!("{} has not the {} bytes that it promises", self.shown(), self.size));
        }
        self.verify(&contents)?;
        Ok(contents)
    }

    fn verify(&self, contents: &[u8]) -> Result<(), String> {
        if crc32fast::hash(contents) == self.checksum {
            return Ok(());
        }
        Err(format!("{} does not have its checksum", self.shown()))
    }

    /// "the entry NAME".
    fn shown(&self) -> String {
        format!("the entry {}", String::from_utf8_lossy(self.name))
    }
}
