//! Lowered programs: steps that a backend runs, fused for it.

use eigenscape_program::{Operation, Program};

use crate::{backend::Fusion, fuse::fuse, kernel::Kernel, pairs::pair, scan::LoweredScan};

/// A step with the slots of its operands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LoweredStep {
    pub kernel: Kernel,
    pub args: Vec<usize>,
}

/// A program as a backend runs it: the inputs' slots first, then one slot a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lowered {
    pub(crate) shapes: Vec<Vec<usize>>,
    pub(crate) inputs: usize,
    pub(crate) steps: Vec<LoweredStep>,
    pub(crate) outputs: Vec<usize>,
}

impl Lowered {
    /// A program with its steps fused as a backend can run them.
    #[must_use]
    pub fn new(program: &Program, fusion: Fusion) -> Self {
        let kernel = |operation: &Operation| match operation {
            Operation::Scan(scan) => Kernel::Scan(LoweredScan::new(scan.clone(), fusion)),
            other => Kernel::Operation(other.clone()),
        };
        let steps = program.steps().iter();
        let steps =
            steps.map(|step| LoweredStep { kernel: kernel(&step.operation), args: step.args.clone() });
        let mut lowered = Self {
            shapes: program.shapes().to_vec(),
            inputs: program.inputs(),
            steps: steps.collect(),
            outputs: program.outputs().to_vec(),
        };
        if fusion.pairs {
            lowered = pair(lowered);
        }
        if fusion.chains {
            lowered = fuse(lowered);
        }
        lowered
    }

    /// The names of the steps in order, for tests and profiles.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.steps.iter().map(|step| step.kernel.name())
    }
}
