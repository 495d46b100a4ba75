//! A state dict: names with tensors, found in a file.

use std::{borrow::Cow, fmt, path::PathBuf};

use candle_core::{DType, Tensor};
use eigenscape_formats::{
    Refusal, Stored,
    checkpoint::Contents,
    pickle::{Document, Row},
};

use super::{pattern::Rename, search::dictionary};

/// The maximum number of names shown in a list.
pub(super) const SHOWN: usize = 20;
/// The maximum number of characters shown of a name.
const LONGEST_SHOWN: usize = 100;

/// Selects a file, the state dict in it, and the names of its tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The file.
    pub path: PathBuf,
    /// The path as written in the experiment, for messages; empty outside an experiment.
    pub written: PathBuf,
    /// The key of the dictionary of tensors, with nested keys joined by dots; `None` for the only
    /// dictionary of tensors in the file.
    pub key: Option<String>,
    /// Prefixes to remove from names, one after the other.
    pub strip_prefix: Vec<String>,
    /// Renames from names in the file (without the removed prefixes) to names in the network.
    pub rename: Vec<Rename>,
    /// Patterns for matrices that are stored as \[in, out\]. A pattern is matched with names in the
    /// file (without the removed prefixes) or, if it matches none of these, with names in the
    /// network.
    pub transpose: Vec<String>,
}

/// Named items of a file, sorted by name.
#[derive(Debug, Clone)]
pub struct StateDict<'c> {
    pub(super) entries: Vec<Entry<'c>>,
    /// Whether the file lists tensors in the order in which its network declared them.
    pub(super) ordered: bool,
}

/// A named item of a file: a tensor or anything else.
#[derive(Debug, Clone)]
pub(super) struct Entry<'c> {
    /// Its name in the network.
    pub name: Cow<'c, str>,
    /// Its name in the file, without the removed prefixes.
    pub stored_as: &'c str,
    /// Its position in the file.
    pub place: usize,
    /// The item.
    pub item: Item<'c>,
}

/// What a name in a file refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'c> {
    /// A tensor.
    Tensor(Stored<'c>),
    /// A matrix that is stored transposed, as \[in, out\].
    Transposed(Stored<'c>),
    /// Anything else: the module and name of its class if it is an object.
    Other(Option<[&'c str; 2]>),
}

/// The remedy for a tensor of an unsupported type.
const OTHER_TYPE: &str = "save it as float32, as in tensor.float(), or classes as int64, as in tensor.long()";

impl<'c> Item<'c> {
    /// The tensor as it is stored in the file.
    pub(super) fn stored(self) -> Option<Stored<'c>> {
        match self {
            Self::Tensor(stored) | Self::Transposed(stored) => Some(stored),
            Self::Other(_) => None,
        }
    }

    /// The shape of a tensor, after transposition.
    pub(super) fn shape(self) -> Option<Vec<usize>> {
        match self {
            Self::Tensor(stored) => Some(stored.shape().to_vec()),
            Self::Transposed(stored) => Some(stored.shape().iter().rev().copied().collect()),
            Self::Other(_) => None,
        }
    }

    /// A copy of a tensor's elements of type `from`, converted to type `to`; `None` if it is not a
    /// tensor.
    pub(super) fn read(self, from: DType, to: DType) -> Option<candle_core::Result<Tensor>> {
        let tensor = self.stored()?.to_tensor(from, to);
        Some(match self {
            Self::Transposed(_) => tensor.and_then(|tensor| tensor.t()?.contiguous()),
            _ => tensor,
        })
    }

    /// A copy of a tensor in its own type.
    pub(crate) fn tensor(&self, name: &str) -> Result<candle_core::Result<Tensor>, Refusal> {
        let Some(stored) = self.stored() else { return Err(self.refuse(name)) };
        let refuse = |what: String, remedy| Refusal::new(format!("`{}` {what}", short(name)), remedy);
        let dtype = stored.candle_dtype().ok_or_else(|| {
            refuse(format!("is of type {:?}, which is not read", stored.dtype()), OTHER_TYPE)
        })?;
        if stored.repeats() {
            let what = "is larger than its data in the file".to_owned();
            return Err(refuse(what, "save it without repetition, as in tensor.contiguous()"));
        }
        self.read(dtype, dtype).ok_or_else(|| self.refuse(name))
    }

    /// The refusal of an item that is not a tensor.
    pub(super) fn refuse(&self, name: &str) -> Refusal {
        let class = if let Self::Other(class) = self { *class } else { None };
        let remedy = class.and_then(unusual_tensor);
        let remedy = remedy.unwrap_or("save tensors alone, as in torch.save(model.state_dict(), path)");
        Refusal::new(format!("`{}` is {self}", short(name)), remedy)
    }
}

/// The remedy for a tensor that is stored as an object of an unsupported class: 8-bit, complex,
/// sparse or quantised.
pub(super) fn unusual_tensor(class: [&str; 2]) -> Option<&'static str> {
    match class {
        ["torch._utils", kind] if kind.starts_with("_rebuild") => Some(
            "save it as an ordinary tensor of float32, as in tensor.float(), tensor.to_dense() or tensor.dequantize()",
        ),
        ["torch", kind] if kind.ends_with("Storage") => Some(OTHER_TYPE),
        _ => None,
    }
}

/// Describes the item for messages.
impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Tensor(stored) => write!(f, "{:?}", stored.shape()),
            Self::Transposed(stored) => {
                let shape: Vec<usize> = stored.shape().iter().rev().copied().collect();
                write!(f, "{shape:?}, transposed")
            }
            Self::Other(None) => f.write_str("not a tensor"),
            Self::Other(Some(class)) => write!(f, "not a tensor: an object of {}", class.join(".")),
        }
    }
}

