//! Zip archives as `torch.save` writes them: entries that are stored, not compressed.
//!
//! A reader of our own, and not the `zip` crate that Candle brings along: a stored entry *is* a slice of the file, so that
//! nothing needs to be copied or allocated, whereas that crate sets memory aside for as many entries as the directory claims.
//! The format is PKWARE's `APPNOTE`, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 16 (its end, also in the
//! 64-bit form that `torch.save` uses) and 4.5.3 (64-bit sizes).

use super::refusal::{Refusal, Result};

/// How a zip archive begins.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";

const DIRECTORY_ENTRY_SIZE: usize = 46;
const LOCAL_HEADER_SIZE: usize = 30;
const END_SIZE: usize = 22;
const LOCATOR_64_SIZE: usize = 20;
const ENCRYPTED: u16 = 1;

/// An archive whose every entry lies within the file, apart from the others.
pub(super) struct Archive<'a> {
    /// Sorted by name.
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    name: &'a [u8],
    /// `None` for an entry that is compressed or encrypted.
    contents: Option<&'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Reads the directory and checks every stored entry against its checksum.
    pub(super) fn parse(file: &'a [u8]) -> Result<Self> {
        let directory = Directory::find(file).ok_or_else(|| {
            Refusal::damaged(
                "is not a complete zip archive as torch.save writes it: the directory at its end is missing",
            )
        })?;
        let most = directory.bytes.len() / DIRECTORY_ENTRY_SIZE;
        let mut entries = Vec::with_capacity(directory.count.min(most));
        let (mut rest, mut total) = (directory.bytes, 0_usize);
        for _ in 0..directory.count {
            let header = Header::take(&mut rest).ok_or_else(|| broken("its directory is damaged"))?;
            let entry = header.entry(directory.before)?;
            total += entry.contents.map_or(0, <[u8]>::len);
            // Entries may not share bytes: reading all of them then takes no longer than reading the file.
            if total > file.len() {
                return Err(broken("its entries overlap"));
            }
            entries.push(entry);
        }
        entries.sort_unstable_by_key(|entry| entry.name);
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let name = String::from_utf8_lossy(twice[0].name);
            return Err(broken(format!("the entry {name} is there twice")));
        }
        Ok(Self { entries })
    }

    /// The contents of an entry; `None` when there is none of that name.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let Ok(index) = self.entries.binary_search_by_key(&name.as_bytes(), |entry| entry.name) else {
            return Ok(None);
        };
        let compressed = || {
            Refusal::new(
                format!("its entry {name} is compressed or encrypted, which torch.save never does"),
                "save the file again with torch.save(model.state_dict(), path)",
            )
        };
        self.entries[index].contents.ok_or_else(compressed).map(Some)
    }

    /// The names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().filter_map(|entry| str::from_utf8(entry.name).ok())
    }
}

fn broken(problem: impl AsRef<str>) -> Refusal {
    Refusal::damaged(format!("is a damaged zip archive: {}", problem.as_ref()))
}

/// The table of contents.
struct Directory<'a> {
    count: usize,
    bytes: &'a [u8],
    /// The part of the file that the entries lie in.
    before: &'a [u8],
}

impl<'a> Directory<'a> {
    /// Finds the directory by the record at the very end of the file; `None` where there is none.
    fn find(file: &'a [u8]) -> Option<Self> {
        let longest_comment = usize::from(u16::MAX);
        let first = file.len().saturating_sub(END_SIZE + longest_comment);
        let end = (first..=file.len().checked_sub(END_SIZE)?).rev().find(|&at| {
            let comment = file.len() - at - END_SIZE;
            file[at..].starts_with(END) && u16_at(file, at + 20).map(usize::from) == Some(comment)
        })?;
        let (count, size, start) = match Self::end_64(file, end) {
            Some(end_64) => {
                (u64_at(file, end_64 + 32)?, u64_at(file, end_64 + 40)?, u64_at(file, end_64 + 48)?)
            }
            None => (
                u64::from(u16_at(file, end + 10)?),
                u64::from(u32_at(file, end + 12)?),
                u64::from(u32_at(file, end + 16)?),
            ),
        };
        let [count, size, start] = [count, size, start].map(|value| usize::try_from(value).ok());
        let start = start?;
        let stop = start.checked_add(size?)?;
        Some(Self { count: count?, bytes: file.get(start..stop)?, before: file.get(..start)? })
    }

