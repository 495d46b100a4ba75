//! Files of weights: what `torch.save` wrote, or safetensors, recognised by how they begin.

use crate::{
    error::{Refusal, Result},
    pickle::{self, Document, Known, Limits, Trouble},
    safetensors::Tensors,
    zip::{self, Archive},
};

/// How the pickles begin that `torch.save` wrote before it wrote zip archives: protocol 2, and
/// PyTorch's number as a long integer of ten bytes.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// Memory for what a file describes beside as many bytes as the file has itself: a small file
/// describes more than it holds.
const DESCRIPTION: usize = 1 << 20;
/// At most so many classes are named.
const LISTED: usize = 8;

/// What a file holds.
pub enum Contents<'a> {
    /// Names with tensors.
    Safetensors(Tensors<'a>),
    /// Whatever was given to `torch.save`.
    Pickled(Document<'a>),
}

impl<'a> Contents<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is damaged, of neither format, or holds a program.
    pub fn parse(file: &'a [u8]) -> Result<Self, Refusal> {
        let remedy = "save it again with torch.save(model.state_dict(), path), which writes a zip archive, or with \
                      safetensors.torch.save_file";
        if file.starts_with(zip::MAGIC) {
            pickled(file).map(Self::Pickled)
        } else if file.starts_with(LEGACY) {
            Err(Refusal::new("is of the format that torch.save wrote before PyTorch 1.6", remedy))
        } else if is_pickle(file) && !Tensors::recognised(file) {
            Err(Refusal::new("is a pickle, but not one of torch.save", remedy))
        } else {
            let tensors = Tensors::parse(file);
            tensors
                .map(Self::Safetensors)
                .map_err(|why| damaged(format!("is not a complete safetensors file: {why}")))
        }
    }

    /// A note on classes and functions that the file names and that were not loaded, where there
    /// are any.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        let Self::Pickled(document) = self else { return None };
        let foreign: Vec<_> = document.foreign().iter().take(LISTED).map(|names| names.join(".")).collect();
        (!foreign.is_empty()).then(|| format!("neither loaded nor run: {}", foreign.join(", ")))
    }
}

/// Whether a file begins with the number of a pickle protocol.
fn is_pickle(file: &[u8]) -> bool {
    matches!(file, [0x80, 2..=5, ..])
}

/// The pickle in an archive of `torch.save`.
fn pickled(file: &[u8]) -> Result<Document<'_>, Refusal> {
    let archive = Archive::parse(file)
        .map_err(|why| damaged(format!("is not a complete zip archive as torch.save writes it: {why}")))?;
    let names = archive.entries().filter_map(zip::Entry::name);
    let mut roots = names.filter_map(|name| name.strip_suffix("data.pkl"));
    let root = roots.find(|root| root.is_empty() || root.ends_with('/')).ok_or_else(|| {
        Refusal::new(
            "is a zip archive without data.pkl, so that it is not of torch.save",
            "save the weights with torch.save(model.state_dict(), path)",
        )
    })?;
    let get = |name: &str| stored(&archive, &format!("{root}{name}"));
    if get("constants.pkl")?.is_some() {
        return Err(Refusal::new(
            "is a TorchScript archive, which holds a program",
            "save the weights alone: torch.save(torch.jit.load(path).state_dict(), other_path)",
        ));
    }
    if get("byteorder")?.is_some_and(|order| order != b"little") {
        return Err(Refusal::new("holds big-endian numbers", "save it again on a little-endian machine"));
    }
    let data = get("data.pkl")?.unwrap_or_default();
    let limits = Limits { memory: file.len().saturating_add(DESCRIPTION) };
    let entry = |key: &str| get(&format!("data/{key}")).ok().flatten();
    pickle::run(data, Known::Torch, limits, &entry).map_err(refusal)
}

/// The contents of an entry; `None` when there is none of that name.
fn stored<'a>(archive: &Archive<'a>, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
    let packed = || {
        Refusal::new(
            format!("its entry {name} is compressed or encrypted, which torch.save never does"),
            "save the file again with torch.save(model.state_dict(), path)",
        )
    };
    archive.get(name).map(|entry| entry.stored().ok_or_else(packed)).transpose()
}

/// Why a pickle cannot be used.
fn refusal(trouble: Trouble) -> Refusal {
    let remedy = "save only model.state_dict() with torch.save";
    match trouble {
        Trouble::TooLong => Refusal::new("has a data.pkl of more than 4 GiB", remedy),
        Trouble::TooMuch => Refusal::new(
            "describes more than its size allows (its data.pkl is damaged, or not of torch.save)",
            remedy,
        ),
        Trouble::Instruction(problem, at) => damaged(format!(
            "is not as torch.save writes it: {problem} (instruction at byte {at} of its data.pkl)"
        )),
    }
}

/// A file that is cut short or changed.
fn damaged(problem: impl Into<String>) -> Refusal {
    Refusal::new(
        problem,
        "copy the file again, or save it again: in PyTorch torch.save(model.state_dict(), path), \
         or safetensors.torch.save_file(model.state_dict(), path)",
    )
}
