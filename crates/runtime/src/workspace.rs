//! The workspace of a step: memory that it needs only while it runs, for reordered copies of
//! operands and for partial results. It lies in the arena. How much it is, a backend says.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use candle_core::DType;

use crate::{kernel::Kernel, layout::Layout};

/// An operand or the result of a step.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// How its elements lie.
    pub layout: &'a Layout,
    /// Their type.
    pub dtype: DType,
    /// Whether the first axis is the leading one.
    pub led: bool,
}

/// Bytes of a step's workspace for its kernel, its operands, its result and the type in which it
/// computes. Scans are not asked for: their workspace follows from the plan of their body.
pub type Bound = fn(&Kernel, &[Operand], Operand, DType) -> usize;

/// The workspaces of the steps of one backend. Two of the same name are equal.
#[derive(Clone, Copy)]
pub struct Workspace {
    name: &'static str,
    bound: Bound,
}

impl Workspace {
    /// The workspaces that `bound` gives, under the backend's name.
    #[must_use]
    pub const fn new(name: &'static str, bound: Bound) -> Self {
        Self { name, bound }
    }

    /// The most bytes that a step holds in addition to its operands and its result.
    pub(crate) fn bytes(self, kernel: &Kernel, args: &[Operand], result: Operand, compute: DType) -> usize {
        (self.bound)(kernel, args, result, compute)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Workspace {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Workspace {}

impl Hash for Workspace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
