//! Lowered programs: the steps that a backend runs, after fusion.

use eigenscape_program::{Operation, Program};

use crate::{
    backend::Planning, fuse::fuse, kernel::Kernel, pairs::pair, scan::LoweredScan, workspace::Workspace,
};

/// A step with the slots of its operands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LoweredStep {
    pub kernel: Kernel,
    pub args: Vec<usize>,
}

/// A program as a backend runs it. Slots are numbered: the inputs first, then the result of each
/// step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lowered {
    pub(crate) shapes: Vec<Vec<usize>>,
    pub(crate) inputs: usize,
    pub(crate) steps: Vec<LoweredStep>,
    pub(crate) outputs: Vec<usize>,
    /// The workspaces of its steps.
    pub(crate) workspace: Workspace,
}

impl Lowered {
    /// Lowers a program, fusing the steps that `planning` allows.
    #[must_use]
    pub fn new(program: &Program, planning: Planning) -> Self {
        let kernel = |operation: &Operation| match operation {
            Operation::Scan(scan) => Kernel::Scan(LoweredScan::new(scan.clone(), planning)),
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
            workspace: planning.workspace,
        };
        lowered = pair(lowered, planning.fusion);
        if planning.fusion.chains {
            lowered = fuse(lowered);
        }
        lowered
    }

    /// The names of the steps in order, for tests and profiles.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.steps.iter().map(|step| step.kernel.name())
    }
}
