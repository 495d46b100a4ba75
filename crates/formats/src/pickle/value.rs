//! The values on the machine's stack.

use safetensors::Dtype;

/// A value. A value with parts refers to them by their position in the [`super::Document`].
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
    /// Bytes, also texts of old pickles that are not UTF-8; only with [`super::Known::Numpy`].
    Bytes(Span),
    /// Bytes written as a text of characters below 256, as Python 3 writes bytes for Python 2; only
    /// with [`super::Known::Numpy`].
    Latin1(Span),
    /// A list, by its number; only with [`super::Known::Numpy`].
    List(u32),
    /// An array, by its place in the list of arrays; only with [`super::Known::Numpy`].
    Array(u32),
    /// A tuple, by the place of its parts in the list of parts.
    Tuple(Span),
    /// A dictionary, by its number; its keys and values are in the list of rows.
    Dict(u32),
    /// The numbers that tensors share, by its place in the list of storages.
    Storage(u32),
    /// A tensor, by its place in the list of tensors.
    Tensor(u32),
    /// An object of an unknown class or function, by the place of the latter in the list of
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

/// A tensor, as a view of a storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct TensorRecord {
    pub(super) storage: u32,
    /// The number of axes.
    pub(super) rank: u32,
    /// Where in the list of axes the shape begins; the strides follow it.
    pub(super) axes: usize,
    /// The position of the first element in the storage.
    pub(super) offset: usize,
}
