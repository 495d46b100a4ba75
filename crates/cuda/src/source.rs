//! The source of kernels: the common prelude, the handwritten kernels and the generated kernels.

use std::{
    fmt::Write,
    hash::{DefaultHasher, Hash, Hasher},
};

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{Result, driver::THREADS};

const PRELUDE: &str = include_str!("source/prelude.cu");

/// Handwritten kernels, for floating-point numbers of type T. Their names begin with `NAME_`, which
/// is replaced by the type's name. The kernels of a group are compiled together when one of them is
/// needed. Those of Winograd's filtering are a group of their own, because they take as long to
/// compile as all others.
const BY_HAND: [&[&str]; 2] = [
    &[
        include_str!("source/vectors.cu"),
        include_str!("source/basis.cu"),
        include_str!("source/rows.cu"),
        include_str!("source/windows.cu"),
        include_str!("source/convolution.cu"),
    ],
    &[include_str!("source/winograd.cu")],
];

/// The most parts of vectors that one kernel cuts or joins, and the most vectors that it adds up:
/// `PARTS` in the kernels' source.
pub(crate) const PARTS: usize = 64;

/// The name of a kernel, and its source if it is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelSource {
    pub name: String,
    /// The number of words in its table.
    pub words: usize,
    text: Option<String>,
}

impl KernelSource {
    /// A handwritten kernel.
    pub fn by_hand(name: &str, dtype: DType) -> Self {
        Self { name: format!("{}_{name}", short(dtype)), words: words_of(name), text: None }
    }

    /// A generated kernel, named by a hash of its source: the same source is the same kernel.
    pub fn generated(what: &str, words: usize, body: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (what, words, body).hash(&mut hasher);
        let name = format!("{what}_{:016x}", hasher.finish());
        let text = format!("KERNEL({name}, {words}) {{\n{body}}}\n");
        Self { name, words, text: Some(text) }
    }

    /// The number of blocks with at least `threads` threads; an error unless the kernel takes
    /// `words` words.
    pub fn blocks(&self, threads: usize, words: usize) -> Result<u32> {
        if words != self.words {
            return Err(Error::Device(format!("{words} words for {}, not {}", self.name, self.words)));
        }
        let threads = u32::try_from(threads).map_err(|_| {
            Error::unsupported("more than 4 billion numbers at once on a GPU: take fewer samples or vectors")
        })?;
        Ok(threads.div_ceil(THREADS))
    }
}

/// The name of a type in the names of kernels.
fn short(dtype: DType) -> &'static str {
    if dtype == DType::F64 { "f64" } else { "f32" }
}

/// The name of a type in C.
pub(crate) fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "double",
        DType::F32 => "float",
        _ => "u32",
    }
}

/// The source of a module with these kernels, and the names of all kernels in it. A group of
/// handwritten kernels is included as a whole, so that it is compiled once.
pub(crate) fn module(kernels: &[&KernelSource]) -> (String, Vec<String>) {
    let mut source = format!("{PRELUDE}\n#define PARTS {PARTS}\n");
    let mut names = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        for group in BY_HAND {
            let text = group.concat().replace("NAME_", &format!("{}_", short(dtype)));
            let group = names_in(&text);
            if kernels.iter().any(|kernel| group.contains(&kernel.name)) {
                names.extend(group);
                // Writing to a string cannot fail.
                let _ = write!(source, "#define T {}\n{text}#undef T\n", c_type(dtype));
            }
        }
    }
    for kernel in kernels {
        if let Some(text) = &kernel.text {
            source.push_str(text);
            names.push(kernel.name.clone());
        }
    }
    (source, names)
}

/// The number of words that a handwritten kernel takes; 0 if there is no such kernel.
fn words_of(name: &str) -> usize {
    let head = format!("\nKERNEL(NAME_{name}, ");
    let mut sources = BY_HAND.iter().copied().flatten();
    let rest = sources.find_map(|source| source.split_once(&head)).map_or("", |(_, rest)| rest);
    let count = rest.split(')').next().unwrap_or("").replace("PARTS", &PARTS.to_string());
    // The number is written as a sum of products.
    let number = |factor: &str| factor.trim().parse::<usize>().ok();
    let product = |factors: &str| factors.split('*').map(number).product::<Option<usize>>();
    count.split('+').map(product).sum::<Option<usize>>().unwrap_or(0)
}

/// The names of all kernels in a source.
fn names_in(source: &str) -> Vec<String> {
    let starts = source.split("\nKERNEL(").skip(1);
    starts.filter_map(|rest| rest.split_once(',')).map(|(name, _)| name.to_owned()).collect()
}
