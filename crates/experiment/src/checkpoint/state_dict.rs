//! A state dict: names with tensors, found in a file.

use std::{borrow::Cow, fmt, path::PathBuf};

use candle_core::Tensor;
use eigenscape_core::{pickle::Document, tensor_file::Stored};

use super::{
    contents::Contents,
    refusal::{Refusal, Result},
    search::dictionary,
};

/// At most so many names of a list are shown.
pub(super) const SHOWN: usize = 20;
/// At most so many characters of a name are shown.
const LONGEST_SHOWN: usize = 100;

/// Which file, and which part of it, under which names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The file.
    pub path: PathBuf,
    /// The dictionary of tensors in the file, keys joined by dots; `None` for the file's own, or the only one in it.
    pub key: Option<String>,
    /// Prefixes to take away from names, one after the other.
    pub strip_prefix: Vec<String>,
}

/// Names with what stands under them, sorted.
#[derive(Debug)]
pub struct StateDict<'c> {
    entries: Vec<(&'c str, Item<'c>)>,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'c> {
    /// A tensor.
    Tensor(Stored<'c>),
    /// Anything else: module and name of its class, where it is an object.
    Other(Option<[&'c str; 2]>),
}

/// How to mend a tensor of a type that is not read.
const OTHER_TYPE: &str = "save it as float32, as in tensor.float(), or classes as int64, as in tensor.long()";

impl Item<'_> {
    /// A copy of a tensor in its own type.
    pub(crate) fn tensor(&self, name: &str) -> Result<candle_core::Result<Tensor>> {
        let Self::Tensor(stored) = self else { return Err(self.refuse(name)) };
        let refuse = |what: String, remedy| Refusal::new(format!("`{}` {what}", short(name)), remedy);
        let dtype = stored.candle_dtype().ok_or_else(|| {
            refuse(format!("is of type {:?}, which is not read", stored.dtype()), OTHER_TYPE)
        })?;
        if stored.repeats() {
            let what = "is larger than what the file has of it".to_owned();
            return Err(refuse(what, "save it without repetition, as in tensor.contiguous()"));
        }
        Ok(stored.to_tensor(dtype, dtype))
    }

    /// Why something else than a tensor cannot be used as one.
    pub(super) fn refuse(&self, name: &str) -> Refusal {
        let class = if let Self::Other(class) = self { *class } else { None };
        let remedy = class.and_then(unusual_tensor);
        let remedy = remedy.unwrap_or("save tensors alone, as in torch.save(model.state_dict(), path)");
        Refusal::new(format!("`{}` is {self}", short(name)), remedy)
    }
}

/// How to mend a tensor that is an object of a class that is not read: of eight bits, complex, sparse, quantised.
pub(super) fn unusual_tensor(class: [&str; 2]) -> Option<&'static str> {
    match class {
        ["torch._utils", kind] if kind.starts_with("_rebuild") => Some(
            "save it as an ordinary tensor of float32, as in tensor.float(), tensor.to_dense() or tensor.dequantize()",
        ),
        ["torch", kind] if kind.ends_with("Storage") => Some(OTHER_TYPE),
        _ => None,
    }
}

/// What it is, for messages.
impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Tensor(stored) => write!(f, "{:?}", stored.shape()),
            Self::Other(None) => f.write_str("not a tensor"),
            Self::Other(Some(class)) => write!(f, "not a tensor: an object of {}", class.join(".")),
        }
    }
}

impl<'c> StateDict<'c> {
    /// The dictionary that is asked for, and what should be known about the choice.
    pub(super) fn find(contents: &'c Contents, selection: &Selection) -> Result<(Self, Vec<String>)> {
        let (mut found, notes) = match contents {
            Contents::Safetensors(tensors) => {
                if let Some(key) = &selection.key {
                    return Err(Refusal::new(
                        format!("is a safetensors file, which has no dictionary `{key}`"),
                        "remove `key`",
                    ));
                }
                let entries = tensors.iter().map(|(name, tensor)| (name, Item::Tensor(tensor))).collect();
                (Self { entries }, Vec::new())
            }
            Contents::Pickled(document) => {
                let (dictionary, notes) = dictionary(document, selection.key.as_deref())?;
                (Self { entries: entries(document, dictionary) }, notes)
            }
        };
        for prefix in &selection.strip_prefix {
            found.strip(prefix)?;
        }
        found.entries.sort_unstable_by_key(|(name, _)| *name);
        match found.entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok((found, notes)),
            Some(pair) => Err(Refusal::new(
                format!("has two tensors of the name {}", short(pair[0].0)),
                "change `strip_prefix` so that names stay different, or save the file again",
            )),
        }
    }

    /// Names with what stands under them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&'c str, Item<'c>)> {
        self.entries.iter().copied()
    }

    /// What stands under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Item<'c>> {
        let index = self.entries.binary_search_by_key(&name, |(name, _)| name).ok()?;
        Some(self.entries[index].1)
    }

    fn strip(&mut self, prefix: &str) -> Result<()> {
        let mut stripped = false;
        for (name, _) in &mut self.entries {
            if let Some(rest) = name.strip_prefix(prefix) {
                (*name, stripped) = (rest, true);
            }
        }
        if stripped {
            return Ok(());
        }
        let names = shown(self.entries.iter().map(|(name, _)| *name));
        Err(Refusal::new(
            format!("has no name that begins with {prefix:?}; its names are: {names}"),
            "correct or remove `strip_prefix`",
        ))
    }
}

/// The entries of a dictionary, the last of each key.
fn entries<'c>(document: &'c Document, dictionary: u32) -> Vec<(&'c str, Item<'c>)> {
    let mut entries: Vec<(&str, Item)> = document
        .rows(dictionary)
        .iter()
        .rev()
        .map(|row| {
            let other = || Item::Other(document.class(row.value));
            (document.key(row), document.tensor(row.value).map_or_else(other, Item::Tensor))
        })
        .collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.dedup_by_key(|(name, _)| *name);
    entries
}

/// A name as it is shown: a file may have names as long as itself.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_SHOWN) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}...", &name[..end])),
    }
}

/// The first names of a list.
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
