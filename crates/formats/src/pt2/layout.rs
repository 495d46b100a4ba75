//! The layouts of archives, by the version of PyTorch that wrote them.
//!
//! | PyTorch | graph | tensors |
//! |---|---|---|
//! | 2.6, 2.7 | `serialized_exported_program.json` | `.pt` files in the root, by `torch.save` |
//! | 2.8 | `ROOT/models/NAME.json` | `.pt` files in `ROOT/data`, by `torch.save` |
//! | from 2.9 | `ROOT/models/NAME.json` | raw bytes in `ROOT/data`, listed in JSON files |
//!
//! The `.pt` files of the first layout are `serialized_state_dict.pt` and
//! `serialized_constants.pt`, those of the second `weights/NAME.pt` and `constants/NAME.pt`. The
//! third has the bytes in `weights`, with the table `NAME_weights_config.json` there, and likewise
//! in `constants`.
//!
//! The graph's schema is of the version 8.2 in PyTorch 2.6, 8.7 in 2.7, 8.8 in 2.8, 8.14 in 2.9,
//! 8.15 in 2.10, 8.17 in 2.11, 8.20 in 2.12 to 2.15. `tests/exported/versions` has files of 2.6 to
//! 2.14. PyTorch 2.5 writes version 7.3, which is refused.

use super::tensors::{self, Tensors};
use crate::{
    error::{Refusal, Result},
    zip::{self, Archive},
};

/// The remedy for a file that cannot be read.
const EXPORT: &str = "write it again with torch.export.save(torch.export.export(module, (x,)), path)";

/// The parts of an archive.
pub(super) struct Parts<'a> {
    /// The graph as JSON.
    pub program: &'a [u8],
    /// Parameters and buffers.
    pub weights: Tensors<'a>,
    /// Constant tensors of the network's code.
    pub constants: Tensors<'a>,
}

impl<'a> Parts<'a> {
    /// Finds the parts of a file.
    pub fn find(file: &'a [u8]) -> Result<Self, Refusal> {
        let archive = Archive::parse(file).map_err(|why| {
            damaged(format!("is not a complete zip archive as torch.export.save writes it: {why}"))
        })?;
        let entries = Entries(&archive);
        if let Some(program) = entries.get("serialized_exported_program.json")? {
            return flat(&entries, program);
        }
        let names = archive.entries().filter_map(zip::Entry::name);
        let mut models = names.filter_map(|name| {
            let (root, model) = name.strip_suffix(".json")?.rsplit_once("models/")?;
            (root.is_empty() || root.ends_with('/')).then_some((root, model))
        });
        match models.next() {
            Some((root, model)) => foldered(&entries, root, model),
            None => Err(Refusal::new(
                "is a zip archive without a graph, so that it is not of torch.export.save",
                EXPORT,
            )),
        }
    }
}

/// Reads the layout without folders (up to PyTorch 2.7).
fn flat<'a>(entries: &Entries<'a, '_>, program: &'a [u8]) -> Result<Parts<'a>, Refusal> {
    let tensors = |name: &str| match entries.get(name)? {
        Some(bytes) if !bytes.is_empty() => tensors::pickled(bytes, name),
        _ => Ok(Tensors::new()),
    };
    let (weights, constants) = (tensors("serialized_state_dict.pt")?, tensors("serialized_constants.pt")?);
    Ok(Parts { program, weights, constants })
}

/// Reads the layouts with folders (from PyTorch 2.8 on).
fn foldered<'a>(entries: &Entries<'a, '_>, root: &str, model: &str) -> Result<Parts<'a>, Refusal> {
    if entries.get(&format!("{root}byteorder"))?.is_some_and(|order| order != b"little") {
        return Err(Refusal::new("holds big-endian numbers", "export it again on a little-endian machine"));
    }
    let tensors = |kind: &str| {
        let folder = format!("{root}data/{kind}/");
        if let Some(table) = entries.get(&format!("{folder}{model}_{kind}_config.json"))? {
            return tensors::listed(entries, table, &folder);
        }
        let path = format!("{folder}{model}.pt");
        match entries.get(&path)? {
            Some(bytes) if !bytes.is_empty() => tensors::pickled(bytes, &path),
            _ => Ok(Tensors::new()),
        }
    };
    let program = entries.get(&format!("{root}models/{model}.json"))?.unwrap_or_default();
    Ok(Parts { program, weights: tensors("weights")?, constants: tensors("constants")? })
}

/// The entries of an archive, borrowed from the file.
pub(super) struct Entries<'a, 'e>(&'e Archive<'a>);

impl<'a> Entries<'a, '_> {
    /// An entry's contents; `None` if there is no entry of this name.
    pub fn get(&self, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
        let packed = || {
            let problem =
                format!("its entry {name} is compressed or encrypted, which torch.export.save never does");
            Refusal::new(problem, EXPORT)
        };
        self.0.get(name).map(|entry| entry.stored().ok_or_else(packed)).transpose()
    }
}

/// The refusal of a truncated or changed file.
pub(super) fn damaged(problem: impl Into<String>) -> Refusal {
    Refusal::new(problem, format!("copy the file again, or {EXPORT}"))
}
