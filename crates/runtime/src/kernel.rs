//! Kernels: what a backend runs as one step, either one operation or several fused ones.

use eigenscape_program::{
    Operation, Primitive, Real,
    operations::{Conv2d, MatMul},
};

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
    /// The sum of two results of the same convolution: f(a₁, a₂) + f(b₁, b₂), with the operands in
    /// this order.
    TwoConvolutions(Conv2d),
    /// The sum of two results of the same matrix product, likewise.
    TwoProducts(MatMul),
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
            Self::TwoProducts(_) => "two products",
        }
    }
}

/// A chain of element-wise operations in one pass over memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chain {
    /// The program for each element, for a stack machine.
    pub code: Vec<Instruction>,
    /// The shape of the chain's result, before the sum.
    pub shape: Vec<usize>,
    /// The axes that are summed at the end, which are kept with size 1.
    pub sum: Option<Vec<usize>>,
}

/// An instruction of a stack machine: an operation replaces its operands on top of the stack by its
/// result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// Pushes an operand.
    Operand(usize),
    /// Pops the operands, the right one on top, and pushes the result.
    Apply(ElementWise),
}

/// Operations on single numbers that can be fused into chains.
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
    /// 1 for x > 0, otherwise this number.
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
