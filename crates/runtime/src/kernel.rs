//! What a backend runs: operations, and steps that stand for several of them.

use eigenscape_program::{Operation, Primitive, Real, operations::Conv2d};

use crate::scan::LoweredScan;

/// One step of a [`Lowered`](crate::Lowered) program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// One operation.
    Operation(Operation),
    /// A recurrence, whose body is a program of its own.
    Scan(LoweredScan),
    /// A chain of element-wise operations, and the sum at its end.
    Chain(Chain),
    /// The sum of two results of one convolution: f(a₁, a₂) + f(b₁, b₂), the operands in this
    /// order.
    TwoConvolutions(Conv2d),
}

impl Kernel {
    /// Its name in messages and profiles.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Operation(operation) => operation.rules().name(),
            Self::Scan(scan) => scan.scan.name(),
            Self::Chain(_) => "fused",
            Self::TwoConvolutions(_) => "two convolutions",
        }
    }
}

/// A chain of element-wise operations in one pass over memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chain {
    /// What is done with each element, for a stack machine.
    pub code: Vec<Instruction>,
    /// The shape of the chain's result, before the sum.
    pub shape: Vec<usize>,
    /// The axes that are summed at the end, which keep the size 1.
    pub sum: Option<Vec<usize>>,
}

/// An instruction of a stack machine: what an operation is applied to is on top of the stack, and
/// is replaced by its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// Pushes an operand.
    Operand(usize),
    /// Takes as many entries as it needs, the right operand on top.
    Apply(ElementWise),
}

/// Operations on single numbers that may be joined into chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementWise {
    /// x + y.
    Add,
    /// x · y.
    Mul,
    /// c · x.
    Scale(Real),
    /// max(x, 0).
    Relu,
    /// 1 for x > 0, otherwise this.
    Step(Real),
}

impl ElementWise {
    /// Whether the result is rematerialised at each use instead of stored: its operand is mostly
    /// stored anyway, and a chain that reads the operand reads no more than one that reads the
    /// result.
    #[must_use]
    pub fn is_rematerialised(self) -> bool {
        matches!(self, Self::Step(_))
    }
}
