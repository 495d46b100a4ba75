//! The contents of a pickle.

use super::{
    array::{Array, ArrayRecord},
    machine::Known,
    rebuild,
    value::{Span, Storage, TensorRecord, Value},
};
use crate::Stored;

/// Bytes for an entry of a dictionary, with what is needed to search it and to compare it with a
/// network's names.
const ROW_MEMORY: usize = 256;

/// The values of a pickle, with all their parts.
pub struct Document<'a> {
    pub(super) pickle: &'a [u8],
    pub(super) known: Known,
    pub(super) root: Value,
    /// Parts of tuples.
    pub(super) parts: Vec<Value>,
    /// Module and name of classes and functions.
    pub(super) globals: Vec<[Span; 2]>,
    /// Entries of dictionaries, by dictionary.
    pub(super) rows: Vec<Row>,
    /// Elements of lists, by list.
    pub(super) elements: Vec<(u32, Value)>,
    pub(super) arrays: Vec<ArrayRecord>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) tensors: Vec<TensorRecord>,
    /// Shapes and strides.
    pub(super) axes: Vec<usize>,
}

/// An entry of a dictionary whose key is a text.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub(super) dictionary: u32,
    pub(super) key: Span,
    /// The value for the key.
    pub value: Value,
}

impl<'a> Document<'a> {
    pub(super) fn new(pickle: &'a [u8], known: Known) -> Self {
        Self {
            pickle,
            known,
            root: Value::Opaque,
            parts: Vec::new(),
            globals: Vec::new(),
            rows: Vec::new(),
            elements: Vec::new(),
            arrays: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
            axes: Vec::new(),
        }
    }

    /// The most bytes that the document takes in addition to the file.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.parts)
            + size_of_val(&*self.globals)
            + self.rows.len() * ROW_MEMORY
            + size_of_val(&*self.elements)
            + size_of_val(&*self.arrays)
            + size_of_val(&*self.storages)
            + size_of_val(&*self.tensors)
            + size_of_val(&*self.axes)
    }

    /// The value that the whole pickle describes.
    #[must_use]
    pub fn root(&self) -> Value {
        self.root
    }

    /// The entries of a dictionary in the order in which they were added.
    #[must_use]
    pub fn rows(&self, dictionary: u32) -> &[Row] {
        let start = self.rows.partition_point(|row| row.dictionary < dictionary);
        let length = self.rows[start..].partition_point(|row| row.dictionary == dictionary);
        &self.rows[start..start + length]
    }

    /// A row's key.
    #[must_use]
    pub fn key(&self, row: &Row) -> &'a str {
        self.text(row.key)
    }

    /// The last value of a dictionary for a key; `None` if the value is not a dictionary or has no
    /// such key.
    #[must_use]
    pub fn get(&self, value: Value, key: &str) -> Option<Value> {
        let Value::Dict(dictionary) = value else { return None };
        let row = self.rows(dictionary).iter().rev().find(|row| self.key(row) == key);
        row.map(|row| row.value)
    }

    /// The elements of a list; `None` if the value is not a list.
    #[must_use]
    pub fn elements(&self, value: Value) -> Option<impl ExactSizeIterator<Item = Value>> {
        let Value::List(list) = value else { return None };
        let start = self.elements.partition_point(|(other, _)| *other < list);
        let length = self.elements[start..].partition_point(|(other, _)| *other == list);
        Some(self.elements[start..start + length].iter().map(|(_, element)| *element))
    }

    /// An array; `None` if the value is not an array, or its description is incomplete.
    #[must_use]
    pub fn array(&self, value: Value) -> Option<Array<'_>> {
        let Value::Array(index) = value else { return None };
        self.arrays.get(index as usize)?.array(self)
    }

    /// A tensor; `None` if the value is not a tensor.
    #[must_use]
    pub fn tensor(&self, value: Value) -> Option<Stored<'_>> {
        let Value::Tensor(index) = value else { return None };
        let record = self.tensors.get(index as usize)?;
        let storage = self.storages.get(record.storage as usize)?;
        let axes = self.axes.get(record.axes..)?;
        let rank = record.rank as usize;
        let (shape, strides) = (axes.get(..rank)?, axes.get(rank..2 * rank)?);
        Stored::strided(storage.dtype, shape, strides, self.bytes_of(value)?)
    }

    /// The bytes of a tensor's storage from its first element on; `None` for other values.
    pub(crate) fn bytes_of(&self, value: Value) -> Option<&'a [u8]> {
        let Value::Tensor(index) = value else { return None };
        let record = self.tensors.get(index as usize)?;
        let storage = self.storages.get(record.storage as usize)?;
        let start = record.offset.checked_mul(storage.dtype.bitsize() / 8)?;
        storage.bytes.get(start..)
    }

    /// The module and name of an object's unknown class; `None` for other values.
    #[must_use]
    pub fn class(&self, value: Value) -> Option<[&'a str; 2]> {
        if let Value::Object(class) = value { Some(self.global(class)) } else { None }
    }

    /// "a number or a list" or the like, for messages.
    #[must_use]
    pub fn describe(&self, value: Value) -> String {
        match value {
            Value::Object(class) => format!("an object of {}", self.global(class).join(".")),
            Value::Global(global) => self.global(global).join("."),
            Value::Tensor(_) => "a tensor".to_owned(),
            Value::Dict(_) => "a dictionary".to_owned(),
            Value::Text(_) => "a text".to_owned(),
            Value::Bytes(_) | Value::Latin1(_) => "bytes".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Tuple(_) => "a tuple".to_owned(),
            Value::Storage(_) => "a storage".to_owned(),
            Value::Int(_) | Value::Opaque => "a number or a list".to_owned(),
        }
    }

    /// The unsupported classes and functions that the file names, sorted.
    #[must_use]
    pub fn foreign(&self) -> Vec<[&'a str; 2]> {
        let names = self.globals.iter().map(|names| names.map(|name| self.text(name)));
        let mut foreign: Vec<_> =
            names.filter(|[module, name]| !rebuild::is_known(self.known, module, name)).collect();
        foreign.sort_unstable();
        foreign.dedup();
        foreign
    }

    /// A text of the pickle, empty where it is not UTF-8.
    pub(super) fn text(&self, span: Span) -> &'a str {
        str::from_utf8(span.of(self.pickle)).unwrap_or_default()
    }

    /// Module and name of a class or function.
    pub(super) fn global(&self, global: u32) -> [&'a str; 2] {
        self.globals.get(global as usize).map_or(["", ""], |names| names.map(|name| self.text(name)))
    }
}
