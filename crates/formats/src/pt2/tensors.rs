//! Tensors of an archive, in the file's bytes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{graph::TensorMeta, layout::Entries, scalar_type::ScalarType};
use crate::{
    checkpoint::Contents,
    error::{Refusal, Result},
    pickle::{Document, Value},
    stored::Stored,
};

/// A tensor of an archive, in the file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor<'a> {
    /// The type of its elements.
    pub dtype: ScalarType,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The location of the elements. Tensors of equal shape and location are one shared tensor.
    pub storage: Storage,
    /// The bytes from the first element on.
    bytes: &'a [u8],
}

/// The location of a tensor's elements in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Storage {
    /// The archive's entry that contains the tensor.
    pub entry: String,
    /// The offset of the first element in the entry, in elements; for a pickled tensor, the address
    /// of its first byte in memory.
    pub offset: usize,
    /// The stride along each axis, in elements.
    pub strides: Vec<usize>,
}

impl Tensor<'_> {
    /// The elements where they lie; `None` for types that cannot be read.
    #[must_use]
    pub fn stored(&self) -> Option<Stored<'_>> {
        Stored::strided(self.dtype.stored()?, &self.shape, &self.storage.strides, self.bytes)
    }
}

/// The table of the tensors in a folder.
#[derive(Debug, Deserialize)]
struct Config {
    config: BTreeMap<String, Payload>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    path_name: String,
    #[serde(default)]
    use_pickle: bool,
    #[serde(default)]
    tensor_meta: Option<TensorMeta>,
}

/// Tensors by name.
pub(super) type Tensors<'a> = BTreeMap<String, Tensor<'a>>;

/// The tensors that a table (JSON) lists, with their entries in `folder`. Other objects are left
/// out.
pub(super) fn listed<'a>(
    entries: &Entries<'a, '_>,
    table: &[u8],
    folder: &str,
) -> Result<Tensors<'a>, Refusal> {
    let Config { config } = serde_json::from_slice(table)
        .map_err(|error| super::layout::damaged(format!("its table of tensors in {folder}: {error}")))?;
    let mut tensors = Tensors::new();
    for (name, payload) in config {
        let path = format!("{folder}{}", payload.path_name);
        // An empty tensor may have no entry.
        let bytes = entries.get(&path)?.unwrap_or_default();
        let tensor = match (payload.use_pickle, payload.tensor_meta) {
            (true, _) => pickled_alone(bytes, &path),
            (false, Some(meta)) => Some(raw(&name, bytes, &meta, path)?),
            (false, None) => None,
        };
        tensors.extend(tensor.map(|tensor| (name, tensor)));
    }
    Ok(tensors)
}

/// Reads a tensor that is stored as raw bytes.
fn raw<'a>(name: &str, bytes: &'a [u8], meta: &TensorMeta, entry: String) -> Result<Tensor<'a>, Refusal> {
    let refuse = |what: &str| Err(super::layout::damaged(format!("the tensor {name} {what}")));
    let known =
        |sizes: &[super::MetaSize]| sizes.iter().map(super::MetaSize::known).collect::<Option<Vec<_>>>();
    let (Some(shape), Some(strides), Some(offset)) =
        (known(&meta.sizes), known(&meta.strides), meta.storage_offset.known())
    else {
        return refuse("has a size that is no number");
    };
    let Some(dtype) = meta.dtype.stored() else {
        let problem = format!("the tensor {name} is of the type {:?}, which is not read", meta.dtype);
        return Err(Refusal::new(
            problem,
            "export the network with weights in float32, as in module.float()",
        ));
    };
    let start = offset.checked_mul(dtype.bitsize() / 8);
    let Some(bytes) = start.and_then(|start| bytes.get(start..)) else {
        return refuse("does not lie in its entry");
    };
    let storage = Storage { entry, offset, strides };
    match Stored::strided(dtype, &shape, &storage.strides, bytes) {
        Some(stored) if !stored.repeats() => Ok(Tensor { dtype: meta.dtype, shape, storage, bytes }),
        Some(_) => refuse("is larger than its data in the file"),
        None => refuse("does not lie in its entry"),
    }
}

/// The tensor in an entry written by `torch.save`; `None` for any other object.
fn pickled_alone<'a>(bytes: &'a [u8], path: &str) -> Option<Tensor<'a>> {
    let Ok(Contents::Pickled(document)) = Contents::parse(bytes) else { return None };
    from_pickle(&document, document.root(), path)
}

/// The tensors of a dictionary written by `torch.save`; other values are left out.
pub(super) fn pickled<'a>(bytes: &'a [u8], path: &str) -> Result<Tensors<'a>, Refusal> {
    let Contents::Pickled(document) = Contents::parse(bytes)? else {
        return Err(super::layout::damaged(format!("its entry {path} is not of torch.save")));
    };
    let Value::Dict(dictionary) = document.root() else { return Ok(Tensors::new()) };
    let rows = document.rows(dictionary).iter();
    let tensor = |row: &crate::pickle::Row| {
        let tensor = from_pickle(&document, row.value, path)?;
        Some((document.key(row).to_owned(), tensor))
    };
    Ok(rows.filter_map(tensor).collect())
}

/// A tensor of a pickle; `None` for any other object.
fn from_pickle<'a>(document: &Document<'a>, value: Value, path: &str) -> Option<Tensor<'a>> {
    let stored = document.tensor(value).filter(|stored| !stored.repeats())?;
    let dtype = ScalarType::from_stored(stored.dtype())?;
    let bytes = document.bytes_of(value)?;
    // Shared tensors start at the same byte of the file, which the address identifies.
    let offset = bytes.as_ptr() as usize;
    let strides = stored.strides().unwrap_or_default().to_vec();
    let storage = Storage { entry: path.to_owned(), offset, strides };
    Some(Tensor { dtype, shape: stored.shape().to_vec(), storage, bytes })
}