    /// Where the 64-bit record is that the locator before the last record points to.
    fn end_64(file: &[u8], end: usize) -> Option<usize> {
        let locator = end.checked_sub(LOCATOR_64_SIZE)?;
        let at = usize::try_from(u64_at(file, locator + 8)?).ok()?;
        (file[locator..].starts_with(LOCATOR_64) && file.get(at..)?.starts_with(END_64)).then_some(at)
    }
}

/// An entry of the directory.
struct Header<'a> {
    flags: u16,
    method: u16,
    checksum: u32,
    compressed: u64,
    size: u64,
    offset: u64,
    name: &'a [u8],
}

impl<'a> Header<'a> {
    fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let b = *bytes;
        if !b.starts_with(DIRECTORY_ENTRY) {
            return None;
        }
        let length = |at| u16_at(b, at).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let [extra_start, comment_start] = [DIRECTORY_ENTRY_SIZE + name, DIRECTORY_ENTRY_SIZE + name + extra];
        let mut header = Self {
            flags: u16_at(b, 8)?,
            method: u16_at(b, 10)?,
            checksum: u32_at(b, 16)?,
            compressed: u64::from(u32_at(b, 20)?),
            size: u64::from(u32_at(b, 24)?),
            offset: u64::from(u32_at(b, 42)?),
            name: b.get(DIRECTORY_ENTRY_SIZE..extra_start)?,
        };
        header.widen(b.get(extra_start..comment_start)?)?;
        *bytes = b.get(comment_start + comment..)?;
        Some(header)
    }

    /// Replaces what does not fit into 32 bits by the numbers of the 64-bit extra field, which stand there in this order.
    fn widen(&mut self, mut extra: &[u8]) -> Option<()> {
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let mut field = extra.get(4..4 + length)?;
            if id == 1 {
                for number in [&mut self.size, &mut self.compressed, &mut self.offset] {
                    if *number == u64::from(u32::MAX) {
                        *number = u64_at(field, 0)?;
                        field = &field[8..];
                    }
                }
            }
            extra = &extra[4 + length..];
        }
        Some(())
    }

    /// The contents, found behind the entry's second header in front of them.
    fn entry(&self, file: &'a [u8]) -> Result<Entry<'a>> {
        let shown = || String::from_utf8_lossy(self.name).into_owned();
        if self.method != 0 || self.flags & ENCRYPTED != 0 {
            return Ok(Entry { name: self.name, contents: None });
        }
        let contents = self
            .contents(file)
            .ok_or_else(|| broken(format!("the entry {} is not where it should be", shown())))?;
        if crc32fast::hash(contents) != self.checksum {
            return Err(broken(format!("the entry {} does not have its checksum", shown())));
        }
        Ok(Entry { name: self.name, contents: Some(contents) })
    }

    fn contents(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let local = file.get(usize::try_from(self.offset).ok()?..)?;
        let (name, extra) = (usize::from(u16_at(local, 26)?), usize::from(u16_at(local, 28)?));
        let same = local.starts_with(MAGIC)
            && local.get(LOCAL_HEADER_SIZE..LOCAL_HEADER_SIZE + name)? == self.name
            && self.size == self.compressed;
        let contents = local.get(LOCAL_HEADER_SIZE + name + extra..)?;
        contents.get(..usize::try_from(self.size).ok()?).filter(|_| same)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
