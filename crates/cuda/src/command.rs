//! The commands of a compiled plan. They refer to places, whose addresses a run fills in.

use crate::cublas::Product;

/// A location: an offset in bytes into a piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub base: Base,
    pub offset: usize,
}

/// A piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// An input of the run.
    Input(usize),
    /// The memory of intermediate results.
    Arena,
    /// A result of the run, by its index among the results.
    Output(usize),
    /// A table or matrix that was uploaded when the plan was compiled.
    Constant(usize),
}

impl Place {
    /// The start of a piece of memory.
    pub fn start(base: Base) -> Self {
        Self { base, offset: 0 }
    }

    /// The place `bytes` bytes further.
    pub fn plus(self, bytes: usize) -> Self {
        Self { offset: self.offset + bytes, ..self }
    }
}

/// An entry of a kernel's table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// A literal number.
    Number(u64),
    /// An address.
    At(Place),
}

impl From<usize> for Word {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<f64> for Word {
    fn from(number: f64) -> Self {
        Self::Number(number.to_bits())
    }
}

impl From<Place> for Word {
    fn from(place: Place) -> Self {
        Self::At(place)
    }
}

/// Work that is enqueued on the stream.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Launches a kernel, given by its index among the plan's kernels.
    Launch { kernel: usize, blocks: u32, words: Vec<Word> },
    /// Computes a batch of matrix products.
    Multiply(Product<Place>),
    /// Sets memory to zero.
    Zero { at: Place, bytes: usize },
    /// Evaluates a plugin operation on the host, by its definition.
    OnHost(Box<HostStep>),
}

/// An operation that is evaluated on the host.
#[derive(Debug, Clone)]
pub(crate) struct HostStep {
    pub operation: std::sync::Arc<dyn eigenscape_program::Primitive>,
    /// The operands in row-major order: the place, the shape with the leading axis, and whether
    /// there is a leading axis.
    pub args: Vec<(Place, Vec<usize>, bool)>,
    pub dtype: candle_core::DType,
    pub result: Place,
}
