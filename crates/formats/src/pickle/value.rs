//! What lies on the machine's stack.

use safetensors::Dtype;

/// A value. Values that have parts name them by their place in the [`super::Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number or list or something else that no description needs.
    Opaque,
    /// A whole number of up to 64 bits.
    Int(i64),
    /// A text.
    Text(Span),
    /// A class or function, by its place in the list of globals.
    Global(u32),
    /// Bytes; for NumPy's only, where texts of old pickles that are not UTF-8 are bytes, too.
    Bytes(Span),
    /// Bytes that are written as a text of characters below 256, as Python 3 does it for Python 2;
    /// for NumPy's only.
    Latin1(Span),
    /// A list, by its number; for NumPy's only.
    List(u32),
    /// An array, by its place in the list of arrays; for NumPy's only.
    Array(u32),
    /// A tuple, by the place of its parts in the list of parts.
    Tuple(Span),
    /// A dictionary, by its number; its keys and values are in the list of rows.
    Dict(u32),
    /// The numbers that tensors share, by its place in the list of storages.
    Storage(u32),
    /// A tensor, by its place in the list of tensors.
    Tensor(u32),
    /// Something made by a class or function that is not known, by its place in the list of
    /// globals.
    Object(u32),
}

/// A part of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Span {
    pub(super) fn of<T>(self, sequence: &[T]) -> &[T] {
        let start = self.start as usize;
        sequence.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// Numbers of one type in an entry of the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) dtype: Dtype,
    pub(super) bytes: &'a [u8],
}

/// A part of a storage that is seen as a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct TensorRecord {
    pub(super) storage: u32,
    /// The number of axes.
    pub(super) rank: u32,
    /// Where in the list of axes the shape begins; the strides follow it.
    pub(super) axes: usize,
    /// The first element, counted from the storage's.
    pub(super) offset: usize,
}
