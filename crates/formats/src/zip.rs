//! Zip archives, read where they lie in memory: entries that are stored, as `torch.save` writes
//! them, or deflated, as data sets come.
//!
//! ```
//! use eigenscape_formats::zip::Archive;
//! let empty = [&b"PK\x05\x06"[..], &[0; 18]].concat();
//! assert!(Archive::parse(&empty)?.get("weights").is_none());
//! assert!(Archive::parse(b"half a download").is_err());
//! # Ok::<(), String>(())
//! ```
//!
//! A reader of our own, and not the `zip` crate that Candle brings along: a stored entry *is* a
//! slice of the file, so that nothing needs to be copied or allocated, whereas that crate sets
//! memory aside for as many entries as the directory claims. Nothing is ever written: an entry's
//! name is compared with names that are asked for, wherever it points to.
//!
//! The format is PKWARE's `APPNOTE`, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to
//! 16 (its end, also in the 64-bit form that `torch.save` uses) and 4.5.3 (64-bit sizes).

use std::{borrow::Cow, io::Read};

use flate2::read::DeflateDecoder;

mod directory;

use directory::{Directory, Header, MINIMUM_HEADER};

/// How a zip archive begins.
pub const MAGIC: &[u8] = b"PK\x03\x04";
/// No deflate stream expands further than this, so that a size that promises more is wrong before a
/// byte is read.
pub const DEFLATE_MAX_RATIO: u64 = 1032;

/// An archive whose every entry lies within the file, apart from the others.
#[derive(Debug, Clone)]
pub struct Archive<'a> {
    /// Sorted by name.
    entries: Vec<Entry<'a>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory and checks every stored entry against its checksum.
    ///
    /// # Errors
    /// What is wrong with a file that is no archive, is damaged or cut short.
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
            // Entries may not share bytes: reading all of them then takes no longer than reading
            // the file.
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
    /// As the archive has it.
    packed: &'a [u8],
    /// Bytes when it is unpacked.
    size: u64,
    checksum: u32,
}

/// How an entry is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Stored,
    Deflated,
    Encrypted,
    /// By another method, of this number.
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

    /// Its name, where it is UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        str::from_utf8(self.name).ok()
    }

    /// Its contents as a part of the file; `None` when it is packed.
    #[must_use]
    pub fn stored(&self) -> Option<&'a [u8]> {
        (self.packing == Packing::Stored).then_some(self.packed)
    }

    /// Its contents, unpacked where needed. It takes no more memory than they are promised to have,
    /// nor than they can have.
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
        // Grows with what is there, not with what is promised; one byte more shows that the promise
        // is wrong.
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