impl<'c> StateDict<'c> {
    /// Finds the selected dictionary and applies the selection's names. Also returns notes on the
    /// choice.
    pub(super) fn find(
        contents: &'c Contents,
        selection: &Selection,
    ) -> Result<(Self, Vec<String>), Refusal> {
        let (mut found, notes) = match contents {
            Contents::Safetensors(tensors) => {
                if let Some(key) = &selection.key {
                    return Err(Refusal::new(
                        format!("is a safetensors file, which has no dictionary `{key}`"),
                        "remove `key`",
                    ));
                }
                let tensors = tensors.iter().map(|(name, tensor)| (name, Item::Tensor(tensor)));
                // Safetensors files are sorted by type and name.
                (Self { ordered: false, ..Self::of(tensors) }, Vec::new())
            }
            Contents::Pickled(document) => {
                let (dictionary, notes) = dictionary(document, selection.key.as_deref())?;
                (entries(document, dictionary), notes)
            }
        };
        for prefix in &selection.strip_prefix {
            found.strip(prefix)?;
        }
        Ok((found.named(&selection.rename, &selection.transpose)?, notes))
    }

    fn of(tensors: impl Iterator<Item = (&'c str, Item<'c>)>) -> Self {
        let entry = |(place, (name, item))| Entry { name: Cow::Borrowed(name), stored_as: name, place, item };
        Self { entries: tensors.enumerate().map(entry).collect(), ordered: true }
    }

    /// Names with their items, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Item<'c>)> {
        self.entries.iter().map(|entry| (&*entry.name, entry.item))
    }

    /// The item of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Item<'c>> {
        self.entry(name).map(|entry| entry.item)
    }

    /// The entry of a name.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry<'c>> {
        let index = self.entries.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        Some(&self.entries[index])
    }
}

/// The entries of a dictionary; the last of several with the same key counts.
fn entries<'c>(document: &'c Document, dictionary: u32) -> StateDict<'c> {
    let item = |row: &Row| {
        let other = || Item::Other(document.class(row.value));
        (document.key(row), document.tensor(row.value).map_or_else(other, Item::Tensor))
    };
    let mut found = StateDict::of(document.rows(dictionary).iter().map(item));
    found.entries.sort_by(|a, b| a.stored_as.cmp(b.stored_as).then(b.place.cmp(&a.place)));
    found.entries.dedup_by_key(|entry| entry.stored_as);
    found
}

/// A name shortened for messages: a name may be as long as its file.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_SHOWN) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}...", &name[..end])),
    }
}

/// The first names of a list, as text.
pub(super) fn shown<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names = names.peekable();
    let mut text = names.by_ref().take(SHOWN).map(short).collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        text.push_str("(none)");
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
