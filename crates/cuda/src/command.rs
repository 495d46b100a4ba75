//! What a compiled plan does: commands at places whose addresses a run fills in.

use crate::cublas::Product;

/// Where something lies: so many bytes into a piece of memory.
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
    /// A result of the run, by its slot.
    Output(usize),
    /// A table or matrix that was placed when the plan was compiled.
    Constant(usize),
}

impl Place {
    /// The start of a piece of memory.
    pub fn start(base: Base) -> Self {
        Self { base, offset: 0 }
    }

    /// So many bytes further.
    pub fn plus(self, bytes: usize) -> Self {
        Self { offset: self.offset + bytes, ..self }
    }
}

/// An entry of a kernel's table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// A number as it is.
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

/// Something that is begun on the stream.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// A kernel, by its number among those of the plan.
    Launch { kernel: usize, blocks: u32, words: Vec<Word> },
    /// A batch of matrix products.
    Multiply(Product<Place>),
    /// Zeros.
    Zero { at: Place, bytes: usize },
    /// An operation of a plugin, by its definition, on the host.
    OnHost(Box<HostStep>),
}

/// An operation that is evaluated on the host.
#[derive(Debug, Clone)]
pub(crate) struct HostStep {
    pub operation: std::sync::Arc<dyn eigenscape_program::Primitive>,
    /// The operands in row-major order, their shapes with the leading axis, and whether they have
    /// it.
    pub args: Vec<(Place, Vec<usize>, bool)>,
    pub dtype: candle_core::DType,
    pub result: Place,
}
