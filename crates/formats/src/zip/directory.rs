//! A zip archive's table of contents, at its end.

use super::MAGIC;

const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";

/// Bytes of an entry of the directory without its name.
pub(super) const MINIMUM_HEADER: usize = 46;
const LOCAL_HEADER: usize = 30;
const END_SIZE: usize = 22;
const LOCATOR_64_SIZE: usize = 20;
const ENCRYPTED: u16 = 1;

/// The table of contents.
pub(super) struct Directory<'a> {
    pub(super) count: usize,
    pub(super) bytes: &'a [u8],
    /// The part of the file that the entries lie in.
    pub(super) before: &'a [u8],
}

impl<'a> Directory<'a> {
    /// Finds the directory by the record at the very end of the file; `None` where there is none.
    pub(super) fn find(file: &'a [u8]) -> Option<Self> {
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
pub(super) struct Header<'a> {
    flags: u16,
    pub(super) method: u16,
    pub(super) checksum: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    offset: u64,
    pub(super) name: &'a [u8],
}

impl<'a> Header<'a> {
    pub(super) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let b = *bytes;
        if !b.starts_with(DIRECTORY_ENTRY) {
            return None;
        }
        let length = |at| u16_at(b, at).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let [extra_start, comment_start] = [MINIMUM_HEADER + name, MINIMUM_HEADER + name + extra];
        let mut header = Self {
            flags: u16_at(b, 8)?,
            method: u16_at(b, 10)?,
            checksum: u32_at(b, 16)?,
            packed: u64::from(u32_at(b, 20)?),
            size: u64::from(u32_at(b, 24)?),
            offset: u64::from(u32_at(b, 42)?),
            name: b.get(MINIMUM_HEADER..extra_start)?,
        };
        header.widen(b.get(extra_start..comment_start)?)?;
        *bytes = b.get(comment_start + comment..)?;
        Some(header)
    }

    /// Replaces what does not fit into 32 bits by the numbers of the 64-bit extra field, which
    /// stand there in this order.
    fn widen(&mut self, mut extra: &[u8]) -> Option<()> {
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let mut field = extra.get(4..4 + length)?;
            if id == 1 {
                for number in [&mut self.size, &mut self.packed, &mut self.offset] {
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

    /// Whether the contents cannot be read without a password.
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    /// The contents as they are packed, found behind the entry's second header in front of them.
    pub(super) fn contents(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let local = file.get(usize::try_from(self.offset).ok()?..)?;
        let (name, extra) = (usize::from(u16_at(local, 26)?), usize::from(u16_at(local, 28)?));
        let same = local.starts_with(MAGIC) && local.get(LOCAL_HEADER..LOCAL_HEADER + name)? == self.name;
        let contents = local.get(LOCAL_HEADER + name + extra..)?;
        contents.get(..usize::try_from(self.packed).ok()?).filter(|_| same)
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
