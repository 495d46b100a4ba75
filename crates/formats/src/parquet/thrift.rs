//! Thrift's compact protocol, as far as Parquet's metadata use it: numbers, words, lists and
//! structs.

use super::runs::varint;

/// Types in the protocol.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// The longest list whose length stands in its first byte.
const SHORT: usize = 14;

/// A struct that is being written, its fields in ascending order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    pub fn new() -> Self {
        Self::default()
    }

    /// A field of 32 bits, or an enumeration.
    pub fn number(self, field: u8, number: impl TryInto<i64>) -> Self {
        self.field(field, I32, &zigzag(number))
    }

    /// A field of 64 bits.
    pub fn long(self, field: u8, number: impl TryInto<i64>) -> Self {
        self.field(field, I64, &zigzag(number))
    }

    /// A word.
    pub fn word(self, field: u8, word: &str) -> Self {
        self.field(field, BINARY, &binary(word))
    }

    /// A list of numbers.
    pub fn numbers(self, field: u8, numbers: &[i64]) -> Self {
        let all: Vec<Vec<u8>> = numbers.iter().map(|number| zigzag(*number)).collect();
        self.list(field, I32, &all)
    }

    /// A list of words.
    pub fn words(self, field: u8, words: &[&str]) -> Self {
        let all: Vec<Vec<u8>> = words.iter().map(|word| binary(word)).collect();
        self.list(field, BINARY, &all)
    }

    /// A struct within this one.
    pub fn inner(self, field: u8, inner: Self) -> Self {
        self.field(field, STRUCT, &inner.bytes())
    }

    /// A list of structs.
    pub fn inners(self, field: u8, inners: Vec<Self>) -> Self {
        let all: Vec<Vec<u8>> = inners.into_iter().map(Self::bytes).collect();
        self.list(field, STRUCT, &all)
    }

    /// The struct with the byte that ends it.
    pub fn bytes(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }

    fn list(self, field: u8, kind: u8, all: &[Vec<u8>]) -> Self {
        let mut bytes = match all.len() {
            length if length <= SHORT => vec![(length as u8) << 4 | kind],
            length => [vec![0xf0 | kind], varint(length as u64)].concat(),
        };
        all.iter().for_each(|one| bytes.extend(one));
        self.field(field, LIST, &bytes)
    }

    /// Fields are numbered by their distance to the one before, which is at most 15 in Parquet.
    fn field(mut self, field: u8, kind: u8, value: &[u8]) -> Self {
        self.bytes.push((field - self.last) << 4 | kind);
        self.bytes.extend(value);
        self.last = field;
        self
    }
}

fn zigzag(number: impl TryInto<i64>) -> Vec<u8> {
    let number = number.try_into().unwrap_or(i64::MAX);
    varint((number << 1 ^ number >> 63).cast_unsigned())
}

fn binary(word: &str) -> Vec<u8> {
    [varint(word.len() as u64), word.as_bytes().to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes follow from the specification of the compact protocol.
    #[test]
    fn fields_are_numbered_by_their_distance() {
        let of = Struct::new().number(1, 150).word(3, "ab").numbers(4, &[1, -1]).inner(5, Struct::new());
        assert_eq!(of.bytes(), [0x15, 0xac, 0x02, 0x28, 2, b'a', b'b', 0x19, 0x25, 2, 1, 0x1c, 0, 0]);
    }

    #[test]
    fn long_lists_have_their_length_apart() {
        let of = Struct::new().inners(1, vec![Struct::new(); 20]);
        assert_eq!(of.bytes()[..3], [0x19, 0xfc, 20]);
    }
}
