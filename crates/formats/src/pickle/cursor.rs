//! The pickle's bytes, one operand after the other.

use super::value::Span;

/// A place in the pickle. Every method gives `None` at the pickle's end.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning; `None` for a pickle whose places do not fit into 32 bits.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        u32::try_from(bytes.len()).ok().map(|_| Self { bytes, at: 0 })
    }

    /// The place.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(array)
    }

    /// A length of so many bytes, little-endian.
    pub(super) fn length(&mut self, bytes: u8) -> Option<usize> {
        let mut wide = [0; 8];
        for byte in wide.iter_mut().take(usize::from(bytes)) {
            *byte = self.byte()?;
        }
        usize::try_from(u64::from_le_bytes(wide)).ok()
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Option<Span> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let span = Span { start: self.at as u32, length: length as u32 };
        self.at = end;
        Some(span)
    }

    /// The bytes up to the next line feed, which is passed over.
    pub(super) fn line(&mut self) -> Option<Span> {
        let length = self.bytes.get(self.at..)?.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(length);
        self.at += 1;
        line
    }

    /// The number in the next `length` bytes, in two's complement, little-endian; the inner `None`
    /// beyond 64 bits.
    pub(super) fn integer(&mut self, length: usize) -> Option<Option<i64>> {
        let bytes = self.take(length)?.of(self.bytes);
        let negative = bytes.last().is_some_and(|last| *last >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        let Some(low) = wide.get_mut(..length) else { return Some(None) };
        low.copy_from_slice(bytes);
        Some(Some(i64::from_le_bytes(wide)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_a_sign() {
        let integer = |bytes: &[u8]| Cursor::new(bytes).unwrap().integer(bytes.len()).unwrap();
        assert_eq!(integer(&[]), Some(0));
        assert_eq!(integer(&[0xff]), Some(-1));
        assert_eq!(integer(&[0xff, 0]), Some(255));
        assert_eq!(integer(&[0, 0, 0, 0, 0, 0, 0, 0x80]), Some(i64::MIN));
        assert_eq!(integer(&[0; 9]), None);
        assert_eq!(Cursor::new(&[1]).unwrap().integer(2), None);
    }

    #[test]
    fn nothing_lies_behind_the_end() {
        let mut cursor = Cursor::new(b"ab\nc").unwrap();
        assert_eq!(cursor.line().map(|line| line.length), Some(2));
        assert_eq!(cursor.take(2), None);
        assert_eq!(cursor.take(usize::MAX), None);
        assert_eq!((cursor.byte(), cursor.byte(), cursor.line()), (Some(b'c'), None, None));
    }
}
